"""
So many readings -> a broker, at QoS 1 and at a given rate; then the instants at which the high ones were sent, as JSON.

Run as a process of its own: `python -m bench.publisher '{"port": ..., ...}'`.

Rule 1: gauges speak in turn. One in SPREAD is above the first level for two rounds, so the second reading raises it; then it is low again.
Rule 2: it ends when the broker has acknowledged everything.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.city import HIGH, LOW, name_of

SPREAD = 48
WINDOW = 4_000
"""Messages on their way to the broker."""
PATIENCE = 120.0
"""Seconds without a word from the broker."""


@dataclass(frozen=True)
class Task:
    """What to publish, where."""

    port: int
    messages: int
    gauges: int
    packed: int = 1
    """Readings in a message."""
    rate: float = 1e9
    """Messages a second."""
    first_round: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def publish(task: Task) -> dict[str, Any]:
    """Publish, and wait for every PUBACK."""
    sent_at: dict[str, float] = {}
    with socket.create_connection(("127.0.0.1", task.port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(_connect(task))
        assert link.recv(4)[3] == 0, "the broker refuses the publisher"
        source, start, sent, acknowledged = frames(task, sent_at), time.monotonic(), 0, 0
        heard_at = start
        while acknowledged < 4 * task.messages:
            due = min(task.messages, int((time.monotonic() - start) * task.rate) + 1, acknowledged // 4 + WINDOW, sent + 200)
            link.sendall(b"".join(next(source) for _ in range(due - sent)))
            sent = max(sent, due)
            if select.select([link], [], [], 0.0005)[0]:
                acknowledged += len(link.recv(65_536))
                heard_at = time.monotonic()
            if time.monotonic() - heard_at > PATIENCE:
                raise TimeoutError(f"{acknowledged // 4} of {task.messages} acknowledged by the broker")
    return {"start": start, "end": time.monotonic(), "sent_at": sent_at}


def frames(task: Task, sent_at: dict[str, float]) -> Iterator[bytes]:
    """Give PUBLISH frames; notes when each high reading leaves, by `device at`."""
    high, low = str(HIGH).encode(), str(LOW).encode()
    newest = [0] * task.gauges
    """Of each gauge: no two of its readings may share an instant, however fast its turn comes again."""
    for n in range(task.messages):
        gauge, turn = n % task.gauges, task.first_round + n // task.gauges
        name, at = name_of(gauge), max(time.time_ns() // 1_000_000 - task.packed, newest[gauge] + 1)
        newest[gauge] = at + task.packed - 1
        is_high = (turn // 2 + gauge) % SPREAD == SPREAD - 1
        value = high if is_high else low
        if task.packed == 1:
            payload = b'{"v":1,"boot":7,"seq":%d,"at":%d,"m":{"water_level":%s}}' % (n, at, value)
        else:
            series = b",".join(b'{"at":%d,"m":{"water_level":%s}}' % (at + k, value) for k in range(task.packed))
            payload = b'{"v":1,"boot":7,"seq":%d,"series":[%s]}' % (n, series)
        if is_high:
            now = time.monotonic()
            sent_at.update({f"{name} {at + k}": now for k in range(task.packed)})
        body = _text(f"canhbao/v1/{name}/up") + (n % 65_535 + 1).to_bytes(2, "big") + payload
        yield b"\x32" + _length(len(body)) + body


def _connect(task: Task) -> bytes:
    flags, who = 0x02, b""
    if task.username is not None:
        flags, who = 0xC2, _text(task.username) + _text(task.password or "")
    body = _text("MQTT") + bytes([4, flags, 0, 0]) + _text("bench-publisher") + who
    return b"\x10" + _length(len(body)) + body


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def _length(value: int) -> bytes:
    out = bytearray()
    while True:
        value, digit = divmod(value, 128)
        out.append(digit | (128 if value else 0))
        if not value:
            return bytes(out)


if __name__ == "__main__":
    print(json.dumps(publish(Task(**json.loads(sys.argv[1])))), flush=True)
