"""
An alarm at the instant of a notice -> the facts that its texts are made of.

Rule 1: facts are plain JSON values, frozen when the notice is issued: what was said stays readable when thresholds or names change.
Rule 2: facts have no language: words of places come in all of them, everything else is a number, an instant or a key of the texts.
Rule 3: every key is always there; what is unknown is None.
"""

from __future__ import annotations

from typing import Any

from alerts.model import Alarm, Audience, NoticeKind, Told
from devices.instants import Instant
from devices.quantities import QUANTITIES
from devices.registry import Registry
from devices.stations import LegalLevel, Station, Thresholds

Facts = dict[str, Any]

FAMILIES = {"water_level": "river", "water_depth": "street"}
"""The quantities that people are warned of, and the family of texts of each."""
FAST = {"river": 0.30, "street": 0.15}
"""Metres an hour from which water rises fast. In Hue's flood of October 2025 Kim Long rose about 0.1 to 0.2 m an hour."""
STEADY = 0.02
"""Metres an hour under which water is steady: less is not told apart from the rounding of readings to centimetres."""


def facts_of(
    alarm: Alarm,
    kind: NoticeKind,
    *,
    level: int,
    was: int,
    registry: Registry,
    now: Instant,
    audience: Audience,
    told: Told | None = None,
) -> Facts:
    """
    Gather the facts of a notice.

    Args:
        alarm: as it stands.
        kind: what the notice says.
        level: number of the level that the audience is told, 0 for none.
        was: number of the level that it was told before, 0 for none.
        registry: names, wards, thresholds as of the alarm's newest reading.
        now: the instant of issue.
        audience: who is told; an operator's name is a fact for operators only.
        told: what the audience was last told of this alarm.

    Returns:
        The facts. Values are in the unit of the quantity, instants in microseconds UTC.

    Raises:
        ValueError: for a quantity that people are not warned of.
        KeyError: for a station that the registry does not have.
    """
    if alarm.quantity not in FAMILIES:
        raise ValueError(f"nobody is warned of {alarm.quantity!r}; the texts know {', '.join(FAMILIES)}")
    station = registry.stations[alarm.station]
    thresholds = _thresholds(station, alarm, now)
    levels = thresholds.levels if thresholds else ()
    return {
        **_place(station, registry),
        **_levels(levels, level, was),
        **_condition(alarm, levels, level),
        "kind": kind.value,
        "status": alarm.status.value,
        "audience": audience.value,
        "alarm": alarm.id,
        "rule": alarm.rule,
        "told_at": told.told_at if told else None,
        "told_end": told.end.value if told and told.end else None,
        "reason": alarm.handling_reason,
        "by": alarm.handled_by if audience is Audience.OPERATORS else None,
        "source": thresholds.source if thresholds else None,
        "issued_at": now,
    }


def _place(station: Station, registry: Registry) -> Facts:
    return {
        "city": registry.city,
        "time_zone": registry.time_zone,
        "hotline": registry.hotline,
        "station": {"id": station.id, "name": station.name, "river": station.river},
        "wards": [_ward(registry, code) for code in station.wards],
    }


def _levels(levels: tuple[LegalLevel, ...], level: int, was: int) -> Facts:
    return {
        "level": _level(levels, level),
        "was": _level(levels, was),
        "higher": _neighbour([held for held in levels if held.number > level][:1]),
        "lower": _neighbour([held for held in levels if held.number < level][-1:]),
    }


def _condition(alarm: Alarm, levels: tuple[LegalLevel, ...], level: int) -> Facts:
    family, quantity = FAMILIES[alarm.quantity], QUANTITIES[alarm.quantity]
    return {
        "family": family,
        "quantity": quantity.name,
        "unit": quantity.unit.value,
        "decimals": quantity.decimals,
        "value": alarm.value,
        "observed_at": alarm.observed_at,
        "difference": difference(alarm.value, levels, quantity.decimals),
        "exactly": _is_exactly(alarm.value, _level(levels, level), quantity.decimals),
        "trend": trend_of(alarm.trend, family),
        "peak": alarm.peak,
        "peak_at": alarm.peak_at,
        "peak_difference": difference(alarm.peak, levels, quantity.decimals),
        "opened_at": alarm.opened_at,
        "phase": alarm.phase.value,
        "phase_at": alarm.phase_at,
    }


def difference(value: float | None, levels: tuple[LegalLevel, ...], decimals: int) -> Facts | None:
    """
    Hold a value against the level that matters: the highest one reached, or the lowest one if none is.

    Args:
        value: in the unit of the levels.
        levels: from the lowest.
        decimals: to which people read the value.

    Returns:
        The level, how far the value is from it (never negative), and the sense: `above`, `at`, `below`, or `near` for a value
        under the level by less than can be read. None where there is no value or no level.
    """
    if value is None or not levels:
        return None
    reached = [level for level in levels if value >= level.value]
    level = reached[-1] if reached else levels[0]
    by = round(abs(value - level.value), decimals)
    sense = ("above" if by else "at") if reached else ("below" if by else "near")
    return {"sense": sense, "by": by, "level": _as_fact(level)}


def trend_of(per_hour: float | None, family: str) -> Facts | None:
    """Give the word for a trend, one of rising_fast, rising, steady, falling, beside its size in units an hour (never negative)."""
    if per_hour is None:
        return None
    size = abs(per_hour)
    if size < STEADY:
        word = "steady"
    elif per_hour < 0:
        word = "falling"
    else:
        word = "rising_fast" if size >= FAST[family] else "rising"
    return {"word": word, "per_hour": size}


def _thresholds(station: Station, alarm: Alarm, now: Instant) -> Thresholds | None:
    return station.thresholds_at(alarm.quantity, now if alarm.observed_at is None else alarm.observed_at)


def _level(levels: tuple[LegalLevel, ...], number: int) -> Facts | None:
    """A level that stands in the alarm but no longer in the registry keeps its number, so that its end can be told."""
    if number == 0:
        return None
    found = [level for level in levels if level.number == number]
    return _as_fact(found[0]) if found else {"number": number, "code": "", "value": None}


def _neighbour(levels: list[LegalLevel]) -> Facts | None:
    return _as_fact(levels[0]) if levels else None


def _as_fact(level: LegalLevel) -> Facts:
    return {"number": level.number, "code": level.code, "value": level.value}


def _is_exactly(value: float | None, level: Facts | None, decimals: int) -> bool:
    if value is None or level is None or level["value"] is None:
        return False
    above: float = value - level["value"]
    return above >= 0 and round(above, decimals) == 0


def _ward(registry: Registry, code: str) -> Facts:
    ward = registry.wards.get(code)
    return {"code": code, "name": ward.name if ward else {"vi": code, "en": code}}
