"""
All rule state of a city: readings and the passing of time -> changes, and what stands.

Rule 1: one thread calls this, so there are no locks; time is an argument.
Rule 2: only primary sensors drive alarms; every sensor is watched for silence and remembers its readings.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from devices.instants import DAY, SECOND, Instant
from devices.registry import Registry, Sensor
from rules.assembly import bound_of, patience_of, rule_for, schedule_of
from rules.changes import Phase, Said, Standing
from rules.definition import FreshnessRule, LevelsRule, Rule
from rules.freshness import Freshness
from rules.history import Fold, Track
from rules.levels import Place
from rules.standing import standing_of_track
from rules.state import dump, load

LATELY = DAY
"""So long after the end of a level a sensor's values are still told."""


class Entry:
    """A sensor with its track, and what was told of it."""

    __slots__ = ("given", "key", "sensor", "told_at", "track")

    def __init__(self, sensor: Sensor, key: str, track: Track) -> None:
        self.sensor, self.key, self.track = sensor, key, track
        self.given: tuple[int, Instant] | None = None
        """What its state was marked with when it was last given away."""
        self.told_at: Instant | None = None
        """The newest reading when its standing was last told."""


class Engine:
    """Fits the port of ingest (ingest/engine.py)."""

    def __init__(self, registry: Registry, rules: Sequence[Rule], started_at: Instant) -> None:
        """
        Make an engine that knows every sensor of the registry.

        Args:
            registry: what is out there.
            rules: all rules of the city; one of them judges silence.
            started_at: silence is measured from here where nothing was received; a restored state says better.
        """
        self._registry = registry
        self._levels = [rule for rule in rules if isinstance(rule, LevelsRule)]
        self._silence = next(rule for rule in rules if isinstance(rule, FreshnessRule))
        self._hears, self._hearing_since = True, started_at
        self._now = self._looked_at = started_at
        self._entries: dict[str, Entry] = {}
        self._order: list[Entry] = []
        self._turn = 0
        self._due: list[tuple[Instant, str]] = []
        self._marked: set[str] = set()
        self._watched: set[str] = set()
        for sensor in registry.sensors():
            self._add(sensor, started_at)

    def memory(self, sensor: Sensor) -> Track:
        """Give what is known of a sensor of the registry."""
        return self._entries[key_of(sensor)].track

    def tick(self, now: Instant) -> Sequence[Said]:
        """Let time pass: sensors that have been silent too long become stale, then lost."""
        if now <= self._now:
            return ()
        self._now = now
        said: list[Said] = []
        while self._hears and self._due and self._due[0][0] <= now:
            _, key = heapq.heappop(self._due)
            entry = self._entries[key]
            freshness = entry.track.freshness
            deadline = freshness.deadline(self._hearing_since)
            if deadline is not None and deadline <= now:
                value = entry.track.value[-1] if entry.track.value else None
                said.append(freshness.expire(deadline, value, entry.track.level))
                self._marked.add(key)
            self._look_again(entry, now)
        return said

    def hearing(self, at: Instant, hears: bool) -> Sequence[Said]:
        """Note that we cannot hear the broker, or can again: silence is measured anew from then."""
        if hears and not self._hears:
            self._hearing_since = at
        self._hears = hears
        return ()

    def dirty(self) -> Iterable[Standing]:
        """Give the standing of each sensor that moved since the last call and is worth telling; plain values once a second."""
        moved, self._marked = self._marked, set()
        if self._now - self._looked_at >= SECOND:
            self._looked_at = self._now
            moved |= {key for key in self._watched if self._entries[key].track.newest != self._entries[key].told_at}
        return [self._tell(self._entries[key]) for key in sorted(moved)]

    def snapshots(self, most: int) -> Iterable[tuple[str, bytes]]:
        """Give up to `most` (key, state) of sensors whose state moved since it was last given, in turn."""
        given: list[tuple[str, bytes]] = []
        for _ in range(len(self._order)):
            if len(given) >= most:
                break
            entry = self._order[self._turn]
            self._turn = (self._turn + 1) % len(self._order)
            mark = entry.track.count, entry.track.freshness.phase_at
            if mark != entry.given:
                entry.given = mark
                given.append((entry.key, dump(entry.track)))
        return given

    def restore(self, key: str, state: bytes) -> None:
        """Bring one sensor to a state that `snapshots` gave; under other rules, level by level, what was said stays said."""
        entry = self._entries.get(key)
        if entry is None:
            return
        load(entry.track, state)
        entry.given = entry.track.count, entry.track.freshness.phase_at
        self._marked.add(key)
        self._look_again(entry, self._now)

    def standing(self, station: str, quantity: str) -> Standing | None:
        """Give what stands at the primary sensor of a place, the one with the newest reading where it was exchanged."""
        found = [each for each in self._order if each.sensor.primary and (each.sensor.station, each.sensor.quantity) == (station, quantity)]
        if not found:
            return None
        newest = max(found, key=lambda each: each.track.newest)
        return standing_of_track(newest.sensor, newest.track)

    def _add(self, sensor: Sensor, started_at: Instant) -> None:
        key = key_of(sensor)
        if key in self._entries:
            return  # the same sensor at another time: one memory
        freshness = Freshness(
            sensor.station, sensor.quantity, sensor.device, patience_of(self._silence, sensor), Phase.NEVER_SEEN, started_at, started_at
        )
        rule = rule_for(self._levels, sensor)
        place = None if rule is None else Place(rule.rule, sensor.station, sensor.quantity, sensor.device)
        folds = () if rule is None or place is None else (Fold(place, schedule_of(rule, self._registry.stations[sensor.station], sensor)),)
        track = Track(bound_of(rule, sensor), folds, freshness, key, self._marking)
        self._entries[key] = entry = Entry(sensor, key, track)
        self._order.append(entry)
        self._look_again(entry, started_at)

    def _marking(self, key: str) -> None:
        self._marked.add(key)

    def _look_again(self, entry: Entry, now: Instant) -> None:
        """Note when to look at a sensor's silence again: not later than it could become stale if it were heard right now."""
        freshness = entry.track.freshness
        deadline = freshness.deadline(self._hearing_since)
        soonest = now + freshness.patience.stale_after
        heapq.heappush(self._due, (soonest if deadline is None else min(deadline, soonest), entry.key))

    def _tell(self, entry: Entry) -> Standing:
        standing = standing_of_track(entry.sensor, entry.track)
        entry.told_at = entry.track.newest
        ended_lately = standing.level_at is not None and self._now - standing.level_at < LATELY
        (self._watched.add if standing.level or ended_lately else self._watched.discard)(entry.key)
        return standing


def key_of(sensor: Sensor) -> str:
    """Give the key of a sensor's state."""
    return f"{sensor.station}/{sensor.quantity}/{sensor.device}"
