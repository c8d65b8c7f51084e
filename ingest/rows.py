"""Values of a group -> rows of the spool, within the transaction of the caller."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from pydantic_core import to_json

from devices.instants import Instant
from ingest.inbox import Trouble
from ingest.taken import Applied, Taken

CHANGE = "INSERT INTO change VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_STANDING = """INSERT INTO standing VALUES (?, ?, ?, ?, ?)
ON CONFLICT (station, quantity, device) DO UPDATE SET ordinal = excluded.ordinal, body = excluded.body"""


def store_rare(spool: sqlite3.Connection, ordinal: int, group: list[Taken]) -> None:
    """Write what most hand-overs do not have."""
    if standings := [standing for taken in group for standing in taken.standings]:
        spool.executemany(_STANDING, [_standing_row(ordinal, standing) for standing in standings])
    if incidents := [incident for taken in group for incident in taken.incidents]:
        rows = [(ordinal, incident.at, incident.kind, incident.detail) for incident in incidents]
        spool.executemany("INSERT INTO incident VALUES (NULL, ?, ?, ?, ?)", rows)
    if first_receipts := [receipt for taken in group for receipt in taken.first_receipts]:
        spool.executemany("INSERT OR IGNORE INTO first_receipt VALUES (?, ?, ?)", first_receipts)
    if group[0].applied is not None:  # it opens and closes its batch
        _store_applied(spool, ordinal, group[0].at, group[0].applied)


def store_counts(spool: sqlite3.Connection, counts: Mapping[str, int]) -> None:
    """Add to the counters, in one statement: each step of a statement gives the interpreter away, and it may be long in coming back."""
    rows = [(name, count) for name, count in counts.items() if count]
    if rows:
        places = ", ".join(["(?, ?)"] * len(rows))
        spool.execute(
            f"INSERT INTO counter VALUES {places} ON CONFLICT (name) DO UPDATE SET count = count + excluded.count",  # noqa: S608 - only places
            [value for row in rows for value in row],
        )


def _store_applied(spool: sqlite3.Connection, ordinal: int, at: Instant, applied: Applied) -> None:
    stored = spool.execute("SELECT station, quantity, device FROM standing").fetchall()
    gone = [sensor for sensor in stored if sensor not in applied.sensors]
    spool.executemany("DELETE FROM standing WHERE station = ? AND quantity = ? AND device = ?", gone)
    row = applied.revision, ordinal, at, applied.documents
    spool.execute("INSERT OR REPLACE INTO configuration VALUES (?, ?, ?, ?)", row)


def _standing_row(ordinal: int, standing: Any) -> tuple[Any, ...]:
    kind: Any = type(standing)
    body = to_json({name: getattr(standing, name) for name in _names(kind)})
    return standing.station, standing.quantity, standing.device, ordinal, body.decode()


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def change_row(ordinal: int, said: Any) -> tuple[Any, ...]:
    """Give the row of what was said."""
    change = said.change
    what = (change.id, change.rule, change.station, change.quantity, change.device)
    return (ordinal, said.verb, *what, change.kind, change.level, change.was, change.at, change.value, change.peak)


def counts_of(group: list[Taken]) -> Counter[str]:
    """Give what a group adds to the counters, in readings except `messages` and `unknown_fields`."""
    counts = Counter(
        messages=sum([taken.messages for taken in group]),
        received=sum([taken.readings for taken in group]),
        archived=sum([len(taken.lines) - taken.replaced for taken in group]),
        duplicate=sum([taken.duplicates for taken in group]),
        late=sum([taken.late for taken in group]),
        unknown_fields=sum([taken.unknown for taken in group]),
    )
    for rejection in [rejection for taken in group for rejection in taken.rejections]:
        counts["quarantined"] += rejection.readings
        counts[f"quarantined:{rejection.reason}"] += rejection.readings
    for incident in [incident for taken in group for incident in taken.incidents]:
        counts[f"incident:{Trouble(incident.kind)}"] += 1
    return counts
