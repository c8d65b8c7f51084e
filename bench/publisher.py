"""
So many readings -> a broker, at QoS 1 and at a given rate; then the instants at which the high ones were sent, as JSON.

Run as a process of its own: `python -m bench.publisher '{"port": ..., ...}'`.

Rule 1: gauges speak in turn, and five minutes of event time pass from one turn to the next.
Rule 2: one in SPREAD is above the first level for two messages, so that it is raised; then it is low again.
Rule 3: frames are made before the clock starts, and it ends when the broker has acknowledged everything.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from rig import mqtt
from rig.city import device_of, topic_of
from rig.processes import answer, child

SPREAD = 48
LOW, HIGH = b"0.3", b"1.5"
"""Metres: below every level, and above the first."""
TURN = 300_000
"""Milliseconds of event time between two readings of a gauge."""
ROOT = "canhbao"
WINDOW = 4_000
"""Messages on their way to the broker."""
PATIENCE = 120.0
"""Seconds without a word from the broker."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to publish, where."""

    port: int
    messages: int
    gauges: int
    first_at: int
    """`observed_at` of the readings of turn 0, ms UTC."""
    packed: int = 1
    """Readings in a message; each is a turn."""
    rate: float = 1e9
    """Messages a second."""
    first_turn: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    root: str = ROOT
    """First word of the topics; ingest hears ROOT alone."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A PUBLISH, and the readings in it that are high."""

    data: bytes
    high: tuple[str, ...]
    """`device at`"""


def publish(task: Task) -> dict[str, Any]:
    """Publish, and wait for every PUBACK."""
    prepared = list(frames(task))
    sent_at: dict[str, float] = {}
    with socket.create_connection(("127.0.0.1", task.port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(mqtt.connect("bench-publisher", task.username, task.password))
        assert link.recv(4)[3] == 0, "the broker refuses the publisher"
        start, sent, acknowledged = time.monotonic(), 0, 0
        heard_at = start
        while acknowledged < 4 * task.messages:
            due = min(task.messages, int((time.monotonic() - start) * task.rate) + 1, acknowledged // 4 + WINDOW, sent + 200)
            if due > sent:
                _send(link, prepared[sent:due], sent_at)
                sent = due
            if select.select([link], [], [], 0.0005)[0]:
                acknowledged += len(link.recv(65_536))
                heard_at = time.monotonic()
            if time.monotonic() - heard_at > PATIENCE:
                raise TimeoutError(f"{acknowledged // 4} of {task.messages} acknowledged by the broker")
    return {"start": start, "end": time.monotonic(), "sent_at": sent_at}


def _send(link: socket.socket, some: list[Frame], sent_at: dict[str, float]) -> None:
    now = time.monotonic()
    for frame in some:
        for key in frame.high:
            sent_at[key] = now
    link.sendall(b"".join([frame.data for frame in some]))


def published(task: Task) -> dict[str, Any]:
    """Have a task published by a process of its own."""
    with child("bench.publisher", asdict(task)) as publisher:
        found: dict[str, Any] = json.loads(answer(publisher))
    return found


def frames(task: Task) -> Iterator[Frame]:
    """Give the PUBLISH frames of a task."""
    for n in range(task.messages):
        gauge, turn = n % task.gauges, task.first_turn + n // task.gauges * task.packed
        high = is_high(gauge, task.first_turn + n // task.gauges)
        instants = [task.first_at + (turn + k) * TURN for k in range(task.packed)]
        values = [b'"at":%d,"m":{"water_level":%s}' % (at, HIGH if high else LOW) for at in instants]
        body = values[0] if task.packed == 1 else b'"series":[%s]' % b",".join(b"{%s}" % value for value in values)
        seq = task.first_turn * task.gauges + n
        data = mqtt.publish(task.root + topic_of(gauge).removeprefix(ROOT), b'{"v":1,"boot":7,"seq":%d,%s}' % (seq, body), n % 65_535 + 1)
        yield Frame(data, tuple(f"{device_of(gauge)} {at}" for at in instants) if high else ())


def is_high(gauge: int, message: int) -> bool:
    """Tell whether a gauge is above the first level in a message of its own, counted from 0."""
    return (message // 2 + gauge) % SPREAD == SPREAD - 1


if __name__ == "__main__":
    print(json.dumps(publish(Task(**json.loads(sys.argv[1])))), flush=True)
