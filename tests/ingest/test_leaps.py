"""A clock that is set, or time in which we did not run: nobody is judged by it, time goes on, and a replay leaps at the same place."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.instants import DAY, HOUR, MINUTE, SECOND
from ingest.inbox import Deaf, Heard, Trouble
from ingest.lines import parse

LEAP = 10 * SECOND


class World:
    """A spool whose clock may be set; true time goes on beside it."""

    def __init__(self, kit, spool):
        self.kit, self.spool, self.true_at, self.wrong_by = kit, spool, kit.now, 0
        spool.leap = LEAP
        spool.crash()
        spool.happens(Heard(kit.now))
        self.seq = 0

    def passes(self, span):
        """Let time pass in steps that a look at the clock takes."""
        while span > 0:
            self.true_at += min(span, LEAP // 2)
            span -= LEAP // 2
            self.spool.ticks(self.true_at + self.wrong_by)

    def says(self, value, device="wl-0", **more):
        self.seq += 1
        message = self.kit.up(value, at=self.true_at // 1000, seq=self.seq) | more
        self.spool.happens(self.kit.inbound(message, device=device, received_at=self.true_at + self.wrong_by))

    def is_set(self, wrong_by, *, looked=True):
        self.wrong_by = wrong_by
        if looked:
            self.spool.ticks(self.true_at + self.wrong_by)

    def levels(self):
        return self.spool.rows(
            "SELECT kind FROM change WHERE verb = 'issued' AND device = 'wl-0' AND kind IN ('raise', 'clear') ORDER BY seq"
        )

    def silences(self):
        return self.spool.rows("SELECT device, quantity, kind FROM change WHERE kind IN ('stale', 'lost') ORDER BY seq")

    def incidents(self):
        return [kind for (kind,) in self.spool.rows("SELECT kind FROM incident ORDER BY id")]

    def standing(self, device="wl-0"):
        self.spool.ticks(self.true_at + self.wrong_by)
        rows = self.spool.rows("SELECT body FROM standing WHERE device = ? AND quantity = 'water_level'", device)
        return json.loads(rows[0][0])


@pytest.fixture
def world(kit, spooled, city):
    made = World(kit, spooled(city))
    made.says(1.5)
    made.passes(MINUTE)
    made.says(1.5)
    return made


@pytest.mark.parametrize("span", [HOUR, DAY, 3650 * DAY])
@pytest.mark.parametrize("looked", [True, False])
def test_a_clock_that_is_set_forward_and_back_makes_nobody_silent_and_time_goes_on(world, span, looked):
    world.is_set(span, looked=looked)
    world.says(1.5)
    world.passes(MINUTE)
    world.is_set(0, looked=looked)
    world.says(1.5)

    world.passes(MINUTE)
    for _ in range(3):
        world.passes(SECOND)
        world.says(0.2)

    assert world.silences() == []
    assert world.levels() == [("raise",), ("clear",)]
    assert parse(world.spool.lines()[-1]).received_at == world.true_at
    assert world.standing()["phase"] == "fresh"
    assert Trouble.CLOCK_WENT_BACK in world.incidents()


def test_after_a_clock_came_back_silence_is_noticed_when_it_is_due(world):
    world.is_set(DAY)
    world.says(1.5)
    world.is_set(0)

    world.passes(19 * MINUTE)
    before = world.silences()
    world.passes(2 * MINUTE)

    assert (before, ("wl-0", "water_level", "stale") in world.silences()) == ([], True)


def test_each_leap_is_told_as_deafness_with_its_end(world):
    world.is_set(HOUR)
    world.is_set(0)

    told = [kind for kind in world.incidents() if kind in ("deaf", "hears", "clock_went_back")]

    assert told[-5:] == ["deaf", "hears", "clock_went_back", "deaf", "hears"]


def test_time_in_which_we_did_not_run_makes_nobody_silent(world):
    world.true_at += 5 * HOUR
    world.spool.ticks(world.true_at)

    assert (world.silences(), world.incidents()[-2:]) == ([], ["deaf", "hears"])


def test_a_few_seconds_back_are_made_up_by_standing_still(world):
    world.is_set(-5 * SECOND)
    world.says(1.5)

    assert parse(world.spool.lines()[-1]).received_at == world.true_at
    assert world.incidents()[-1] == Trouble.CLOCK_WENT_BACK


def test_a_clock_that_goes_back_against_what_the_sensors_say_is_not_followed(world):
    before = world.true_at
    world.is_set(-HOUR)
    world.passes(MINUTE)
    world.says(1.5)

    assert parse(world.spool.lines()[-1]).received_at == before
    assert (world.spool.counters().get("quarantined", 0), world.silences()) == (0, [])

    world.is_set(0)
    for _ in range(3):
        world.passes(SECOND)
        world.says(0.2)

    assert parse(world.spool.lines()[-1]).received_at == world.true_at
    assert (world.levels(), world.silences()) == ([("raise",), ("clear",)], [])


def test_while_deaf_a_leap_changes_nothing_but_the_time(world):
    world.spool.happens(Deaf(world.true_at, "away"))
    world.is_set(DAY)
    world.is_set(0)

    assert world.incidents()[-2:] == ["deaf", "clock_went_back"]
    assert world.spool.decider._intake.hearing == (world.true_at, False)


def test_samples_without_a_time_that_came_in_a_future_do_not_make_the_next_ones_late(world):
    world.is_set(DAY)
    for value in (1.5, 1.5):
        world.says(value, at=None)
        world.passes(SECOND)
    world.is_set(0)

    for _ in range(3):
        world.passes(SECOND)
        world.says(0.2, at=None)

    assert world.levels() == [("raise",), ("clear",)]
    assert world.spool.counters().get("late", 0) == 0


def test_a_start_with_a_clock_that_was_ahead_before_goes_on_from_the_present(world):
    world.is_set(DAY)
    world.says(1.5)
    world.passes(MINUTE)
    world.wrong_by = 0
    world.spool.crash()
    world.spool.happens(Deaf(world.spool.resumed.last_at, "ingest did not run"))
    world.spool.ticks(world.true_at)
    world.spool.happens(Heard(world.true_at))

    world.passes(SECOND)
    world.says(1.5)

    assert parse(world.spool.lines()[-1]).received_at == world.true_at
    assert (world.silences(), world.standing()["phase"]) == ([], "fresh")


steps = st.one_of(
    st.tuples(st.just("set"), st.sampled_from([0, HOUR, -HOUR, DAY, -DAY, 7 * SECOND, -7 * SECOND])),
    st.tuples(st.just("pass"), st.integers(1, 40)),
    st.tuples(st.just("says"), st.sampled_from([0.3, 1.5, 2.4]), st.booleans(), st.integers(0, 1)),
    st.tuples(st.sampled_from(["deaf", "hears"])),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=1, max_size=14), st.sets(st.integers(0, 13), max_size=4))
def test_a_crash_anywhere_among_leaps_changes_neither_what_was_said_nor_what_stands(kit, spooled, city, life, crashes):
    with spooled(city) as one, spooled(city) as two:
        whole, other = World(kit, one), World(kit, two)
        for number, step in enumerate(life):
            for world in (whole, other):
                _live(world, step)
            if number in crashes:
                other.spool.crash()
                other.spool.decider._clock_at = other.true_at + other.wrong_by  # it took no time, so there is nothing to be deaf for
                assert other.spool.resumed.incidents == []

        assert _end(other) == _end(whole)


def _live(world, step):
    match step:
        case ["set", wrong_by]:
            world.is_set(wrong_by)
        case ["pass", tens]:
            world.passes(tens * LEAP)
        case ["says", value, has_time, gauge]:
            world.says(value, f"wl-{gauge}", **({} if has_time else {"at": None}))
        case ["deaf"]:
            world.spool.happens(Deaf(world.true_at + world.wrong_by, "away"))
        case ["hears"]:
            world.spool.happens(Heard(world.true_at + world.wrong_by))


def _end(world):
    world.passes(2 * HOUR)
    return world.spool.lines(), world.spool.changes(), world.spool.standings()
