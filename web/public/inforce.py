"""
Alarms and what residents were told of them -> the warnings in force, and those that have just ended.

Rule 1: in force is what residents were told and not told the end of, whatever the water does meanwhile.
Rule 2: an end is shown for a day after it was told, unless the same place is warned again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import nan

from alerts.model import Alarm, Told
from devices.instants import DAY, Instant
from devices.quantities import QUANTITIES
from devices.registry import Registry
from devices.stations import LegalLevel, Ward
from web.public.gauges import against_of, severity_of
from web.public.situation import Ledger
from web.public.state import Against, Ended, Gauge, InForce

GaugeOf = Callable[[Alarm], Gauge]


def warnings_in_force(ledger: Ledger, registry: Registry, gauge_of: GaugeOf) -> tuple[InForce, ...]:
    """Give the warnings in force, the highest first; of equal ones those whose gauge is heard, then the one told first."""
    found = (_in_force(alarm, told, registry, gauge_of(alarm)) for alarm, told in _told(ledger, registry) if told.level > 0)
    return tuple(sorted(found, key=lambda each: (-each.severity, not each.gauge.is_heard, each.issued_at or 0, each.alarm.id)))


def just_ended(ledger: Ledger, registry: Registry, gauge_of: GaugeOf, now: Instant) -> tuple[Ended, ...]:
    """Give the warnings that ended within a day, the newest first, one for each place that is not warned again."""
    warned = {(alarm.station, alarm.quantity) for alarm, told in _told(ledger, registry) if told.level > 0}
    found: dict[tuple[str, str], Ended] = {}
    for alarm, told in sorted(_told(ledger, registry), key=lambda each: each[1].told_at or 0):
        if told.level == 0 and told.highest > 0 and told.end and told.told_at is not None and now - told.told_at < DAY:
            found[alarm.station, alarm.quantity] = _ended(alarm, told, registry, gauge_of(alarm))
    shown = (ended for place, ended in found.items() if place not in warned)
    return tuple(sorted(shown, key=lambda each: -each.told_at))


def wards_of(registry: Registry, station: str) -> tuple[Ward, ...]:
    """Give the wards that are warned for a station."""
    codes = registry.stations[station].wards
    return tuple(registry.wards[code] for code in codes if code in registry.wards)


def _told(ledger: Ledger, registry: Registry) -> Iterator[tuple[Alarm, Told]]:
    for alarm in ledger.alarms:
        if alarm.id in ledger.told and alarm.station in registry.stations:
            yield alarm, ledger.told[alarm.id]


def _in_force(alarm: Alarm, told: Told, registry: Registry, gauge: Gauge) -> InForce:
    level = _level(gauge, told.level)
    return InForce(
        alarm=alarm,
        gauge=gauge,
        level=level,
        severity=severity_of(level),
        against=_against(gauge, level),
        wards=wards_of(registry, alarm.station),
        issued_at=told.told_at,
    )


def _ended(alarm: Alarm, told: Told, registry: Registry, gauge: Gauge) -> Ended:
    assert told.end is not None
    assert told.told_at is not None
    highest = _level(gauge, told.highest)
    return Ended(alarm, gauge, told.end, highest, told.told_at, told.told_at + DAY, wards_of(registry, alarm.station))


def _level(gauge: Gauge, number: int) -> LegalLevel:
    """A level that the registry has no longer keeps its number, so that what was told can be shown until it ends."""
    return next((level for level in gauge.levels if level.number == number), LegalLevel(number, "", nan))


def _against(gauge: Gauge, level: LegalLevel) -> Against | None:
    """Hold the newest value against the told level, or against a higher one that the water has reached meanwhile."""
    found = gauge.against
    if gauge.value is None or found is None or not level.code:
        return None
    if found.is_reached and found.level.number >= level.number:
        return found
    return replace(against_of(gauge.value, (level,), gauge.quantity) or found, by=_by(gauge, level))


def _by(gauge: Gauge, level: LegalLevel) -> float:
    return round(abs((gauge.value or 0.0) - level.value), QUANTITIES[gauge.quantity].decimals)
