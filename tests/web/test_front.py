"""The page from memory, and its streams: what every browser may count on."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import pytest

from web.public.editions import Edition, Editions
from web.public.events import Events
from web.serving import MOST_DESCRIPTORS, SPARE, listener_on, room_for_streams

Site = Any
MANY = 200


@pytest.mark.parametrize("path", ["/", "/en"])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_head_says_of_a_page_what_get_says_and_sends_nothing(path: str, encoding: str, warned: Site) -> None:
    status, headers, body = warned.get(path, accept_encoding=encoding)
    head_status, head, nothing = warned.ask("HEAD", path, accept_encoding=encoding)

    assert (status, head_status, nothing) == (200, 200, b"")
    assert {**head, "date": ""} == {**headers, "date": ""}
    assert int(head["content-length"]) == len(body)


@pytest.mark.parametrize("listed", ["{}", "W/{}", '"other", W/{}', "*"])
def test_a_browser_that_has_the_page_is_told_so_with_the_same_headers(listed: str, warned: Site) -> None:
    _, headers, _ = warned.get("/", accept_encoding="gzip")
    status, known, body = warned.get("/", accept_encoding="gzip", if_none_match=listed.format(headers["etag"]))

    assert (status, body) == (304, b"")
    for name in ("etag", "vary", "cache-control", "content-language", "content-security-policy", "x-frame-options"):
        assert known[name] == headers[name]


@pytest.mark.parametrize("listed", ['"other"', "", 'W/"other"'])
def test_a_browser_with_another_page_gets_this_one(listed: str, warned: Site) -> None:
    assert warned.get("/", if_none_match=listed)[0] == 200


def test_a_shared_link_with_a_query_leads_to_the_page_and_an_endless_one_is_refused(warned: Site) -> None:
    assert warned.get("/?fbclid=abc")[2] == warned.get("/")[2]
    assert warned.get(f"/?fbclid={'x' * 1_200}")[0] == 414


def test_a_page_can_only_be_read(warned: Site) -> None:
    for path in ("/", "/en", "/events"):
        status, headers, _ = warned.ask("POST", path, b"{}")

        assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_a_stream_carries_the_careful_headers(warned: Site) -> None:
    status, headers, body = warned.ask("HEAD", "/events")

    assert (status, body) == (200, b"")
    assert headers["content-type"].startswith("text/event-stream")
    assert (headers["cache-control"], headers["x-accel-buffering"], headers["x-frame-options"]) == ("no-store", "no", "DENY")


def test_one_change_reaches_every_open_page_and_those_that_close_are_forgotten(site: Site, scenes: ModuleType) -> None:
    scene = scenes.warning()
    with scenes.serving(site, scene):
        streams = [opened(site.base) for _ in range(MANY)]
        first = {version_of(stream) for stream in streams}
        assert listeners(site) == MANY

        site.show(replace(scene, told=(replace(scene.told[0], level=2), scene.told[1])))

        second = {version_of(stream) for stream in streams}
        assert len(first) == len(second) == 1
        assert first != second
        for stream in streams:
            stream.close()
        site.when(lambda: listeners(site) == 0)


def test_a_connection_sends_small_answers_at_once() -> None:
    with (
        closing(listener_on("127.0.0.1", 0)) as listener,
        closing(socket.create_connection(listener.getsockname())),
        closing(listener.accept()[0]) as link,
    ):
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_streams_leave_descriptors_to_those_who_only_fetch_a_page() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1_024), hard))
    try:
        room = room_for_streams()

        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, MOST_DESCRIPTORS) == room + SPARE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- streams without a server


@dataclass
class Listener:
    """What one stream has sent; while `reads` is not set, the stream waits for its listener."""

    sent: list[Any] = field(default_factory=list)
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(message)

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    def versions(self) -> list[str]:
        return [line.removeprefix("data: ") for line in self.text().splitlines() if line.startswith("data: ")]


def streaming(alive: float, steps: Callable[[Editions, Callable[[], Listener]], Awaitable[None]], most: int = 10) -> None:
    async def run() -> None:
        editions, tasks = Editions(), []
        events = Events(editions, most, alive)

        def listener() -> Listener:
            made = Listener()
            made.reads.set()
            tasks.append(asyncio.create_task(events({"type": "http", "method": "GET"}, made.receive, made.send)))
            return made

        await steps(editions, listener)
        await editions.close()
        await asyncio.gather(*tasks)
        assert not editions.waiting

    asyncio.run(run())


async def settled() -> None:
    """Let everybody who can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_slow_listener_gets_the_newest_version_and_delays_nobody(state_of: Callable[[Any], Any], scenes: ModuleType) -> None:
    state = state_of(scenes.calm())

    async def steps(editions: Editions, listener: Callable[[], Listener]) -> None:
        slow, quick = listener(), listener()
        await settled()
        slow.reads.clear()
        for version in ("1", "2", "3", "4"):
            editions.publish(None, Edition(version, state, {}))
            await settled()
        assert quick.versions() == ["1", "2", "3", "4"]
        assert slow.versions() == []
        slow.reads.set()
        await settled()
        assert slow.versions() == ["1", "4"]

    streaming(60.0, steps)


def test_a_stream_without_news_gives_signs_of_life() -> None:
    async def steps(editions: Editions, listener: Callable[[], Listener]) -> None:
        quiet = listener()
        while quiet.text().count(": alive") < 3:
            await asyncio.sleep(0.001)
        assert quiet.versions() == []

    streaming(0.001, steps)


def test_too_many_listeners_are_refused_until_one_leaves() -> None:
    async def steps(editions: Editions, listener: Callable[[], Listener]) -> None:
        heard = listener(), listener()
        await settled()
        refused = listener()
        await settled()
        assert refused.sent[0]["status"] == 503
        assert (b"retry-after", b"60") in refused.sent[0]["headers"]
        heard[0].left.set()
        await settled()
        late = listener()
        await settled()
        assert late.sent[0]["status"] == 200

    streaming(60.0, steps, most=2)


# ---- streams of a real server


def opened(base: str) -> socket.socket:
    host, _, port = base.removeprefix("http://").partition(":")
    stream = socket.create_connection((host, int(port)), timeout=30)
    stream.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return stream


def version_of(stream: socket.socket) -> str:
    """Read until a version is said."""
    got = b""
    while not (got.endswith(b"\n\n\r\n") and b"data: " in got):
        part = stream.recv(4_096)
        assert part, "the stream was closed"
        got += part
    return got.rpartition(b"data: ")[2].split()[0].decode()


def listeners(site: Site) -> int:
    (line,) = (line for line in site.get("/metrics")[2].decode().splitlines() if line.startswith("canhbao_web_listeners "))
    return round(float(line.split()[1]))
