"""
A task as JSON -> messages into a broker, as a process of its own: `python -m torture.flow '{"port": ..., "kind": ...}'`.

Rule 1: `good` goes on until its standard input ends, then says when each reading left, as JSON: [[gauge, at, monotonic seconds], ...].
Rule 2: the others say `ready` and begin at a line on their standard input, so that what making the material costs falls on nobody; they
        end with it, and say how many messages the broker took.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rig import mqtt
from rig.brokers import Broker, Login
from rig.city import topic_of
from rig.publisher import Message, Publisher
from torture.hostile import Bad, material, unknown

Sent = tuple[int, int, float]
"""Gauge, instant in milliseconds, when it left (monotonic seconds)."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to publish, where."""

    kind: str
    """`good`, `material` or `unknown`."""
    port: int
    login: Login
    rate: float
    """Messages a second."""
    gauges: tuple[int, int]
    """The first, and the one after the last."""
    base: int = 0
    """Of the material, milliseconds UTC."""
    count: int = 0
    """Of unknown ones."""
    topics: bool = True

    @property
    def broker(self) -> Broker:
        """Give where to publish."""
        return Broker("", [], self.port, publisher=(self.login[0], self.login[1]))


def good(task: Task) -> list[Sent]:
    """Publish good readings until the standard input ends."""
    sent: list[Sent] = []
    with Publisher(task.broker, "good") as publisher:
        publisher.publish(_readings(task, sent), task.rate)
    return sent


def _readings(task: Task, sent: list[Sent]) -> Iterator[Message]:
    gauges, turn = range(*task.gauges), 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        gauge, at = gauges[turn % len(gauges)], time.time_ns() // 1_000_000
        sent.append((gauge, at, time.monotonic()))
        yield topic_of(gauge), b'{"v":1,"boot":7,"seq":%d,"at":%d,"m":{"water_level":0.3}}' % (turn, at)
        turn += 1


def hostile(task: Task) -> int:
    """Publish the material."""
    found = material(range(*task.gauges), task.base, topics=task.topics)
    _begin()
    with Publisher(task.broker, "hostile", window=100) as publisher:
        publisher.publish([(bad.topic, bad.payload) for bad in found if not is_flagged(bad)], task.rate)
    return publisher.acknowledged + publish_flagged(task.broker, [bad for bad in found if is_flagged(bad)])


def strangers(task: Task) -> int:
    """Publish for devices that nobody knows."""
    _begin()
    with Publisher(task.broker, "strangers") as publisher:
        publisher.publish(map(unknown, range(task.count)), task.rate)
    return publisher.acknowledged


def _begin() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def is_flagged(bad: Bad) -> bool:
    """Tell whether it needs flags that a publisher does not set."""
    return bad.retained or bad.again


def publish_flagged(broker: Broker, bads: list[Bad]) -> int:
    """Publish a few messages with their flags, on a connection of their own; gives how many the broker has acknowledged."""
    frames = [mqtt.publish(bad.topic, bad.payload, n + 1, again=bad.again, retained=bad.retained) for n, bad in enumerate(bads)]
    with socket.create_connection((broker.host, broker.port), 10) as link, link.makefile("rb") as answers:
        link.sendall(mqtt.connect("flagged", *broker.publisher))
        assert answers.read(4)[3:] == b"\0", "the broker refuses the publisher"
        link.sendall(b"".join(frames))
        return len(answers.read(4 * len(frames))) // 4


if __name__ == "__main__":
    asked = Task(**json.loads(sys.argv[1]))
    print(json.dumps({"good": good, "material": hostile, "unknown": strangers}[asked.kind](asked)), flush=True)
