"""
Deliveries in the ledger: who takes the next one, how far it has come, what failed, and the receipts.

Rule 1: a delivery is taken by a conditional update, for a lease in real time; who holds it renews it with each result, and stops when
        it has been taken over. Nobody holds a transaction while something is sent.
Rule 2: cursor and receipt move in one transaction, after the sending: a crash between repeats one recipient and forgets none.
Rule 3: what is overtaken (expired, superseded) is closed before anything is taken. Nothing supersedes an end but a new warning:
        an all-clear that arrives after it would be false, and the new warning names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, delete, exists, func, insert, or_, select, true, update

from alerts.channels.port import Receipt, Recipient
from alerts.ledger import schema
from alerts.model import Audience, Notice, NoticeKind, Status
from devices.instants import Instant, Span

_d, _n, _f = schema.delivery.c, schema.notice.c, schema.failure.c


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


def enqueue(connection: Connection, notice: str, channels: Sequence[str]) -> None:
    """Write down that a notice has to go by these channels; belongs into the transaction that issues it."""
    fresh = {"notice": notice, "cursor": 0, "state": State.WAITING, "leased_until": None, "sent": 0, "failed": 0}
    if channels:
        connection.execute(insert(schema.delivery), [{**fresh, "channel": channel} for channel in channels])


def close_overtaken(connection: Connection, now: Instant) -> None:
    """Close what is expired or superseded, on every channel."""
    later = schema.notice.alias()
    follows = and_(later.c.alarm == _n.alarm, later.c.audience == _n.audience, later.c.sequence > _n.sequence)
    superseded = exists().where(follows, or_(_n.level > 0, later.c.level > 0)).correlate(schema.notice)
    for state, condition in ((State.EXPIRED, _n.expires_at <= now), (State.SUPERSEDED, superseded)):
        overtaken = exists().where(_n.id == _d.notice, condition).correlate(schema.delivery)
        connection.execute(update(schema.delivery).where(_d.state.in_(OPEN), overtaken).values(state=state, done_at=now))


def claim(connection: Connection, channel: str, *, now: Instant, real_now: int, lease: Span) -> Claim | None:
    """
    Take the most urgent delivery of a channel that has something to do.

    Args:
        connection: in a transaction of its own.
        channel: by name.
        now: of the city's clock, for expiry.
        real_now: microseconds of real time, for leases and retries.
        lease: how long it is kept without a sign of life; longer than one sending can take.
    """
    close_overtaken(connection, now)
    due = exists().where(_is_of_delivery(), _f.permanent.is_(False), _f.next_at <= real_now).correlate(schema.delivery)
    free = or_(_d.leased_until.is_(None), _d.leased_until <= real_now)
    has_work = or_(_d.state == State.WAITING, and_(_d.state == State.RETRYING, due))
    urgency = (case((_d.state == State.WAITING, 0), else_=1), _n.level.desc(), _n.issued_at, _n.id)
    wanted = select(_d.cursor, _d.state, *_n).join(schema.notice, _n.id == _d.notice)
    row = connection.execute(wanted.where(_d.channel == channel, free, has_work).order_by(*urgency).limit(1)).mappings().first()
    if row is None:
        return None
    taken = Claim(notice_of(row), channel, row["cursor"], State(row["state"]), real_now + lease)
    mine = update(schema.delivery).where(_is(taken.notice.id, channel), free).values(leased_until=taken.lease)
    return taken if connection.execute(mine).rowcount else None


def give_back_all(connection: Connection) -> int:
    """
    End all leases, and give their number; for the start of the one program that delivers.

    Whoever held them has died: nobody should wait for a warning until the lease of a dead process ends. Should one still live, it stops
    at its next result, as with any delivery that was taken over.
    """
    return connection.execute(update(schema.delivery).where(_d.leased_until.is_not(None)).values(leased_until=None)).rowcount


def due_failures(connection: Connection, held: Claim, *, real_now: int, most: int) -> list[tuple[Recipient, int]]:
    """Give who has to be tried again now, with the attempts made; who has left meanwhile is owed ends only."""
    r = schema.recipient.c
    owed = r.removed_at.is_(None) if held.notice.level else true()
    wanted = (
        select(r.id, r.address, r.language, _f.attempts)
        .join(schema.failure, _f.recipient == r.id)
        .where(_f.notice == held.notice.id, _f.channel == held.channel, _f.permanent.is_(False), _f.next_at <= real_now, owed)
        .order_by(_f.next_at)
        .limit(most)
    )
    return [(Recipient(row.id, row.address, row.language), row.attempts) for row in connection.execute(wanted)]


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
    identity = {"notice": held.notice.id, "channel": held.channel, "recipient": recipient}
    connection.execute(delete(schema.failure).where(_is_failure_of(held, recipient)))
    if isinstance(result, Failure):
        values = {"attempts": result.attempts, "next_at": result.next_at, "permanent": result.permanent, "error": result.error}
        connection.execute(insert(schema.failure).values(**identity, **values))
        counted = {"failed": _d.failed + 1} if result.permanent else {}
    elif connection.execute(select(schema.receipt).filter_by(**identity)).first():
        counted = {}
    else:
        connection.execute(insert(schema.receipt).values(**identity, at=now, reference=result.reference))
        counted = {"sent": _d.sent + 1}
    cursor = case((_d.cursor < recipient, recipient), else_=_d.cursor)
    connection.execute(update(schema.delivery).where(_is(held.notice.id, held.channel)).values(cursor=cursor, **counted))
    return _renewed(connection, held, lease)


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
    left = exists().where(_f.notice == held.notice.id, _f.channel == held.channel, _f.permanent.is_(False), _is_owed(held.notice))
    still_retrying = update(schema.delivery).where(_is_held(held), left).values(state=State.RETRYING, leased_until=None)
    if connection.execute(still_retrying).rowcount:
        return State.RETRYING
    return close(connection, held, State.DONE, now)


def close(connection: Connection, held: Claim, state: State, now: Instant) -> State | None:
    """Set the state of a delivery and end the lease; None if it was taken over or closed meanwhile."""
    values = {"state": state, "leased_until": None, "done_at": None if state in OPEN else now}
    done = connection.execute(update(schema.delivery).where(_is_held(held)).values(values))
    return state if done.rowcount else None


def counts(connection: Connection) -> dict[tuple[str, State], int]:
    """Give the number of deliveries by channel and state."""
    rows = connection.execute(select(_d.channel, _d.state, func.count()).group_by(_d.channel, _d.state))
    return {(channel, State(state)): count for channel, state, count in rows}


def _renewed(connection: Connection, held: Claim, lease: int) -> Claim | None:
    renewal = update(schema.delivery).where(_is_held(held)).values(leased_until=lease)
    if not connection.execute(renewal).rowcount:
        return None
    return replace(held, lease=lease)


def _is(notice: str, channel: str) -> ColumnElement[bool]:
    return and_(_d.notice == notice, _d.channel == channel)


def _is_held(held: Claim) -> ColumnElement[bool]:
    return and_(_is(held.notice.id, held.channel), _d.leased_until == held.lease, _d.state.in_(OPEN))


def _is_of_delivery() -> ColumnElement[bool]:
    return and_(_f.notice == _d.notice, _f.channel == _d.channel)


def _is_failure_of(held: Claim, recipient: int) -> ColumnElement[bool]:
    return and_(_f.notice == held.notice.id, _f.channel == held.channel, _f.recipient == recipient)


def _is_owed(notice: Notice) -> ColumnElement[bool]:
    """A recipient that left is owed ends, and nothing else."""
    r = schema.recipient.c
    left = exists().where(r.id == _f.recipient, r.removed_at.is_not(None)).correlate(schema.failure)
    return ~left if notice.level else true()


def notice_of(row: RowMapping) -> Notice:
    """Build a notice from its row."""
    plain = {name: row[name] for name in ("id", "alarm", "level", "was", "sequence", "issued_at", "expires_at", "facts", "texts")}
    return Notice(**plain, audience=Audience(row["audience"]), kind=NoticeKind(row["kind"]), status=Status(row["status"]))
