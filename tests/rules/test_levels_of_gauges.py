"""What a reading does to the levels of a gauge: confirmation, hold, gaps, single readings, and levels that change under it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.instants import DAY, MINUTE, Instant
from devices.verdicts import Verdict
from rules.changes import Change, Kind, Phase
from rules.freshness import Freshness, Hearing, Patience
from rules.history import Fold, Track
from rules.levels import AtOnce, Ladder, Level, Place, State, align, quiet_band, step
from rules.moves import Moves
from rules.schedule import NO_LEVELS, Schedule

PLACE = Place("river-levels", "kim-long", "water_level", "wl-kim-long")
INTERVAL = 10 * MINUTE
GAP = 24 * INTERVAL
SHIPPED = Ladder(
    tuple(
        Level(code, value, round(value - 0.1, 6), 2, 3) for code, value in (("bd1", 1.0), ("bd2", 2.0), ("bd3", 3.5), ("historic", 5.81))
    ),
    GAP,
    AtOnce(3, 4.0, 2.0, 2 * INTERVAL),
)


def said_of(readings: Iterable[tuple[Instant, float]], ladder: Ladder = SHIPPED) -> list[Change]:
    return Fold(PLACE, Schedule((0,), (ladder,))).over(State(), None, readings)[1]


def every_ten_minutes(*values: float) -> list[tuple[Instant, float]]:
    return [(number * INTERVAL, value) for number, value in enumerate(values)]


def seen(changes: Iterable[Change]) -> list[tuple[str, int, int]]:
    return [(change.kind.value, change.level, change.at // INTERVAL) for change in changes]


def a_track(*folds: Fold) -> Track:
    freshness = Freshness(PLACE, Patience(DAY, 6 * DAY), Hearing(True, 0), Phase.FRESH, 0, 0)
    return Track(DAY, folds, freshness, "key", Moves())


def test_a_spike_raises_nothing():
    readings = every_ten_minutes(0.5, 0.5, 9.0, 0.5, 0.6, 9.0, 0.5)

    assert said_of(readings) == []


def test_a_day_of_one_centimetre_around_a_level_is_one_alarm():
    readings = every_ten_minutes(*[1.0 + (0.01 if number * 7 % 5 < 3 else -0.01) for number in range(144)])

    assert [change.kind for change in said_of(readings)] == [Kind.RAISE]


def test_readings_farther_apart_than_the_largest_gap_do_not_confirm_each_other():
    near = [(0, 1.2), (GAP, 1.2)]
    far = [(0, 1.2), (GAP + 1000, 1.2)]

    assert [change.kind for change in said_of(near)] == [Kind.RAISE]
    assert said_of(far) == []


def test_a_crossing_across_a_gap_is_a_crossing_once_it_is_confirmed():
    readings = [(0, 0.5), (20 * GAP, 2.4), (20 * GAP + INTERVAL, 2.4)]

    assert [(change.kind, change.level, change.at) for change in said_of(readings)] == [(Kind.RAISE, 2, 20 * GAP + INTERVAL)]


def test_an_end_across_a_gap_needs_its_three_readings_after_it():
    readings = [(0, 1.2), (INTERVAL, 1.2), (2 * INTERVAL, 0.5), (3 * INTERVAL, 0.5)]
    after = [(3 * INTERVAL + GAP + 1000 + number * INTERVAL, 0.5) for number in range(3)]

    assert [change.at for change in said_of(readings + after) if change.kind is Kind.CLEAR] == [after[2][0]]


@pytest.mark.parametrize(
    ("before", "gap", "value", "level"),
    [
        (2.0, INTERVAL, 4.0, 3),
        (2.0, 2 * INTERVAL, 4.0, 3),
        (1.99, INTERVAL, 4.0, 0),
        (2.0, 2 * INTERVAL + 1000, 4.0, 2),
        (2.0, INTERVAL, 3.99, 2),
    ],
)
def test_a_single_reading_is_enough_only_high_up_soon_and_after_a_high_one(before, gap, value, level):
    changes = said_of([(0, 0.5), (INTERVAL, before), (INTERVAL + gap, value)])

    assert max([change.level for change in changes], default=0) == max(level, 1)


def test_the_peak_is_that_of_the_alarm_and_the_next_alarm_begins_anew():
    values = (1.2, 1.2, 2.6, 1.8, 0.5, 0.5, 0.5, 1.1, 1.1, 0.5, 0.5, 0.5)

    ends = [change for change in said_of(every_ten_minutes(*values)) if change.kind is Kind.CLEAR]

    assert [change.peak for change in ends] == [2.6, 1.1]


values_of_a_gauge = st.lists(
    st.tuples(st.sampled_from([1, 1, 1, 3, 9]), st.sampled_from([0.5, 0.85, 0.95, 1.0, 1.5, 1.7, 1.9, 2.0, 2.2, 3.0, 3.6])), max_size=60
)
machines = st.tuples(st.integers(1, 4), st.integers(1, 4), st.sampled_from([0.0, 0.1, 0.6]))


@settings(max_examples=400, deadline=None)
@given(values_of_a_gauge, st.tuples(machines, machines, machines))
def test_each_level_counts_for_itself_and_the_highest_that_is_on_is_announced(steps, how):
    legal = (1.0, 2.0, 3.0)
    ladder = Ladder(tuple(Level(f"l{n}", legal[n], legal[n] - how[n][2], how[n][0], how[n][1]) for n in range(3)), 4 * INTERVAL)
    readings, at = [], 0
    for pause, value in steps:
        at += pause * INTERVAL
        readings.append((at, value))

    announced = {change.at: change.level for change in said_of(readings, ladder)}

    level = 0
    highest = [0] * len(readings)
    for number in range(3):
        for index, is_on in enumerate(on_after_each(readings, legal[number], *how[number])):
            highest[index] = number + 1 if is_on else highest[index]
    for (observed_at, _), expected in zip(readings, highest, strict=True):
        level = announced.get(observed_at, level)
        assert level == expected


def on_after_each(readings, legal, confirm, hold, margin):
    """The oracle: look back from each reading at the ones in a row that say the same."""
    is_on, since = False, 0
    for index in range(len(readings)):
        row = 0
        for back in range(index, since - 1, -1):
            value = readings[back][1]
            if not (value < legal - margin if is_on else value >= legal):
                break
            row += 1
            if back > 0 and readings[back][0] - readings[back - 1][0] > 4 * INTERVAL:
                break
        if row >= (hold if is_on else confirm):
            is_on, since = not is_on, index + 1
        yield is_on


# ---- levels that change under it


def test_thresholds_that_end_without_others_leave_what_stands_alone():
    schedule = Schedule((0, 5 * INTERVAL), (SHIPPED, NO_LEVELS))
    readings = every_ten_minutes(2.2, 2.2, 2.2, 2.2, 2.2, 0.1, 0.1, 0.1, 0.1)

    state, changes = Fold(PLACE, schedule).over(State(), None, readings)

    assert (seen(changes), state.level) == ([("raise", 2, 1)], 2)


def test_a_level_below_that_is_added_moves_the_number_and_says_nothing():
    more = Ladder((Level("bd0", 0.5, 0.4, 2, 3), *SHIPPED.levels), GAP)
    schedule = Schedule((0, 3 * INTERVAL), (SHIPPED, more))

    state, changes = Fold(PLACE, schedule).over(State(), None, every_ten_minutes(2.2, 2.2, 2.2, 2.2, 2.2))

    assert (seen(changes), state.level, state.codes[state.level - 1]) == ([("raise", 2, 1)], 3, "bd2")


def test_where_the_announced_level_is_gone_the_next_reading_says_what_stands():
    fewer = Ladder(SHIPPED.levels[:1], GAP)
    schedule = Schedule((0, 3 * INTERVAL), (SHIPPED, fewer))

    changes = Fold(PLACE, schedule).over(State(), None, every_ten_minutes(2.2, 2.2, 2.2, 2.2, 2.2))[1]

    assert seen(changes) == [("raise", 2, 1), ("step_down", 1, 3)]


def test_readings_are_judged_by_the_levels_of_their_own_instant_however_late_they_come():
    raised = Ladder(tuple(Level(level.code, level.raise_at + 1, level.clear_below + 1, 2, 3) for level in SHIPPED.levels), GAP)
    schedule = Schedule((0, 3 * INTERVAL), (SHIPPED, raised))
    track = a_track(Fold(PLACE, schedule))
    for at, value in every_ten_minutes(0.5, 1.2)[:2]:
        track.observe(at, value, -1, at)
    track.observe(3 * INTERVAL, 1.2, -1, 3 * INTERVAL)

    outcome = track.observe(2 * INTERVAL, 1.2, -1, 4 * INTERVAL)

    assert outcome is not None
    assert seen(said.change for said in outcome.said) == [("raise", 1, 2)]


# ---- several rules over one sensor


@settings(max_examples=200, deadline=None)
@given(values_of_a_gauge, st.randoms())
def test_two_rules_over_one_sensor_say_what_each_would_alone(steps, chance):
    other = Ladder((Level("x", 0.9, 0.8, 1, 1), Level("y", 1.8, 1.6, 3, 2)), GAP)
    both = Fold(PLACE, Schedule((0,), (SHIPPED,))), Fold(Place("other", "kim-long", "water_level", "wl-kim-long"), Schedule((0,), (other,)))
    alone = [Fold(fold.place, fold.schedule) for fold in both]
    arrivals = sorted((number + chance.random() * 3, number * INTERVAL, value) for number, (_, value) in enumerate(steps))
    track, tracks = a_track(*both), [a_track(fold) for fold in alone]

    for _, at, value in arrivals:
        for each in (track, *tracks):
            each.observe(at, value, -1, at)

    assert [fold.state for fold in both] == [fold.state for fold in alone]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("minute", [20, 10, 5])
def test_a_value_that_is_not_finite_is_refused_and_leaves_no_trace(value, minute):
    track = a_track(Fold(PLACE, Schedule((0,), (SHIPPED,))))
    track.observe(0, 0.5, -1, 0)
    track.observe(10 * MINUTE, 0.5, -1, 10 * MINUTE)

    with pytest.raises(ValueError, match="cannot be judged"):
        track.observe(minute * MINUTE, value, -1, 20 * MINUTE)

    assert (list(track.at), track.newest) == ([0, 10 * MINUTE], 10 * MINUTE)


def test_however_fast_a_device_sends_what_is_kept_stays_small_and_older_is_late():
    track = a_track(Fold(PLACE, Schedule((0,), (SHIPPED,))))

    for second in range(20_000):
        track.observe(second * MINUTE // 60, 0.5, -1, second * MINUTE // 60)
    outcome = track.observe(MINUTE, 9.0, -1, 20_000 * MINUTE // 60)

    assert len(track.at) <= 512
    assert outcome is not None
    assert outcome.verdict is Verdict.LATE


@settings(max_examples=400, deadline=None)
@given(values_of_a_gauge, st.floats(-1, 7), st.integers(1, 40), st.floats(-1, 7), st.integers(1, 40))
def test_a_reading_in_the_quiet_band_could_be_left_out(steps, first, pause, second, other_pause):
    state, previous, at = State(), None, 0
    for gap, value in steps:
        at += gap * INTERVAL
        state, _ = step(PLACE, SHIPPED, state, previous, at, value)
        previous = (at, value)
    low, high = quiet_band(SHIPPED, state)

    then, change = step(PLACE, SHIPPED, state, previous, at + pause * INTERVAL, first)

    if low < first < high:
        after = (at + pause * INTERVAL, first)
        last = at + (pause + other_pause) * INTERVAL
        assert change is None
        assert then == align(SHIPPED, state)
        assert step(PLACE, SHIPPED, then, after, last, second) == step(PLACE, SHIPPED, state, after, last, second)


def test_a_level_whose_code_is_gone_is_left_by_readings_not_by_the_edit():
    before = State(3, ("bd1", "bd2", "bd3"), (True, True, True), (0, 0, 0), "id", 0, "id", 0, 3.7, 0)
    renamed = Ladder((Level("a1", 1.0, 0.9, 2, 3), Level("a2", 2.0, 1.9, 2, 3), Level("a3", 3.5, 3.4, 2, 3)), DAY)
    place = Place("river-levels", "kim-long", "water_level", "wl-kim-long")

    _, change = step(place, renamed, before, (0, 3.7), MINUTE, 3.7)

    assert change is None


def test_levels_that_changed_twice_under_a_silent_gauge_raise_no_error():
    state = State(3, ("bd1", "bd2", "bd3"), (True, True, True), (0, 0, 0), "id", 0, "id", 0, 3.7, 0)
    for codes in (("a1", "a2"), ("b1", "b2", "b3"), ("c1",)):
        state = align(Ladder(tuple(Level(code, number, number - 0.1, 2, 3) for number, code in enumerate(codes, start=1)), DAY), state)

    assert (state.level, state.on) == (3, (True,))
