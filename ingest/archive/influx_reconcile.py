"""
Store and InfluxDB, one day -> the series in which they differ, whose readings of that day are sent again.

Rule 1: two sides are equal if each series has as many readings, and the same sum of times of receipt, which an overwritten value changes.
Rule 2: only series of which the store has the whole day are judged: it keeps less than InfluxDB. What is sent again is a point that
        overwrites itself, and its hour is touched: the history of InfluxDB is computed anew.
Rule 3: what the server has refused stands aside with its reason; it is not missing there, and not sent again.
Rule 4: the store must be as far in the spool as InfluxDB, else an older value might overwrite a newer one; the caller sees to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from devices.instants import DAY, HOUR, MILLISECOND, Instant
from ingest.archive.books import Books
from ingest.archive.influx import MOST, Influx
from ingest.archive.influx_query import Checksum, InfluxArchive, Key
from ingest.archive.points import Refusal, point_of, series_of
from ingest.archive.schema import open_reader
from ingest.lines import encode, series

SpanOf: TypeAlias = tuple[Instant, Instant]
"""Beginning, a midnight; and end, exclusive."""

_SPAN = "observed_at >= :from_at AND observed_at < :to_at"
_CHECKSUMS = f"""
SELECT quantity, device, station, count(*), sum(received_at / {MILLISECOND}) FROM series CROSS JOIN reading ON reading.series = series.id
WHERE {_SPAN} AND whole_at <= :from_at GROUP BY series.id
"""  # noqa: S608 - texts of ours
_READINGS = f"""
SELECT value, quality, received_at, observed_at FROM series CROSS JOIN reading ON reading.series = series.id
WHERE quantity = :quantity AND device = :device AND station = :station AND {_SPAN} ORDER BY observed_at
"""  # noqa: S608 - texts of ours
_HOURS = f"""
SELECT DISTINCT series, observed_at - (observed_at - :from_at) % {HOUR} FROM series CROSS JOIN reading ON reading.series = series.id
WHERE quantity = :quantity AND device = :device AND station = :station AND {_SPAN}
"""  # noqa: S608 - texts of ours
_STANDS = """
SELECT 1 FROM series JOIN reading ON reading.series = series.id
WHERE quantity = ? AND device = ? AND station = ? AND observed_at = ? AND value = ? AND received_at = ?
"""
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


def compare_day(store: Path, archive: InfluxArchive, sink: Influx, books: Books, span: SpanOf) -> Compared:
    """
    Compare a day (UTC), or the part of it that is over, and send again what differs.

    Args:
        store: the file.
        archive: asks the server.
        sink: writes to it.
        books: of the sink.
        span: beginning and end.

    Raises:
        ArchiveAway: InfluxDB cannot be asked.
    """
    ours = without(checksums(store, span), refused_of(store, sink.name, span))
    theirs = archive.checksums(*span) if ours else {}
    different = sorted(key for key, found in ours.items() if theirs.get(key) != found)
    books.touch(hours(store, different, span))
    sent = refused = 0
    for texts in parcels(store, different, span):
        refused += sink.resend(texts)
        sent += len(texts)
    return Compared(len(ours), len(different), sent, refused)


def parcels(store: Path, keys: Iterable[Key], span: SpanOf) -> Iterator[list[bytes]]:
    """Give the readings of series and of a day, MOST at a time."""
    texts: list[bytes] = []
    for key in keys:
        texts += lines(store, key, span)
        while len(texts) >= MOST:
            yield texts[:MOST]
            texts = texts[MOST:]
    if texts:
        yield texts


def checksums(store: Path, span: SpanOf) -> dict[Key, Checksum]:
    """Give the checksums of a day by series."""
    with closing(open_reader(store)) as db:
        rows = db.execute(_CHECKSUMS, _span(span)).fetchall()
    return {(quantity, device, station): (count, received) for quantity, device, station, count, received in rows}


def refused_of(store: Path, name: str, span: SpanOf) -> dict[Key, Checksum]:
    """Give the checksums of a sink's refused readings of a day, as far as they are what the store has."""
    found: dict[Key, Checksum] = {}
    with closing(open_reader(store)) as db:
        for (line,) in db.execute("SELECT DISTINCT line FROM refused WHERE name = ?", (name,)):
            point = point_of(line.decode(errors="replace"))
            if isinstance(point, Refusal) or not span[0] <= point[1] < span[1]:
                continue
            head, observed_at, value, _, received_at = point
            of = series_of(head)
            key = of.quantity, of.device, of.station
            if db.execute(_STANDS, (*key, observed_at, value, received_at)).fetchone() is not None:
                count, received = found.get(key, (0, 0))
                found[key] = count + 1, received + received_at // MILLISECOND
    return found


def without(all_of: dict[Key, Checksum], some: dict[Key, Checksum]) -> dict[Key, Checksum]:
    """Take some readings out of checksums; a series of which none is left is gone."""
    left = {key: (count - some.get(key, (0, 0))[0], received - some.get(key, (0, 0))[1]) for key, (count, received) in all_of.items()}
    return {key: found for key, found in left.items() if found[0]}


def lines(store: Path, key: Key, span: SpanOf) -> list[bytes]:
    """Give the readings of a series and a day as they are written."""
    quantity, device, station = key
    with closing(open_reader(store)) as db:
        rows = db.execute(_READINGS, {"quantity": quantity, "device": device, "station": station, **_span(span)}).fetchall()
    head = series(quantity, station, device)
    return [
        encode(head, value, quality, received_at // MILLISECOND, observed_at // MILLISECOND).encode()
        for value, quality, received_at, observed_at in rows
    ]


def hours(store: Path, keys: Iterable[Key], span: SpanOf) -> Iterator[tuple[int, Instant]]:
    """Give the hours of a day in which series have readings, by the ids of the series."""
    with closing(open_reader(store)) as db:
        for quantity, device, station in keys:
            yield from db.execute(_HOURS, {"quantity": quantity, "device": device, "station": station, **_span(span)}).fetchall()


def days(store: Path, since_at: Instant, now: Instant) -> Sequence[Instant]:
    """Give the beginnings of the days of which the store has readings and which lie whole after an instant, the newest first."""
    with closing(open_reader(store)) as db:
        (oldest_at,) = db.execute(_OLDEST).fetchone()
    if oldest_at is None:
        return []
    return [day * DAY for day in range(now // DAY, max(oldest_at // DAY, -(-since_at // DAY)) - 1, -1)]


def _span(span: SpanOf) -> dict[str, int]:
    return {"from_at": span[0], "to_at": span[1]}
