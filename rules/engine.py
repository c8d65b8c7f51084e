"""
All rule state of a city: readings and the passing of time -> changes, and what stands.

Rule 1: one thread calls this, so there are no locks; time is an argument.
Rule 2: only primary sensors drive alarms; every sensor is watched for silence and remembers its readings.
Rule 3: a level belongs to the place. Where another device becomes the primary one, by a new configuration or because its time has
        come, it goes on from the level that stands.
Rule 4: no call takes long, whatever falls due at once: the rest waits for the next call. What is said does not depend on it, only when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devices.instants import DAY, SECOND, Instant, Span
from devices.registry import Registry, Sensor
from rules.changes import Said, Standing
from rules.definition import Rule
from rules.entries import Entries, Entry, key_of
from rules.freshness import Hearing
from rules.history import Track
from rules.levels import BEGINNING
from rules.looks import Looks
from rules.moves import Moves
from rules.standing import standing_of_track
from rules.state import Body, dump, load, read, take_over

LATELY = DAY
"""So long after the end of a level a sensor's values are still told."""
LOOKS = 100
"""Sensors whose silence is looked at in one call: about a millisecond."""
_ALL = 1 << 40


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
        self._hearing = Hearing(hears=True, since=started_at)
        self._now = self._round_at = started_at
        self._moves = Moves()
        places = Entries(registry, rules, self._hearing, self._moves, slack)
        self._entries, self._primaries = places.by_key, places.primaries
        self._exchanges = sorted(places.exchanges(), key=lambda exchange: exchange[0])
        self._looks = Looks(self._entries)
        self._restored: dict[str, None] = {}
        """Sensors of which it is not known yet whether others know what stands there."""
        self._watched: dict[str, None] = {}
        """Sensors with a level, or whose level has ended lately: their values are told as they move."""
        self._round: list[str] = []
        """Those of them whose turn is still to come."""

    # ---- the port

    def memory(self, sensor: Sensor) -> Track:
        """Give what is known of a sensor of the registry; raises KeyError for any other."""
        return self._entries[key_of(sensor)].track

    def tick(self, now: Instant) -> Sequence[Said]:
        """Let time pass: sensors that have been silent too long become stale, then lost; LOOKS of them at most, the rest at the next calls."""
        self._pass(now)
        return self._look(LOOKS)

    def again(self, now: Instant, silent: Iterable[str]) -> Sequence[Said]:
        """Let time pass in a replay: only the silence of these sensors, by key, is looked at; the first time it was found just then."""
        self._pass(now)
        found = [self._entries[key] for key in silent if key in self._entries]
        return _in_order([said for entry in found for said in entry.track.look(self._now)])

    def hearing(self, at: Instant, hears: bool) -> Sequence[Said]:
        """Note that we cannot hear the broker, or can (again): silence is measured anew from then. What fell due before is said."""
        said = self._look(_ALL)
        self._hearing.hears = hears
        if hears:
            if at < self._hearing.since:  # only where a restart tells since when we really heard
                self._looks.anew()
            self._hearing.since = at
        return said

    def rewind(self, at: Instant, latest: Instant) -> None:
        """Go back to an earlier instant, because the clock was wrong; readings observed after `latest` are not remembered any more."""
        self._now, self._round_at = at, min(self._round_at, at)
        self._looks.anew()
        self._hearing.since = min(self._hearing.since, at)
        for key, entry in self._entries.items():
            if entry.track.rewind(at, latest):
                self._moves.told_of(key)

    def dirty(self, most: int = 0) -> Iterable[Standing]:
        """
        Give what stands where something was said since the last call.

        Args:
            most: give so many more, at most, of sensors with a level whose values moved: in turn, each once a second or less often.
        """
        keys, self._restored = self._restored | dict.fromkeys(self._moves.take_to_tell()), {}
        told = [self._tell(self._entries[key]) for key in keys]
        if not self._round and self._now - self._round_at >= SECOND:
            self._round_at, self._round = self._now, [*self._watched]
        while most > 0 and self._round:
            entry = self._entries[self._round.pop()]
            if entry.track.newest != entry.told_at:
                told.append(self._tell(entry))
                most -= 1
        return told

    def told(self) -> None:
        """Note that others know what stands at the sensors that were restored: it is told when it moves."""
        for key in self._restored:
            self._watch(self._entries[key])
        self._restored = {}

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
            self._restored[key] = None
            self._looks.note(entry, self._now)
        if body["folds"] and (entry is None or not entry.track.folds):  # also without a level: the newest state wins
            self._hand_over(key, body)

    # ---- for others

    def standing(self, station: str, quantity: str) -> Standing | None:
        """Give what stands at the primary sensor of a place, the one with the newest reading where it was exchanged."""
        found = self._primaries(station, quantity)
        if not found:
            return None
        newest = max(found, key=lambda each: each.track.newest)
        return standing_of_track(newest.sensor, newest.track)

    # ---- silence

    def _pass(self, now: Instant) -> None:
        self._now = max(self._now, now)
        while self._exchanges and self._exchanges[0][0] <= self._now:
            self._exchange(*self._exchanges.pop(0)[1:])

    def _look(self, most: int) -> Sequence[Said]:
        said = self._looks.look(self._now, most) if self._hearing.hears else ()
        return _in_order(said) if said else ()

    # ---- levels that pass on, and what is told

    def _hand_over(self, key: str, body: Body) -> None:
        """Let the primary sensor of a place go on from the level that another one had reached, unless it has a state of its own."""
        station, quantity, _ = key.split("/")
        for heir in self._primaries(station, quantity):
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
            self._moves.moved_together(old.key, new.key)
            self._moves.told_of(old.key)
            self._moves.told_of(new.key)

    def _given(self, track: Track) -> tuple[str, bytes]:
        track.is_kept = True
        return track.key, dump(track)

    def _tell(self, entry: Entry) -> Standing:
        entry.told_at = entry.track.newest
        self._watch(entry)
        return standing_of_track(entry.sensor, entry.track)

    def _watch(self, entry: Entry) -> None:
        """Tell the values of a sensor as they move, or no more."""
        state = entry.track.folds[0].state if entry.track.folds else BEGINNING
        if state.level or (state.level_at is not None and self._now - state.level_at < LATELY):
            self._watched[entry.key] = None
        else:
            self._watched.pop(entry.key, None)


def _in_order(said: list[Said]) -> list[Said]:
    return sorted(said, key=lambda one: (one.change.at, one.change.id))
