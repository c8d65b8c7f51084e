"""The ledger, as another process reads it -> what is counted of it, and the alarms that stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from alerts.ledger import deliveries, reading
from alerts.ledger.changes import cursor_of
from alerts.model import Alarm, Audience

OfLedger: TypeAlias = tuple[int | None, Mapping[str, int], Mapping[tuple[str, str], int]]
"""(ordinal of the feed up to which it has read, counts by name, deliveries by channel and state)."""
Open: TypeAlias = Sequence[tuple[Alarm, int]]
"""Alarms that have not ended, each with the level that residents believe to stand."""
_T = TypeVar("_T")


def ledger_figures(ledger: Engine) -> OfLedger:
    """Read a ledger, and let go of its file: one that was exchanged must not be read on. Nothing is counted where there is none."""
    nothing: OfLedger = (None, {}, {})
    return _read(ledger, _counted, nothing)


def open_alarms(ledger: Engine) -> Open:
    """Read the alarms of a ledger that have not ended, and let go of its file. There are none where it cannot be read."""
    return _read(ledger, _open, ())


def _counted(connection: Connection) -> OfLedger:
    cursor = cursor_of(connection)
    by_state = {(channel, state.value): count for (channel, state), count in deliveries.counts(connection).items()}
    return cursor[1] if cursor else None, reading.counts(connection), by_state


def _open(connection: Connection) -> Open:
    alarms = [alarm for alarm in reading.open_alarms(connection) if alarm.ended_at is None]
    told = reading.told(connection, Audience.RESIDENTS, [alarm.id for alarm in alarms])
    return [(alarm, told[alarm.id].level if alarm.id in told else 0) for alarm in alarms]


def _read(ledger: Engine, read: Callable[[Connection], _T], nothing: _T) -> _T:
    try:
        with ledger.connect() as connection:
            return read(connection)
    except DatabaseError:
        return nothing
    finally:
        ledger.dispose()
