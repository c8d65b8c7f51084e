"""
What operators do -> rows: acknowledge, close, silence, lift, release.

Rule 1: everything that changes something is written down with who, when and why; doing it again changes nothing.
Rule 2: closing is for an alarm whose gauge cannot say any more that it is over. A gauge that is heard ends its alarm itself.
Rule 3: nothing is told from here: the next step of the desk finds the difference.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from alerts.ledger import alarms, holding, schema
from alerts.model import Alarm, Audience, End, Handling
from alerts.plan import SILENT
from devices.instants import Instant

_a, _s = schema.alarm.c, schema.silence.c


class ActionRefused(Exception):  # noqa: N818 - it says what is so
    """The action does not fit what stands; the text says why and what to do instead."""


def acknowledge(connection: Connection, alarm: str, by: str, now: Instant) -> bool:
    """
    Note that somebody cares for an alarm.

    Returns:
        Whether anything changed.

    Raises:
        ActionRefused: there is no such alarm.
    """
    found = _found(connection, alarm)
    if found.handling is not Handling.OPEN:
        return False
    _handle(connection, alarm, {"handling": Handling.ACKNOWLEDGED.value, "handled_by": by, "handled_at": now})
    _note(connection, now, by, "acknowledge", alarm, None)
    return True


def close(connection: Connection, alarm: str, by: str, reason: str, now: Instant, *, force: bool = False) -> bool:
    """
    End an alarm whose gauge cannot; everybody who was warned will be told.

    Args:
        connection: in a transaction.
        alarm: its id.
        by: who does it.
        reason: why; it is told to operators.
        now: the present instant.
        force: also where the gauge is heard. Such an alarm is open again with its next reading above a level: to stop a gauge that raves,
            end its validity in the city's files first.

    Returns:
        Whether anything changed.

    Raises:
        ActionRefused: no such alarm, no reason, or the gauge is heard and `force` is not given.
    """
    found = _found(connection, alarm)
    if not reason.strip():
        raise ActionRefused("closing an alarm needs a reason, which those who were warned will hear; give one")
    if found.end is End.CLOSED or not (found.ended_at is None or _is_owed(connection, alarm)):
        return False
    if found.phase not in SILENT and not force:
        raise ActionRefused(
            f"the gauge {found.device} is heard, and its alarm ends by itself; if its readings are wrong, end its validity in devices.yaml, then force"
        )
    handled = {"handling": Handling.CLOSED.value, "handled_by": by, "handled_at": now, "handling_reason": reason.strip()}
    _handle(connection, alarm, {**handled, "level": 0, "level_at": now, "ended_at": now, "end": End.CLOSED.value})
    _note(connection, now, by, "close", alarm, reason.strip())
    return True


def silence(
    connection: Connection, station: str | None, quantity: str | None, until_at: Instant, by: str, reason: str, now: Instant
) -> int:
    """
    Let operators hear less of a place until an instant; ends and residents are not touched.

    Args:
        connection: in a transaction.
        station: None for every station.
        quantity: None for every quantity.
        until_at: exclusive.
        by: who does it.
        reason: why.
        now: the present instant.

    Returns:
        The number of the silence; that of the one which is there already, where it is the same.

    Raises:
        ActionRefused: no reason, or an end that has passed.
    """
    if not reason.strip():
        raise ActionRefused("a silence needs a reason; give one")
    if until_at <= now:
        raise ActionRefused("the silence would end before it begins; give an instant in the future")
    same = (_s.station.is_not_distinct_from(station), _s.quantity.is_not_distinct_from(quantity), _s.until_at == until_at)
    there = connection.execute(select(_s.id).where(*same, _s.lifted_at.is_(None)).limit(1)).scalar()
    if there is not None:
        return int(there)
    values = {
        "station": station,
        "quantity": quantity,
        "from_at": now,
        "until_at": until_at,
        "reason": reason.strip(),
        "by": by,
        "made_at": now,
    }
    made = connection.execute(insert(schema.silence).values(**values).returning(_s.id)).scalar_one()
    _note(connection, now, by, "silence", None, reason.strip())
    return int(made)


def lift(connection: Connection, number: int, by: str, now: Instant) -> bool:
    """
    End a silence before its time.

    Returns:
        Whether anything changed.

    Raises:
        ActionRefused: there is no such silence.
    """
    row = connection.execute(select(schema.silence).where(_s.id == number)).first()
    if row is None:
        raise ActionRefused(f"there is no silence {number}; see the list of silences")
    if row.lifted_at is not None or row.until_at <= now:
        return False
    connection.execute(update(schema.silence).where(_s.id == number).values(lifted_at=now))
    _note(connection, now, by, "lift", None, f"silence {number}")
    return True


def release(connection: Connection, by: str, now: Instant) -> bool:
    """
    Let the service speak again: the next step tells what differs then from what was told.

    Returns:
        Whether it was held.
    """
    if not holding.end(connection, now):
        return False
    _note(connection, now, by, "release", None, None)
    return True


def _found(connection: Connection, alarm: str) -> Alarm:
    found = alarms.find(connection, alarm)
    if found is None:
        raise ActionRefused(f"there is no alarm {alarm!r}; see the list of alarms")
    return found


def _is_owed(connection: Connection, alarm: str) -> bool:
    told = alarms.told_of(connection, [alarm])
    return any((alarm, audience) in told and told[alarm, audience].level > 0 for audience in Audience)


def _handle(connection: Connection, alarm: str, values: dict[str, object]) -> None:
    connection.execute(update(schema.alarm).where(_a.id == alarm).values(**values))


def _note(connection: Connection, now: Instant, by: str, verb: str, alarm: str | None, reason: str | None) -> None:
    connection.execute(insert(schema.action).values(at=now, by=by, verb=verb, alarm=alarm, reason=reason))
