"""
Deliveries in the ledger: who takes the next one, how far it has come, what failed, and the receipts.

Rule 1: a delivery is taken by a conditional update, for a lease in real time; who holds it renews it with each result, and stops when
        it has been taken over. Nobody holds a transaction while something is sent.
Rule 2: cursor and receipt move in one transaction, after the sending: a crash between repeats one recipient and forgets none.
Rule 3: what is overtaken (expired, superseded) is closed before anything is taken. Nothing supersedes an end but a new warning:
        an all-clear that arrives after it would be false, and the new warning names it.
Rule 4: what each sending needs is asked by statements that are made once: making one takes longer than its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    RowMapping,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from alerts.channels.port import Receipt, Recipient
from alerts.ledger import holding, schema
from alerts.model import Audience, Notice, NoticeKind, Status
from devices.instants import Instant, Span

_d, _n, _f, _t, _r = schema.delivery.c, schema.notice.c, schema.failure.c, schema.receipt.c, schema.recipient.c


class State(StrEnum):
    """How far a delivery is."""

    WAITING = "waiting"
    """There may be recipients that were not attempted."""
    RETRYING = "retrying"
    """All were attempted; some have to be tried again."""
    DONE = "done"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    """An exercise on a channel in earnest, or the reverse."""


OPEN = (State.WAITING.value, State.RETRYING.value)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one delivery until the lease ends."""

    notice: Notice
    channel: str
    cursor: int
    state: State
    lease: int
    """Microseconds of real time since 1970; also the token by which the holder is known."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a recipient was not reached."""

    error: str
    attempts: int
    """This one included."""
    next_at: int
    """Real time."""
    permanent: bool


_IS_OPEN = or_(*(_d.state == state for state in OPEN))
_IS = and_(_d.notice == bindparam("the_notice"), _d.channel == bindparam("the_channel"))
_IS_HELD = and_(_IS, _IS_OPEN, _d.leased_until == bindparam("held_until"))
_IS_FREE = or_(_d.leased_until.is_(None), _d.leased_until <= bindparam("real_now"))


def enqueue(connection: Connection, notice: str, channels: Sequence[str]) -> None:
    """Write down that a notice has to go by these channels; belongs into the transaction that issues it."""
    fresh = {"notice": notice, "cursor": 0, "state": State.WAITING, "leased_until": None, "sent": 0, "failed": 0}
    if channels:
        connection.execute(insert(schema.delivery), [{**fresh, "channel": channel} for channel in channels])


_later = schema.notice.alias().c
_FOLLOWS = and_(_later.alarm == _n.alarm, _later.audience == _n.audience, _later.sequence > _n.sequence)
_IS_SUPERSEDED = exists().where(_FOLLOWS, or_(_n.level > 0, _later.level > 0)).correlate(schema.notice)
_OVERTAKEN = [
    update(schema.delivery)
    .where(_IS_OPEN, exists().where(_n.id == _d.notice, overtaken).correlate(schema.delivery))
    .values(state=state, done_at=bindparam("now"))
    for state, overtaken in ((State.EXPIRED, _n.expires_at <= bindparam("now")), (State.SUPERSEDED, _IS_SUPERSEDED))
]


def close_overtaken(connection: Connection, now: Instant) -> None:
    """Close what is expired or superseded, on every channel."""
    for statement in _OVERTAKEN:
        connection.execute(statement, {"now": now})


def close_warnings(connection: Connection, now: Instant) -> int:
    """Close, as expired, what is on its way except ends, and give how many: what an old ledger was sending is not news any more."""
    warns = exists().where(_n.id == _d.notice, _n.level > 0).correlate(schema.delivery)
    closed = update(schema.delivery).where(_IS_OPEN, warns).values(state=State.EXPIRED, leased_until=None, done_at=now)
    return connection.execute(closed).rowcount


_DUE = and_(_f.notice == _d.notice, _f.channel == _d.channel, _f.permanent.is_(False), _f.next_at <= bindparam("real_now"))
_HAS_WORK = or_(_d.state == State.WAITING, and_(_d.state == State.RETRYING, exists().where(_DUE).correlate(schema.delivery)))
_MOST_URGENT = (
    select(_d.cursor, _d.state, *_n)
    .join(schema.notice, _n.id == _d.notice)
    .where(_d.channel == bindparam("the_channel"), _IS_FREE, _HAS_WORK)
    .order_by(case((_d.state == State.WAITING, 0), else_=1), _n.level.desc(), _n.issued_at, _n.id)
    .limit(1)
)
_TAKE = update(schema.delivery).where(_IS, _IS_FREE).values(leased_until=bindparam("the_lease"))


def claim(connection: Connection, channel: str, *, now: Instant, real_now: int, lease: Span) -> Claim | None:
    """
    Take the most urgent delivery of a channel that has something to do.

    Args:
        connection: in a transaction of its own.
        channel: by name.
        now: of the city's clock, for expiry.
        real_now: microseconds of real time, for leases and retries.
        lease: how long it is kept without a sign of life; longer than one sending can take.

    Returns:
        None where there is nothing to do, or all is held.
    """
    close_overtaken(connection, now)
    if holding.is_held(connection):
        return None
    row = connection.execute(_MOST_URGENT, {"the_channel": channel, "real_now": real_now}).mappings().first()
    if row is None:
        return None
    taken = Claim(notice_of(row), channel, row["cursor"], State(row["state"]), real_now + lease)
    mine = {"the_notice": taken.notice.id, "the_channel": channel, "real_now": real_now, "the_lease": taken.lease}
    return taken if connection.execute(_TAKE, mine).rowcount else None


def give_back_all(connection: Connection) -> int:
    """
    End all leases, and give their number; for the start of the one program that delivers.

    Whoever held them has died: nobody should wait for a warning until the lease of a dead process ends. Should one still live, it stops
    at its next result, as with any delivery that was taken over.
    """
    return connection.execute(update(schema.delivery).where(_d.leased_until.is_not(None)).values(leased_until=None)).rowcount


def due_failures(connection: Connection, held: Claim, *, real_now: int, most: int) -> list[tuple[Recipient, int]]:
    """Give who has to be tried again now, with the attempts made; who has left meanwhile is owed ends only."""
    owed = _r.removed_at.is_(None) if held.notice.level else true()
    wanted = (
        select(_r.id, _r.address, _r.language, _f.attempts)
        .join(schema.failure, _f.recipient == _r.id)
        .where(_f.notice == held.notice.id, _f.channel == held.channel, _f.permanent.is_(False), _f.next_at <= real_now, owed)
        .order_by(_f.next_at)
        .limit(most)
    )
    return [(Recipient(row.id, row.address, row.language), row.attempts) for row in connection.execute(wanted)]


_recipient: BindParameter[int] = bindparam("the_recipient")
_IS_FAILURE = and_(_f.notice == bindparam("the_notice"), _f.channel == bindparam("the_channel"))
_FORGET_FAILURE = delete(schema.failure).where(_IS_FAILURE, _f.recipient == _recipient)
_RECEIPT = select(_t.at).where(_t.notice == bindparam("the_notice"), _t.channel == bindparam("the_channel"), _t.recipient == _recipient)
_KEEP_FAILURE, _KEEP_RECEIPT = insert(schema.failure), insert(schema.receipt)
_MOVE = (
    update(schema.delivery)
    .where(_IS)
    .values(
        cursor=case((_d.cursor < _recipient, _recipient), else_=_d.cursor),
        sent=_d.sent + bindparam("more_sent"),
        failed=_d.failed + bindparam("more_failed"),
    )
)
_RENEW = update(schema.delivery).where(_IS_HELD).values(leased_until=bindparam("the_lease"))


def record(connection: Connection, held: Claim, recipient: int, result: Receipt | Failure, *, now: Instant, lease: int) -> Claim | None:
    """
    Write down what became of one recipient, and renew the lease.

    Args:
        connection: in a transaction of its own.
        held: the claim as it was last renewed.
        recipient: whose attempt this was.
        result: its receipt or its failure.
        now: of the city's clock.
        lease: new end of the lease (real time).

    Returns:
        The renewed claim; None if the delivery was taken over or closed: then stop. The result is kept in any case.
    """
    row = {"notice": held.notice.id, "channel": held.channel, "recipient": recipient}
    whose = {**_of(held), "the_recipient": recipient}
    sent = failed = 0
    connection.execute(_FORGET_FAILURE, whose)
    if isinstance(result, Failure):
        why = {"attempts": result.attempts, "next_at": result.next_at, "permanent": result.permanent, "error": result.error}
        connection.execute(_KEEP_FAILURE, {**row, **why})
        failed = int(result.permanent)
    elif connection.execute(_RECEIPT, whose).first() is None:
        connection.execute(_KEEP_RECEIPT, {**row, "at": now, "reference": result.reference})
        sent = 1
    connection.execute(_MOVE, {**whose, "more_sent": sent, "more_failed": failed})
    if not connection.execute(_RENEW, {**_of(held), "held_until": held.lease, "the_lease": lease}).rowcount:
        return None
    return replace(held, lease=lease)


_HAS_LEFT = exists().where(_r.id == _f.recipient, _r.removed_at.is_not(None)).correlate(schema.failure)


def _still_retrying(is_owed: ColumnElement[bool]) -> Update:
    left = exists().where(_IS_FAILURE, _f.permanent.is_(False), is_owed)
    return update(schema.delivery).where(_IS_HELD, left).values(state=State.RETRYING, leased_until=None)


_WARNING_RETRYING, _END_RETRYING = _still_retrying(~_HAS_LEFT), _still_retrying(true())
"""A recipient that left is owed ends, and nothing else."""
_CLOSE = update(schema.delivery).where(_IS_HELD).values(state=bindparam("the_state"), leased_until=None, done_at=bindparam("the_end"))


def release(connection: Connection, held: Claim, *, exhausted: bool, now: Instant) -> State | None:
    """
    Give a delivery back.

    Args:
        connection: in a transaction of its own.
        held: the claim as it was last renewed.
        exhausted: every recipient has been attempted.
        now: of the city's clock.

    Returns:
        Its state: DONE when nothing is left to try. None if it was taken over or closed meanwhile.
    """
    if not exhausted and held.state is State.WAITING:
        return close(connection, held, State.WAITING, now)
    retrying = _WARNING_RETRYING if held.notice.level else _END_RETRYING
    if connection.execute(retrying, {**_of(held), "held_until": held.lease}).rowcount:
        return State.RETRYING
    return close(connection, held, State.DONE, now)


def close(connection: Connection, held: Claim, state: State, now: Instant) -> State | None:
    """Set the state of a delivery and end the lease; None if it was taken over or closed meanwhile."""
    ends = {"the_state": state, "the_end": None if state in OPEN else now}
    done = connection.execute(_CLOSE, {**_of(held), "held_until": held.lease, **ends})
    return state if done.rowcount else None


def counts(connection: Connection) -> dict[tuple[str, State], int]:
    """Give the number of deliveries by channel and state."""
    rows = connection.execute(select(_d.channel, _d.state, func.count()).group_by(_d.channel, _d.state))
    return {(channel, State(state)): count for channel, state, count in rows}


def _of(held: Claim) -> dict[str, Any]:
    return {"the_notice": held.notice.id, "the_channel": held.channel}


def notice_of(row: RowMapping) -> Notice:
    """Build a notice from its row."""
    plain = {name: row[name] for name in ("id", "alarm", "level", "was", "sequence", "issued_at", "expires_at", "facts", "texts")}
    return Notice(**plain, audience=Audience(row["audience"]), kind=NoticeKind(row["kind"]), status=Status(row["status"]))
