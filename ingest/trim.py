"""
What nobody needs any more -> gone from the spool, a little at a time.

Rule 1: a batch goes when every sink of the archive has it on its disk, and no replay can begin before it.
Rule 2: without a store nothing is known to be archived, so nothing goes.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from devices.instants import DAY, MILLISECOND, Instant, Span
from ingest.accept import RECEIPTS_KEPT
from ingest.spool import meta

MOST = 500
"""Batches a turn: some milliseconds."""
CHANGES_KEPT: Span = 400 * DAY


def passed(store: Path, spool: str) -> int:
    """Give the ordinal up to which every sink has the batches of a spool; 0 where there is no store, or one of another spool."""
    if not store.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as reader:
            cursors = reader.execute("SELECT spool, ordinal FROM cursor").fetchall()
    except sqlite3.OperationalError:  # the archive is making it just now
        return 0
    return min((ordinal if name == spool else 0 for name, ordinal in cursors), default=0)


def trim(spool: sqlite3.Connection, store: Path, floor: int, now: Instant) -> int:
    """
    Delete what is old, in one short transaction.

    Args:
        spool: the writer's connection, outside a transaction.
        store: the file of the archive.
        floor: a replay begins after this ordinal.
        now: by the world's clock.

    Returns:
        How many batches went; MOST means that there may be more.
    """
    until = min(floor, passed(store, meta(spool, "spool") or ""))
    spool.execute("BEGIN IMMEDIATE")
    gone = spool.execute(
        "DELETE FROM batch WHERE ordinal IN (SELECT ordinal FROM batch WHERE ordinal <= ? ORDER BY ordinal LIMIT ?)", (until, MOST)
    ).rowcount
    for table, column in (("change", "at"), ("incident", "at")):
        spool.execute(
            f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} ORDER BY rowid LIMIT ?) AND {column} < ?",  # noqa: S608 - names of ours
            (MOST, now - CHANGES_KEPT),
        )
    spool.execute(
        "DELETE FROM first_receipt AS old WHERE received_at < (SELECT max(received_at) FROM first_receipt WHERE device = old.device) - ?",
        (RECEIPTS_KEPT * MILLISECOND,),
    )
    spool.execute("COMMIT")
    return gone
