"""
A reading that raises a level -> the first byte of the warning at a webhook's far end, through Mosquitto and all programs.

Rule 1: the clock starts when the reading leaves the publisher and ends when the request is at the receiver, so the way to the committed change
        and the arrival are in it: what is claimed for the change alone holds all the more.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from alerts.channels.testing import Answer, Request
from bench.flow import Figures, spread
from rig.brokers import mosquitto_in
from rig.city import station_of, topic_of, write_city
from rig.publisher import Message, Publisher
from rig.receiver import Receiver
from rig.town import town_in

STEP = 1_000
"""Milliseconds of event time between two readings of a gauge."""


def measure(warnings: int = 200, apart: float = 0.15) -> Figures:
    """Raise so many levels, one gauge after the other, `apart` seconds apart on average."""
    arrived: dict[str, float] = {}

    def note(request: Request) -> Answer:
        arrived.setdefault(json.loads(request.body)["facts"]["station"]["id"], time.monotonic())
        return Answer()

    with TemporaryDirectory(prefix="canhbao-bench-") as name, Receiver(note) as receiver, mosquitto_in(Path(name)) as broker:
        city = write_city(Path(name) / "city", warnings, receiver.url)
        with town_in(Path(name), city, broker) as town:
            town.start()
            town.ready()
            base = time.time_ns() // 1_000_000 - 60_000
            publisher = Publisher(broker)
            publisher.publish(message for step in (0, 1) for message in _round(warnings, base + step * STEP, (0.3, 1.5)[step], step))
            sent, chance = dict[str, float](), random.Random(7)
            for gauge in range(warnings):
                time.sleep(apart * 2 * chance.random())
                sent[station_of(gauge)] = time.monotonic()
                publisher.publish([_message(gauge, base + 2 * STEP, 1.5, 2)])
            town.until(lambda: len(arrived) == warnings, f"{warnings} warnings")
            publisher.close()
    return spread("warning", [arrived[station] - at for station, at in sent.items()])


def _round(gauges: int, at: int, value: float, seq: int) -> Iterator[Message]:
    return (_message(gauge, at, value, seq) for gauge in range(gauges))


def _message(gauge: int, at: int, value: float, seq: int) -> Message:
    return topic_of(gauge), json.dumps({"v": 1, "boot": 1, "seq": seq, "at": at, "m": {"water_level": value}}).encode()
