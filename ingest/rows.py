"""Values of a group -> rows of the spool, within the transaction of the caller."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from dataclasses import fields
from typing import Any

from ingest.inbox import Trouble
from ingest.taken import Taken

CHANGE = "INSERT INTO change VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
COUNT = "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count"


def store_rare(spool: sqlite3.Connection, ordinal: int, taken: Taken) -> None:
    """Write what most hand-overs do not have."""
    for standing in taken.standings:
        _store_standing(spool, ordinal, standing)
    for incident in taken.incidents:
        spool.execute("INSERT INTO incident VALUES (NULL, ?, ?, ?, ?)", (ordinal, incident.at, incident.kind, incident.detail))
    if taken.first_receipts:
        spool.executemany("INSERT OR IGNORE INTO first_receipt VALUES (?, ?, ?)", taken.first_receipts)
    if taken.applied is not None:
        stored = spool.execute("SELECT station, quantity, device FROM standing").fetchall()
        gone = [sensor for sensor in stored if sensor not in taken.applied.sensors]
        spool.executemany("DELETE FROM standing WHERE station = ? AND quantity = ? AND device = ?", gone)
        documents = json.dumps(taken.applied.documents, ensure_ascii=False)
        spool.execute("INSERT OR REPLACE INTO configuration VALUES (?, ?, ?, ?)", (taken.applied.revision, ordinal, taken.at, documents))


def _store_standing(spool: sqlite3.Connection, ordinal: int, standing: Any) -> None:
    body = json.dumps({field.name: getattr(standing, field.name) for field in fields(standing)}, ensure_ascii=False)
    spool.execute(
        "INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?, ?)", (standing.station, standing.quantity, standing.device, ordinal, body)
    )


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
