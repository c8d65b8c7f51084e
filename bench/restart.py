"""
Ingest killed with readings to replay -> seconds from its new start until it has taken the first reading.

Rule 1: the program is started as an operator would start it, Python and all; readings keep coming while it is away.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.flow import Figures, until_received
from bench.publisher import TURN, Task, published
from rig.brokers import mosquitto_in
from rig.city import write_city
from rig.town import Town, town_in

WAIT = 120.0


def measure(gauges: int = 10_000, readings: int = 100_000) -> Figures:
    """Kill ingest with so many readings after the floor of its checkpoint, and start it again."""
    with TemporaryDirectory(prefix="canhbao-bench-") as name, mosquitto_in(Path(name), durable=False) as broker:
        city = write_city(Path(name) / "city", gauges)
        with town_in(Path(name), city, broker) as town:
            town.start("ingest")
            town.ready("ingest")
            turns = 2 + readings // gauges
            first_at = (time.time_ns() // 1_000_000 // TURN - turns) * TURN
            task = Task(broker.port, readings, gauges, first_at)
            published(task)
            until_received(town, readings)
            town.kill("ingest")
            replayed = _after_the_floor(town)
            published(replace(task, messages=gauges, first_turn=turns - 1))  # waits at the broker
            start = time.monotonic()
            town.start("ingest")
            town.until(lambda: town.books()["received"] > readings, "the first reading after the restart", WAIT)
            took = time.monotonic() - start
    return {"restart_s": took, "restart_replayed": replayed}


def _after_the_floor(town: Town) -> int:
    floor = town.one("spool.db", "SELECT value FROM meta WHERE key = 'floor'")
    ordinal = json.loads(floor)["ordinal"] if floor is not None else 0
    return int(town.one("spool.db", f"SELECT coalesce(sum(readings), 0) FROM batch WHERE ordinal > {ordinal}"))
