"""
From batches of the spool to the store: readings, the newest of each series, touched hours, refused lines and the cursor, in one transaction.

Rule 1: writing a batch twice is writing it once: what the cursor has passed is skipped, and a reading that comes again overwrites.
Rule 2: a line that is no reading ends among the refused, alone; the others of its batch are stored.
Rule 3: nothing is caught. An error of the file ends the process; the next one goes on from the cursor.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median_low
from types import TracebackType
from typing import TypeAlias

from devices.instants import DAY, HOUR, Instant
from ingest.archive.books import Books, Refused
from ingest.archive.forward import Batch, Cursor, Start, Written
from ingest.archive.history import MOST, STORE, compute, hour_of, touch
from ingest.archive.points import Refusal, point_of, series_of
from ingest.archive.schema import BEFORE_ALL, SMALL, open_writer

Row: TypeAlias = tuple[int, Instant, float, int, Instant]
"""Id of the series, `observed_at`, value, quality, `received_at`."""
DeviceDay: TypeAlias = tuple[str, Instant]
"""A device, and the beginning of a day (UTC)."""
MOST_FORGOTTEN = 10_000

_KEEP = "INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?)"
_KEEP_LATEST = """
INSERT INTO latest VALUES (?, ?, ?, ?, ?) ON CONFLICT (series) DO UPDATE
SET observed_at = excluded.observed_at, value = excluded.value, quality = excluded.quality, received_at = excluded.received_at
WHERE excluded.observed_at >= latest.observed_at
"""
_OLDEST = "SELECT observed_at FROM reading WHERE series = ? AND observed_at < ? ORDER BY observed_at LIMIT 1 OFFSET ?"
_FORGET = "DELETE FROM reading WHERE series = ? AND observed_at < ?"
_FORGOTTEN = "UPDATE series SET whole_at = ? WHERE id = ? AND whole_at < ?"
_IS_KNOWN = """
SELECT EXISTS (SELECT 1 FROM reading WHERE series = ? AND observed_at = ?) OR EXISTS (SELECT 1 FROM series WHERE id = ? AND whole_at > ?)
"""
_HEARD = f"""
SELECT observed_at FROM latest
WHERE received_at <= :now AND received_at >= (SELECT max(received_at) FROM latest WHERE received_at <= :now) - {DAY} ORDER BY observed_at
"""  # noqa: S608 - a number of ours


class Store:
    """The one writer of a store, for one thread; fits `forward.Sink`. Not to be used again after an exception."""

    name = "store"

    def __init__(self, path: Path, histories: Sequence[str] = (STORE,), cache: int = SMALL) -> None:
        """
        Open it.

        Args:
            path: of the file.
            histories: names of those that compute what is written; readings are not forgotten before all of them have.
            cache: KiB of the file to keep.
        """
        self._db = open_writer(path, cache)
        self.books = Books(self._db, self.name)
        self._histories = histories
        self._ids: dict[str, int] = {}
        self._devices: dict[int, str] = {}

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not isinstance(error, sqlite3.Error):  # closing would move the log, and sync anew what has just failed
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

    def mend(self, batches: Sequence[Batch], mended: set[tuple[int, Instant]]) -> tuple[Counter[DeviceDay], Counter[DeviceDay]]:
        """
        Store again what should be here and is not.

        Args:
            batches: in order, which the cursor has passed. Their refused lines are known already.
            mended: series and instants that were missing in former batches of this round; the values that came last win. Grows.

        Returns:
            The readings of the batches, and of these the missing ones, by device and day.
        """
        with self.books.transaction():
            rows = {(row[0], row[1]): row for row in self._sorted_out(batches)[0]}
            lacking = [row for key, row in rows.items() if key in mended or not self._has(*key)]
            self._db.executemany(_KEEP, lacking)
            self._db.executemany(_KEEP_LATEST, lacking)
            touch(self._db, self._histories, {(row[0], hour_of(row[1])) for row in lacking}, batches[-1].ordinal)
        mended |= {(row[0], row[1]) for row in lacking}
        return self._device_days(rows.values()), self._device_days(lacking)

    def sync(self) -> None:
        """Put everything written so far on the disk, and say so: the spool may forget it."""
        self.books.sync()

    def fold(self) -> None:
        """Move the log into the file, as far as readers allow; what fails is raised, as it is not where SQLite does it by itself."""
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def present(self, clock_at: Instant) -> Instant:
        """
        Give the present by which readings are old: that of a clock, but not later than what sensors have observed.

        A clock that was set ahead must not delete history. The median of the newest observations counts, of the sensors that were
        heard within a day, so that neither a dead gauge nor one whose clock is wrong decides.
        """
        observed = [observed_at for (observed_at,) in self._db.execute(_HEARD, {"now": clock_at})]
        return min(clock_at, median_low(observed)) if observed else clock_at

    def keep_history(self, now: Instant, before: Instant = BEFORE_ALL, most: int = MOST) -> int:
        """
        Bring hours that are over into the history; and forget, in the same transaction, those of their readings that are old.

        Were it two, readings that keep coming late would touch their hour in between, again and again, and none would go.

        Args:
            now: an hour that ends later waits.
            before: as for `trim`.
            most: hours at once.

        Returns:
            How many; fewer than `most` say that no more wait.
        """
        with self.books.transaction():
            keys = compute(self._db, now, most)
            for series, hour_at in keys:
                if hour_at < hour_of(before):
                    self._trim(series, before, MOST_FORGOTTEN)
        return len(keys)

    def trim(self, before: Instant, most: int = MOST_FORGOTTEN) -> int:
        """
        Forget readings observed in hours before an instant; the newest one of a series stays known to `latest`, however old.

        Args:
            before: exclusive; the hour of it stays. An hour that a history does not have yet stays too, and those after it.
            most: readings forgotten by one call, about, so that it is a short one. The file keeps its size, and uses the room again.

        Returns:
            How many were forgotten; 0 says that nothing is left to forget.
        """
        left = most
        with self.books.transaction():
            for (series,) in self._db.execute("SELECT id FROM series").fetchall():
                left -= self._trim(series, before, left) if left > 0 else 0
        return most - left

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _keep(self, spool: str, batches: Sequence[Batch]) -> Written:
        rows, latest, refused = self._sorted_out(batches)
        self._db.executemany(_KEEP, rows)
        self._db.executemany(_KEEP_LATEST, latest.values())
        touch(self._db, self._histories, {(row[0], hour_of(row[1])) for row in rows}, batches[-1].ordinal if batches else 0)
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
        self._devices[self._ids[head]] = series.device
        return self._ids[head]

    def _has(self, series: int, observed_at: Instant) -> bool:
        """Tell whether a reading is here, or in the history."""
        return bool(self._db.execute(_IS_KNOWN, (series, observed_at, series, observed_at)).fetchone()[0])

    def _device_days(self, rows: Iterable[Row]) -> Counter[DeviceDay]:
        return Counter((self._devices[row[0]], row[1] // DAY * DAY) for row in rows)

    def _trim(self, series: int, before: Instant, most: int) -> int:
        (open_at,) = self._db.execute("SELECT min(hour_at) FROM touched WHERE series = ?", (series,)).fetchone()
        until = hour_of(before) if open_at is None else min(hour_of(before), open_at)
        beyond = self._db.execute(_OLDEST, (series, until, most)).fetchone()
        until = until if beyond is None else hour_of(beyond[0]) + HOUR
        gone = self._db.execute(_FORGET, (series, until)).rowcount
        if gone:
            self._db.execute(_FORGOTTEN, (until, series, until))
        return gone
