"""
What is wrong with ourselves <-> rows.

Rule 1: of a condition there is one open incident at a time, however often it is noted.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, insert, select, update

from alerts.ledger import schema
from devices.instants import Instant

_i = schema.incident.c
_IS_OPEN = and_(_i.kind == bindparam("the_kind"), _i.ended_at.is_(None))
_OPEN, _END = select(_i.id).where(_IS_OPEN).limit(1), update(schema.incident).where(_IS_OPEN)
_OPEN_KINDS = select(_i.kind).where(_i.ended_at.is_(None))


def begin(connection: Connection, kind: str, detail: str, at: Instant) -> bool:
    """Open an incident, where none of its kind is open; tell whether it was opened."""
    if is_open(connection, kind):
        return False
    connection.execute(insert(schema.incident).values(kind=kind, detail=detail, opened_at=at))
    return True


def end(connection: Connection, kind: str, at: Instant) -> bool:
    """End what is open of a kind; tell whether anything was."""
    return connection.execute(_END, {"the_kind": kind, "ended_at": at}).rowcount > 0


def note(connection: Connection, kind: str, detail: str, at: Instant) -> None:
    """Write down something that happened and is over."""
    connection.execute(insert(schema.incident).values(kind=kind, detail=detail, opened_at=at, ended_at=at))


def is_open(connection: Connection, kind: str) -> bool:
    """Tell whether an incident of a kind is open."""
    return connection.execute(_OPEN, {"the_kind": kind}).first() is not None


def open_kinds(connection: Connection) -> set[str]:
    """Give the kinds of incidents that are open."""
    return set(connection.execute(_OPEN_KINDS).scalars())
