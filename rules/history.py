"""
Keep what is known of one sensor right whatever the order in which its readings arrive. Hot path: `Track.observe`.

Rule 1: what stands is a function of the set of accepted readings, in order of observation; arrival only decides when we learn of it.
Rule 2: readings within `bound` of the newest are kept; a late one is put in its place and the kept ones are folded again.
Rule 3: what was said and no longer holds is taken back by name, never silently.
Rule 4: the kept readings are the memory of identities as well: one instant is one reading, and the higher (rank, value) stands for it.
Rule 5: a reading observed at or before `settled_at` is known but not folded: what was said under an earlier configuration stays said.
Rule 6: the usual reading, newer than all and inside the quiet band, costs some comparisons and three appends; also one of a backlog.
Rule 7: there are many sensors: what is equal is one object, and what most of them do not have costs nothing.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite

from devices.instants import Instant, Span
from devices.verdicts import Verdict
from rules.changes import Change, Phase, Said, Verb
from rules.freshness import Freshness
from rules.levels import BEGINNING, EMPTY, Band, Place, Previous, State, align, quiet_band, step
from rules.moves import Moves
from rules.schedule import FOR_EVER, Schedule

MOST_KEPT = 256
NEVER: Instant = -(1 << 62)
LOWEST = -inf
"""One value for all sensors: `-inf` makes another one each time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reading did."""

    verdict: Verdict
    said: Sequence[Said] = ()
    other: float | None = None
    """The value that lost to this one, or that this one lost to."""


DUPLICATE = Outcome(Verdict.DUPLICATE)
_NOT_STORED = (Verdict.DUPLICATE, Verdict.LOST_CONFLICT)
LATE = Outcome(Verdict.LATE)
_FRESH = Phase.FRESH


@dataclass(slots=True)
class Fold:
    """One rule over the kept readings of a sensor."""

    place: Place
    schedule: Schedule
    base: State = BEGINNING
    """The state before the first kept reading that is folded."""
    state: State = BEGINNING
    issued: tuple[Change, ...] = ()
    """The changes that stem from kept readings, in order."""

    def over(self, state: State, previous: Previous, readings: Iterable[tuple[Instant, float]]) -> tuple[State, list[Change]]:
        """Fold readings in order of observation onto a state."""
        changes: list[Change] = []
        until: Instant = NEVER
        low, high = EMPTY
        for at, value in readings:
            if not (low < value < high and at < until):
                ladder, until = self.schedule.at(at)
                state, change = step(self.place, ladder, state, previous, at, value)
                low, high = quiet_band(ladder, state)
                if change is not None:
                    changes.append(change)
            previous = at, value
        return state, changes

    def take(self, previous: Previous, at: Instant, value: float) -> Change | None:
        """Fold the newest reading."""
        self.state, change = step(self.place, self.schedule.at(at)[0], self.state, previous, at, value)
        if change is not None:
            self.issued = (*self.issued, change)
        return change

    def go_on_from(self, state: State, at: Instant) -> None:
        """Begin with a state that other judging led to, before anything observed after an instant."""
        self.base = self.state = align(self.schedule.at(at)[0], state)
        self.issued = ()

    def band(self, at: Instant) -> tuple[Band, Instant]:
        """Give the values that change nothing after the newest reading, and until when they do (exclusive)."""
        ladder, until = self.schedule.at(at)
        return quiet_band(ladder, self.state), until


class Track:
    """What is known of one sensor. Owned by the one thread that observes."""

    __slots__ = (
        "at", "before", "bound", "folds", "freshness", "high", "is_kept", "key", "low", "moves", "newest", "quiet_until", "rank", "room",
        "settled_at", "value",
    )  # fmt: skip

    def __init__(self, bound: Span, folds: tuple[Fold, ...], freshness: Freshness, key: str, moves: Moves) -> None:
        """`moves` is told by `key` when the state moves, and when something was said."""
        self.key, self.moves, self.is_kept = key, moves, False
        self.bound, self.folds, self.freshness = bound, folds, freshness
        self.at, self.value, self.rank = array("q"), array("d"), array("q")
        self.before: Previous = None
        """The reading before the first kept one."""
        self.settled_at = self.newest = NEVER
        self.room = 16
        self.set_band()
        self.move()

    def observe(self, observed_at: Instant, value: float, rank: int, received_at: Instant) -> Outcome | None:
        """
        Take one accepted reading, in any order. None is the usual answer: new, and nothing changed.

        Raises:
            ValueError: for a value that is not finite; accepting refuses those.
        """
        if self.newest < observed_at < self.quiet_until and self.low < value < self.high:
            freshness = self.freshness
            limit = freshness.limit
            if received_at - observed_at > limit:  # of a backlog: it says nothing of the present
                is_usual = self.at and (received_at - freshness.current_at < limit or freshness.overdue(received_at) is None)
            else:
                is_usual = freshness.phase is _FRESH and received_at - freshness.current_at < limit
                if is_usual:
                    freshness.current_at = received_at
            if is_usual:
                freshness.received_at = received_at
                self.newest = observed_at
                self.at.append(observed_at)
                self.value.append(value)
                self.rank.append(rank)
                if len(self.at) > self.room:
                    self._settle()
                if self.is_kept:
                    self.move()
                return None
        return self._observe_closely(observed_at, value, rank, received_at)

    def _observe_closely(self, observed_at: Instant, value: float, rank: int, received_at: Instant) -> Outcome | None:
        if not isfinite(value):
            raise ValueError(f"a reading of {value} cannot be judged; refuse it where it is accepted")
        self.move()
        heard = self.look(received_at)
        if observed_at <= self.newest:
            outcome = self._insert(observed_at, value, rank)
            if outcome is None or outcome.verdict not in _NOT_STORED:  # else a replay would not see it
                heard += self._hear(observed_at, value, received_at)
            return self._say(heard, outcome)
        heard += self._hear(observed_at, value, received_at)
        self.newest = observed_at
        self.at.append(observed_at)
        self.value.append(value)
        self.rank.append(rank)
        if len(self.at) > self.room:
            self._settle()
        return self._say(heard, self._advance(observed_at, value))

    def look(self, now: Instant) -> list[Said]:
        """Say what the silence up to an instant has come to."""
        said = self.freshness.look(now, self.value[-1] if self.value else None, self.level)
        if said:
            self.move()
            self.moves.told_of(self.key)
        return said

    def move(self) -> None:
        """Note that the state is not on the disk as it is."""
        self.is_kept = False
        self.moves.moved(self.key)

    def rewind(self, at: Instant, latest: Instant) -> bool:
        """Let nothing have been received after an instant, nor observed after `latest`; tells whether that changed anything."""
        is_ahead = self.newest > latest
        if is_ahead:
            self._forget_after(latest)
        changed = self.freshness.rewind(at) or is_ahead
        if changed:
            self.move()
        return changed

    def _forget_after(self, latest: Instant) -> None:
        """Forget the readings that cannot be, and go on from the levels as they are: those were measured, only their time was wrong."""
        cut = bisect_right(self.at, latest)
        del self.at[cut:], self.value[cut:], self.rank[cut:]
        if self.before is not None and self.before[0] > latest:
            self.before = None
        self.newest = self.at[-1] if self.at else self.before[0] if self.before else latest
        self.settled_at = self.newest
        for fold in self.folds:
            fold.go_on_from(fold.state, self.newest)
        self.set_band()

    def _say(self, heard: Sequence[Said], outcome: Outcome | None) -> Outcome | None:
        """Put together what freshness and the levels say."""
        if heard:
            outcome = Outcome(Verdict.NEW, heard) if outcome is None else replace(outcome, said=[*heard, *outcome.said])
        if outcome is not None and outcome.said:
            self.moves.told_of(self.key)
        return outcome

    def _hear(self, observed_at: Instant, value: float, received_at: Instant) -> list[Said]:
        return self.freshness.hear(observed_at, value, received_at, self.level)

    @property
    def level(self) -> int:
        """Give the announced level; 0 where no rule judges this sensor."""
        return self.folds[0].state.level if self.folds else 0

    def previous(self, index: int) -> Previous:
        """Give the reading before the kept one at an index."""
        return (self.at[index - 1], self.value[index - 1]) if index > 0 else self.before

    def retire(self) -> None:
        """Leave the levels to another device: none stands here any more, and what was kept is not judged again."""
        for fold in self.folds:
            fold.base, fold.state, fold.issued = BEGINNING, BEGINNING, ()
        self.settled_at = self.newest
        self.set_band()
        self.move()

    def set_band(self) -> None:
        """Work out which values change nothing: what the bands of all rules have in common."""
        self.low, self.high, self.quiet_until = LOWEST, inf, FOR_EVER
        for fold in self.folds:
            (low, high), until = fold.band(self.newest)
            self.low, self.high = max(self.low, low), min(self.high, high)
            self.quiet_until = min(self.quiet_until, until)

    def _advance(self, at: Instant, value: float) -> Outcome | None:
        previous = self.previous(len(self.at) - 1)
        said = [Said(Verb.ISSUED, change) for fold in self.folds if (change := fold.take(previous, at, value)) is not None]
        self.set_band()
        return Outcome(Verdict.NEW, said) if said else None

    def _insert(self, at: Instant, value: float, rank: int) -> Outcome | None:
        if at < self.newest - self.bound or (self.before is not None and at <= self.before[0]):
            return LATE
        index = bisect_left(self.at, at)
        if index < len(self.at) and self.at[index] == at:
            return self._again(index, value, rank)
        self.at.insert(index, at)
        self.value.insert(index, value)
        self.rank.insert(index, rank)
        outcome: Outcome | None = LATE
        if at > self.settled_at:
            said = self._refold()
            outcome = Outcome(Verdict.NEW, said) if said else None
        if len(self.at) > self.room:  # a log of many seconds that comes late must not be folded whole for each of them
            self._settle()
        return outcome

    def _again(self, index: int, value: float, rank: int) -> Outcome:
        """Another reading for an instant that is known."""
        known, known_rank = self.value[index], self.rank[index]
        if value == known:
            self.rank[index] = max(rank, known_rank)
            return DUPLICATE
        if (rank, value) < (known_rank, known):
            return Outcome(Verdict.LOST_CONFLICT, (), known)
        self.value[index], self.rank[index] = value, rank
        said = self._refold() if self.at[index] > self.settled_at else ()
        return Outcome(Verdict.WON_CONFLICT, said, known)

    def _refold(self) -> list[Said]:
        start = bisect_right(self.at, self.settled_at)
        readings = list(zip(self.at[start:], self.value[start:], strict=True))
        said: list[Said] = []
        for fold in self.folds:
            before = fold.issued
            fold.state, changes = fold.over(fold.base, self.previous(start), readings)
            fold.issued = tuple(changes)
            said += [Said(Verb.WITHDRAWN, change) for change in before if change not in fold.issued]
            said += [Said(Verb.ISSUED, change) for change in fold.issued if change not in before]
        self.set_band()
        return said

    def _settle(self) -> None:
        """Fold what no late reading can precede any more into the base, and forget it."""
        cut = max(bisect_left(self.at, self.newest - self.bound), len(self.at) - MOST_KEPT)
        start = min(bisect_right(self.at, self.settled_at), cut)
        readings = list(zip(self.at[start:cut], self.value[start:cut], strict=True))
        for fold in self.folds:
            fold.base, _ = fold.over(fold.base, self.previous(start), readings)
        if cut:
            self.before = self.at[cut - 1], self.value[cut - 1]
            del self.at[:cut], self.value[:cut], self.rank[:cut]
        horizon = self.at[0]
        for fold in self.folds:
            fold.issued = tuple([change for change in fold.issued if change.at >= horizon])
        self.room = len(self.at) + len(self.at) // 4 + 8
