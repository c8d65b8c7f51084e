"""
Spool and store -> the readings that the store should have and has not, by device and day; they are stored again, and the spool let go.

Rule 1: batches are looked at once, a part at a time, as far as the store is. What is missing is written again as it was.
Rule 2: the cursor of this, like those of the sinks, holds the spool: a batch goes only when it was looked at.
Rule 3: where readings are older than the store keeps, the history has them, and nothing is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devices.instants import Instant
from ingest.archive.books import Books
from ingest.archive.forward import Bounds, Cursor, Spool, Start
from ingest.archive.store import DeviceDay, Store

NAME = "reconcile"
MOST = 5_000
"""Readings of one transaction: some ten milliseconds."""


@dataclass(frozen=True, slots=True)
class Round:
    """What was found in some batches."""

    cursor: Cursor
    """Everything up to it was looked at."""
    readings: Mapping[DeviceDay, int] = field(default_factory=dict)
    """Of the spool."""
    missing: Mapping[DeviceDay, int] = field(default_factory=dict)
    """Of these, those that the store had not, and has now."""

    @property
    def days(self) -> list[Instant]:
        """Give the beginnings of the days of the readings, the newest first."""
        return sorted({day_at for _, day_at in self.readings}, reverse=True)

    def told(self, day: Callable[[Instant], str]) -> list[str]:
        """Give a sentence for each device and day in which something was missing."""
        return [
            f"{day(day_at)}: of {self.readings[device, day_at]} readings of {device} in the spool {count} were not in the store; stored again"
            for (device, day_at), count in sorted(self.missing.items(), key=lambda each: (each[0][1], each[0][0]))
        ]


def held_from(books: Books, spool: Bounds, now: Instant) -> Cursor:
    """Give where the next round begins; where the cursor fits no longer, that is the first batch."""
    cursor = books.cursor()
    if cursor is None or cursor.spool != spool.spool or cursor.ordinal > spool.last:
        cursor = Cursor(spool.spool, spool.first - 1)
        books.start(Start(cursor), now)
    return Cursor(spool.spool, max(cursor.ordinal, spool.first - 1))


def reconcile(spool: Spool, store: Store, begin: Cursor, until: int, stopped: Callable[[], bool] = lambda: False) -> Round:
    """
    Compare batches with the store.

    Args:
        spool: whose batches.
        store: a connection for this alone.
        begin: batches after it.
        until: the last one, which the store has.
        stopped: tells, between two transactions, whether to end here; the next round goes on from there.
    """
    reached, mended = begin.ordinal, set[tuple[int, Instant]]()
    readings, missing = Counter[DeviceDay](), Counter[DeviceDay]()
    while reached < until and not stopped():
        batches = [batch for batch in spool.batches(reached, MOST) if batch.ordinal <= until]
        if not batches:  # they went meanwhile, above the budget
            break
        found, lacking = store.mend(batches, mended)
        readings.update(found)
        missing.update(lacking)
        reached = batches[-1].ordinal
    return Round(Cursor(begin.spool, reached), readings, missing)


def release(books: Books, cursor: Cursor) -> None:
    """Let the spool forget batches up to a cursor, as far as the sinks have them."""
    with books.transaction():
        books.advance(cursor.ordinal)
    books.sync()
