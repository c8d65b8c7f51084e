"""
Rules and legal levels -> what judges one sensor.

Rule 1: what is equal for many sensors is made once, and is one object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from devices.instants import HOUR, Instant, Span
from devices.registry import Sensor
from devices.stations import LegalLevel, Station
from rules.definition import FreshnessRule, Intervals, LevelsRule
from rules.freshness import Patience
from rules.history import MOST_KEPT
from rules.levels import AtOnce, Ladder, Level
from rules.schedule import FOR_EVER, NO_LEVELS, Schedule

MEMORY: Span = 2 * HOUR
"""How long readings are remembered where no rule asks for more."""

_schedule = lru_cache(maxsize=1 << 14)(Schedule)


def rule_for(rules: Iterable[LevelsRule], sensors: Iterable[Sensor]) -> LevelsRule | None:
    """Give the rule that judges a device at a place, in any of the entries that it has there."""
    entries = tuple(sensors)
    return next((rule for rule in rules if any(rule.judges(sensor) for sensor in entries)), None)


def bound_of(rule: LevelsRule | None, sensor: Sensor) -> Span:
    """Give how late a reading may come and still be recognised and judged: at least two intervals, at most as many as are kept."""
    return min(max(MEMORY if rule is None else rule.lateness, 2 * sensor.interval), MOST_KEPT * sensor.interval)


class Patiences:
    """How long sensors may be silent, each made once."""

    def __init__(self, rule: FreshnessRule, slack: Span) -> None:
        """`slack` is added to all of them."""
        self._rule, self._slack = rule, slack
        self._made: dict[Span, Patience] = {}

    def of(self, sensor: Sensor) -> Patience:
        """Give how long a sensor may be silent."""
        interval, slack = sensor.interval, self._slack
        if interval not in self._made:
            stale, lost = self._rule.stale_after.span(interval), self._rule.lost_after.span(interval)
            self._made[interval] = Patience(stale + slack, lost + slack)
        return self._made[interval]


class Ladders:
    """The ladders of the rules of a city, each made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, tuple[LegalLevel, ...], Span], Ladder] = {}

    def of(self, rule: LevelsRule, levels: tuple[LegalLevel, ...], interval: Span) -> Ladder:
        """Give the ladder of a rule for the levels of a place and the interval of a sensor."""
        known = rule.rule, levels, interval
        if known not in self._made:
            self._made[known] = ladder_of(rule, {level.code: level.value for level in levels}, interval)
        return self._made[known]


def schedule_of(rule: LevelsRule, station: Station, sensors: Iterable[Sensor], ladders: Ladders) -> Schedule:
    """
    Give the ladders of a place through time.

    Args:
        rule: how levels are judged.
        station: its thresholds, each with a time of validity.
        sensors: the entries of one device at this place, each with its own; only while it is the primary sensor is it judged.
        ladders: those that are made already.
    """
    periods = sorted(_periods(rule, station, sensors, ladders), key=lambda period: period[0])
    turns: list[tuple[Instant, Ladder]] = []
    for index, (since, until, ladder) in enumerate(periods):
        turns.append((since, ladder))
        goes_on = index + 1 < len(periods) and periods[index + 1][0] == until
        if until < FOR_EVER and not goes_on:
            turns.append((until, NO_LEVELS))
    return _schedule(tuple(start for start, _ in turns), tuple(ladder for _, ladder in turns))


def _periods(rule: LevelsRule, station: Station, sensors: Iterable[Sensor], ladders: Ladders) -> Iterator[tuple[Instant, Instant, Ladder]]:
    for sensor in sensors:
        for thresholds in station.thresholds:
            since, until = max(sensor.valid_from, thresholds.valid_from), min(_end(sensor.valid_to), _end(thresholds.valid_to))
            if rule.judges(sensor) and thresholds.quantity == rule.quantity and since < until:
                yield since, until, ladders.of(rule, thresholds.levels, sensor.interval)


def _end(valid_to: Instant | None) -> Instant:
    return FOR_EVER if valid_to is None else valid_to


def ladder_of(rule: LevelsRule, values: dict[str, float], interval: Span) -> Ladder:
    """Give the ladder of levels by code, from the lowest."""
    levels = tuple(_level(rule, code, value) for code, value in values.items())
    return Ladder(levels, rule.max_gap.span(interval), _at_once(rule, values, interval))


def _level(rule: LevelsRule, code: str, value: float) -> Level:
    judging = rule.judging(code)
    # rounded, since 5.81 - 0.10 is not 5.71 in binary, and a reading of 5.71 is not below it
    return Level(code, value, round(value - judging.clear_margin, 6), judging.confirm, judging.hold)


def _at_once(rule: LevelsRule, values: dict[str, float], interval: Span) -> AtOnce | None:
    form = rule.at_once
    if form is None or form.level not in values or form.if_previous not in values:
        return None
    number = list(values).index(form.level) + 1
    within: Intervals = form.within
    return AtOnce(number, round(values[form.level] + form.above, 6), values[form.if_previous], within.span(interval))
