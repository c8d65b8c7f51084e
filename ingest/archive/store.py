"""
From batches of the spool to the store: readings, the newest of each series, refused lines and the cursor, in one transaction.

Rule 1: writing a batch twice is writing it once: what the cursor has passed is skipped, and a reading that comes again overwrites.
Rule 2: a line that is no reading ends among the refused, alone; the others of its batch are stored.
Rule 3: nothing is caught. An error of the file ends the process; the next one goes on from the cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from devices.instants import Instant
from ingest.archive.books import Books, Refused
from ingest.archive.forward import Batch, Cursor, Start, Written
from ingest.archive.points import Refusal, point_of, series_of
from ingest.archive.schema import open_writer

Row: TypeAlias = tuple[int, Instant, float, int, Instant]
"""Id of the series, `observed_at`, value, quality, `received_at`."""

_KEEP = "INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?)"
_KEEP_LATEST = """
INSERT INTO latest VALUES (?, ?, ?, ?, ?) ON CONFLICT (series) DO UPDATE
SET observed_at = excluded.observed_at, value = excluded.value, quality = excluded.quality, received_at = excluded.received_at
WHERE excluded.observed_at >= latest.observed_at
"""
_OLDEST = "SELECT observed_at FROM reading WHERE series = ? AND observed_at < ? ORDER BY observed_at LIMIT 1 OFFSET ?"
_FORGET = "DELETE FROM reading WHERE series = ? AND observed_at < ?"


class Store:
    """The one writer of a store, for one thread; fits `forward.Sink`. Not to be used again after an exception."""

    name = "store"

    def __init__(self, path: Path) -> None:
        self._db = open_writer(path)
        self.books = Books(self._db, self.name)
        self._ids: dict[str, int] = {}

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def cursor(self) -> Cursor | None:
        """Give the last batch that was written, or None before the first start."""
        return self.books.cursor()

    def start(self, start: Start, now: Instant) -> None:
        """Begin after an ordinal of a spool; what is wrong with that is kept as an incident, in the same transaction."""
        self.books.start(start, now)

    def write(self, spool: str, batches: Sequence[Batch]) -> Written:
        """
        Store batches, which are in order, and move the cursor to the last of them.

        Raises:
            LookupError: the store was not started on this spool.
        """
        with self.books.transaction():
            reached = self.books.reached(spool)
            fresh = [batch for batch in batches if batch.ordinal > reached]
            written = self._keep(spool, fresh)
            if fresh:
                self.books.advance(fresh[-1].ordinal)
        return written

    def sync(self) -> None:
        """Put everything written so far on the disk, and say so: the spool may forget it."""
        self.books.sync()

    def trim(self, before: Instant, most: int = 10_000) -> int:
        """
        Forget readings observed before an instant; the newest one of a series stays known to `latest`, however old.

        Args:
            before: exclusive.
            most: readings forgotten by one call, so that it is a short one. The file keeps its size, and uses the room again.

        Returns:
            How many were forgotten; less than `most` says that nothing is left to forget.
        """
        left = most
        with self.books.transaction():
            for (series,) in self._db.execute("SELECT id FROM series").fetchall():
                left -= self._trim_one(series, before, left)
        return most - left

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _keep(self, spool: str, batches: Sequence[Batch]) -> Written:
        rows, latest, refused = self._sorted_out(batches)
        self._db.executemany(_KEEP, rows)
        self._db.executemany(_KEEP_LATEST, latest.values())
        self.books.refuse(spool, refused)
        return Written(len(rows), len(refused))

    def _sorted_out(self, batches: Sequence[Batch]) -> tuple[list[Row], dict[int, Row], list[Refused]]:
        rows: list[Row] = []
        latest: dict[int, Row] = {}
        refused: list[Refused] = []
        for batch in batches:
            for place, line in enumerate(batch.lines()):
                point = point_of(line)
                if isinstance(point, Refusal):
                    refused.append(Refused(batch.ordinal, place, line.encode(errors="surrogateescape"), point, batch.received_at))
                    continue
                row = (self._ids.get(point[0]) or self._id_of(point[0]), *point[1:])
                rows.append(row)
                known = latest.get(row[0])
                if known is None or row[1] >= known[1]:
                    latest[row[0]] = row
        return rows, latest, refused

    def _id_of(self, head: str) -> int:
        series = series_of(head)
        names = (series.station, series.quantity, series.device)
        self._db.execute("INSERT OR IGNORE INTO series (station, quantity, device) VALUES (?, ?, ?)", names)
        (key,) = self._db.execute("SELECT id FROM series WHERE station = ? AND quantity = ? AND device = ?", names).fetchone()
        self._ids[head] = int(key)
        return self._ids[head]

    def _trim_one(self, series: int, before: Instant, most: int) -> int:
        beyond = self._db.execute(_OLDEST, (series, before, most)).fetchone()
        until = before if beyond is None else beyond[0]
        return self._db.execute(_FORGET, (series, until)).rowcount
