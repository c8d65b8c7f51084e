"""Alarms and what audiences were told of them <-> rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, bindparam, exists, insert, or_, select, update

from alerts.ledger import schema
from alerts.ledger.asking import among, is_among
from alerts.ledger.plain import plain
from alerts.model import Alarm, Audience, End, Handling, Status, Told
from devices.instants import Instant
from rules.changes import Phase

_a, _t = schema.alarm.c, schema.told.c
_ALARM_ENUMS = {"status": Status, "end": End, "phase": Phase, "handling": Handling}
_TOLD_ENUMS = {"audience": Audience, "end": End}


def is_owed() -> ColumnElement[bool]:
    """Select alarms of which somebody still believes a level."""
    return exists().where(_t.alarm == _a.id, _t.level > 0).correlate(schema.alarm)


def is_live() -> ColumnElement[bool]:
    """Select alarms that are open, or whose end somebody still has to hear."""
    return or_(_a.ended_at.is_(None), is_owed())


_LIVE = select(schema.alarm).where(is_live()).order_by(_a.opened_at, _a.id)
_LIVE_AT = select(schema.alarm).where(is_live(), is_among(_a.station)).order_by(_a.opened_at, _a.id)
_TOLD = select(schema.told).where(is_among(_t.alarm))


def live(connection: Connection) -> list[Alarm]:
    """Give the alarms that are open or owed, the oldest first."""
    return [alarm_of(row) for row in connection.execute(_LIVE).mappings()]


def live_at(connection: Connection, places: Collection[tuple[str, str]]) -> list[Alarm]:
    """Give those of some places (station, quantity) alone, in the same order."""
    found = connection.execute(_LIVE_AT, among(sorted({station for station, _ in places}))).mappings()
    return [alarm_of(row) for row in found if (row["station"], row["quantity"]) in places]


_LATEST = (
    select(schema.alarm)
    .where(_a.station == bindparam("station"), _a.quantity == bindparam("quantity"))
    .order_by(_a.ended_at.is_(None).desc(), is_owed().desc(), _a.ended_at.desc(), _a.id)
    .limit(1)
)


def latest(connection: Connection, station: str, quantity: str) -> Alarm | None:
    """Give the alarm of a place that is open or owed, else the one that ended last."""
    row = connection.execute(_LATEST, {"station": station, "quantity": quantity}).mappings().first()
    return None if row is None else alarm_of(row)


def of_place(connection: Connection, station: str, quantity: str, from_at: Instant) -> list[Alarm]:
    """Give the alarms of a place that were open at an instant or began later, whatever a revision has made of their beginning."""
    wanted = _a.station == station, _a.quantity == quantity, or_(_a.ended_at.is_(None), _a.ended_at >= from_at)
    return [alarm_of(row) for row in connection.execute(select(schema.alarm).where(*wanted)).mappings()]


def find(connection: Connection, alarm: str) -> Alarm | None:
    """Give an alarm by its id."""
    row = connection.execute(select(schema.alarm).where(_a.id == alarm)).mappings().first()
    return None if row is None else alarm_of(row)


_KEYS = {schema.alarm: ("id",), schema.told: ("alarm", "audience")}
_KNOWN = "known_"
_UPDATES = {table: update(table).where(*(table.c[name] == bindparam(_KNOWN + name) for name in key)) for table, key in _KEYS.items()}
_INSERTS = {table: insert(table) for table in _KEYS}


def save(connection: Connection, alarm: Alarm, *, is_new: bool = False) -> None:
    """Write an alarm; `is_new` where it is known not to be there."""
    _save(connection, schema.alarm, plain(alarm), is_new=is_new)


def save_known(connection: Connection, found: Collection[Alarm]) -> None:
    """Write alarms that are there, in one go: while the water stands high, each reading changes one."""
    if found:
        connection.execute(_UPDATES[schema.alarm], [_changes(schema.alarm, plain(alarm)) for alarm in found])


def told_of(connection: Connection, alarms: Iterable[str]) -> dict[tuple[str, Audience], Told]:
    """Give what was told of some alarms, by alarm and audience; absent where nothing ever was."""
    rows = connection.execute(_TOLD, among(list(alarms))).mappings()
    found = (Told(**_of(row, _TOLD_ENUMS)) for row in rows)
    return {(told.alarm, told.audience): told for told in found}


def save_told(connection: Connection, told: Told, *, is_new: bool = False) -> None:
    """Write what an audience was last told."""
    _save(connection, schema.told, plain(told), is_new=is_new)


def alarm_of(row: RowMapping) -> Alarm:
    """Build an alarm from its row."""
    return Alarm(**_of(row, _ALARM_ENUMS))


def _save(connection: Connection, table: Table, values: dict[str, Any], *, is_new: bool) -> None:
    if is_new or not connection.execute(_UPDATES[table], _changes(table, values)).rowcount:
        connection.execute(_INSERTS[table], values)


def _changes(table: Table, values: dict[str, Any]) -> dict[str, Any]:
    """Name what a row is known by otherwise than what it is set to."""
    return {_KNOWN + name if name in _KEYS[table] else name: value for name, value in values.items()}


def _of(row: RowMapping, enums: dict[str, Any]) -> dict[str, Any]:
    return {name: enums[name](field) if name in enums and field is not None else field for name, field in row.items()}
