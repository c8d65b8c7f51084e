"""Values of a group -> rows of the spool, within the transaction of the caller."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
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
COUNT = "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count"


def store_rare(spool: sqlite3.Connection, ordinal: int, taken: Taken) -> None:
    """Write what most hand-overs do not have."""
    if taken.standings:
        spool.executemany(_STANDING, [_standing_row(ordinal, standing) for standing in taken.standings])
    if taken.incidents:
        rows = [(ordinal, incident.at, incident.kind, incident.detail) for incident in taken.incidents]
        spool.executemany("INSERT INTO incident VALUES (NULL, ?, ?, ?, ?)", rows)
    if taken.first_receipts:
        spool.executemany("INSERT OR IGNORE INTO first_receipt VALUES (?, ?, ?)", taken.first_receipts)
    if taken.applied is not None:
        _store_applied(spool, ordinal, taken.at, taken.applied)


def _store_applied(spool: sqlite3.Connection, ordinal: int, at: Instant, applied: Applied) -> None:
    stored = spool.execute("SELECT station, quantity, device FROM standing").fetchall()
    gone = [sensor for sensor in stored if sensor not in applied.sensors]
    spool.executemany("DELETE FROM standing WHERE station = ? AND quantity = ? AND device = ?", gone)
    documents = json.dumps(applied.documents, ensure_ascii=False)
    spool.execute("INSERT OR REPLACE INTO configuration VALUES (?, ?, ?, ?)", (applied.revision, ordinal, at, documents))


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
    counts: Counter[str] = Counter()
    for taken in group:
        counts["messages"] += taken.messages
        counts["received"] += taken.readings
        counts["archived"] += len(taken.lines) - taken.replaced
        counts["duplicate"] += taken.duplicates
        counts["late"] += taken.late
        counts["unknown_fields"] += taken.unknown
        for rejection in taken.rejections:
            counts["quarantined"] += rejection.readings
            counts[f"quarantined:{rejection.reason}"] += rejection.readings
        for incident in taken.incidents:
            counts[f"incident:{Trouble(incident.kind)}"] += 1
    return counts
