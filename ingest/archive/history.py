"""
From readings of the store to its history: the least, mean and greatest value and the count of each hour of each series, for ever.

Rule 1: an hour is touched by the transaction that writes its readings, and computed anew when it is over; so late readings are in it too.
Rule 2: readings go only after their hour is in every history. What comes later still makes an hour that is missing, and changes none.
Rule 3: every reading counts, whatever its flag, as in all answers; an hour carries its worst flag.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from devices.instants import HOUR, Instant

MOST = 500
"""Hours of one transaction: some milliseconds, for the store waits for it."""
STORE = "store"
"""Name of this history."""
Key: TypeAlias = tuple[int, Instant]
"""Id of the series, beginning of the hour."""

_TOUCH = "INSERT INTO touched VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET ordinal = max(ordinal, excluded.ordinal)"
_TOUCHED = "SELECT series, hour_at FROM touched WHERE name = ? AND hour_at <= ? AND ordinal <= ? LIMIT ?"
_DONE = "DELETE FROM touched WHERE series = ? AND hour_at = ? AND name = ? AND ordinal <= ?"
_COMPUTE = f"""
INSERT INTO hourly SELECT series, :hour_at, count(*), min(value), avg(value), max(value), max(quality), max(received_at) FROM reading
WHERE series = :series AND observed_at >= :hour_at AND observed_at < :hour_at + {HOUR} GROUP BY series
ON CONFLICT DO UPDATE SET count = excluded.count, low = excluded.low, mean = excluded.mean, high = excluded.high,
    quality = excluded.quality, received_at = excluded.received_at
WHERE hourly.hour_at >= (SELECT whole_at FROM series WHERE id = hourly.series)
"""  # noqa: S608 - a number of ours
_OPEN = """
SELECT id, station, quantity, device, hour_at FROM touched CROSS JOIN series ON id = series
WHERE name = ? AND hour_at <= ? AND ordinal <= ? ORDER BY hour_at, id LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of a series that a history has to compute."""

    series: int
    station: str
    quantity: str
    device: str
    hour_at: Instant


def hour_of(at: Instant) -> Instant:
    """Give the beginning of the hour (UTC) of an instant."""
    return at // HOUR * HOUR


def touch(db: sqlite3.Connection, names: Iterable[str], keys: Iterable[Key], ordinal: int) -> None:
    """Note that hours have new readings, for histories of these names; inside a transaction."""
    hours = list(keys)
    db.executemany(_TOUCH, [(series, hour_at, name, ordinal) for name in names for series, hour_at in hours])


def done(db: sqlite3.Connection, name: str, keys: Iterable[Key], ordinal: int) -> None:
    """Note that a history has hours, with what came up to an ordinal; inside a transaction."""
    db.executemany(_DONE, [(series, hour_at, name, ordinal) for series, hour_at in keys])


def compute(db: sqlite3.Connection, now: Instant, most: int = MOST) -> Sequence[Key]:
    """
    Bring hours of the store that are over into its history; inside a transaction.

    Args:
        db: a connection for writing.
        now: an hour that ends later waits.
        most: hours at once.

    Returns:
        These hours; fewer than `most` say that no more wait.
    """
    keys: Sequence[Key] = db.execute(_TOUCHED, (STORE, now - HOUR, 2**62, most)).fetchall()
    db.executemany(_COMPUTE, [{"series": series, "hour_at": hour_at} for series, hour_at in keys])
    done(db, STORE, keys, 2**62)
    return keys


def waiting(db: sqlite3.Connection, name: str, now: Instant, ordinal: int, most: int) -> list[Hour]:
    """Give hours that are over and that a history lacks, the readings of which came up to an ordinal; the oldest first."""
    rows = db.execute(_OPEN, (name, now - HOUR, ordinal, most))
    return [Hour(*row) for row in rows]
