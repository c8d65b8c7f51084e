"""The virtual clock: one anchor, the same for all programs, kept over restarts."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.instants import SECOND, parse_instant
from service.clock import HeldClock, RealClock, RehearsalClock, anchor, clock_of, hold, slack_of

START = parse_instant("2025-10-26T06:00:00+07:00")


def test_a_folder_without_an_anchor_has_the_time_of_the_machine(tmp_path: Path) -> None:
    before = time.time_ns() // 1000

    now = clock_of(tmp_path)()

    assert isinstance(clock_of(tmp_path), RealClock)
    assert before <= now <= time.time_ns() // 1000


def test_a_rehearsal_goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    first = anchor(tmp_path, START, 3600.0)

    told = subprocess.run(
        [sys.executable, "-c", f"from pathlib import Path; from service.clock import clock_of; print(clock_of(Path({str(tmp_path)!r}))())"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert clock_of(tmp_path) == first
    assert START < int(told.stdout) <= first()


def test_speed_says_how_many_seconds_pass_in_a_real_one() -> None:
    clock = RehearsalClock(START, 1_000_000, 600.0)

    assert clock.world_at(1_000_000) == START
    assert clock.world_at(1_000_000 + 2 * SECOND) == START + 1200 * SECOND


@given(st.integers(0, 10**13), st.sampled_from([0.5, 1.0, 3.7, 600.0, 3600.0, 36_000.0]))
def test_the_world_has_surely_reached_an_instant_when_the_machine_says_so(after: int, speed: float) -> None:
    clock = RehearsalClock(START, 1_764_000_000_000_000, speed)

    reached = clock.world_at(clock.real_at(START + after))

    assert START + after <= reached <= START + after + 3 * speed + 3


def test_a_speed_of_one_is_real_speed(tmp_path: Path) -> None:
    assert anchor(tmp_path, START, 1.0)() == pytest.approx(START, abs=SECOND)


def test_a_rehearsal_stands_at_its_start_until_it_is_let_go(tmp_path: Path) -> None:
    hold(tmp_path, START, 3600.0)
    clock = clock_of(tmp_path)
    assert clock() == START
    assert isinstance(clock, HeldClock)
    assert clock.stands

    let_go = anchor(tmp_path, START, 3600.0)

    assert not clock.stands
    assert clock.real_at(START) == let_go.real_at(START)
    assert clock.world_at(let_go.anchored_at + SECOND) == START + 3600 * SECOND


def test_only_where_the_world_runs_faster_is_there_slack() -> None:
    assert slack_of(RealClock()) == 0
    assert slack_of(RehearsalClock(0, 0, 3601.0)) == 1800 * SECOND
