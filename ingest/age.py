"""
The clock, and what devices observe by theirs -> the present by which things are old enough to be deleted.

Rule 1: a clock that was set ahead must delete nothing: the present is not later than the median of what the newest batches observed. A device
        whose clock is wrong does not decide.
Rule 2: where nothing was observed, nothing is old.
"""

from __future__ import annotations

import sqlite3
from statistics import median_low

from devices.instants import MILLISECOND, Instant

RECENT = 100
"""Newest batches with readings that are asked; of each the last reading."""
_NEWEST = "SELECT body FROM batch WHERE readings > 0 ORDER BY ordinal DESC LIMIT ?"


def present(spool: sqlite3.Connection, clock_at: Instant) -> Instant | None:
    """Give the present, or None where nothing tells it."""
    bodies = spool.execute(_NEWEST, (RECENT,)).fetchall()
    observed = [int(body.rpartition(b" ")[2]) * MILLISECOND for (body,) in bodies]
    return min(clock_at, median_low(observed)) if observed else None
