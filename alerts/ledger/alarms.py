"""Alarms and what audiences were told of them <-> rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, exists, insert, or_, select, update

from alerts.ledger import schema
from alerts.model import Alarm, Audience, End, Handling, Status, Told
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


def live(connection: Connection) -> list[Alarm]:
    """Give the alarms that are open or owed, the oldest first."""
    return [alarm_of(row) for row in connection.execute(select(schema.alarm).where(is_live()).order_by(_a.opened_at, _a.id)).mappings()]


def latest(connection: Connection, station: str, quantity: str) -> Alarm | None:
    """Give the alarm of a place that is open or owed, else the one that ended last."""
    order = (_a.ended_at.is_(None).desc(), is_owed().desc(), _a.ended_at.desc(), _a.id)
    row = connection.execute(select(schema.alarm).where(_is_of(station, quantity)).order_by(*order).limit(1)).mappings().first()
    return None if row is None else alarm_of(row)


def of_place(connection: Connection, station: str, quantity: str) -> list[Alarm]:
    """Give all alarms of a place."""
    return [alarm_of(row) for row in connection.execute(select(schema.alarm).where(_is_of(station, quantity))).mappings()]


def find(connection: Connection, alarm: str) -> Alarm | None:
    """Give an alarm by its id."""
    row = connection.execute(select(schema.alarm).where(_a.id == alarm)).mappings().first()
    return None if row is None else alarm_of(row)


def save(connection: Connection, alarm: Alarm, *, is_new: bool = False) -> None:
    """Write an alarm; `is_new` where it is known not to be there."""
    _save(connection, schema.alarm, _plain(alarm), ("id",), is_new=is_new)


def told_of(connection: Connection, alarms: Iterable[str]) -> dict[tuple[str, Audience], Told]:
    """Give what was told of some alarms, by alarm and audience; absent where nothing ever was."""
    rows = connection.execute(select(schema.told).where(_t.alarm.in_(list(alarms)))).mappings()
    found = (_of(row, _TOLD_ENUMS) for row in rows)
    return {(fields["alarm"], fields["audience"]): Told(**fields) for fields in found}


def save_told(connection: Connection, told: Told, *, is_new: bool = False) -> None:
    """Write what an audience was last told."""
    _save(connection, schema.told, _plain(told), ("alarm", "audience"), is_new=is_new)


def alarm_of(row: RowMapping) -> Alarm:
    """Build an alarm from its row."""
    return Alarm(**_of(row, _ALARM_ENUMS))


def _is_of(station: str, quantity: str) -> ColumnElement[bool]:
    return and_(_a.station == station, _a.quantity == quantity)


def _save(connection: Connection, table: Table, values: dict[str, Any], key: tuple[str, ...], *, is_new: bool) -> None:
    same = and_(*(table.c[name] == values[name] for name in key))
    if is_new or not connection.execute(update(table).where(same).values(**values)).rowcount:
        connection.execute(insert(table).values(**values))


def _plain(value: Alarm | Told) -> dict[str, Any]:
    """Enum members are strings, but the driver wants plain ones."""
    return {
        name: field.value if isinstance(field, Status | End | Phase | Handling | Audience) else field
        for name, field in asdict(value).items()
    }


def _of(row: RowMapping, enums: dict[str, Any]) -> dict[str, Any]:
    return {name: enums[name](field) if name in enums and field is not None else field for name, field in row.items()}
