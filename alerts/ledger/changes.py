"""
What the feed said <-> rows: each change with its latest verb, and the cursor up to which the feed was read.

Rule 1: a change may be issued, withdrawn and issued again under one id; the later word counts.
Rule 2: the cursor moves in the transaction of what was read before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, RowMapping, and_, bindparam, delete, insert, select, update

from alerts.alarms import Known
from alerts.ledger import schema
from devices.instants import Instant, Span
from rules.changes import Change, Kind, Said, Verb

NAME = "changes"
_FIELDS = ("id", "rule", "station", "quantity", "device", "kind", "level", "was", "at", "value", "peak")
_MOST = 500
"""Ids in one question: SQLite takes no more than some thousand parameters."""
_c = schema.change.c


def store(connection: Connection, said: Iterable[tuple[int, Said]]) -> None:
    """Write what was said, each change with its latest word."""
    latest = {each.change.id: (ordinal, each) for ordinal, each in said}
    there = _there(connection, list(latest))
    rows = [_row(ordinal, each) for ordinal, each in latest.values()]
    fresh = [row for row in rows if row["id"] not in there]
    known = [{"known": row["id"], **{name: value for name, value in row.items() if name != "id"}} for row in rows if row["id"] in there]
    if fresh:
        connection.execute(insert(schema.change), fresh)
    if known:
        connection.execute(update(schema.change).where(_c.id == bindparam("known")), known)


def known_of(connection: Connection, station: str, quantity: str, since: Instant | None = None) -> Known:
    """Give the changes of a place, all or from an instant on."""
    wanted = select(schema.change).where(_c.station == station, _c.quantity == quantity)
    if since is not None:
        wanted = wanted.where(_c.at >= since)
    standing: dict[str, Change] = {}
    withdrawn: dict[str, Change] = {}
    for row in connection.execute(wanted).mappings():
        (standing if row["standing"] else withdrawn)[row["id"]] = change_of(row)
    return Known(standing, withdrawn)


def known_of_alarms(connection: Connection, alarms: Sequence[str], reach: Span) -> dict[str, Known]:
    """Give the changes of the places of some alarms, each from `reach` before its alarm began, by alarm."""
    found: dict[str, tuple[dict[str, Change], dict[str, Change]]] = {alarm: ({}, {}) for alarm in alarms}
    a = schema.alarm.c
    place = and_(a.station == _c.station, a.quantity == _c.quantity, _c.at >= a.opened_at - reach)
    asked = select(a.id.label("alarm"), schema.change).join(schema.change, place)
    for start in range(0, len(alarms), _MOST):
        for row in connection.execute(asked.where(a.id.in_(alarms[start : start + _MOST]))).mappings():
            standing, withdrawn = found[row["alarm"]]
            (standing if row["standing"] else withdrawn)[row["id"]] = change_of(row)
    return {alarm: Known(*both) for alarm, both in found.items()}


def change_of(row: RowMapping) -> Change:
    """Build a change from its row."""
    return Change(**{name: row[name] for name in _FIELDS if name != "kind"}, kind=Kind(row["kind"]))


def forget_before(connection: Connection, at: Instant) -> int:
    """Delete changes that happened before an instant; give how many."""
    return connection.execute(delete(schema.change).where(_c.at < at)).rowcount


def cursor_of(connection: Connection) -> tuple[str, int] | None:
    """Give (spool, ordinal) up to which the feed was read; None before the first time."""
    row = connection.execute(select(schema.cursor).where(schema.cursor.c.name == NAME)).first()
    return None if row is None else (row.spool, row.ordinal)


def move_cursor(connection: Connection, spool: str, ordinal: int) -> None:
    """Note how far the feed was read."""
    if cursor_of(connection) == (spool, ordinal):
        return
    values = {"spool": spool, "ordinal": ordinal}
    moved = connection.execute(update(schema.cursor).where(schema.cursor.c.name == NAME).values(**values)).rowcount
    if not moved:
        connection.execute(insert(schema.cursor).values(name=NAME, **values))


def forget_cursor(connection: Connection) -> None:
    """Read the feed from its beginning again, as another spool needs it."""
    connection.execute(delete(schema.cursor).where(schema.cursor.c.name == NAME))


def _there(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), _MOST):
        found.update(connection.execute(select(_c.id).where(_c.id.in_(ids[start : start + _MOST]))).scalars())
    return found


def _row(ordinal: int, said: Said) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(said.change, name) for name in _FIELDS}
    return {**values, "kind": said.change.kind.value, "ordinal": ordinal, "standing": said.verb is Verb.ISSUED}
