"""
The registry and the rules -> a sensor's entry for each device at each place, by the key of its state.

Rule 1: there are many, so what an entry holds is little, and what is equal between them is shared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from devices.instants import Instant, Span
from devices.registry import Registry, Sensor
from rules.assembly import Ladders, Patiences, bound_of, rule_for, schedule_of
from rules.changes import Phase
from rules.definition import FreshnessRule, LevelsRule, Rule
from rules.freshness import Freshness, Hearing
from rules.history import NEVER, Fold, Track
from rules.levels import Place
from rules.moves import Moves


@dataclass(slots=True, eq=False)
class Entry:
    """A sensor with its track, and what the engine notes of it."""

    sensor: Sensor
    """The newest entry of the registry for this device at this place."""
    key: str
    track: Track
    look_at: Instant | None = None
    """When its silence is looked at next."""
    told_at: Instant = NEVER
    """The newest reading when its standing was last told."""
    heir_of: Instant | None = NEVER
    """Newest reading of the device whose level it took over so far; None once it has levels of its own."""


class Entries:
    """All sensors of a city."""

    def __init__(self, registry: Registry, rules: Sequence[Rule], hearing: Hearing, moves: Moves, slack: Span) -> None:
        """
        Make an entry for each sensor.

        Args:
            registry: what is out there.
            rules: all rules of the city; one of them judges silence.
            hearing: silence is measured from its beginning where nothing was received.
            moves: is told by the tracks.
            slack: added to all patience.
        """
        self._registry, self._hearing, self._moves = registry, hearing, moves
        self._levels = [rule for rule in rules if isinstance(rule, LevelsRule)]
        self._patiences = Patiences(next(rule for rule in rules if isinstance(rule, FreshnessRule)), slack)
        self._ladders = Ladders()
        self.by_key = {key: self._entry(key, sensors) for key, sensors in sorted(_by_key(registry).items())}
        self._keys = [*self.by_key]

    def primaries(self, station: str, quantity: str) -> list[Entry]:
        """Give the entries of a place that drive its alarm, now or at another time."""
        start = f"{station}/{quantity}/"
        number, found = bisect_left(self._keys, start), list[Entry]()
        while number < len(self._keys) and self._keys[number].startswith(start):
            entry = self.by_key[self._keys[number]]
            if entry.sensor.primary:
                found.append(entry)
            number += 1
        return found

    def exchanges(self) -> Iterator[tuple[Instant, Entry, Entry]]:
        """Give when one primary device of a place follows another."""
        primaries = (entry for entry in self.by_key.values() if entry.sensor.primary)
        for _, beside in groupby(primaries, key=lambda entry: entry.sensor.subject):
            for old, new in pairwise(sorted(beside, key=lambda entry: entry.sensor.valid_from)):
                yield new.sensor.valid_from, old, new

    def _entry(self, key: str, sensors: Sequence[Sensor]) -> Entry:
        sensor, first = sensors[-1], sensors[0]
        since = max(self._hearing.since, first.valid_from)
        rule = rule_for(self._levels, sensors)
        place = Place("" if rule is None else rule.rule, sensor.station, sensor.quantity, sensor.device)
        freshness = Freshness(place, self._patiences.of(sensor), self._hearing, Phase.NEVER_SEEN, since, since, until=sensor.valid_to)
        folds = () if rule is None else (Fold(place, schedule_of(rule, self._registry.stations[sensor.station], sensors, self._ladders)),)
        return Entry(sensor, key, Track(bound_of(rule, sensor), folds, freshness, key, self._moves))


def key_of(sensor: Sensor) -> str:
    """Give the key of a sensor's state."""
    return f"{sensor.station}/{sensor.quantity}/{sensor.device}"


def _by_key(registry: Registry) -> dict[str, list[Sensor]]:
    """Give the entries that each device has at each place, from the first to the last."""
    found: dict[str, list[Sensor]] = {}
    for sensor in sorted(registry.sensors(), key=lambda each: each.valid_from):
        found.setdefault(key_of(sensor), []).append(sensor)
    return found
