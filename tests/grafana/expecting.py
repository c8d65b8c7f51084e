"""
What an archive holds, as plain points -> what a panel has to show of it, computed here in Python and by no query.

Rule 1: readings are taken from the readings, figures from the lines that were written; no server is asked.
Rule 2: what is shown has the form of its panel: a number a series (tiles), points a series (charts), a row a group (tables, map). A series has the name that
        an operator reads.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from asking import Range
from flood import Month

from devices.instants import MILLISECOND
from devices.registry import Registry
from grafana.dashboards.words import Tongue, level_name

Shown: TypeAlias = dict[Any, Any]
Name: TypeAlias = str | tuple[str, str]
"""With tags in braces; a pair where the languages differ."""


@dataclass(frozen=True)
class Point:
    """What one line says."""

    at: int
    """Milliseconds."""
    source: str
    tags: Mapping[str, str]
    fields: Mapping[str, float]


@dataclass(frozen=True)
class Archive:
    """All points, by measurement, in the order of time; and the city."""

    points: Mapping[str, Sequence[Point]]
    registry: Registry


@dataclass(frozen=True)
class Asked:
    """What somebody looks at."""

    archive: Archive
    looked: Range
    interval: int
    t: Tongue
    station: str | None = None
    """None: all."""
    device: str | None = None

    def points(self, *sources: str) -> list[Point]:
        """Give the points of some measurements that lie in the range, the oldest first."""
        found = [each for source in sources for each in _within(self.archive.points.get(source, ()), self.looked)]
        return sorted(found, key=lambda each: each.at)

    def name(self, name: Name, point: Point) -> str:
        text = name if isinstance(name, str) else self.t(*name)
        return text.format(source=point.source, **point.tags)


Expectation: TypeAlias = Callable[[Asked], Shown]
Which: TypeAlias = Callable[[Point, Asked], bool]
How: TypeAlias = Callable[[Sequence[float]], float]


def archive_of(month: Month, registry: Registry) -> Archive:
    by_identity: dict[tuple[str, tuple[tuple[str, str], ...], int], Point] = {}
    readings = (
        Point(
            each.observed_at // MILLISECOND,
            each.quantity,
            {"station": each.station, "device": each.device},
            {"value": each.value, "quality": int(each.quality)},
        )
        for each in month.readings
    )
    for point in (*readings, *map(_point, month.lines[len(month.readings) :])):
        by_identity[point.source, tuple(sorted(point.tags.items())), point.at] = point
    points: dict[str, list[Point]] = defaultdict(list)
    for point in sorted(by_identity.values(), key=lambda each: each.at):
        points[point.source].append(point)
    return Archive(points, registry)


def _point(line: str) -> Point:
    head, numbers, at = line.split(" ")
    source, *tags = head.split(",")
    fields = {name: float(text.removesuffix("i")) for name, _, text in (each.partition("=") for each in numbers.split(","))}
    return Point(int(at), source, dict(each.split("=") for each in tags), fields)


def _within(points: Sequence[Point], looked: Range) -> Sequence[Point]:
    return points[
        bisect_left(points, looked.from_ms, key=lambda each: each.at) : bisect_right(points, looked.to_ms, key=lambda each: each.at)
    ]


# ---- which points


def every(_point: Point, _asked: Asked) -> bool:
    return True


def of_station(point: Point, asked: Asked) -> bool:
    return asked.station in (None, point.tags["station"])


def of_device(point: Point, asked: Asked) -> bool:
    return asked.device in (None, point.tags["device"])


# ---- what is shown


def newest(source: str, field: str, which: Which = every, name: Name = "") -> Expectation:
    """A tile: the newest number of each series."""

    def expect(asked: Asked) -> Shown:
        points = (each for each in asked.points(source) if field in each.fields and which(each, asked))
        return {asked.name(name, each): each.fields[field] for each in points}

    return expect


def lines(
    sources: Iterable[str], field: str, how: How, name: Name, which: Which = every, *, width: int | None = None, shift: int = 0
) -> Expectation:
    """A chart: a number for each interval (of the panel, or as wide as is given) that has points; `shift`: of the zone in which days begin."""

    def expect(asked: Asked) -> Shown:
        wide = width or asked.interval
        series: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for each in asked.points(*sources):
            if field in each.fields and which(each, asked):
                series[asked.name(name, each)][(each.at + shift) // wide * wide - shift].append(each.fields[field])
        return {named: [(at, how(numbers)) for at, numbers in sorted(buckets.items())] for named, buckets in series.items()}

    return expect


def ends_of(chart: Expectation) -> Expectation:
    """A tile of a chart: the newest number of each series."""
    return lambda asked: {name: points[-1][1] for name, points in chart(asked).items()}


def growth(source: str, field: str, name: Name, *, a_second: bool) -> Expectation:
    """A chart of a counter: by how much it grew since the interval before; what fell is left out."""
    last = lines([source], field, lambda numbers: numbers[-1], name)

    def expect(asked: Asked) -> Shown:
        found = {}
        for named, points in last(asked).items():
            steps = [(at, (more - less) / ((at - since) / 1_000 if a_second else 1)) for (since, less), (at, more) in pairwise(points)]
            found[named] = [(at, step) for at, step in steps if step >= 0]
        return {named: points for named, points in found.items() if points}

    return expect


def rows(source: str, fields: str, by: str, which: Which = every) -> Expectation:
    """A table: the newest of each field, a row for each value of some tags, in the order of their names."""

    def expect(asked: Asked) -> Shown:
        found: dict[tuple[str, ...], dict[str, float | None]] = {}
        for each in asked.points(source):
            if which(each, asked):
                row = found.setdefault(tuple(each.tags[tag] for tag in by.split()), dict.fromkeys(fields.split()))
                row.update({field: each.fields[field] for field in fields.split() if field in each.fields})
        return dict(found)

    return expect


def legal(number: int) -> Expectation:
    """Lines at the levels of one set, beside each reading of the chosen station inside their time of validity."""

    def expect(asked: Asked) -> Shown:
        sets = [(station, each) for station in asked.archive.registry.stations.values() for each in station.thresholds]
        station, levels = sets[number - 1]
        ends = levels.valid_to or 2**62
        valid = {
            each.at // asked.interval * asked.interval
            for each in asked.points(levels.quantity)
            if each.tags["station"] == station.id == asked.station and levels.valid_from <= each.at * MILLISECOND < ends
        }
        return {level_name(level.code, asked.t): [(at, level.value) for at in sorted(valid)] for level in levels.levels if valid}

    return expect
