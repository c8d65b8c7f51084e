"""
So many browsers -> what they got of `canhbao web`, and when, as JSON.

Run as a process of its own: `python -m bench.visitors '{"port": ..., ...}'`.

Rule 1: an answer counts when it is a 200 with the whole body and not a byte more, unpacked once by each connection; else the run raises.
Rule 2: at a given rate a request has its instant beforehand, and its latency counts from there, however long it waited for its turn.
"""

from __future__ import annotations

import gzip
import json
import re
import resource
import selectors
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

_HEADERS = "Host: localhost\r\nUser-Agent: bench\r\nAccept: text/html\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: vi,en;q=0.8\r\n\r\n"
PAGE = f"GET / HTTP/1.1\r\n{_HEADERS}".encode()
STREAM = f"GET /events HTTP/1.1\r\n{_HEADERS}".encode()
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_VERSION = re.compile(rb"data: ([0-9a-f]+)\n\n")
PATIENCE = 60.0
"""Seconds without a word from the server."""


@dataclass(slots=True)
class Visitor:
    """One connection."""

    link: socket.socket
    asked_at: float = 0.0
    """When its request was due."""
    missing: int = 0
    """Bytes of the answer; 0 before its headers have come."""
    got: bytearray = field(default_factory=bytearray)
    is_checked: bool = False


def ask(port: int, connections: int, seconds: float, rate: float | None = None) -> dict[str, Any]:
    """Ask for the page over kept connections, flat out or so many times a second."""
    watched, idle = selectors.DefaultSelector(), deque(Visitor(_connected(port)) for _ in range(connections))
    for visitor in idle:
        watched.register(visitor.link, selectors.EVENT_READ, visitor)
    latencies: list[float] = []
    start, asked = time.monotonic(), 0
    now = due = start
    while asked > len(latencies) or now < start + seconds:
        while idle and due <= now < start + seconds:
            visitor = idle.popleft()
            visitor.asked_at = due
            visitor.link.send(PAGE)
            asked += 1
            due = start + asked / rate if rate else now
        wait = max(0.0, due - now) if idle and now < start + seconds else PATIENCE
        ready = watched.select(wait)
        assert ready or wait < PATIENCE, "the server says nothing any more"
        for key, _ in ready:
            if _has_all(key.data):
                latencies.append(time.monotonic() - key.data.asked_at)
                idle.append(key.data)
        now = time.monotonic()
        due = due if rate else now
    return {"answers": len(latencies), "seconds": time.monotonic() - start, **_spread(latencies)}


def _has_all(visitor: Visitor) -> bool:
    """Read what has come; tells whether that was the end of an answer."""
    part = visitor.link.recv(262_144)
    assert part, "the server has closed the connection"
    if not visitor.missing:
        head, found, _ = (bytes(visitor.got) + part).partition(b"\r\n\r\n")
        if not found:
            visitor.got += part
            return False
        length = _LENGTH.search(head + b"\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert length, head
        visitor.missing = len(head) + 4 + int(length[1]) - len(visitor.got)
    visitor.missing -= len(part)
    assert visitor.missing >= 0, "more came than was said"
    if not visitor.is_checked:
        visitor.got += part
    if visitor.missing:
        return False
    if not visitor.is_checked:
        assert gzip.decompress(bytes(visitor.got).partition(b"\r\n\r\n")[2]).rstrip().endswith(b"</html>"), "the page is cut short"
        visitor.is_checked = True
    visitor.got.clear()
    return True


def listen(port: int, listeners: int) -> dict[str, float]:
    """Open so many streams, say so; when told that a change comes, forget what was heard until then, and wait until each has heard of it."""
    began, watched = time.monotonic(), selectors.DefaultSelector()
    for _ in range(listeners):
        link = _connected(port)
        link.sendall(STREAM)
        watched.register(link, selectors.EVENT_READ, bytearray())
    known: dict[int, bytes] = {}
    _versions(watched, known, listeners)
    print(json.dumps({"opened": time.monotonic() - began}), flush=True)
    sys.stdin.readline()
    _versions(watched, known, 0)
    print(json.dumps({"ready": 1}), flush=True)
    heard = _versions(watched, known, listeners)
    return {"first_at": min(heard.values()), "last_at": max(heard.values())}


def _versions(watched: selectors.BaseSelector, known: dict[int, bytes], listeners: int) -> dict[int, float]:
    """Wait until so many streams have said another version than the known one (0: read what is there); gives when each did."""
    heard: dict[int, float] = {}
    while ready := watched.select(PATIENCE if listeners else 0.0):
        for key, _ in ready:
            part = key.fileobj.recv(65_536)  # type: ignore[union-attr]  # sockets are what was registered
            assert part, f"a stream was closed: {bytes(key.data)!r}"
            key.data.extend(part)
            said = _VERSION.findall(key.data)
            if said and said[-1] != known.get(key.fd):
                known[key.fd], heard[key.fd] = said[-1], time.monotonic()
                key.data.clear()
        if listeners and len(heard) == listeners:
            return heard
    assert not listeners, f"{len(heard)} of {listeners} streams have said a version"
    return heard


def _connected(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def _spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {f"p{part}_ms": ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))] * 1e3 for part in (50, 99, 99.9)}


def _raise_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    _raise_limit()
    given = json.loads(sys.argv[1])
    print(json.dumps(listen(**given) if "listeners" in given else ask(**given)), flush=True)
    sys.stdin.read()
