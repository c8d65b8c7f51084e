"""
What nobody needs any more -> gone from the spool, a little at a time, and so that it stays within a budget of bytes.

Rule 1: a batch goes when every sink of the archive has it on its disk, the spool was held against the archive up to it, and no replay
        can begin before it.
Rule 2: above the budget a batch goes when the store has it: another sink gets it from there, when it is compared with the store.
Rule 3: without a store nothing is known to be archived, so nothing goes.
Rule 4: what is old is so by what devices observe too (`age`): a clock that was set ahead deletes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from devices.instants import DAY, MILLISECOND, Instant, Span
from ingest.accept import RECEIPTS_KEPT
from ingest.age import present
from ingest.inbox import Incident, Trouble
from ingest.spool import meta, set_meta

MOST = 500
"""Batches a turn: some milliseconds."""
CHANGES_KEPT: Span = 400 * DAY
MARKS = (50, 75, 90)
"""Percent of the budget at which somebody is told."""
OVER = 100
FALLEN = 10
"""Percent below a mark at which it may be told again."""
STORE = "store"
_MARK = "budget_mark"


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the spool."""

    store: Path
    """The file of the archive, whose cursors say what may go."""
    budget: int | None = None
    """Bytes that it may hold; None for no bound."""


def cursors(store: Path, spool: str) -> Mapping[str, int]:
    """Give the ordinals up to which the sinks, and what compares them, have the batches of a spool; 0 for one of another spool."""
    if not store.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as reader:
            found = reader.execute("SELECT name, spool, ordinal FROM cursor").fetchall()
    except sqlite3.OperationalError:  # the archive is making it just now
        return {}
    return {name: ordinal if of == spool else 0 for name, of, ordinal in found}


def passed(store: Path, spool: str) -> int:
    """Give the ordinal up to which nobody needs the batches of a spool; 0 where there is no store, or one of another spool."""
    return min(cursors(store, spool).values(), default=0)


def trim(spool: sqlite3.Connection, limits: Limits, floor: int, now: Instant, tell: Callable[[Incident], None] = lambda _: None) -> int:
    """
    Delete what is old, in one short transaction.

    Args:
        spool: the writer's connection, outside a transaction.
        limits: what bounds it.
        floor: a replay begins after this ordinal.
        now: by the world's clock.
        tell: hears when the spool fills.

    Returns:
        How many batches went; MOST means that there may be more.
    """
    reached = cursors(limits.store, meta(spool, "spool") or "")
    held = min(reached.values(), default=0)
    percent = 0 if limits.budget is None else 100 * size(spool) // limits.budget
    until = min(floor, held if percent < OVER else max(held, reached.get(STORE, 0)))
    spool.execute("BEGIN IMMEDIATE")
    gone = spool.execute(
        "DELETE FROM batch WHERE ordinal IN (SELECT ordinal FROM batch WHERE ordinal <= ? ORDER BY ordinal LIMIT ?)", (until, MOST)
    ).rowcount
    for table in ("change", "incident"):
        _forget(spool, table, now)
    spool.execute(
        "DELETE FROM first_receipt AS old WHERE received_at < (SELECT max(received_at) FROM first_receipt WHERE device = old.device) - ?",
        (RECEIPTS_KEPT * MILLISECOND,),
    )
    told = list(_told(spool, limits, percent, reached, now))
    spool.execute("COMMIT")
    for incident in told:
        tell(incident)
    return gone


def size(spool: sqlite3.Connection) -> int:
    """Give the bytes that are in use; what was freed stays in the file, and is used again."""
    return sum(
        sign * spool.execute(f"PRAGMA {name}").fetchone()[0] * spool.execute("PRAGMA page_size").fetchone()[0]
        for name, sign in (("page_count", 1), ("freelist_count", -1))
    )


def _forget(spool: sqlite3.Connection, table: str, now: Instant) -> None:
    before = now - CHANGES_KEPT
    oldest = spool.execute(f"SELECT at FROM {table} ORDER BY rowid LIMIT 1").fetchone()  # noqa: S608 - names of ours
    if oldest is None or oldest[0] >= before or (seen := present(spool, now)) is None:
        return
    spool.execute(
        f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} ORDER BY rowid LIMIT ?) AND at < ?",  # noqa: S608 - names of ours
        (MOST, seen - CHANGES_KEPT),
    )


def _told(spool: sqlite3.Connection, limits: Limits, percent: int, reached: Mapping[str, int], now: Instant) -> Iterator[Incident]:
    """Give what is to be told of the budget: each mark once, until it has fallen well below."""
    before = int(meta(spool, _MARK) or 0)
    mark = max((each for each in (*MARKS, OVER) if percent >= each), default=0)
    if mark > before:
        yield _filled(mark, limits.budget or 0, reached, now)
    elif mark < before and percent > before - FALLEN:
        mark = before
    if mark != before:
        set_meta(spool, _MARK, str(mark))


def _filled(mark: int, budget: int, reached: Mapping[str, int], now: Instant) -> Incident:
    slow = {name: ordinal for name, ordinal in sorted(reached.items()) if ordinal < reached.get(STORE, 0)}
    waits = ", ".join(f"{name} (at {ordinal})" for name, ordinal in slow.items()) or "the store"
    filled = f"the spool holds {mark} % of its {budget / 2**20:,.0f} MiB; it waits for {waits}"
    if mark < OVER:
        return Incident(now, Trouble.SPOOL_FILLS, f"{filled}; see `canhbao status`, or raise spool.budget_bytes")
    misses = (
        f"batches up to {reached.get(STORE, 0)} go now, as far as needed: {', '.join(slow)} will miss them until the comparison with the"
        " store, which keeps their readings until then"
        if slow
        else "nothing can go before the store has it; see whether `canhbao archive` runs"
    )
    return Incident(now, Trouble.SPOOL_OVER_BUDGET, f"{filled}; {misses}")
