"""
Who is told: the recipients of the city's policy <-> rows that remember when each came and went.

Rule 1: a recipient that left keeps its row, because it is owed the end of what it was warned of.
Rule 2: everything but an end goes to who is there now.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update

from alerts.channels.port import Recipient
from alerts.ledger import schema
from alerts.model import Notice
from alerts.policy import PolicyRecipient
from devices.instants import Instant

_r, _n = schema.recipient.c, schema.notice.c


def sync_recipients(connection: Connection, wanted: Iterable[PolicyRecipient], now: Instant) -> None:
    """Bring the rows to what the policy says: add, mark as removed, take back, change languages."""
    rows = {(row.audience, row.channel, row.address): row for row in connection.execute(select(schema.recipient))}
    there = {(each.audience.value, each.channel, each.address): each for each in wanted}
    for key, each in there.items():
        row = rows.get(key)
        if row is None:
            audience, channel, address = key
            values = {"audience": audience, "channel": channel, "address": address, "language": each.language, "added_at": now}
            connection.execute(insert(schema.recipient).values(**values))
        elif row.removed_at is not None or row.language != each.language:
            connection.execute(update(schema.recipient).where(_r.id == row.id).values(removed_at=None, language=each.language))
    for key, row in rows.items():
        if key not in there and row.removed_at is None:
            connection.execute(update(schema.recipient).where(_r.id == row.id).values(removed_at=now))


def recipients_of(connection: Connection, notice: Notice, channel: str, after: int = 0, most: int = 1000) -> list[Recipient]:
    """
    Give who gets a notice by a channel, in the order of their ids.

    Args:
        connection: to the ledger.
        notice: an end goes also to those who have left since they were warned.
        channel: by name.
        after: the highest id that was given before.
        most: how many at most.
    """
    wanted = select(_r.id, _r.address, _r.language).where(_is_due(connection, notice), _r.channel == channel, _r.id > after)
    return [Recipient(*row) for row in connection.execute(wanted.order_by(_r.id).limit(most))]


def channels_of(connection: Connection, notice: Notice) -> list[str]:
    """Give the channels by which a notice has recipients."""
    return list(connection.execute(select(_r.channel).where(_is_due(connection, notice)).distinct().order_by(_r.channel)).scalars())


def _is_due(connection: Connection, notice: Notice) -> ColumnElement[bool]:
    is_here = _r.removed_at.is_(None)
    audience = _r.audience == notice.audience.value
    warned_at = _warned_at(connection, notice) if notice.level == 0 else None
    if warned_at is None:
        return and_(audience, is_here)
    first, last = warned_at
    return and_(audience, or_(is_here, and_(_r.added_at <= last, _r.removed_at > first)))


def _warned_at(connection: Connection, notice: Notice) -> tuple[Instant, Instant] | None:
    """From the first to the last notice that spoke of a level, before this one."""
    same = and_(_n.alarm == notice.alarm, _n.audience == notice.audience.value, _n.level > 0, _n.sequence < notice.sequence)
    first, last = connection.execute(select(func.min(_n.issued_at), func.max(_n.issued_at)).where(same)).one()
    return None if first is None else (first, last)
