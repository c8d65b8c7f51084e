"""
Judge how current a sensor is, from when its readings were received.

Rule 1: silence is measured from the last current reading (received within `limit` of its observation), from the instant since
        when we hear the broker, or from the start: whichever is latest. While we are deaf it is not judged.
Rule 2: STALE and LOST happened at their deadline, whenever we come to look; FRESH happened when the reading was received.
Rule 3: a sensor is missed only while the registry says that it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devices.instants import Instant, Span
from rules.changes import FRESHNESS, Change, Kind, Phase, Said, Verb, change_id

_KINDS = {Phase.STALE: Kind.STALE, Phase.LOST: Kind.LOST, Phase.FRESH: Kind.FRESH}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a sensor may be silent."""

    stale_after: Span
    lost_after: Span


@dataclass(slots=True)
class Freshness:
    """What is known of one sensor's silence. Owned by the one thread that observes."""

    station: str
    quantity: str
    device: str
    patience: Patience
    phase: Phase
    phase_at: Instant
    current_at: Instant
    """When a current reading was last received; the start where none was."""
    received_at: Instant | None = None
    limit: Span = 0
    """How old a reading may be at its receipt and still count as current."""
    until: Instant | None = None
    """From when it is not there any more."""
    is_fresh: bool = False
    """Whether the phase is FRESH; a field of its own, since the hot path asks for it."""

    def __post_init__(self) -> None:
        """Take out of the other fields what the hot path asks for."""
        self.limit = self.patience.stale_after
        self.is_fresh = self.phase is Phase.FRESH

    def resume(self, phase: Phase, phase_at: Instant, current_at: Instant, received_at: Instant | None) -> None:
        """Go on from where a checkpoint was taken."""
        self.phase, self.phase_at, self.current_at, self.received_at = phase, phase_at, current_at, received_at
        self.is_fresh = phase is Phase.FRESH

    def hear(self, observed_at: Instant, value: float, received_at: Instant, level: int) -> Sequence[Said]:
        """Note that a reading was received."""
        self.received_at = received_at
        if received_at - observed_at > self.limit:
            return ()
        self.current_at = received_at
        return () if self.is_fresh else [self._enter(Phase.FRESH, received_at, value, level)]

    def deadline(self, hearing_since: Instant) -> Instant | None:
        """Give the instant at which it becomes stale, or lost; None where it does not."""
        if self.phase is Phase.LOST:
            return None
        patience = self.patience.lost_after if self.phase is Phase.STALE else self.patience.stale_after
        deadline = max(self.current_at, hearing_since) + patience
        return None if self.until is not None and deadline >= self.until else deadline

    def expire(self, deadline: Instant, value: float | None, level: int) -> Said:
        """Let a deadline have passed."""
        return self._enter(Phase.LOST if self.phase is Phase.STALE else Phase.STALE, deadline, value, level)

    def _enter(self, phase: Phase, at: Instant, value: float | None, level: int) -> Said:
        self.phase, self.phase_at, self.is_fresh = phase, at, phase is Phase.FRESH
        kind = _KINDS[phase]
        number = change_id(f"{FRESHNESS}/{self.device}", self.station, self.quantity, kind, level, at)
        return Said(Verb.ISSUED, Change(number, FRESHNESS, self.station, self.quantity, self.device, kind, level, level, at, value, None))
