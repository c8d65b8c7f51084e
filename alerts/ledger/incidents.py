"""
What is wrong with ourselves <-> rows.

Rule 1: of a condition there is one open incident at a time, however often it is noted.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from alerts.ledger import schema
from devices.instants import Instant

_i = schema.incident.c


def begin(connection: Connection, kind: str, detail: str, at: Instant) -> bool:
    """Open an incident, where none of its kind is open; tell whether it was opened."""
    if is_open(connection, kind):
        return False
    connection.execute(insert(schema.incident).values(kind=kind, detail=detail, opened_at=at))
    return True


def end(connection: Connection, kind: str, at: Instant) -> bool:
    """End what is open of a kind; tell whether anything was."""
    return connection.execute(update(schema.incident).where(_i.kind == kind, _i.ended_at.is_(None)).values(ended_at=at)).rowcount > 0


def note(connection: Connection, kind: str, detail: str, at: Instant) -> None:
    """Write down something that happened and is over."""
    connection.execute(insert(schema.incident).values(kind=kind, detail=detail, opened_at=at, ended_at=at))


def is_open(connection: Connection, kind: str) -> bool:
    """Tell whether an incident of a kind is open."""
    return connection.execute(select(_i.id).where(_i.kind == kind, _i.ended_at.is_(None)).limit(1)).first() is not None


def open_kinds(connection: Connection) -> set[str]:
    """Give the kinds of incidents that are open."""
    return set(connection.execute(select(_i.kind).where(_i.ended_at.is_(None))).scalars())
