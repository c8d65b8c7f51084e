"""The ledger, as another process reads it -> what is counted of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from alerts.ledger import deliveries, reading
from alerts.ledger.changes import cursor_of

OfLedger: TypeAlias = tuple[int | None, Mapping[str, int], Mapping[tuple[str, str], int]]
"""(ordinal of the feed up to which it has read, counts by name, deliveries by channel and state)."""


def ledger_figures(ledger: Engine) -> OfLedger:
    """Read a ledger, and let go of its file: one that was exchanged must not be read on. Nothing is counted where there is none."""
    try:
        with ledger.connect() as connection:
            cursor = cursor_of(connection)
            by_state = {(channel, state.value): count for (channel, state), count in deliveries.counts(connection).items()}
            return cursor[1] if cursor else None, reading.counts(connection), by_state
    except DatabaseError:
        return None, {}, {}
    finally:
        ledger.dispose()
