"""
Registry, newest readings and standings -> the gauges of the page.

Rule 1: of two accounts of a sensor, store and standings, the newer one counts: warnings never wait for the archive.
Rule 2: a gauge is heard only where nothing speaks against it: our ears, the rules' own word, and the page's own look at the clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import cos, hypot, radians
from typing import TypeAlias

from alerts.facts import difference
from devices.instants import Instant, Span
from devices.quantities import QUANTITIES
from devices.readings import Reading
from devices.registry import Registry, Sensor
from devices.stations import LegalLevel, Station
from rules.changes import Phase, Standing
from web.public.situation import SLACK, Situation, deafness_of
from web.public.state import Against, Gauge, Sense, Signal

Key: TypeAlias = tuple[str, str, str]

RIVER, STREET = "water_level", "water_depth"
AIR = ("pm2_5", "pm10")
LIMIT_INTERVALS = 3
"""The rules call a sensor stale after two intervals; the page's own look is a second guard, one interval later."""
_COLOURS = {"bd1": 1, "bd2": 2, "bd3": 3, "historic": 4}


@dataclass(frozen=True, slots=True)
class Word:
    """The newest that is known of a sensor."""

    value: float
    observed_at: Instant
    received_at: Instant


def severity_of(level: LegalLevel | None) -> int:
    """Give the colour of a level, 1 to 4; 0 for none. A record is always the darkest, whatever its number."""
    return 0 if level is None else _COLOURS.get(level.code, min(level.number, 4))


def against_of(value: float | None, levels: tuple[LegalLevel, ...], quantity: str) -> Against | None:
    """Hold a value against the highest level that it reached, or the lowest one if none."""
    found = difference(value, levels, QUANTITIES[quantity].decimals)
    return None if found is None else Against(Sense(found["sense"]), LegalLevel(**found["level"]), found["by"])


@dataclass(frozen=True, slots=True)
class Accounts:
    """What store and rules last said, by (station, quantity, device)."""

    stored: Mapping[Key, Reading]
    stood: Mapping[Key, Standing]


def accounts_of(situation: Situation) -> Accounts:
    """Sort what a situation knows of sensors, once for all of them."""
    return Accounts({_key(each): each for each in situation.latest or ()}, {_key(each): each for each in situation.standings})


def gauges_of(situation: Situation, accounts: Accounts, quantity: str) -> Iterator[Gauge]:
    """Give the gauges of a quantity, in the order of the registry; an example that was never heard does not exist."""
    registry = situation.city.registry
    for station in registry.stations.values():
        sensor = registry.primary(station.id, quantity, situation.now)
        if sensor is None:
            continue
        gauge = gauge_of(situation, accounts, station, sensor)
        if not (station.example and gauge.value is None):
            yield gauge


def gauge_of(situation: Situation, accounts: Accounts, station: Station, sensor: Sensor) -> Gauge:
    """Gather what is known of one primary sensor."""
    standing = accounts.stood.get(_key(sensor))
    word = _newer(_stored(accounts.stored.get(_key(sensor))), _stood(standing))
    signal = _signal(situation, sensor, standing, word)
    levels = _levels(station, sensor.quantity, word.observed_at if word else situation.now)
    against = against_of(word.value if word else None, levels, sensor.quantity)
    return Gauge(
        station=station,
        quantity=sensor.quantity,
        signal=signal,
        value=word.value if word else None,
        observed_at=word.observed_at if word else None,
        received_at=word.received_at if word else None,
        trend=standing.trend if standing and signal is Signal.HEARD else None,
        levels=levels,
        against=against,
        severity=severity_of(against.level) if against and against.is_reached else 0,
    )


def nearest_heard(gauge: Gauge, gauges: Iterable[Gauge]) -> Gauge | None:
    """Give the nearest other gauge of the same quantity that is heard."""
    others = (each for each in gauges if each.is_heard and each.quantity == gauge.quantity and each.station.id != gauge.station.id)
    return min(others, key=lambda each: _distance(each.station, gauge.station), default=None)


def interval_of(registry: Registry, station: str, quantity: str, now: Instant) -> Span | None:
    """Give the expected span between two readings of the primary sensor."""
    sensor = registry.primary(station, quantity, now)
    return sensor.interval if sensor else None


def _key(of: Sensor | Reading | Standing) -> Key:
    return of.station, of.quantity, of.device


def _stored(reading: Reading | None) -> Word | None:
    return None if reading is None else Word(reading.value, reading.observed_at, reading.received_at)


def _stood(standing: Standing | None) -> Word | None:
    if standing is None or standing.value is None or standing.observed_at is None:
        return None
    return Word(standing.value, standing.observed_at, standing.received_at or standing.observed_at)


def _newer(one: Word | None, other: Word | None) -> Word | None:
    words = [word for word in (one, other) if word]
    return max(words, key=lambda word: (word.observed_at, word.received_at), default=None)


def _signal(situation: Situation, sensor: Sensor, standing: Standing | None, word: Word | None) -> Signal:
    if deafness_of(situation):
        return Signal.UNHEARD
    if word is None:
        return Signal.NEVER
    if standing and standing.phase is not Phase.FRESH:
        return Signal.SILENT
    limit = LIMIT_INTERVALS * sensor.interval + int(SLACK * situation.speed)
    oldest = min(word.observed_at, word.received_at)
    return Signal.SILENT if situation.now - oldest > limit else Signal.HEARD


def _levels(station: Station, quantity: str, at: Instant) -> tuple[LegalLevel, ...]:
    thresholds = station.thresholds_at(quantity, at)
    return thresholds.levels if thresholds else ()


def _distance(one: Station, other: Station) -> float:
    across = (one.longitude - other.longitude) * cos(radians(one.latitude))
    return hypot(across, one.latitude - other.latitude)
