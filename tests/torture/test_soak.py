"""The machinery of the soak, in its short form: the hour is `python -m torture soak`."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest

from rig.footprint import Sample, sample_of
from torture import soak
from torture.everyday import BAD, Everyday
from torture.gauging import after, growth, line, more, slope


@pytest.mark.mosquitto
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_short_soak_keeps_its_books_and_leaks_no_descriptor() -> None:
    result = soak.run(soak.SHORT, judge_slopes=False)
    assert result.ok, result.failed()


def test_no_two_good_or_late_readings_of_a_gauge_are_of_one_instant() -> None:
    everyday = Everyday(gauges=3, old_ms=1_000_000, silence=1.0, stays=2)
    messages = [(topic, payload) for topic, payload in islice(everyday.messages(), 20_000) if payload not in BAD]
    instants = Counter((topic, json.loads(payload)["at"]) for topic, payload in set(messages))
    assert set(instants.values()) == {1}
    assert len(messages) - len(instants) == everyday.made["duplicate"] > 0
    assert len(instants) == everyday.made["good"] + everyday.made["late"]


def test_the_slope_of_memory_is_a_part_of_itself_an_hour() -> None:
    samples = [Sample(at, 100.0 + at / 360, 10, 3) for at in range(0, 3_600, 5)]
    assert slope(samples) == pytest.approx(10 / 105, rel=0.01)
    assert slope(samples) == pytest.approx(line(samples), rel=0.001)
    assert slope(samples[:2]) == line(samples[:2]) == 0.0


def test_a_cache_that_was_emptied_for_a_while_is_no_growth_and_a_leak_under_bursts_is() -> None:
    def samples(memory: Callable[[int], float]) -> list[Sample]:
        return [Sample(at, memory(at), 10, 3) for at in range(900, 3_600, 5)]

    emptied = samples(lambda at: 96.0 if 1_000 < at < 1_400 else 100.0)
    assert line(emptied) > 0.02
    assert slope(emptied) == 0.0
    assert slope(samples(lambda at: 100.0 + 2.0 * at / 3_600 + (5.0 if at % 60 == 0 else 0.0))) == pytest.approx(0.02, rel=0.05)
    assert slope(samples(lambda at: 100.0 + at // 600)) > 0.04  # one step in ten minutes


def test_a_leak_shows_in_the_last_quarter_and_a_visitor_does_not() -> None:
    assert more([10] * 50 + [12, 10] * 25) <= 2
    assert more(list(range(100))) > 2
    assert more([]) == 0


def test_files_are_held_against_their_size_after_the_warm_up() -> None:
    assert growth([(0.0, {"a": 1}), (10.0, {"a": 50}), (20.0, {"a": 80}), (30.0, {"a": 60})], 10.0) == {"a": 30}


def test_a_living_process_is_measured_and_a_dead_one_is_not() -> None:
    sample = sample_of(os.getpid(), 1.0)
    assert sample is not None
    assert sample.memory > 1
    assert sample.descriptors >= 3
    assert sample.threads >= 1
    assert sample_of(2**22 + 1, 1.0) is None
    assert after([sample], 2.0) == []
