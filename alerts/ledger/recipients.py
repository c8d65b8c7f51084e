"""
Who is told: the recipients of the city's policy <-> rows that remember when each came and went.

Rule 1: a recipient that left keeps its row, because it is owed the end of what it was warned of.
Rule 2: everything but an end goes to who is there now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BindParameter, Connection, and_, bindparam, func, insert, or_, select, update

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


_first: BindParameter[Instant | None] = bindparam("first")
_last: BindParameter[Instant | None] = bindparam("last")
_IS_DUE = and_(_r.audience == bindparam("audience"), or_(_r.removed_at.is_(None), and_(_r.added_at <= _last, _r.removed_at > _first)))
_RECIPIENTS = (
    select(_r.id, _r.address, _r.language)
    .where(_IS_DUE, _r.channel == bindparam("channel"), _r.id > bindparam("after"))
    .order_by(_r.id)
    .limit(bindparam("most"))
)
_CHANNELS = select(_r.channel).where(_IS_DUE).distinct().order_by(_r.channel)
_WARNED_AT = select(func.min(_n.issued_at), func.max(_n.issued_at)).where(
    _n.alarm == bindparam("alarm"), _n.audience == bindparam("audience"), _n.level > 0, _n.sequence < bindparam("sequence")
)


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
    wanted = {**_due(connection, notice), "channel": channel, "after": after, "most": most}
    return [Recipient(*row) for row in connection.execute(_RECIPIENTS, wanted)]


def channels_of(connection: Connection, notice: Notice) -> list[str]:
    """Give the channels by which a notice has recipients."""
    return list(connection.execute(_CHANNELS, _due(connection, notice)).scalars())


def _due(connection: Connection, notice: Notice) -> dict[str, Any]:
    """Give the audience, and from when to when who has left meanwhile must have been there: never, where the notice is no end."""
    first = last = None
    if notice.level == 0:  # from the first to the last notice that spoke of a level, before this one
        before = {"alarm": notice.alarm, "audience": notice.audience.value, "sequence": notice.sequence}
        first, last = connection.execute(_WARNED_AT, before).one()
    return {"audience": notice.audience.value, "first": first, "last": last}
