"""
Rejections -> rows that can be looked at, within a bound of bytes.

Rule 1: a row and its count stay; where bytes are short, the oldest payloads are emptied; beyond MOST_ROWS the oldest rows go, and only
        the counters still tell of them.
Rule 2: rows older than KEPT (see `age`) go when others come. Nobody else deletes here: the bytes that are kept are counted, not measured again.
Rule 3: all of it happens within the transaction of the caller.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from devices.instants import DAY, Instant, Span
from ingest.age import present
from ingest.taken import Rejection

LONGEST_TOPIC = 256
"""Bytes of a topic that are kept; what our devices publish to is shorter."""
MOST_ROWS = 200_000
KEPT: Span = 400 * DAY
_STEP = 64


class Quarantine:
    """The table of refused messages, owned by the thread that commits."""

    def __init__(self, spool: sqlite3.Connection, bound: int) -> None:
        """`bound`: bytes of payload to keep."""
        self._spool, self._bound = spool, bound
        kept = spool.execute("SELECT coalesce(sum(length(payload)), 0), coalesce(min(id), 0) FROM quarantine WHERE payload IS NOT NULL")
        self._bytes, self._oldest = kept.fetchone()

    def add(self, ordinal: int, received_at: Instant, rejections: Iterable[Rejection]) -> None:
        """Keep these, and empty the oldest where the bound is passed."""
        rows = [(ordinal, received_at, r.topic[:LONGEST_TOPIC], r.payload, r.reason, r.readings, r.detail) for r in rejections]
        self._spool.executemany("INSERT INTO quarantine VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._bytes += sum(len(row[3]) for row in rows)
        while self._bytes > self._bound:
            self._empty_some()
        self._forget_some(received_at)

    def _empty_some(self) -> None:
        found = self._spool.execute(
            "SELECT id, length(payload) FROM quarantine WHERE id >= ? AND payload IS NOT NULL ORDER BY id LIMIT ?", (self._oldest, _STEP)
        ).fetchall()
        for number, size in found:
            self._spool.execute("UPDATE quarantine SET payload = NULL WHERE id = ?", (number,))
            self._bytes -= size
            self._oldest = number + 1
            if self._bytes <= self._bound:
                return

    def _forget_some(self, now: Instant) -> None:
        """Let the oldest rows go, and those above MOST_ROWS: a device that sends nothing but rubbish must not fill the disk."""
        (newest,) = self._spool.execute("SELECT coalesce(max(id), 0) FROM quarantine").fetchone()
        oldest = "SELECT id, received_at FROM quarantine ORDER BY id LIMIT ?"
        old = self._older(oldest, now - KEPT)
        if old:  # by the clock alone
            seen = present(self._spool, now)
            old = 0 if seen is None else self._older(oldest, seen - KEPT)
        gone = (max(old, newest - MOST_ROWS),)
        (size,) = self._spool.execute("SELECT coalesce(sum(length(payload)), 0) FROM quarantine WHERE id <= ?", gone).fetchone()
        self._spool.execute("DELETE FROM quarantine WHERE id <= ?", gone)
        self._bytes -= size

    def _older(self, oldest: str, before: Instant) -> int:
        return int(self._spool.execute(f"SELECT coalesce(max(id), 0) FROM ({oldest}) WHERE received_at < ?", (_STEP, before)).fetchone()[0])  # noqa: S608 - ours
