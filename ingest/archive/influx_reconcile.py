"""
Store and InfluxDB, one day -> the series in which they differ, whose readings of that day are sent again.

Rule 1: two sides are equal if each series has as many readings, and the same sum of times of receipt, which an overwritten value changes.
Rule 2: only what the store has is judged: it keeps less than InfluxDB, and what is sent again is a point that overwrites itself.
Rule 3: the store must be as far in the spool as InfluxDB, else an older value might overwrite a newer one; the caller sees to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from devices.instants import DAY, MILLISECOND, Instant
from ingest.archive.influx import MOST, Influx
from ingest.archive.influx_query import Checksum, InfluxArchive, Key
from ingest.archive.schema import open_reader
from ingest.lines import encode, series

_SPAN = "observed_at >= :from_at AND observed_at < :to_at"
_CHECKSUMS = f"""
SELECT quantity, device, station, count(*), sum(received_at / {MILLISECOND}) FROM series CROSS JOIN reading ON reading.series = series.id
WHERE {_SPAN} GROUP BY series.id
"""  # noqa: S608 - texts of ours
_READINGS = f"""
SELECT value, quality, received_at, observed_at FROM series CROSS JOIN reading ON reading.series = series.id
WHERE quantity = :quantity AND device = :device AND station = :station AND {_SPAN} ORDER BY observed_at
"""  # noqa: S608 - texts of ours
_OLDEST = "SELECT min((SELECT min(observed_at) FROM reading WHERE series = series.id)) FROM series"


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison of one day found."""

    series: int
    """Of the store, that day."""
    different: int
    sent: int
    """Readings that were sent again."""
    refused: int
    """Of them."""


def compare_day(store: Path, archive: InfluxArchive, sink: Influx, day_at: Instant) -> Compared:
    """
    Compare the day (UTC) that begins at an instant, and send again what differs.

    Raises:
        ArchiveAway: InfluxDB cannot be asked.
    """
    ours = checksums(store, day_at)
    theirs = archive.checksums(day_at, day_at + DAY) if ours else {}
    different = sorted(key for key, found in ours.items() if theirs.get(key) != found)
    sent = refused = 0
    for texts in parcels(store, different, day_at):
        refused += sink.resend(texts)
        sent += len(texts)
    return Compared(len(ours), len(different), sent, refused)


def parcels(store: Path, keys: Iterable[Key], day_at: Instant) -> Iterator[list[bytes]]:
    """Give the readings of series and of a day, MOST at a time."""
    texts: list[bytes] = []
    for key in keys:
        texts += lines(store, key, day_at)
        while len(texts) >= MOST:
            yield texts[:MOST]
            texts = texts[MOST:]
    if texts:
        yield texts


def checksums(store: Path, day_at: Instant) -> dict[Key, Checksum]:
    """Give the checksums of a day by series."""
    with closing(open_reader(store)) as db:
        rows = db.execute(_CHECKSUMS, _span(day_at)).fetchall()
    return {(quantity, device, station): (count, received) for quantity, device, station, count, received in rows}


def lines(store: Path, key: Key, day_at: Instant) -> list[bytes]:
    """Give the readings of a series and a day as they are written."""
    quantity, device, station = key
    with closing(open_reader(store)) as db:
        rows = db.execute(_READINGS, {"quantity": quantity, "device": device, "station": station, **_span(day_at)}).fetchall()
    head = series(quantity, station, device)
    return [
        encode(head, value, quality, received_at // MILLISECOND, observed_at // MILLISECOND).encode()
        for value, quality, received_at, observed_at in rows
    ]


def days(store: Path, since_at: Instant | None, now: Instant) -> Sequence[Instant]:
    """Give the beginnings of the days, newest first, that lie whole after an instant, or all that the store has."""
    with closing(open_reader(store)) as db:
        (oldest_at,) = db.execute(_OLDEST).fetchone()
    if oldest_at is None:
        return []
    first = oldest_at // DAY if since_at is None else max(oldest_at // DAY, -(-since_at // DAY))
    return [day * DAY for day in range(now // DAY, first - 1, -1)]


def _span(day_at: Instant) -> dict[str, int]:
    return {"from_at": day_at, "to_at": day_at + DAY}
