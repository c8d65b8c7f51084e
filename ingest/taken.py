"""
What became of one event, as a value on its way to the disk. Filled by the accepting thread and left alone once it is passed on.

Rule 1: received = archived + duplicate + quarantined, in readings; a message that cannot be read counts as one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from devices.instants import Instant
from ingest.decode import Reason
from ingest.engine import Said
from ingest.inbox import Incident, Receipt


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message of which so many readings were refused for one reason; kept whole."""

    topic: bytes
    payload: bytes
    reason: Reason
    readings: int
    detail: str
    """What was wrong with the first of them."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """States of some sensors. They hold all that was taken before it, so it ends its batch."""

    rows: list[tuple[str, bytes]]
    begins: bool
    """A round begins: from here on every sensor that moved is given once."""
    ends: bool
    """The round is complete: batches up to its beginning need no replay."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A revision of the city that is in force from here on."""

    revision: str
    documents: str
    """The content of the city's files by name, as JSON."""
    sensors: frozenset[tuple[str, str, str]] = frozenset()
    """(station, quantity, device) of all that is watched; what stands of others goes."""


@dataclass(slots=True)
class Taken:
    """What is committed together, and then acknowledged."""

    at: Instant
    """The world's time after it; never runs backwards from one to the next."""
    receipt: Receipt | None = None
    messages: int = 0
    lines: list[str] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    """(boot, seq) of each line, for conflicts; -1 where there is none."""
    duplicates: int = 0
    replaced: int = 0
    """Readings that were archived and lost their place to another value: they leave `archived` and join `quarantined`."""
    late: int = 0
    """Of the lines: older than the rules look back."""
    unknown: int = 0
    """Fields that nobody knows."""
    rejections: list[Rejection] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    hearing: list[tuple[Instant, bool]] = field(default_factory=list)
    """Happened before the lines."""
    incidents: list[Incident] = field(default_factory=list)
    first_receipts: list[tuple[str, int, Instant]] = field(default_factory=list)
    """(device, rank, instant) of samples without a time of their own."""
    standings: list[Any] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    applied: Applied | None = None

    @property
    def readings(self) -> int:
        """Give how many readings this received."""
        return len(self.lines) - self.replaced + self.duplicates + sum([rejection.readings for rejection in self.rejections])

    @property
    def opens_a_batch(self) -> bool:
        """Tell whether nothing may stand before this in its batch."""
        return bool(self.hearing) or self.applied is not None

    @property
    def closes_a_batch(self) -> bool:
        """Tell whether nothing may follow this in its batch: because it must, or because a change does not wait."""
        return bool(self.said) or self.checkpoint is not None or self.applied is not None

    @property
    def says_something(self) -> bool:
        """Tell whether there is anything to commit or to acknowledge."""
        return bool(
            self.receipt
            or self.said
            or self.hearing
            or self.incidents
            or self.standings
            or self.checkpoint
            or self.applied
            or self.rejections
        )
