"""
From the spool to one sink: batch by batch over the sink's own cursor, the oldest first.

Rule 1: the cursor is the sink's and moves with what was written; the spool is only read. So a crash at any point repeats, and loses nothing.
Rule 2: one sink, one cursor, one small class. A second archive is a second sink with a forwarder of its own, and neither waits for the other.
Rule 3: a cursor that does not fit its spool is an incident and is said; the sink then reads that spool from its first batch, which is
        harmless, because a point's identity is its series and its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from devices.instants import Instant

MOST = 20_000
"""Readings of one transaction while catching up: 4 us a line at this size, 16 us at 500 (each touched page is written once a transaction)."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a spool: everything up to this ordinal."""

    spool: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit of the spool kept for the archive."""

    ordinal: int
    received_at: Instant
    body: bytes

    def lines(self) -> list[str]:
        """Give its lines. Bytes that are no text survive in them, so that a refused line can be kept as it was."""
        return self.body.decode(errors="surrogateescape").split("\n") if self.body else []


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a spool holds."""

    spool: str
    """Its UUID."""
    first: int
    """The oldest batch that is left; `last + 1` where none is."""
    last: int
    """The newest batch that ever was; 0 before the first."""


class Trouble(StrEnum):
    """Why a sink does not simply go on."""

    OTHER_SPOOL = "other_spool"
    """The spool is not the one that the cursor was made for."""
    BEYOND_END = "beyond_end"
    """The spool ends before the cursor: it was put back to an earlier state."""
    MISSING = "batches_missing"
    """The spool begins after the cursor: batches are gone that this sink never had."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a sink goes on, and what is wrong with that."""

    cursor: Cursor
    trouble: Trouble | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the lines of some batches."""

    lines: int
    refused: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn did."""

    cursor: Cursor
    behind: int
    """Batches of the spool that are still to be written."""
    batches: int
    written: Written
    start: Start | None
    """Where it had to start anew: the first time, or in trouble."""


class Spool(Protocol):
    """Read access to the batches."""

    def bounds(self) -> Bounds:
        """Give what it holds now."""

    def batches(self, after: int, most: int) -> Sequence[Batch]:
        """Give batches after an ordinal, in order: at least one if there is one, no more than needed for `most` readings."""


class Startable(Protocol):
    """What has a cursor."""

    def cursor(self) -> Cursor | None:
        """Give the last batch that was written, or None before the first start."""

    def start(self, start: Start, now: Instant) -> None:
        """Begin after an ordinal of a spool, and keep what is wrong with that as an incident."""


class Sink(Startable, Protocol):
    """What keeps the readings."""

    def write(self, spool: str, batches: Sequence[Batch]) -> Written:
        """Keep the lines of batches and move the cursor to the last, both or neither. Lines it refuses are put aside with a reason."""


class Forwarder:
    """Moves batches from a spool to a sink, up to about `most` readings a turn."""

    def __init__(self, spool: Spool, sink: Sink, most: int = MOST) -> None:
        self._spool = spool
        self._sink = sink
        self._most = most

    def turn(self, now: Instant) -> Turn:
        """Write what waits. Nothing is caught."""
        bounds = self._spool.bounds()
        start = begin(self._sink, bounds, now)
        cursor = start.cursor if start else self._sink.cursor() or Cursor(bounds.spool, 0)
        batches = self._spool.batches(cursor.ordinal, self._most)
        written = self._sink.write(bounds.spool, batches) if batches else Written(0, 0)
        reached = Cursor(bounds.spool, batches[-1].ordinal) if batches else cursor
        return Turn(reached, max(0, bounds.last - reached.ordinal), len(batches), written, start)


def begin(sink: Startable, bounds: Bounds, now: Instant) -> Start | None:
    """Start a sink on a spool where its cursor does not fit; gives how, or None where it simply goes on."""
    cursor = sink.cursor()
    start = where_to_start(cursor, bounds)
    if start.cursor == cursor:
        return None
    sink.start(start, now)
    return start


def where_to_start(cursor: Cursor | None, spool: Bounds) -> Start:
    """Decide where a sink goes on in a spool, given its cursor."""
    oldest = Cursor(spool.spool, spool.first - 1)
    if cursor is None and oldest.ordinal == 0:
        return Start(oldest)
    if cursor is None:
        return Start(oldest, Trouble.MISSING, f"a new sink; batches 1 to {oldest.ordinal} are no longer in the spool")
    if cursor.spool != spool.spool:
        detail = (
            f"the cursor stands at {cursor.ordinal} of spool {cursor.spool}, here is spool {spool.spool}; read from batch {spool.first}"
        )
        return Start(oldest, Trouble.OTHER_SPOOL, detail)
    if cursor.ordinal > spool.last:
        return Start(
            oldest, Trouble.BEYOND_END, f"the cursor stands at {cursor.ordinal}, the spool ends at {spool.last}; read from {spool.first}"
        )
    if cursor.ordinal < oldest.ordinal:
        return Start(oldest, Trouble.MISSING, f"batches {cursor.ordinal + 1} to {oldest.ordinal} are no longer in the spool")
    return Start(cursor)
