"""A clock that is wrong, ours or a device's, lets nobody be missed, doubled, or judged by a time that cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from rig.stepping import COMPILER, SteppedClock
from torture.clocks import DAY, Story, run_step
from torture.device_clocks import run_devices

needs_a_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler to step the clock of programs")
READ = "import time; print(time.time(), time.monotonic())"


@needs_a_compiler
@pytest.mark.parametrize("seconds", [0, DAY, -DAY])
def test_a_stepped_clock_moves_real_time_and_nothing_else(tmp_path, seconds):
    clock = SteppedClock(tmp_path)
    clock.set(seconds)

    told = subprocess.run(
        [sys.executable, "-c", READ], env={**os.environ, **clock.environment()}, capture_output=True, check=True, text=True
    )

    real, monotonic = map(float, told.stdout.split())
    assert abs(real - time.time() - seconds) < 60
    assert abs(monotonic - time.monotonic()) < 60


@needs_a_compiler
@pytest.mark.mosquitto
@pytest.mark.slow
def test_a_clock_that_leaps_a_day_and_comes_back_changes_no_level_and_no_notice():
    result = run_step(DAY, Story(gauges=12, rounds=48, step_at=16, back_at=32))

    assert result.ok, result.failed()


@pytest.mark.mosquitto
@pytest.mark.slow
def test_devices_with_wrong_clocks_end_where_they_belong_and_disturb_nobody():
    result = run_devices()

    assert result.ok, result.failed()
