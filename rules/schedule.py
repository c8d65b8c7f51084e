"""The legal levels of a place through time -> the ladder that judges a reading of an instant."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from devices.instants import Instant
from rules.levels import Ladder

FOR_EVER: Instant = 1 << 62
NO_LEVELS = Ladder((), FOR_EVER)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Ladders with the instants from which they are in force; before the first there is none."""

    starts: tuple[Instant, ...]
    ladders: tuple[Ladder, ...]

    def at(self, observed_at: Instant) -> tuple[Ladder, Instant]:
        """Give the ladder in force at an instant, and the instant from which another one is."""
        index = bisect_right(self.starts, observed_at)
        until = self.starts[index] if index < len(self.starts) else FOR_EVER
        return (self.ladders[index - 1] if index else NO_LEVELS), until
