"""
Drafts -> notices in the ledger, with the deliveries that they need; and what was withheld, once each.

Rule 1: an id is used for one notice only, also across ledgers: a receiver takes the same id for a repeat.
Rule 2: a notice goes only by channels that are bound to its status.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b

from sqlalchemy import Connection, RowMapping, func, insert, select

from alerts.ledger import deliveries, recipients, schema
from alerts.ledger.asking import among, is_among
from alerts.ledger.plain import plain
from alerts.model import Alarm, Audience, Notice, NoticeKind, Reason, Withheld
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


_SEQUENCES = select(_n.alarm, _n.audience, func.max(_n.sequence)).where(is_among(_n.alarm)).group_by(_n.alarm, _n.audience)
_WITHHELD = select(schema.withheld).where(is_among(_w.alarm)).order_by(_w.at)


def sequences(connection: Connection, alarms: Iterable[str]) -> dict[tuple[str, Audience], int]:
    """Give the place of the last notice of some alarms, by alarm and audience; absent where there is none."""
    found = connection.execute(_SEQUENCES, among(list(alarms)))
    return {(alarm, Audience(audience)): highest for alarm, audience, highest in found}


def issue(connection: Connection, issued: Sequence[tuple[Notice, str]], channels: Collection[str], now: Instant) -> None:
    """
    Write notices, and that they have to go by each channel that has recipients for them; what they overtake is closed.

    Args:
        connection: the transaction of the step.
        issued: each notice with the reason of its draft, for operators.
        channels: that are bound to their status.
        now: the present instant.
    """
    if not issued:
        return
    connection.execute(insert(schema.notice), [{**plain(notice), "why": why} for notice, why in issued])
    same: dict[Audience, list[str]] = {}
    for notice, _ in issued:
        if notice.level and notice.audience not in same:
            same[notice.audience] = recipients.channels_of(connection, notice)
        found = same[notice.audience] if notice.level else recipients.channels_of(connection, notice)
        deliveries.enqueue(connection, notice.id, sorted(set(found) & set(channels)))
    deliveries.close_overtaken(connection, now)


def withheld_of(connection: Connection, alarms: Iterable[str]) -> list[Withheld]:
    """Give what was withheld of some alarms, each with the first instant."""
    return [withheld_row(row) for row in connection.execute(_WITHHELD, among(list(alarms))).mappings()]


def withhold(connection: Connection, withheld: Sequence[Withheld]) -> None:
    """Write down what was withheld; the caller knows that it was not before."""
    if withheld:
        connection.execute(insert(schema.withheld), [plain(each) for each in withheld])


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
