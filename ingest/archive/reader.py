"""
From questions of the query port to short reads of the store.

Rule 1: a question opens the file, asks one statement and closes it: nothing is shared between threads, and no read stays open.
Rule 2: the file is opened for reading only, whoever asks.
Rule 3: where the readings of a series are gone, its hours answer (see `query`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from devices.instants import Instant, Span
from devices.readings import Quality, Reading
from ingest.archive.query import ArchiveAway, Bucket, Gap, bucket_width, gaps_between
from ingest.archive.schema import open_reader

# CROSS JOIN keeps the order of the tables: the few series first, then a range of the key of each.
_LATEST = """
SELECT station, device, quantity, value, quality, observed_at, received_at FROM series CROSS JOIN latest ON latest.series = series.id
WHERE :quantity IS NULL OR quantity = :quantity ORDER BY station, quantity, device
"""
_WHERE = "station = :station AND quantity = :quantity AND (:device IS NULL OR device = :device)"
_READINGS = f"""
FROM series CROSS JOIN reading ON reading.series = series.id
WHERE {_WHERE} AND observed_at >= max(:from_at, whole_at) AND observed_at < :to_at
"""
_HOURS = f"""
FROM series CROSS JOIN hourly ON hourly.series = series.id
WHERE {_WHERE} AND hour_at >= :from_at AND hour_at < min(:to_at, whole_at)
"""
_SERIES = f"""
SELECT station, device, quantity, mean, quality, hour_at AS observed_at, received_at {_HOURS}
UNION ALL SELECT station, device, quantity, value, quality, observed_at, received_at {_READINGS} ORDER BY observed_at, device
"""
_INSTANTS = f"SELECT hour_at AS at, 1 {_HOURS} UNION SELECT observed_at, 0 {_READINGS} ORDER BY at"
_BUCKETS = f"""
SELECT bucket, sum(count), min(low), sum(total) / sum(count), max(high) FROM (
    SELECT (hour_at - :from_at) / :width AS bucket, sum(count) AS count, min(low) AS low, sum(mean * count) AS total, max(high) AS high
    {_HOURS} GROUP BY bucket
    UNION ALL SELECT (observed_at - :from_at) / :width AS bucket, count(*), min(value), sum(value), max(value) {_READINGS} GROUP BY bucket
) GROUP BY bucket ORDER BY bucket
"""  # noqa: S608 - texts of ours
_COUNT = """
SELECT (SELECT count(*) FROM series CROSS JOIN reading ON reading.series = series.id
        WHERE observed_at >= max(:from_at, whole_at) AND observed_at < :to_at)
    + (SELECT coalesce(sum(count), 0) FROM series CROSS JOIN hourly ON hourly.series = series.id
        WHERE hour_at >= :from_at AND hour_at < min(:to_at, whole_at))
"""


class StoreArchive:
    """Answers from a store; fits `query.Archive`. Costs nothing until it is asked, and may be used by any number of threads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def latest(self, quantity: str | None = None) -> Sequence[Reading]:
        """Give the newest reading of every station, device and quantity."""
        return [_reading(row) for row in self._ask(_LATEST, {"quantity": quantity})]

    def series(self, station: str, quantity: str, from_at: Instant, to_at: Instant, device: str | None = None) -> Sequence[Reading]:
        """Give the readings of a station, of one device or of all of them."""
        return [_reading(row) for row in self._ask(_SERIES, _asked(station, quantity, from_at, to_at, device))]

    def downsampled(
        self, station: str, quantity: str, from_at: Instant, to_at: Instant, points: int, device: str | None = None
    ) -> Sequence[Bucket]:
        """Give at most `points` buckets; empty ones are left out."""
        width = bucket_width(from_at, to_at, points)
        rows = self._ask(_BUCKETS, {**_asked(station, quantity, from_at, to_at, device), "width": width})
        return [
            # The sum of equal floats may be rounded: a mean never lies outside of what it is the mean of.
            Bucket(from_at + bucket * width, count, low, min(max(mean, low), high), high)
            for bucket, count, low, mean, high in rows
        ]

    def gaps(
        self, station: str, quantity: str, from_at: Instant, to_at: Instant, longer_than: Span, device: str | None = None
    ) -> Sequence[Gap]:
        """Give the gaps between readings that are longer than `longer_than`, open ones at both ends included."""
        rows = self._ask(_INSTANTS, _asked(station, quantity, from_at, to_at, device))
        hours = {at for at, is_hour in rows if is_hour}
        return gaps_between((at for at, _ in rows), from_at, to_at, longer_than, hours)

    def count(self, from_at: Instant, to_at: Instant) -> int:
        """Give the number of readings observed in a span."""
        ((count,),) = self._ask(_COUNT, {"from_at": from_at, "to_at": to_at})
        return int(count)

    def _ask(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        try:
            with closing(open_reader(self._path)) as store:
                return store.execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            raise ArchiveAway(f"{self._path} cannot be read: {error}; is `canhbao archive` running?") from error


def _asked(station: str, quantity: str, from_at: Instant, to_at: Instant, device: str | None) -> dict[str, Any]:
    return {"station": station, "quantity": quantity, "from_at": from_at, "to_at": to_at, "device": device}


def _reading(row: tuple[Any, ...]) -> Reading:
    station, device, quantity, value, quality, observed_at, received_at = row
    return Reading(station, device, quantity, value, Quality(quality), observed_at, received_at)
