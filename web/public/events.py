"""
Versions of the page -> server-sent events: an open page hears that it has changed, and fetches it.

Rule 1: an event is publication, not delivery: it never counts as somebody warned.
Rule 2: a stream begins with the present version, so that a page which was away finds out what it missed.
Rule 3: a stream keeps nothing but the version that it said last: a slow one misses versions, never the newest, and delays nobody.
Rule 4: a listener that goes is forgotten at once.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send

from web.guarding import careful
from web.public.editions import Editions

ALIVE_SECONDS = 15.0
"""Something is sent at least so often, so that a broken line is found out."""
MOST_LISTENERS = 5_000
RETRY = b"retry: 3000\n\n"
ALIVE = b": alive\n\n"
_FULL = json.dumps({"detail": "too many open pages; reload by the link"}).encode()


class Events:
    """The address of the streams; one call is one open page."""

    def __init__(self, editions: Editions, most: int = MOST_LISTENERS, alive: float = ALIVE_SECONDS) -> None:
        self._editions, self._most, self._alive = editions, most, alive
        self._start = _start(
            200, {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        self._refusal = _start(503, {"Content-Type": "application/json", "Content-Length": str(len(_FULL)), "Retry-After": "60"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say versions until the editions are closed or the listener goes; refuse where too many listen."""
        if len(self._editions.waiting) >= self._most:
            await send(self._refusal)
            await send(_part(_FULL, more=False))
            return
        await send(self._start)
        if scope["method"] == "GET":
            await self._stream(receive, send)
        await send(_part(b"", more=False))

    async def _stream(self, receive: Receive, send: Send) -> None:
        wake = asyncio.Event()
        self._editions.waiting.add(wake)
        leaving = asyncio.create_task(_until_left(receive))
        leaving.add_done_callback(lambda _: wake.set())
        try:
            await send(_part(RETRY))
            await self._say_versions(wake, leaving, send)
        finally:
            self._editions.waiting.discard(wake)
            leaving.cancel()

    async def _say_versions(self, wake: asyncio.Event, leaving: asyncio.Task[None], send: Send) -> None:
        said: str | None = None
        while not (self._editions.is_closed or leaving.done()):
            wake.clear()
            version = self._editions.version
            if version != said:
                said = version
                await send(_part(f"event: version\ndata: {version}\n\n".encode()))
            elif not await _woken(wake, self._alive):
                await send(_part(ALIVE))


async def _woken(wake: asyncio.Event, within: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            return await wake.wait()
    return False


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(status: int, headers: dict[str, str]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": careful(headers)}


def _part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
