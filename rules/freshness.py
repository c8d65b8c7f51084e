"""
Judge how current a sensor is, from when its readings were received.

Rule 1: silence is measured from the last current reading (received within `limit` of its observation), from the instant since
        when we hear the broker, or from the start: whichever is latest. While we are deaf it is not judged.
Rule 2: STALE and LOST happened at their deadline, whenever we come to look; FRESH happened when the reading was received.
Rule 3: a sensor is missed only while the registry says that it is there.
Rule 4: whoever hears a reading looks first at the silence before it. So what is said of a sensor depends on its own readings and on our
        hearing, never on how soon somebody came to look.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from devices.instants import Instant, Span
from rules.changes import FRESHNESS, Change, Kind, Phase, Said, Verb, change_id
from rules.levels import Place

_KINDS = {Phase.STALE: Kind.STALE, Phase.LOST: Kind.LOST, Phase.FRESH: Kind.FRESH}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a sensor may be silent."""

    stale_after: Span
    lost_after: Span


@dataclass(slots=True)
class Hearing:
    """Whether we hear the broker, and since when; one for all sensors."""

    hears: bool
    since: Instant


@dataclass(slots=True)
class Freshness:
    """What is known of one sensor's silence. Owned by the one thread that observes."""

    place: Place
    patience: Patience
    hearing: Hearing
    phase: Phase
    phase_at: Instant
    current_at: Instant
    """When a current reading was last received; the start where none was."""
    received_at: Instant | None = None
    until: Instant | None = None
    """From when it is not there any more."""
    limit: Span = field(init=False)
    """How old a reading may be at its receipt and still count as current; at hand for the hot path."""

    def __post_init__(self) -> None:
        """Take out of the other fields what the hot path asks for."""
        self.limit = self.patience.stale_after

    def resume(self, phase: Phase, phase_at: Instant, current_at: Instant, received_at: Instant | None) -> None:
        """Go on from where a checkpoint was taken."""
        self.phase, self.phase_at, self.current_at, self.received_at = phase, phase_at, current_at, received_at

    def rewind(self, at: Instant) -> bool:
        """Let nothing have been received after an instant; tells whether something was."""
        later = self.current_at > at or self.phase_at > at or (self.received_at or at) > at
        self.current_at, self.phase_at = min(self.current_at, at), min(self.phase_at, at)
        self.received_at = None if self.received_at is None else min(self.received_at, at)
        return later

    def hear(self, observed_at: Instant, value: float, received_at: Instant, level: int) -> list[Said]:
        """Note that a reading was received; the silence before it has been looked at."""
        self.received_at = received_at
        if received_at - observed_at > self.limit:
            return []
        self.current_at = received_at
        return [] if self.phase is Phase.FRESH else [self._enter(Phase.FRESH, received_at, value, level)]

    def deadline(self) -> Instant | None:
        """Give the instant at which it becomes stale, or lost; None where it does not."""
        if self.phase is Phase.LOST:
            return None
        patience = self.patience.lost_after if self.phase is Phase.STALE else self.patience.stale_after
        deadline = max(self.current_at, self.hearing.since) + patience
        return None if self.until is not None and deadline >= self.until else deadline

    def overdue(self, now: Instant) -> Instant | None:
        """Give the deadline that the silence up to an instant has passed, or None where it has come to nothing new."""
        deadline = self.deadline() if self.hearing.hears else None
        return deadline if deadline is not None and deadline <= now else None

    def look(self, now: Instant, value: float | None, level: int) -> list[Said]:
        """Say what a silence has come to, with what is known of the time before it."""
        said: list[Said] = []
        while (deadline := self.overdue(now)) is not None:
            said.append(self._enter(Phase.LOST if self.phase is Phase.STALE else Phase.STALE, deadline, value, level))
        return said

    def _enter(self, phase: Phase, at: Instant, value: float | None, level: int) -> Said:
        self.phase, self.phase_at = phase, at
        kind, place = _KINDS[phase], self.place
        number = change_id(f"{FRESHNESS}/{place.device}", place.station, place.quantity, kind, level, at)
        who = place.station, place.quantity, place.device
        return Said(Verb.ISSUED, Change(number, FRESHNESS, *who, kind, level, level, at, value, None))
