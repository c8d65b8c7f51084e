"""
What waits elsewhere in the service -> incidents of the ledger, so that operators see them on their page.

Rule 1: only what has waited for PATIENCE is told: a server that is started anew is no incident.
Rule 2: nothing is lost by what is told here; it says what is not current, and the fix.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from alerts.ledger import incidents
from devices.instants import MINUTE, Instant, Span
from ingest.archive.books import Away
from service.observation import StoreNow, store_now

PATIENCE: Span = MINUTE
ARCHIVE_WAITS = "archive_waits"
"""And the name of what the archive waits for, after a colon."""


def note_waits(store: Path, engine: Engine, now: Instant) -> None:
    """
    Open an incident for each part of the archive that waits, and end those of parts that do not wait any more.

    Args:
        store: the file of the archive.
        engine: of the ledger.
        now: by the city's clock.
    """
    found = store_now(store)
    if found is None:
        return
    waiting = {f"{ARCHIVE_WAITS}:{name}": away for name, away in waits(found).items() if now - away.since_at >= PATIENCE}
    with engine.begin() as connection:
        for kind in incidents.open_kinds(connection) - waiting.keys():
            if kind.startswith(f"{ARCHIVE_WAITS}:"):
                incidents.end(connection, kind, now)
        for kind, away in waiting.items():
            incidents.begin(connection, kind, f"{away.what}; {away.fix}. Nothing is lost", away.since_at)


def waits(store: StoreNow) -> dict[str, Away]:
    """Give why each part of the archive waits, by name."""
    sinks = {name: sink.away for name, sink in store.others.items() if sink.away is not None}
    return {**store.waits, **sinks}
