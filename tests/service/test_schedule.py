"""Jobs run by the world's time, however fast the world runs."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from devices.instants import HOUR, MINUTE, SECOND, Instant, from_datetime, parse_instant, to_datetime
from service.clock import RealClock, RehearsalClock, anchor, clock_of, hold
from service.schedule import LEAST_PAUSE, Schedule, WorldTrigger

START = parse_instant("2025-10-26T06:30:00+07:00")
ANCHORED = parse_instant("2026-11-24T12:00:00Z")


def fired(trigger: WorldTrigger, count: int) -> list[Instant]:
    """Give the real instants at which a trigger fires, as the scheduler asks for them."""
    now, previous, found = to_datetime(ANCHORED), None, []
    for _ in range(count):
        due = trigger.get_next_fire_time(previous, now)
        assert due is not None
        found.append(from_datetime(due))
        now, previous = due, due
    return found


@pytest.mark.parametrize("speed", [1.0, 3.7, 600.0, 3600.0])
def test_a_daily_job_runs_once_each_day_of_the_world(speed: float) -> None:
    clock = RehearsalClock(START, ANCHORED, speed)
    trigger = WorldTrigger(CronTrigger(hour=7, minute=0, timezone="Asia/Ho_Chi_Minh"), clock)

    world = [to_datetime(clock.world_at(at)) for at in fired(trigger, 4)]

    wanted = [datetime(2025, 10, 26 + day, 0, 0, tzinfo=UTC) for day in range(4)]
    assert all(timedelta(0) <= at - due < timedelta(seconds=1) for at, due in zip(world, wanted, strict=True))


def test_a_periodic_job_keeps_its_period_in_the_world() -> None:
    clock = RehearsalClock(START, ANCHORED, 600.0)
    trigger = WorldTrigger(IntervalTrigger(minutes=10, timezone=UTC, start_date=to_datetime(START + 10 * MINUTE)), clock)

    real = fired(trigger, 5)

    assert [round((at - ANCHORED) / SECOND, 3) for at in real] == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_however_fast_the_world_a_job_leaves_the_machine_some_rest() -> None:
    clock = RehearsalClock(START, ANCHORED, 36_000.0)
    trigger = WorldTrigger(IntervalTrigger(seconds=1, timezone=UTC, start_date=to_datetime(START)), clock)

    real = fired(trigger, 5)

    assert all(later - earlier >= LEAST_PAUSE for earlier, later in itertools.pairwise(real))


def test_in_real_time_the_trigger_is_the_inner_one() -> None:
    inner = CronTrigger(minute="*/5", timezone=UTC)
    now = to_datetime(ANCHORED + MINUTE)

    assert WorldTrigger(inner, RealClock()).get_next_fire_time(None, now) == inner.get_next_fire_time(None, now)


@pytest.fixture
def fast() -> Iterator[Schedule]:
    schedule = Schedule(RehearsalClock(START, from_datetime(datetime.now(UTC)), 3600.0), "Asia/Ho_Chi_Minh")
    yield schedule
    schedule.end()


def test_a_job_is_given_the_instant_of_the_world(fast: Schedule) -> None:
    ran, told = threading.Event(), []

    fast.every("report", 10 * MINUTE, lambda now: (told.append(now), ran.set()))  # type: ignore[func-returns-value]
    fast.start()

    assert ran.wait(5)
    assert START + 10 * MINUTE <= told[0] < START + 6 * HOUR


def test_a_job_that_fails_runs_again(fast: Schedule, caplog: pytest.LogCaptureFixture) -> None:
    twice, runs = threading.Event(), []

    def fail(now: Instant) -> None:
        runs.append(now)
        if len(runs) > 1:
            twice.set()
        raise RuntimeError("the disk is full")

    fast.every("report", 10 * MINUTE, fail)
    fast.start()

    assert twice.wait(5)
    assert "the disk is full" in caplog.text


def test_a_job_of_the_machine_does_not_follow_the_world(fast: Schedule) -> None:
    ran = threading.Event()

    fast.every_real("leases", 0.1, lambda now: ran.set())
    fast.start()

    assert ran.wait(5)


def test_jobs_wait_for_a_rehearsal_that_still_stands(tmp_path: Path) -> None:
    hold(tmp_path, START, 3600.0)
    schedule, ran, told = Schedule(clock_of(tmp_path), "Asia/Ho_Chi_Minh"), threading.Event(), []
    schedule.every("report", 10 * MINUTE, lambda now: (told.append(now), ran.set()))  # type: ignore[func-returns-value]
    schedule.start()
    assert not ran.wait(0.3)

    anchor(tmp_path, START, 3600.0)

    assert ran.wait(5)
    assert START + 10 * MINUTE <= told[0] < START + 6 * HOUR
    schedule.end()
