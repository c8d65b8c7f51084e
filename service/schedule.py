"""
Jobs of the service by the world's time -> an APScheduler that runs by the machine's.

Rule 1: a schedule speaks of the world (every ten minutes, at seven each morning); in a rehearsal the world runs faster, and so do its jobs.
Rule 2: what belongs to machines (retries, leases) is `every_real`.
Rule 3: a job that comes late runs once, never twice at the same time; a job that fails is said, and runs again when it is due.
Rule 4: timers of rules are no jobs: they are event-time state of the rules.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from devices.instants import MILLISECOND, SECOND, Instant, Span, from_datetime, to_datetime
from service.clock import Clock, HeldClock

LEAST_PAUSE: Span = 50 * MILLISECOND
"""Real time between two runs of a job, however fast the world runs."""
LATEST = 3600
"""Real seconds that a job may come late; later, it waits for the next time."""


class WorldTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Another trigger, asked in the world's time and answering in the machine's."""

    def __init__(self, inner: Any, clock: Clock) -> None:
        self.inner = inner
        self.clock = clock

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Give the next time to run, on the machine's clock."""
        previous = None if previous_fire_time is None else self._to_world(previous_fire_time)
        due = self.inner.get_next_fire_time(previous, self._to_world(now))
        if due is None:
            return None
        real_at = self.clock.real_at(from_datetime(due))
        if previous_fire_time is not None:
            real_at = max(real_at, from_datetime(previous_fire_time) + LEAST_PAUSE)
        return to_datetime(real_at)

    def _to_world(self, real: datetime) -> datetime:
        return to_datetime(self.clock.world_at(from_datetime(real)))


class Schedule:
    """The periodic jobs of one program; its threads are daemons."""

    def __init__(self, clock: Clock, time_zone: str) -> None:
        self._clock = clock
        self._zone = ZoneInfo(time_zone)
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": LATEST}
        self._ended = threading.Event()
        self._scheduler = BackgroundScheduler(timezone=UTC, job_defaults=defaults, daemon=True)

    def every(self, name: str, span: Span, job: Callable[[Instant], None]) -> None:
        """Run a job each `span` of the world's time, from one span on; it is given the world's present instant."""
        start = to_datetime(self._clock() + span)
        self._add(name, WorldTrigger(IntervalTrigger(seconds=span / SECOND, start_date=start, timezone=UTC), self._clock), job)

    def daily(self, name: str, hour: int, minute: int, job: Callable[[Instant], None]) -> None:
        """Run a job each day at a clock time of the city."""
        self._add(name, WorldTrigger(CronTrigger(hour=hour, minute=minute, timezone=self._zone), self._clock), job)

    def every_real(self, name: str, seconds: float, job: Callable[[Instant], None]) -> None:
        """Run a job each so many real seconds."""
        self._add(name, IntervalTrigger(seconds=seconds, timezone=UTC), job)

    def soon(self, name: str, job: Callable[[Instant], None]) -> None:
        """Run a job once, as soon as may be."""
        self._add(name, None, job)

    def start(self) -> None:
        """Begin; in a rehearsal that still stands, as soon as it goes."""
        if isinstance(self._clock, HeldClock) and self._clock.stands:
            threading.Thread(target=self._start_when_it_goes, args=(self._clock,), name="schedule", daemon=True).start()
        else:
            self._scheduler.start()

    def end(self) -> None:
        """End, without waiting for a job that runs."""
        self._ended.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _start_when_it_goes(self, clock: HeldClock) -> None:
        while clock.stands:
            if self._ended.wait(0.1):
                return
        self._scheduler.start()

    def _add(self, name: str, trigger: Any, job: Callable[[Instant], None]) -> None:
        self._scheduler.add_job(lambda: job(self._clock()), trigger, id=name, name=name)
