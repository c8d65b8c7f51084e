"""
From the file of the spool to batches, for a forwarder; fits `forward.Spool`.

Rule 1: no read stays open: it would keep the spool's log from being folded into its file. A connection between two reads does not.
Rule 2: a spool that was exchanged is noticed at the next read: the connection belongs to a file, not to a path.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType

from ingest.archive.forward import Batch, Bounds
from ingest.spool import Reader

_BOUNDS = """
SELECT (SELECT value FROM meta WHERE key = 'spool'), (SELECT min(ordinal) FROM batch),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'batch'), 0)
"""
_SIZES = "SELECT ordinal, readings FROM batch WHERE ordinal > ? ORDER BY ordinal LIMIT ?"
_BODIES = "SELECT ordinal, received_at, body FROM batch WHERE ordinal > ? AND ordinal <= ? ORDER BY ordinal"


class SpoolFile:
    """Reads the spool, which need not be there yet when this is made. For one thread."""

    def __init__(self, path: Path) -> None:
        self._reader = Reader(path)

    def __enter__(self) -> SpoolFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def is_there(self) -> bool:
        """Tell whether there is a spool: ingest makes it, complete, at its first start."""
        try:
            self.bounds()
        except (FileNotFoundError, sqlite3.OperationalError, LookupError):
            return False
        return True

    def bounds(self) -> Bounds:
        """Give what the spool holds now; raises LookupError for one without identity."""
        return bounds_of(self._reader.opened())

    def batches(self, after: int, most: int) -> Sequence[Batch]:
        """Give batches after an ordinal, in order: at least one if there is one, then no more than `most` readings."""
        spool = self._reader.opened()
        sizes = spool.execute(_SIZES, (after, most)).fetchall()
        if not sizes:
            return []
        rows = spool.execute(_BODIES, (after, _until(sizes, most))).fetchall()
        return [Batch(ordinal, received_at, body) for ordinal, received_at, body in rows]

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()


def _until(sizes: Sequence[tuple[int, int]], most: int) -> int:
    """Give the last ordinal whose readings, and those before it, are at most `most`; the first one in any case."""
    sums = accumulate(readings for _, readings in sizes)
    return max((ordinal for (ordinal, _), total in zip(sizes, sums, strict=True) if total <= most), default=sizes[0][0])


def bounds_of(spool: sqlite3.Connection) -> Bounds:
    """Give what a spool holds, seen through an open connection; raises LookupError for one without identity."""
    identity, first, last = spool.execute(_BOUNDS).fetchone()
    if identity is None:
        raise LookupError("the spool has no identity: it is not a spool, or not a finished one")
    return Bounds(identity, last + 1 if first is None else first, last)
