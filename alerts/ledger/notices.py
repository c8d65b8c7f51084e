"""
Drafts -> notices in the ledger, with the deliveries that they need; and what was withheld, once each.

Rule 1: an id is used for one notice only, also across ledgers: a receiver takes the same id for a repeat.
Rule 2: a notice goes only by channels that are bound to its status.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from alerts.ledger import deliveries, recipients, schema
from alerts.model import Alarm, Audience, Notice, NoticeKind, Reason, Status, Withheld
from alerts.plan import Draft
from devices.instants import Instant

_n, _w = schema.notice.c, schema.withheld.c


def draft_to_notice(
    draft: Draft,
    alarm: Alarm,
    sequence: int,
    words: tuple[dict[str, object], dict[str, dict[str, str]]],
    *,
    now: Instant,
    expires_at: Instant,
) -> Notice:
    """Give a draft its id and its words: (facts, texts)."""
    said = f"{draft.alarm}\n{draft.audience}\n{sequence}\n{draft.kind}\n{draft.level}\n{alarm.status}\n{now}"
    facts, texts = words
    return Notice(
        id=blake2b(said.encode(), digest_size=12).hexdigest(),
        alarm=draft.alarm,
        audience=draft.audience,
        kind=draft.kind,
        status=alarm.status,
        level=draft.level,
        was=draft.was,
        sequence=sequence,
        issued_at=now,
        expires_at=expires_at,
        facts=facts,
        texts=texts,
    )


def next_sequence(connection: Connection, alarm: str, audience: Audience) -> int:
    """Give the place of the next notice of an alarm to an audience, from 1."""
    highest = select(func.max(_n.sequence)).where(_n.alarm == alarm, _n.audience == audience.value)
    return int(connection.execute(highest).scalar() or 0) + 1


def issue(connection: Connection, notice: Notice, why: str, channels: Collection[str], now: Instant) -> None:
    """
    Write a notice, and that it has to go by each channel that has recipients for it; what it overtakes is closed.

    Args:
        connection: the transaction of the step.
        notice: with its words.
        why: of its draft, for operators.
        channels: that are bound to its status.
        now: the present instant.
    """
    values: dict[str, Any] = {**asdict(notice), "audience": notice.audience.value, "kind": notice.kind.value, "status": notice.status.value}
    connection.execute(insert(schema.notice).values(**values, why=why))
    deliveries.enqueue(connection, notice.id, sorted(set(recipients.channels_of(connection, notice)) & set(channels)))
    deliveries.close_overtaken(connection, now)


def notice_of(row: RowMapping) -> Notice:
    """Build a notice from its row."""
    plain = {name: row[name] for name in ("id", "alarm", "level", "was", "sequence", "issued_at", "expires_at", "facts", "texts")}
    return Notice(**plain, audience=Audience(row["audience"]), kind=NoticeKind(row["kind"]), status=Status(row["status"]))


def withheld_of(connection: Connection, alarms: Iterable[str]) -> list[Withheld]:
    """Give what was withheld of some alarms, each with the first instant."""
    rows = connection.execute(select(schema.withheld).where(_w.alarm.in_(list(alarms))).order_by(_w.at)).mappings()
    return [withheld_row(row) for row in rows]


def withhold(connection: Connection, withheld: Withheld) -> None:
    """Write down that something was withheld; the caller knows that it was not before."""
    values = asdict(withheld)
    plain = {name: getattr(withheld, name).value for name in ("audience", "kind", "reason")}
    connection.execute(insert(schema.withheld).values(**{**values, **plain}))


def withheld_row(row: RowMapping) -> Withheld:
    """Build what was withheld from its row."""
    return Withheld(
        alarm=row["alarm"],
        audience=Audience(row["audience"]),
        kind=NoticeKind(row["kind"]),
        level=row["level"],
        reason=Reason(row["reason"]),
        at=row["at"],
    )
