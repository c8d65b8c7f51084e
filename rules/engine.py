"""
All rule state of a city: readings and the passing of time -> changes, and what stands.

Rule 1: one thread calls this, so there are no locks; time is an argument.
Rule 2: only primary sensors drive alarms; every sensor is watched for silence and remembers its readings.
Rule 3: a level belongs to the place. Where another device becomes the primary one, by a new configuration or because its time has
        come, it goes on from the level that stands.
Rule 4: looking for silence costs what falls due: a deadline that has moved on is found out when it would have fallen due, and put back.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from devices.instants import DAY, SECOND, Instant, Span
from devices.registry import Registry, Sensor
from rules.assembly import bound_of, patience_of, rule_for, schedule_of
from rules.changes import Phase, Said, Standing
from rules.definition import FreshnessRule, LevelsRule, Rule
from rules.freshness import Freshness
from rules.history import NEVER, Fold, Track
from rules.levels import Place
from rules.moves import Moves
from rules.standing import standing_of_track
from rules.state import Body, dump, load, read, take_over

LATELY = DAY
"""So long after the end of a level a sensor's values are still told."""


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


class Engine:
    """Fits the port of ingest (ingest/engine.py)."""

    def __init__(self, registry: Registry, rules: Sequence[Rule], started_at: Instant, slack: Span = 0) -> None:
        """
        Make an engine that knows every sensor of the registry.

        Args:
            registry: what is out there.
            rules: all rules of the city; one of them judges silence.
            started_at: silence is measured from here where nothing was received; a restored state says better.
            slack: added to all patience, for the delays of a machine on which the world runs faster than it does.
        """
        self._registry, self._slack = registry, slack
        self._levels = [rule for rule in rules if isinstance(rule, LevelsRule)]
        self._silence = next(rule for rule in rules if isinstance(rule, FreshnessRule))
        self._hears, self._hearing_since = True, started_at
        self._now = self._looked_at = started_at
        self._due: list[tuple[Instant, str]] = []
        self._moves = Moves()
        self._watched: set[str] = set()
        self._entries = {key: self._entry(key, sensors, started_at) for key, sensors in _by_key(registry).items()}
        self._primaries: dict[tuple[str, str], list[Entry]] = {}
        for entry in self._entries.values():
            if entry.sensor.primary:
                self._primaries.setdefault((entry.sensor.station, entry.sensor.quantity), []).append(entry)
            self._look_again(entry)
        self._exchanges = sorted(_exchanges(self._primaries.values()), key=lambda exchange: exchange[0])

    # ---- the port

    def memory(self, sensor: Sensor) -> Track:
        """Give what is known of a sensor of the registry; raises KeyError for any other."""
        return self._entries[key_of(sensor)].track

    def tick(self, now: Instant) -> Sequence[Said]:
        """Let time pass: sensors that have been silent too long become stale, then lost."""
        if now <= self._now:
            return ()
        self._now = now
        while self._exchanges and self._exchanges[0][0] <= now:
            self._exchange(*self._exchanges.pop(0)[1:])
        said: list[Said] = []
        while self._hears and self._due and self._due[0][0] <= now:
            look_at, key = heapq.heappop(self._due)
            entry = self._entries[key]
            if entry.look_at != look_at:
                continue  # an earlier look was put in its place
            entry.look_at = None
            said += self._look(entry)
            self._look_again(entry)
        return sorted(said, key=lambda one: (one.change.at, one.change.id))

    def hearing(self, at: Instant, hears: bool) -> Sequence[Said]:
        """Note that we cannot hear the broker, or can (again): silence is measured anew from then."""
        self._hears = hears
        if hears:
            earlier, self._hearing_since = at < self._hearing_since, at
            for entry in self._entries.values() if earlier else ():  # only where a restart tells since when we really heard
                self._look_again(entry)
        return ()

    def dirty(self) -> Iterable[Standing]:
        """Give the standing of each sensor that moved since the last call and is worth telling; plain values once a second."""
        keys = self._moves.take_to_tell()
        if self._now - self._looked_at >= SECOND:
            self._looked_at = self._now
            keys += [key for key in self._watched if self._entries[key].track.newest != self._entries[key].told_at]
        return [self._tell(self._entries[key]) for key in sorted(set(keys))]

    def snapshots(self, most: int) -> Iterable[tuple[str, bytes]]:
        """Give up to `most` (key, state) of sensors whose state moved since it was last given (or never was), the longest waiting first."""
        return [self._given(self._entries[key].track) for key in self._moves.take_to_keep(most)]

    def restore(self, key: str, state: bytes) -> None:
        """
        Bring one sensor to a state that `snapshots` gave.

        Under other rules levels are carried over by code, and what was said stays said. The level of a device that is not primary any
        more, or gone, goes to the one that is.
        """
        body, entry = read(state), self._entries.get(key)
        if entry is not None:
            if load(entry.track, body):
                self._moves.is_kept(key)
                entry.track.is_kept = True
            else:
                entry.track.move()
            if entry.track.folds and body["folds"]:
                entry.heir_of = None
            self._moves.told_of(key)
            self._look_again(entry)
        if body["folds"] and (entry is None or not entry.track.folds):  # also without a level: the newest state wins
            self._hand_over(key, body)

    # ---- for others

    def adopt(self, previous: Engine, at: Instant) -> None:
        """
        Go on from an engine of another configuration, as if its checkpoint were restored here.

        Args:
            previous: is left alone.
            at: the instant at which the configuration is applied.
        """
        self._now = max(self._now, at)
        for entry in previous._entries.values():
            self.restore(entry.key, dump(entry.track))
        self.hearing(previous._hearing_since, hears=True)
        self._hears = previous._hears

    def standing(self, station: str, quantity: str) -> Standing | None:
        """Give what stands at the primary sensor of a place, the one with the newest reading where it was exchanged."""
        found = self._primaries.get((station, quantity))
        if not found:
            return None
        newest = max(found, key=lambda each: each.track.newest)
        return standing_of_track(newest.sensor, newest.track)

    # ---- silence

    def _look(self, entry: Entry) -> list[Said]:
        """Say what a silence has come to."""
        track = entry.track
        deadline = track.freshness.deadline(self._hearing_since)
        if deadline is None or deadline > self._now:
            return []
        track.move()
        self._moves.told_of(entry.key)
        said = track.freshness.expire(deadline, track.value[-1] if track.value else None, track.level)
        return [said, *self._look(entry)]

    def _look_again(self, entry: Entry) -> None:
        """Note when to look at a sensor's silence again: not later than it could become stale if it were heard right now."""
        freshness = entry.track.freshness
        look_at = self._now + freshness.patience.stale_after
        deadline = freshness.deadline(self._hearing_since)
        if deadline is not None:
            look_at = min(deadline, look_at)
        if entry.look_at is None or look_at < entry.look_at:
            entry.look_at = look_at
            heapq.heappush(self._due, (look_at, entry.key))

    # ---- entries

    def _entry(self, key: str, sensors: Sequence[Sensor], started_at: Instant) -> Entry:
        sensor, first = sensors[-1], sensors[0]
        since = max(started_at, first.valid_from)
        who = sensor.station, sensor.quantity, sensor.device
        freshness = Freshness(*who, patience_of(self._silence, sensor, self._slack), Phase.NEVER_SEEN, since, since, until=sensor.valid_to)
        rule = rule_for(self._levels, sensors)
        folds = () if rule is None else (Fold(Place(rule.rule, *who), schedule_of(rule, self._registry.stations[sensor.station], sensors)),)
        return Entry(sensor, key, Track(bound_of(rule, sensor), folds, freshness, key, self._moves))

    def _hand_over(self, key: str, body: Body) -> None:
        """Let the primary sensor of a place go on from the level that another one had reached, unless it has a state of its own."""
        station, quantity, _ = key.split("/")
        for heir in self._primaries.get((station, quantity), ()):
            is_free = heir.heir_of is not None and heir.heir_of < body["newest"]
            if heir.key != key and heir.track.folds and is_free:
                take_over(heir.track, body)
                heir.heir_of = body["newest"]
                heir.track.move()
                self._moves.told_of(heir.key)

    def _exchange(self, old: Entry, new: Entry) -> None:
        """Let the device whose time has come go on from the level that stands at the one before it."""
        if old.track.level and not new.track.level:
            take_over(new.track, read(dump(old.track)))
            old.track.retire()
            new.track.move()
            self._moves.told_of(old.key)
            self._moves.told_of(new.key)

    def _given(self, track: Track) -> tuple[str, bytes]:
        track.is_kept = True
        return track.key, dump(track)

    def _tell(self, entry: Entry) -> Standing:
        standing = standing_of_track(entry.sensor, entry.track)
        entry.told_at = entry.track.newest
        ended_lately = standing.level_at is not None and self._now - standing.level_at < LATELY
        (self._watched.add if standing.level or ended_lately else self._watched.discard)(entry.key)
        return standing


def key_of(sensor: Sensor) -> str:
    """Give the key of a sensor's state."""
    return f"{sensor.station}/{sensor.quantity}/{sensor.device}"


def _exchanges(places: Iterable[list[Entry]]) -> Iterator[tuple[Instant, Entry, Entry]]:
    """Give when one primary device of a place follows another."""
    for entries in places:
        for old, new in pairwise(sorted(entries, key=lambda entry: entry.sensor.valid_from)):
            yield new.sensor.valid_from, old, new


def _by_key(registry: Registry) -> dict[str, list[Sensor]]:
    """Give the entries that each device has at each place, from the first to the last."""
    found: dict[str, list[Sensor]] = {}
    for sensor in sorted(registry.sensors(), key=lambda each: each.valid_from):
        found.setdefault(key_of(sensor), []).append(sensor)
    return found
