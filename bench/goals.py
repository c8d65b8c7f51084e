"""What is measured, in which unit, and what it should come to: figures by name -> rows that say whether they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure that something is asked of."""

    name: str
    unit: str
    what: str
    at_least: float | None = None
    at_most: float | None = None
    """Neither: it is stated, and nothing is asked of it."""

    def is_met(self, value: float) -> bool:
        """Tell whether a value is good enough."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def wanted(self) -> str:
        """Give the goal as people write it."""
        bounds = [f">= {_short(self.at_least)}"] if self.at_least is not None else []
        return " and ".join(bounds + ([f"<= {_short(self.at_most)}"] if self.at_most is not None else [])) or "-"


@dataclass(frozen=True, slots=True)
class Row:
    """A figure beside its goal."""

    name: str
    value: float
    unit: str
    goal: str
    ok: bool
    what: str
    lowest: float
    highest: float

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)


GOALS = (
    Goal("one.readings_s", "1/s", "one reading a message, QoS 1, Mosquitto, flat out, committed before PUBACK", at_least=40_000),
    Goal("one.of_null", "x", "the same, of what a subscriber takes that only counts", at_least=1.0),
    Goal("one.null_s", "1/s", "a subscriber that only counts, the same messages"),
    Goal("one.cpu_us", "us", "CPU of ingest a reading, flat out", at_most=12),
    Goal("paced.cpu_us", "us", "CPU of ingest a reading, at 10,000/s", at_most=40),
    Goal("packed.readings_s", "1/s", "20 readings a message", at_least=150_000),
    Goal("packed.cpu_us", "us", "CPU of ingest a reading, 20 a message"),
    Goal("paced.change_p50_ms", "ms", "reading to committed change, at 10,000/s", at_most=2.5),
    Goal("paced.change_p99_ms", "ms", "the same, of 99 in 100", at_most=8),
    Goal("paced.change_p999_ms", "ms", "the same, of 999 in 1,000"),
    Goal("paced.commit_p99_ms", "ms", "a commit, at 10,000/s"),
    Goal("warning.p50_ms", "ms", "reading to the warning at a webhook"),
    Goal("warning.p99_ms", "ms", "the same, of 99 in 100", at_most=100),
    Goal("paced.mb", "MB", "memory of ingest, 10,000 sensors with 4 levels each, 5 minutes of event time apart", at_most=100),
    Goal("paced.pause_ms", "ms", "checkpoint, silence and what moved: longest pause of the loop, at 10,000/s", at_most=5),
    Goal("restart.s", "s", "10,000 sensors, 100,000 readings to replay: from the start to the first reading taken", at_most=3),
    Goal("pages.per_core", "1/s", "residents' page, requests for a second of CPU", at_least=2_000),
    Goal("pages.p99_ms", "ms", "the same at 2,000/s, of 99 in 100", at_most=20),
    Goal("pages.events_mb", "MB", "web with 1,000 open pages", at_most=150),
    Goal("influx.cpu_us", "us", "CPU of the sink of InfluxDB a reading, batches of 1,000", at_most=4),
    Goal("influx.small_cpu_us", "us", "the same, batches of 20"),
    Goal("influx.lines_s", "1/s", "into InfluxDB, by the archive with both sinks catching up"),
    Goal("influx.store_lines_s", "1/s", "into the store, in the same run"),
    Goal("influx.ingest_cpu_x", "x", "CPU of ingest a reading at 10,000/s, with InfluxDB by without", at_most=1.1),
    Goal("influx.change_p50_x", "x", "reading to committed change at 10,000/s, with by without", at_most=1.1),
    Goal("influx.change_p99_x", "x", "the same, of 99 in 100", at_most=1.1),
    Goal("influx.commit_p99_x", "x", "a commit at 10,000/s, with by without", at_most=1.1),
    Goal("influx.latest_ms", "ms", "InfluxDB: newest of 1,001 sensors", at_most=100),
    Goal("influx.month_ms", "ms", "InfluxDB: a month of one sensor at 5 min, to 500 points", at_most=50),
    Goal("influx.whole_month_ms", "ms", "InfluxDB: a month of one sensor at 5 min, each reading"),
    Goal("influx.gaps_ms", "ms", "InfluxDB: the gaps of that month"),
    Goal("influx.count_ms", "ms", "InfluxDB: the number of readings of a day"),
    Goal("sizes.17_cores", "cores", "the whole stack at 17 readings/s of 1,000 sensors: mosquitto, influxd and the four programs"),
    Goal("sizes.17_mb", "MB", "the same: memory"),
    Goal("sizes.170_cores", "cores", "at 170/s of 10,000 sensors"),
    Goal("sizes.170_mb", "MB", "the same: memory"),
    Goal("sizes.1000_cores", "cores", "at 1,000/s of 10,000 sensors"),
    Goal("sizes.1000_mb", "MB", "the same: memory"),
    Goal("sizes.17_spool_bytes", "B", "a reading in the spool, at 17/s"),
    Goal("sizes.1000_spool_bytes", "B", "a reading in the spool, at 1,000/s"),
    Goal("embedded.readings_s", "1/s", "embedded broker, one reading a message, flat out"),
    Goal("embedded.cpu_us", "us", "CPU of ingest a reading, embedded broker, flat out"),
)


def rows(runs: list[Mapping[str, float]], middle: Any) -> list[Row]:
    """Give the figures of some runs, each by `middle` of what the runs gave, in the order of GOALS; what was not measured is left out."""
    found = []
    for goal in GOALS:
        values = [run[goal.name] for run in runs if goal.name in run]
        if values:
            value = middle(values)
            found.append(Row(goal.name, value, goal.unit, goal.wanted(), goal.is_met(value), goal.what, min(values), max(values)))
    return found


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"
