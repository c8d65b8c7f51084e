"""
The ledger -> values for those who only look: the pages, the open interface, the command line.

Rule 1: nothing here writes; a read is short, and its transaction is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BindParameter, Connection, and_, bindparam, func, or_, select

from alerts.ledger import alarms, schema
from alerts.ledger.alarms import alarm_of, is_live
from alerts.ledger.changes import change_of
from alerts.ledger.deliveries import notice_of
from alerts.ledger.notices import withheld_row
from alerts.model import Alarm, Audience, Notice, Told, Withheld
from devices.instants import Instant
from rules.changes import Change

_a, _n, _w, _i, _s, _c = schema.alarm.c, schema.notice.c, schema.withheld.c, schema.incident.c, schema.silence.c, schema.change.c


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is or was wrong with ourselves."""

    id: int
    kind: str
    detail: str
    opened_at: Instant
    ended_at: Instant | None


@dataclass(frozen=True, slots=True)
class Silence:
    """Operators hear less of a place for a time."""

    id: int
    station: str | None
    """None: every station."""
    quantity: str | None
    from_at: Instant
    until_at: Instant
    reason: str
    by: str
    made_at: Instant
    lifted_at: Instant | None

    def covers(self, station: str, quantity: str) -> bool:
        """Tell whether a place is meant."""
        return self.station in (None, station) and self.quantity in (None, quantity)


def open_alarms(connection: Connection) -> list[Alarm]:
    """Give the alarms that are open or whose end somebody still has to hear, the newest first."""
    return list(reversed(alarms.live(connection)))


def recent_alarms(connection: Connection, since: Instant, most: int = 200) -> list[Alarm]:
    """Give the alarms that are open or owed, then those that ended since an instant, each the newest first."""
    wanted = (
        select(schema.alarm).where(or_(is_live(), _a.ended_at >= since)).order_by(is_live().desc(), _a.opened_at.desc(), _a.id).limit(most)
    )
    return [alarm_of(row) for row in connection.execute(wanted).mappings()]


def alarm(connection: Connection, identity: str) -> Alarm | None:
    """Give an alarm by its id."""
    return alarms.find(connection, identity)


def told(connection: Connection, audience: Audience, ids: Sequence[str]) -> dict[str, Told]:
    """Give what an audience was last told of some alarms, by alarm; absent where nothing ever was."""
    return {each.alarm: each for each in alarms.told_of(connection, ids).values() if each.audience is audience}


def recent_notices(
    connection: Connection, *, audience: Audience | None = None, since: Instant | None = None, alarm: str | None = None, most: int = 100
) -> list[Notice]:
    """Give notices, the newest first: of one audience, since an instant, of one alarm, as far as these are given."""
    wanted = select(schema.notice)
    if audience is not None:
        wanted = wanted.where(_n.audience == audience.value)
    if since is not None:
        wanted = wanted.where(_n.issued_at >= since)
    if alarm is not None:
        wanted = wanted.where(_n.alarm == alarm)
    rows = connection.execute(wanted.order_by(_n.issued_at.desc(), _n.sequence.desc(), _n.id).limit(most)).mappings()
    return [notice_of(row) for row in rows]


def notice(connection: Connection, identity: str) -> Notice | None:
    """Give a notice by its id."""
    row = connection.execute(select(schema.notice).where(_n.id == identity)).mappings().first()
    return None if row is None else notice_of(row)


def withheld(connection: Connection, since: Instant | None = None, alarm: str | None = None, most: int = 200) -> list[Withheld]:
    """Give what was withheld and why, the newest first."""
    wanted = select(schema.withheld)
    if since is not None:
        wanted = wanted.where(_w.at >= since)
    if alarm is not None:
        wanted = wanted.where(_w.alarm == alarm)
    return [withheld_row(row) for row in connection.execute(wanted.order_by(_w.at.desc()).limit(most)).mappings()]


def incidents(connection: Connection, since: Instant | None = None, most: int = 100) -> list[Incident]:
    """Give the incidents that are open, or ended since an instant (None: all), the newest first."""
    wanted = select(schema.incident).order_by(_i.opened_at.desc(), _i.id.desc()).limit(most)
    if since is not None:
        wanted = wanted.where(or_(_i.ended_at.is_(None), _i.ended_at >= since))
    return [Incident(**row) for row in connection.execute(wanted).mappings()]


_NOW: BindParameter[Instant] = bindparam("now")
_HOLDS = and_(_s.from_at <= _NOW, _s.until_at > _NOW, or_(_s.lifted_at.is_(None), _s.lifted_at > _NOW))
_SILENCES = select(schema.silence).where(_HOLDS).order_by(_s.id)


def silences(connection: Connection, now: Instant) -> list[Silence]:
    """Give the silences that hold at an instant."""
    return [Silence(**row) for row in connection.execute(_SILENCES, {"now": now}).mappings()]


def level_history(connection: Connection, station: str, quantity: str, since: Instant, most: int = 1000) -> list[Change]:
    """Give the changes of a place that stand, in the order in which they happened."""
    where = (_c.station == station, _c.quantity == quantity, _c.at >= since, _c.standing)
    return [
        change_of(row) for row in connection.execute(select(schema.change).where(*where).order_by(_c.at, _c.level).limit(most)).mappings()
    ]


def counts(connection: Connection) -> dict[str, int]:
    """Give what can be counted, for metrics: open alarms, owed ends, notices, things withheld, open incidents."""
    questions = {
        "alarms_open": select(func.count()).select_from(schema.alarm).where(_a.ended_at.is_(None)),
        "alarms_owed": select(func.count()).select_from(schema.alarm).where(_a.ended_at.is_not(None), alarms.is_owed()),
        "notices": select(func.count()).select_from(schema.notice),
        "withheld": select(func.count()).select_from(schema.withheld),
        "incidents_open": select(func.count()).select_from(schema.incident).where(_i.ended_at.is_(None)),
    }
    return {name: int(connection.execute(question).scalar() or 0) for name, question in questions.items()}
