"""A flood into a real InfluxDB, in its short form: the full runs are `python -m torture influx`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from devices.instants import DAY, SECOND
from ingest.lines import parse
from rig.bucket import apart, since
from rig.report import Result, timed
from torture import influx, influx_away, influx_poison
from torture.influx_poison import KEPT_DAYS, judge_reasons, observed

NOW = 1_764_374_400 * SECOND


def heavy(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that runs the programs beside InfluxDB."""
    for mark in (pytest.mark.influx, pytest.mark.mosquitto, pytest.mark.slow, pytest.mark.timeout(240)):
        test = mark(test)
    return test


def holds(result: Result) -> None:
    assert result.ok, result.failed()


@heavy
@pytest.mark.parametrize("whom", ["ingest", "archive"])
def test_a_program_may_be_killed_at_any_point_and_influxdb_has_the_same_points(whom: str) -> None:
    holds(timed("", partial(influx.disturbed, influx.KILLED[True], whom)))


@heavy
@pytest.mark.parametrize(("whom", "trial"), [("influxd", influx.SERVER_KILLED[True]), ("frozen influxd", influx.SERVER_FROZEN[True])])
def test_a_server_may_be_killed_or_frozen_in_mid_write_and_has_the_same_points(whom: str, trial: influx.Trial) -> None:
    holds(timed("", partial(influx.disturbed, trial, whom)))


@heavy
def test_nothing_is_lost_while_the_server_is_away() -> None:
    holds(influx_away.run(influx_away.SHORT, judge_speed=False))


@heavy
def test_readings_that_the_server_refuses_cost_no_other_one() -> None:
    holds(influx_poison.run(influx_poison.SHORT))


@heavy
def test_one_line_in_a_hundred_is_poison_and_each_is_put_aside_with_the_reason_of_the_server() -> None:
    holds(influx_poison.by_hand(10_000))


# ---- that a fault would be seen


def test_points_that_lack_that_are_too_many_and_that_differ_are_told() -> None:
    one, two, other = ("q", "s", "d", 1, 0.5, 1, 7), ("q", "s", "d", 2, 0.5, 1, 8), ("q", "s", "d", 1, 0.6, 1, 7)
    assert apart(Counter([one, two]), Counter([two, one])) == ""
    assert apart(Counter([one, two]), Counter([one])).startswith("1 missing")
    assert "1 too many" in apart(Counter([one]), Counter([one, two]))
    assert apart(Counter([one]), Counter([other])).startswith("1 missing")


def test_two_runs_are_compared_by_what_was_observed_since_they_began_and_not_by_when_it_was_received() -> None:
    first, second = Counter([("q", "s", "d", 105, 0.5, 1, 7)]), Counter([("q", "s", "d", 205, 0.5, 1, 9)])
    assert since(first, 100) == since(second, 200)
    assert since(first, 100) != since(second, 201)


def test_one_reading_in_a_hundred_is_refused_and_no_two_are_of_one_instant() -> None:
    found = [observed(number, NOW) for number in range(10_000)]
    assert len({at for at, _ in found}) == 10_000
    assert Counter(reason for _, reason in found) == {"": 9_900, "field type conflict": 50, "retention policy": 50}
    assert all((NOW - at > KEPT_DAYS * DAY) == (reason == "retention policy") for at, reason in found)
    assert {at // DAY for at, reason in found if reason == "field type conflict"} == {NOW // DAY - 3}


def test_no_two_bad_lines_are_equal_and_no_good_one_is_like_them() -> None:
    bad = influx_poison.bad_lines(1_000, NOW)
    assert len(bad) == 1_000
    assert not bad.keys() & set(influx_poison.good_lines(1_000, NOW))
    assert len({parse(line).observed_at for line in influx_poison.good_lines(1_000, NOW)}) == 1_000


@pytest.mark.parametrize(
    ("found", "ok"),
    [({"a": "it is so because"}, True), ({"a": "something else"}, False), ({}, False), ({"a": "because", "b": "because"}, False)],
    ids=["as it must be", "another reason", "missing", "a good one too"],
)
def test_a_line_put_aside_for_another_reason_or_without_one_is_found_out(found: dict[str, str], ok: bool) -> None:
    result = Result("")
    judge_reasons(result, found, {"a": "because"})
    assert result.ok == ok


def test_what_was_not_tried_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUXD", "/nowhere/influxd")
    (run,) = influx.runs(short=True)
    assert "there is no influxd" in run().claims[0].what
