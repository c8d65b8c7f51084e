"""
What the feed said <-> rows: each change with its latest verb, and the cursor up to which the feed was read.

Rule 1: a change may be issued, withdrawn and issued again under one id; the later word counts.
Rule 2: the cursor moves in the transaction of what was read before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, delete, func, insert, or_, select, update

from alerts.alarms import UPWARDS, Known
from alerts.ledger import schema
from alerts.ledger.asking import among, is_among
from devices.instants import Instant
from rules.changes import Change, Kind, Said, Verb

NAME = "changes"
_FIELDS = ("id", "rule", "station", "quantity", "device", "kind", "level", "was", "at", "value", "peak")
_c, _a = schema.change.c, schema.alarm.c
_OF_PLACE = and_(_a.station == _c.station, _a.quantity == _c.quantity)
_BEGINNINGS = (
    select(_a.id.label("alarm"), schema.change)
    .join(schema.change, and_(_OF_PLACE, _a.opened_at == _c.at, _c.kind == Kind.RAISE.value))
    .where(is_among(_a.id))
)
_HIGHEST = (
    select(_a.id, func.max(_c.level))
    .join(schema.change, and_(_OF_PLACE, _c.at >= _a.opened_at, or_(_a.ended_at.is_(None), _c.at <= _a.ended_at)))
    .where(_c.standing, _c.kind.in_(sorted(kind.value for kind in UPWARDS)), is_among(_a.id))
    .group_by(_a.id)
)
_THIS_PLACE = and_(_c.station == bindparam("station"), _c.quantity == bindparam("quantity"))
_RAISE_BEFORE = (
    select(_c.at)
    .where(_THIS_PLACE, _c.standing, _c.kind == Kind.RAISE.value, _c.at < bindparam("at"))
    .order_by(_c.at.desc())
    .limit(1)
    .scalar_subquery()
)
_FROM = select(schema.change).where(_THIS_PLACE, _c.at >= func.coalesce(_RAISE_BEFORE, bindparam("at")))
_THERE = select(_c.id).where(is_among(_c.id))
_WITHDRAWN = _THERE.where(_c.standing.is_(False))
_CURSOR = select(schema.cursor).where(schema.cursor.c.name == NAME)
_MOVE = update(schema.cursor).where(schema.cursor.c.name == NAME)


def store(connection: Connection, said: Iterable[tuple[int, Said]]) -> None:
    """Write what was said, each change with its latest word."""
    latest = {each.change.id: (ordinal, each) for ordinal, each in said}
    there = _of_these(connection, _THERE, list(latest))
    rows = [_row(ordinal, each) for ordinal, each in latest.values()]
    fresh = [row for row in rows if row["id"] not in there]
    known = [{"known": row["id"], **{name: value for name, value in row.items() if name != "id"}} for row in rows if row["id"] in there]
    if fresh:
        connection.execute(insert(schema.change), fresh)
    if known:
        connection.execute(update(schema.change).where(_c.id == bindparam("known")), known)


def known_from(connection: Connection, station: str, quantity: str, at: Instant) -> Known:
    """Give the changes of a place from an instant on, and from the beginning of the episode before it, which it may have ended."""
    return _known(connection.execute(_FROM, {"station": station, "quantity": quantity, "at": at}).mappings())


def known_of_beginnings(connection: Connection, alarms: Sequence[str]) -> dict[str, Known]:
    """Give the raises, standing and withdrawn, at the instant at which each of some alarms began, by alarm."""
    found: dict[str, list[RowMapping]] = {alarm: [] for alarm in alarms}
    for row in connection.execute(_BEGINNINGS, among(alarms)).mappings():
        found[row["alarm"]].append(row)
    return {alarm: _known(rows) for alarm, rows in found.items()}


def highest_of_alarms(connection: Connection, alarms: Sequence[str]) -> dict[str, int]:
    """Give the highest level that was reached and stands, from the beginning of each alarm to its end; absent where there is none."""
    return dict(connection.execute(_HIGHEST, among(alarms)).all())


def withdrawn_of(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Give those of these changes that do not stand any more."""
    return _of_these(connection, _WITHDRAWN, ids)


def change_of(row: RowMapping) -> Change:
    """Build a change from its row."""
    return Change(**{name: row[name] for name in _FIELDS if name != "kind"}, kind=Kind(row["kind"]))


def forget_before(connection: Connection, at: Instant) -> int:
    """Delete changes that happened before an instant; give how many."""
    return connection.execute(delete(schema.change).where(_c.at < at)).rowcount


def cursor_of(connection: Connection) -> tuple[str, int] | None:
    """Give (spool, ordinal) up to which the feed was read; None before the first time."""
    row = connection.execute(_CURSOR).first()
    return None if row is None else (row.spool, row.ordinal)


def move_cursor(connection: Connection, spool: str, ordinal: int) -> None:
    """Note how far the feed was read."""
    if cursor_of(connection) == (spool, ordinal):
        return
    values = {"spool": spool, "ordinal": ordinal}
    if not connection.execute(_MOVE, values).rowcount:
        connection.execute(insert(schema.cursor).values(name=NAME, **values))


def forget_cursor(connection: Connection) -> None:
    """Read the feed from its beginning again, as another spool needs it."""
    connection.execute(delete(schema.cursor).where(schema.cursor.c.name == NAME))


def _known(rows: Iterable[RowMapping]) -> Known:
    standing: dict[str, Change] = {}
    withdrawn: dict[str, Change] = {}
    for row in rows:
        (standing if row["standing"] else withdrawn)[row["id"]] = change_of(row)
    return Known(standing, withdrawn)


def _of_these(connection: Connection, asked: Select[str], ids: Sequence[str]) -> set[str]:
    return set(connection.execute(asked, among(ids)).scalars())


def _row(ordinal: int, said: Said) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(said.change, name) for name in _FIELDS}
    return {**values, "kind": said.change.kind.value, "ordinal": ordinal, "standing": said.verb is Verb.ISSUED}
