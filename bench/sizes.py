"""
The whole stack at the rates of cities -> what it takes of a machine: cores, memory, bytes of files.

Rule 1: counted are the broker, InfluxDB and the four programs; not the publisher, nor what the kernel does for nobody.
Rule 2: it is an everyday: water moves, and reaches no level.
Rule 3: every run is counted on both sides: nothing missing, nothing twice, else there is no figure.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.flow import Figures, audit
from rig.brokers import mosquitto_in
from rig.bucket import bucket_in
from rig.city import topic_of, write_city
from rig.flow import Flow
from rig.footprint import cpu_of, memory_of
from rig.publisher import Message
from rig.town import PROGRAMS, Town, town_in

RATES = {17: 1_000, 170: 10_000, 1_000: 10_000}
"""Readings a second -> sensors."""
WARM = 5.0
"""Seconds that are not counted."""


def measure(seconds: float) -> Figures:
    """Measure each rate, for so many seconds."""
    return {f"sizes.{rate}_{name}": value for rate, gauges in RATES.items() for name, value in at(rate, gauges, seconds).items()}


def at(rate: int, gauges: int, seconds: float) -> Figures:
    """Measure a rate: cores and MB of each and of all, bytes of the spool a reading."""
    with (
        TemporaryDirectory(prefix="canhbao-bench-") as name,
        bucket_in(folder := Path(name)) as bucket,
        mosquitto_in(folder, eager=False) as broker,
    ):
        city = write_city(folder / "city", gauges)
        with town_in(folder, city, broker, more=bucket.settings(straight=True)) as town:
            town.start()
            town.ready()
            pids = {"mosquitto": broker.pid, "influxd": bucket.influxd.pid, **{program: town.pid(program) for program in PROGRAMS}}
            with Flow(broker, everyday(gauges, rate), rate) as flow:
                time.sleep(WARM)
                before, begun = {each: cpu_of(pid) for each, pid in pids.items()}, time.monotonic()
                time.sleep(seconds)
                took = time.monotonic() - begun
                cores = {each: (cpu_of(pid) - before[each]) / took for each, pid in pids.items()}
                memory = {each: memory_of(pid) for each, pid in pids.items()}
                sent = flow.end()
            audit(town, sent)
            points = bucket.count()
            assert points == sent, f"{sent} readings, InfluxDB has {points}"
            spool = batch_bytes(town) / sent
    return {
        "cores": sum(cores.values()),
        "mb": sum(memory.values()),
        "spool_bytes": spool,
        **{f"{each}_cores": value for each, value in cores.items()},
        **{f"{each}_mb": value for each, value in memory.items()},
    }


def everyday(gauges: int, rate: int) -> Iterator[Message]:
    """Give readings of the present for ever, each gauge in turn, in centimetres between 0.30 and 0.90 m."""
    base = time.time_ns() // 1_000_000
    for number in count():
        turn, gauge = divmod(number, gauges)
        payload = b'{"v":1,"boot":7,"seq":%d,"at":%d,"m":{"water_level":%.2f}}'
        yield topic_of(gauge), payload % (turn, base + number * 1000 // rate, 0.3 + (turn * 7 + gauge * 13) % 61 / 100)


def batch_bytes(town: Town) -> int:
    """Give the bytes that batches take in the spool; none is let go before its first comparison at night."""
    return int(town.one("spool.db", "SELECT sum(pgsize) FROM dbstat WHERE name = 'batch'") or 0)
