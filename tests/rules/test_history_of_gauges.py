"""What stands is a function of the accepted readings: whatever their order, however often they come, wherever we stopped."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.instants import HOUR, MINUTE, SECOND, Instant
from devices.verdicts import Verdict
from rules.changes import Phase, Said, Verb
from rules.freshness import Freshness, Hearing, Patience
from rules.history import MOST_KEPT, Fold, Track
from rules.levels import AtOnce, Ladder, Level, Place, State, quiet_band, step
from rules.moves import Moves
from rules.schedule import Schedule
from rules.state import dump, load, read

PLACE = Place("river-levels", "kim-long", "water_level", "wl-kim-long")
LEVELS = (Level("bd1", 1.0, 0.9, 2, 3), Level("bd2", 2.0, 1.9, 2, 3), Level("bd3", 3.5, 3.4, 3, 2))
LADDER = Ladder(LEVELS, 8 * MINUTE, AtOnce(3, 4.0, 2.0, 2 * MINUTE))
EDITED = Ladder((LEVELS[0], Level("bd2", 1.95, 1.85, 1, 1), LEVELS[2], Level("historic", 4.1, 4.0, 2, 3)), 8 * MINUTE)
BOUND = HOUR
START: Instant = 1_000 * HOUR
VALUES = [0.5, 0.85, 0.95, 1.0, 1.1, 1.87, 1.95, 2.0, 2.5, 3.45, 3.5, 3.7, 4.2]
readings_of_a_gauge = st.lists(st.tuples(st.integers(0, 300), st.sampled_from(VALUES), st.integers(-1, 3)), min_size=1, max_size=120)


def a_track(schedule: Schedule | None = None) -> Track:
    freshness = Freshness(PLACE, Patience(HOUR, 6 * HOUR), Hearing(True, START), Phase.FRESH, START, START)
    fold = Fold(PLACE, schedule or Schedule((0, START + 150 * MINUTE), (LADDER, EDITED)))
    return Track(BOUND, (fold,), freshness, "key", Moves())


def stand(standing: set[str], said: Iterable[Said]) -> None:
    for each in said:
        if each.change.rule != PLACE.rule:
            continue
        if each.verb is Verb.WITHDRAWN:
            standing.remove(each.change.id)
        else:
            assert each.change.id not in standing
            standing.add(each.change.id)


def deliver(track: Track, standing: set[str], minute: float, value: float, rank: int) -> None:
    at = START + int(minute * MINUTE)
    outcome = track.observe(at, value, rank, START + 400 * MINUTE)
    if outcome is not None:
        assert outcome.verdict is not Verdict.LATE
        stand(standing, outcome.said)


def winners(readings: Iterable[tuple[int, float, int]]) -> list[tuple[int, float, int]]:
    best: dict[int, tuple[int, float]] = {}
    for minute, value, rank in readings:
        best[minute] = max(best.get(minute, (-9, -inf)), (rank, value))
    return [(minute, value, rank) for minute, (rank, value) in sorted(best.items())]


def in_order(readings: Iterable[tuple[int, float, int]]) -> tuple[set[str], Track]:
    track, standing = a_track(), set[str]()
    for reading in winners(readings):
        deliver(track, standing, *reading)
    return standing, track


@settings(max_examples=1500, deadline=None)
@given(readings_of_a_gauge, st.randoms())
def test_any_order_of_arrival_inside_the_bound_with_duplicates_and_conflicts_gives_the_same_standing_set(readings, chance):
    arrivals = sorted(
        (minute + chance.random() * 59.9, minute, value, rank) for minute, value, rank in readings for _ in range(chance.choice([1, 1, 2]))
    )
    track, standing = a_track(), set[str]()

    for _, minute, value, rank in arrivals:
        deliver(track, standing, minute, value, rank)

    expected, straight = in_order(readings)
    assert standing == expected
    assert track.folds[0].state == straight.folds[0].state


@settings(max_examples=800, deadline=None)
@given(readings_of_a_gauge, st.randoms(), st.sets(st.integers(0, 200)))
def test_a_restart_at_any_step_changes_nothing(readings, chance, stops):
    arrivals = sorted((minute + chance.random() * 59.9, minute, value, rank) for minute, value, rank in readings)
    track, standing = a_track(), set[str]()

    for number, (_, minute, value, rank) in enumerate(arrivals):
        if number in stops:
            saved, track = dump(track), a_track()
            load(track, read(saved))
        deliver(track, standing, minute, value, rank)

    assert standing == in_order(readings)[0]


@settings(max_examples=1500, deadline=None)
@given(readings_of_a_gauge, st.floats(-1, 6))
def test_a_value_in_the_quiet_band_leaves_the_state_alone(readings, value):
    state, previous = State(), None
    for minute, reading, _ in winners(readings):
        state, _ = step(PLACE, LADDER, state, previous, START + minute * MINUTE, reading)
        previous = (START + minute * MINUTE, reading)
    low, high = quiet_band(LADDER, state)

    for gap in (SECOND, HOUR):
        after, change = step(PLACE, LADDER, state, previous, previous[0] + gap, value)

        if low < value < high:
            assert (after, change) == (state, None)


def test_a_late_reading_takes_a_raise_back_by_name():
    track, standing = a_track(), set[str]()
    for minute, value in ((0, 0.5), (10, 1.2), (14, 1.2)):
        deliver(track, standing, minute, value, -1)
    assert len(standing) == 1

    outcome = track.observe(START + 12 * MINUTE, 0.5, -1, START + 400 * MINUTE)

    assert outcome is not None
    assert [(each.verb, each.change.id) for each in outcome.said] == [(Verb.WITHDRAWN, standing.pop())]


def test_a_reading_older_than_the_bound_is_late_and_moves_nothing():
    track, standing = a_track(), set[str]()
    deliver(track, standing, 100, 0.5, -1)

    outcome = track.observe(START + 39 * MINUTE, 9.0, -1, START + 100 * MINUTE)

    assert outcome is not None
    assert (outcome.verdict, outcome.said) == (Verdict.LATE, ())


@pytest.mark.parametrize(
    ("value", "rank", "verdict", "other"),
    [
        (1.5, 5, Verdict.DUPLICATE, None),
        (1.6, 5, Verdict.WON_CONFLICT, 1.5),
        (1.4, 5, Verdict.LOST_CONFLICT, 1.5),
        (1.4, 6, Verdict.WON_CONFLICT, 1.5),
        (9.0, 4, Verdict.LOST_CONFLICT, 1.5),
    ],
)
def test_one_instant_is_one_reading_and_the_higher_rank_then_the_higher_value_stands(value, rank, verdict, other):
    track = a_track()
    track.observe(START, 1.5, 5, START)

    outcome = track.observe(START, value, rank, START)

    assert outcome is not None
    assert (outcome.verdict, outcome.other, len(track.at)) == (verdict, other, 1)


def test_under_other_levels_what_was_said_stays_said_and_the_next_reading_is_judged_anew():
    track, standing = a_track(Schedule((0,), (LADDER,))), set[str]()
    for minute, value in ((0, 2.1), (1, 2.1)):
        deliver(track, standing, minute, value, -1)
    higher = Ladder((LEVELS[0], Level("bd2", 3.0, 2.9, 2, 3), LEVELS[2]), 8 * MINUTE)
    edited = a_track(Schedule((0,), (higher,)))

    load(edited, read(dump(track)))
    late = edited.observe(START + MINUTE // 2, 0.2, -1, START + 400 * MINUTE)
    said = [edited.observe(START + minute * MINUTE, 2.1, -1, START + 400 * MINUTE) for minute in (2, 3, 4)]

    assert late is not None
    assert (late.verdict, late.said) == (Verdict.LATE, ())
    assert said[:2] == [None, None]
    assert [(each.verb, each.change.kind, each.change.level) for each in said[2].said] == [(Verb.ISSUED, "step_down", 1)]


def test_a_log_of_each_second_that_comes_late_costs_a_bounded_number_of_steps():
    track = a_track()
    track.observe(START + HOUR, 0.5, -1, START + HOUR)

    for second in range(3_000):
        track.observe(START + MINUTE + second * SECOND, 0.5 if second % 7 else 1.2, -1, START + HOUR)

    assert len(track.at) <= 2 * MOST_KEPT
