"""
What the residents' page reads, beside the archive: the spool, by values that service hands in, and the clocks.

Rule 1: no answer is None; an empty answer means that there is nothing.
Rule 2: nothing here writes, and no read stays open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from devices.instants import Instant
from rules.changes import Standing
from web.public.situation import City, Heartbeat

Tells: TypeAlias = Callable[[], Instant]
"""A clock."""


@dataclass(frozen=True, slots=True)
class SpoolNow:
    """How ingest is, and what the rules say."""

    heartbeat: Heartbeat | None
    standings: Sequence[Standing]


@dataclass(frozen=True, slots=True)
class Figures:
    """What is counted, for metrics. A figure that nobody can give is None."""

    counters: Mapping[str, int] | None
    """Of the spool: received, archived, duplicate, quarantined and others, in readings."""
    ordinal: int | None
    """Of its newest batch."""
    store_ordinal: int | None
    """Up to where the store has come."""
    ledger_ordinal: int | None
    """Up to where the ledger has come."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of the ledger: open alarms, notices and others."""
    deliveries: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Deliveries by channel and state."""


class Spool(Protocol):
    """The spool, as the page needs it."""

    def now(self) -> SpoolNow | None:
        """Give what it says now; None where it cannot be read."""

    def undecided_since(self, reached: tuple[str, int]) -> Instant | None:
        """Give when the first readings after a place (spool, ordinal) were received; None where there are none, or no spool to read."""

    def city(self) -> City | None:
        """Give the city as it was last applied, also when the spool has gone since; None where it was never read."""


class Counting(Protocol):
    """Gives the figures of all files."""

    def figures(self) -> Figures:
        """Count; asked once for each reading of the metrics."""
