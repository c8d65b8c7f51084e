"""Rules and legal levels -> what judges one sensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devices.instants import HOUR, Instant, Span
from devices.registry import Sensor
from devices.stations import Station, Thresholds
from rules.definition import FreshnessRule, Intervals, LevelsRule
from rules.freshness import Patience
from rules.levels import AtOnce, Ladder, Level
from rules.schedule import NO_LEVELS, Schedule

MEMORY: Span = 2 * HOUR
"""How long readings are remembered where no rule asks for more."""


def rule_for(rules: Iterable[LevelsRule], sensor: Sensor) -> LevelsRule | None:
    """Give the rule that judges a sensor."""
    return next((rule for rule in rules if rule.judges(sensor)), None)


def bound_of(rule: LevelsRule | None, sensor: Sensor) -> Span:
    """Give how late a reading may come and still be recognised and judged: at least two intervals."""
    return max(MEMORY if rule is None else rule.lateness, 2 * sensor.interval)


def patience_of(rule: FreshnessRule, sensor: Sensor) -> Patience:
    """Give how long a sensor may be silent."""
    return Patience(rule.stale_after.span(sensor.interval), rule.lost_after.span(sensor.interval))


def schedule_of(rule: LevelsRule, station: Station, sensor: Sensor) -> Schedule:
    """Give the ladders of a place through time."""
    own = sorted((each for each in station.thresholds if each.quantity == rule.quantity), key=lambda each: each.valid_from)
    starts: list[Instant] = []
    ladders: list[Ladder] = []
    for index, thresholds in enumerate(own):
        starts.append(thresholds.valid_from)
        ladders.append(ladder_of(rule, {level.code: level.value for level in thresholds.levels}, sensor.interval))
        if _ends_without_heir(thresholds, own[index + 1 :]) and thresholds.valid_to is not None:
            starts.append(thresholds.valid_to)
            ladders.append(NO_LEVELS)
    return Schedule(tuple(starts), tuple(ladders))


def ladder_of(rule: LevelsRule, values: dict[str, float], interval: Span) -> Ladder:
    """Give the ladder of levels by code, from the lowest."""
    levels = tuple(_level(rule, code, value) for code, value in values.items())
    return Ladder(levels, rule.max_gap.span(interval), _at_once(rule, values, interval))


def _level(rule: LevelsRule, code: str, value: float) -> Level:
    judging = rule.judging(code)
    return Level(code, value, round(value - judging.clear_margin, 6), judging.confirm, judging.hold)


def _at_once(rule: LevelsRule, values: dict[str, float], interval: Span) -> AtOnce | None:
    form = rule.at_once
    if form is None or form.level not in values or form.if_previous not in values:
        return None
    number = list(values).index(form.level) + 1
    within: Intervals = form.within
    return AtOnce(number, values[form.level] + form.above, values[form.if_previous], within.span(interval))


def _ends_without_heir(thresholds: Thresholds, later: Sequence[Thresholds]) -> bool:
    return thresholds.valid_to is not None and (not later or later[0].valid_from > thresholds.valid_to)
