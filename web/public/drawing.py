"""
A gauge and its history -> the coordinates of staff gauge, bar and chart. Pure; templates only print them.

Rule 1: a gap stays a gap: the line is broken, and the time without readings is hatched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from devices.instants import Instant, from_datetime, to_datetime
from devices.stations import LegalLevel
from ingest.archive.query import Bucket
from web.public.gauges import severity_of
from web.public.scale import Band, Scale, bands_of, scale_of, step_of, ticks_of
from web.public.state import Gauge, History

STAFF_TOP, STAFF_BOTTOM = 6.0, 208.0
LEFT, RIGHT, TOP, BOTTOM = 30.0, 354.0, 10.0, 202.0
"""Of the chart, in a view of 360 by 236."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A level on a drawing: where it lies, and where its name has room."""

    level: LegalLevel
    severity: int
    y: float
    text_y: float


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a drawing from one coordinate to another, along one axis."""

    severity: int
    start: float
    size: float


@dataclass(frozen=True, slots=True)
class Staff:
    """The staff gauge: 140 by 214."""

    bands: list[Box]
    tees: list[str]
    marks: list[Mark]
    water_y: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The same ladder, lying: 100 by 6."""

    pieces: list[tuple[int, float, float]]
    at: float | None


@dataclass(frozen=True, slots=True)
class Tick:
    """A time on the chart."""

    x: float
    at: Instant
    is_midnight: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The last 48 hours: 360 by 236."""

    bands: list[Box]
    marks: list[Mark]
    values: list[tuple[float, float]]
    """Round values with their y."""
    ticks: list[Tick]
    line: str
    gaps: list[tuple[float, float]]
    """x and width of each time without readings."""
    last: tuple[float, float] | None


def staff_of(gauge: Gauge) -> Staff:
    """Draw the staff gauge of the head."""
    scale = scale_of(gauge.levels, [] if gauge.value is None else [gauge.value])
    return Staff(
        bands=[_upright(band, STAFF_TOP, STAFF_BOTTOM) for band in bands_of(gauge.levels, scale)],
        tees=list(_tees(scale)),
        marks=_marks(gauge.levels, scale, STAFF_TOP, STAFF_BOTTOM),
        water_y=_y(scale.low if gauge.value is None else gauge.value, scale, STAFF_TOP, STAFF_BOTTOM),
    )


def bar_of(gauge: Gauge) -> Bar | None:
    """Draw the bar of the list; None where no level is known."""
    if not gauge.levels:
        return None
    scale = scale_of(gauge.levels, [] if gauge.value is None else [gauge.value])
    pieces = [
        (band.severity, round(100 * band.from_part + (0.6 if index else 0.0), 1), round(100 * band.to_part, 1))
        for index, band in enumerate(bands_of(gauge.levels, scale))
    ]
    return Bar(pieces, None if gauge.value is None else round(min(99.2, max(0.8, 100 * scale.part(gauge.value))), 1))


def chart_of(history: History, zone: ZoneInfo) -> Chart:
    """Draw the chart."""
    buckets, levels = history.buckets, history.gauge.levels
    scale = scale_of(levels, [value for bucket in buckets for value in (bucket.low, bucket.high)])
    runs = list(_runs(buckets, history.gap))
    points = [[(_x(bucket.start_at, history), _y(bucket.mean, scale, TOP, BOTTOM)) for bucket in run] for run in runs]
    return Chart(
        bands=[_upright(band, TOP, BOTTOM) for band in bands_of(levels, scale)],
        marks=_marks(levels, scale, TOP, BOTTOM),
        values=[(value, _y(value, scale, TOP, BOTTOM)) for value in ticks_of(scale)],
        ticks=list(_ticks(history, zone)),
        line="".join(_path(run) for run in points),
        gaps=[(start, round(end - start, 1)) for start, end in _gaps(runs, history) if end - start > 0.5],
        last=points[-1][-1] if points else None,
    )


def rows_of(buckets: Sequence[Bucket], most: int = 16) -> list[Bucket]:
    """Choose readings for the table, the newest first: close together lately, farther apart before; the highest is always among them."""
    if not buckets:
        return []
    newest = buckets[-1].start_at
    steps = [0, 20, 40, 60, 120, 180, 240, 360, 540, 720, 1080, 1440, 1800, 2160, 2520, 2880][:most]
    wanted = [newest - minutes * 60_000_000 for minutes in steps]
    chosen = {_at_or_before(buckets, at).start_at: _at_or_before(buckets, at) for at in wanted if at >= buckets[0].start_at}
    highest = max(buckets, key=lambda bucket: bucket.high)
    chosen[highest.start_at] = highest
    return [chosen[at] for at in sorted(chosen, reverse=True)]


def _at_or_before(buckets: Sequence[Bucket], at: Instant) -> Bucket:
    return next(bucket for bucket in reversed(buckets) if bucket.start_at <= at)


def _x(at: Instant, history: History) -> float:
    return round(LEFT + (RIGHT - LEFT) * (at - history.from_at) / (history.to_at - history.from_at), 1)


def _y(value: float, scale: Scale, top: float, bottom: float) -> float:
    return round(bottom - (bottom - top) * scale.part(value), 1)


def _upright(band: Band, top: float, bottom: float) -> Box:
    start = bottom - (bottom - top) * band.to_part
    return Box(band.severity, round(start, 1), round((bottom - top) * (band.to_part - band.from_part), 1))


def _marks(levels: Sequence[LegalLevel], scale: Scale, top: float, bottom: float) -> list[Mark]:
    """Names of levels that lie close together are pushed apart, upwards."""
    marks: list[Mark] = []
    for level in levels:
        y = _y(level.value, scale, top, bottom)
        text_y = min(y, marks[-1].text_y - 14.0) if marks else y
        marks.append(Mark(level, severity_of(level), y, round(text_y, 1)))
    return marks


def _tees(scale: Scale) -> Iterator[str]:
    """The E-shaped teeth of a staff, left and right by turns: three to a half of a round step."""
    step = step_of(scale, 8) / 2
    height = (STAFF_BOTTOM - STAFF_TOP) * step / (scale.high - scale.low)
    tooth = height / 5
    for index in range(int((scale.high - scale.low) / step)):
        x, y = (25 if index % 2 else 14), STAFF_BOTTOM - height * (index + 1)
        yield f"M{x} {y:.1f}h11v{tooth:.1f}h-11zm0 {2 * tooth:.1f}h11v{tooth:.1f}h-11zm0 {2 * tooth:.1f}h11v{tooth:.1f}h-11z"


def _runs(buckets: Sequence[Bucket], gap: int) -> Iterator[list[Bucket]]:
    run: list[Bucket] = []
    for bucket in buckets:
        if run and bucket.start_at - run[-1].start_at > gap:
            yield run
            run = []
        run.append(bucket)
    if run:
        yield run


def _gaps(runs: Sequence[Sequence[Bucket]], history: History) -> Iterator[tuple[float, float]]:
    edges = [(history.from_at, history.from_at), *((run[0].start_at, run[-1].start_at) for run in runs), (history.to_at, history.to_at)]
    for (_, end), (start, _) in pairwise(edges):
        if start - end > history.gap:
            yield _x(end, history), _x(start, history)


def _path(points: Sequence[tuple[float, float]]) -> str:
    """A lone reading is a dot of its own: a line of no length with round ends."""
    (x, y), rest = points[0], points[1:]
    return f"M{x:g} {y:g}" + ("".join(f"L{x:g} {y:g}" for x, y in rest) or "h.1")


def _ticks(history: History, zone: ZoneInfo) -> Iterator[Tick]:
    """Noon and midnight in the city's zone."""
    moment = to_datetime(history.from_at).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    while (at := from_datetime(moment)) <= history.to_at:
        if at >= history.from_at:
            yield Tick(_x(at, history), at, moment.hour == 0)
        moment += timedelta(hours=12)
