"""
The ledger -> boards for the operators' pages, and their decisions -> the ledger: what `canhbao serve` hands to the pages.

Rule 1: an action is one transaction; who waits for its effect is woken after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sqlalchemy import Connection, Engine, func, select

from alerts.ledger import acting, reading, schema
from alerts.ledger.asking import among, is_among
from alerts.model import Audience, Status
from devices.instants import DAY, Instant
from web.operators.ports import Board, Sent
from web.public.ports import Spool, Tells

MOST_ALARMS = 200
MOST_NOTICES = 30


class Counters(Protocol):
    """The counters of the spool."""

    def counters(self) -> Mapping[str, int] | None:
        """Give them; None where they cannot be read."""


class LedgerActing:
    """Acts on a ledger; fits `ports.Acting`."""

    def __init__(self, engine: Engine, clock: Tells, acted: Callable[[], None] = lambda: None) -> None:
        self._engine, self._clock, self._acted = engine, clock, acted

    def acknowledge(self, alarm: str, by: str) -> bool:
        """Note that somebody cares for an alarm."""
        with self._engine.begin() as connection:
            changed = acting.acknowledge(connection, alarm, by, self._clock())
        self._acted()
        return changed

    def close(self, alarm: str, by: str, reason: str, *, force: bool = False) -> bool:
        """End an alarm whose gauge cannot."""
        with self._engine.begin() as connection:
            changed = acting.close(connection, alarm, by, reason, self._clock(), force=force)
        self._acted()
        return changed

    def silence(self, station: str | None, quantity: str | None, until_at: Instant, by: str, reason: str) -> int:
        """Let operators hear less of a place."""
        with self._engine.begin() as connection:
            number = acting.silence(connection, station, quantity, until_at, by, reason, self._clock())
        self._acted()
        return number

    def lift(self, number: int, by: str) -> bool:
        """End a silence before its time."""
        with self._engine.begin() as connection:
            changed = acting.lift(connection, number, by, self._clock())
        self._acted()
        return changed

    def release(self, by: str) -> bool:
        """Let a service that is held speak again."""
        with self._engine.begin() as connection:
            changed = acting.release(connection, by, self._clock())
        self._acted()
        return changed


class LedgerBoards:
    """Gives boards of a ledger; fits `ports.Boards`."""

    def __init__(
        self, engine: Engine, spool: Spool, counters: Counters, clock: Tells, real_clock: Tells, status: Status, speed: float
    ) -> None:
        self._engine, self._spool, self._counters = engine, spool, counters
        self._clock, self._real_clock = clock, real_clock
        self._status, self._speed = status, speed

    def board(self) -> Board | None:
        """Give what stands now."""
        city, now = self._spool.city(), self._clock()
        if city is None:
            return None
        spool = self._spool.now()
        with self._engine.connect() as connection:
            alarms = reading.recent_alarms(connection, now - DAY, MOST_ALARMS)
            notices = reading.recent_notices(connection, most=MOST_NOTICES)
            return Board(
                now=now,
                real_now=self._real_clock(),
                status=self._status,
                speed=self._speed,
                registry=city.registry,
                texts=city.texts,
                alarms=alarms,
                told=reading.told(connection, Audience.RESIDENTS, [alarm.id for alarm in alarms]),
                notices=notices,
                sent=_sent(connection, [notice.id for notice in notices]),
                withheld=reading.withheld(connection, now - DAY, most=MOST_NOTICES),
                silences=reading.silences(connection, now),
                incidents=reading.incidents(connection, now - DAY, MOST_NOTICES),
                waiting_deliveries=_waiting(connection),
                heartbeat=spool.heartbeat if spool else None,
                counters=self._counters.counters(),
            )


def _sent(connection: Connection, notices: list[str]) -> dict[str, Sent]:
    d = schema.delivery.c
    asked = select(d.notice, func.sum(d.sent), func.sum(d.failed)).where(is_among(d.notice)).group_by(d.notice)
    return {notice: Sent(int(sent), int(failed)) for notice, sent, failed in connection.execute(asked, among(notices))}


def _waiting(connection: Connection) -> int:
    asked = select(func.count()).select_from(schema.delivery).where(schema.delivery.c.state.in_(("waiting", "retrying")))
    return int(connection.execute(asked).scalar() or 0)
