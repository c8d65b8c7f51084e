"""From what stands to the alarm of a place."""

from __future__ import annotations

from dataclasses import replace

from desk_town import INTERVAL, NOW, alarm, change, standing

from alerts.alarms import NOTHING_KNOWN, Frame, Known, follow, past
from alerts.model import Alarm, End, Handling, Status
from devices.instants import HOUR, MINUTE, Instant
from rules.changes import Change, Kind, Phase, Standing

FRAME = Frame(Status.EXERCISE, "r1")


def known(*standing: Change, withdrawn: tuple[Change, ...] = ()) -> Known:
    return Known({each.id: each for each in standing}, {each.id: each for each in withdrawn})


def after(
    before: Alarm | None, now_stands: Standing, changes: Known = NOTHING_KNOWN, *, owed: bool = True, lowest: float | None = 1.0
) -> Alarm:
    found = follow(before, now_stands, changes, FRAME, owed=owed, lowest=lowest)
    assert found is not None
    return found


def risen(level: int = 2, at: Instant = NOW) -> Alarm:
    return after(None, standing(level, at=at))


def test_a_level_opens_an_alarm_under_the_id_of_its_raise() -> None:
    stands = standing(2)

    opened = after(None, stands)

    assert opened.id == stands.opened_id
    assert (opened.level, opened.opened_at, opened.handling, opened.end) == (2, NOW, Handling.OPEN, None)


def test_no_level_opens_nothing() -> None:
    assert follow(None, standing(0), NOTHING_KNOWN, FRAME, owed=False, lowest=1.0) is None


def test_a_revised_raise_keeps_the_alarm_and_moves_its_beginning() -> None:
    before = risen()
    earlier = standing(2, at=NOW + INTERVAL, opened_at=NOW - 20 * MINUTE)

    moved = after(before, earlier)

    assert moved.id == before.id != earlier.opened_id
    assert moved.opened_at == NOW - 20 * MINUTE


def test_an_alarm_that_ended_and_rose_again_between_two_looks_is_the_same() -> None:
    first = change(Kind.RAISE, 1, NOW)
    before = replace(risen(), peak=3.0, peak_at=NOW)
    again = standing(1, at=NOW + 5 * HOUR, peak=1.3)

    same = after(before, again, known(first))

    assert (same.id, same.opened_at, same.level, same.peak) == (before.id, NOW, 1, 3.0)


def test_a_clear_ends_it_at_its_own_instant() -> None:
    over = standing(0, at=NOW + 2 * HOUR, level_at=NOW + HOUR)

    ended = after(risen(), over)

    assert (ended.level, ended.end, ended.ended_at) == (0, End.CLEARED, NOW + HOUR)


def test_a_withdrawn_raise_ends_it_as_something_that_never_was() -> None:
    begun = change(Kind.RAISE, 1, NOW)
    never = standing(0, at=NOW + INTERVAL, level_id=None, level_at=None)

    ended = after(risen(), never, known(withdrawn=(begun,)))

    assert ended.end is End.WITHDRAWN


def test_an_earlier_clear_does_not_end_a_withdrawn_raise_as_cleared() -> None:
    begun = change(Kind.RAISE, 1, NOW)
    never = standing(0, at=NOW + INTERVAL, level_at=NOW - HOUR)

    ended = after(risen(), never, known(withdrawn=(begun,)))

    assert ended.end is End.WITHDRAWN


def test_rules_that_have_forgotten_end_nothing() -> None:
    forgotten = standing(0, at=NOW + INTERVAL, value=4.9, level_id=None, level_at=None)

    same = after(risen(), forgotten)

    assert (same.level, same.ended_at) == (2, None)


def test_a_sensor_that_was_never_seen_ends_nothing() -> None:
    blank = standing(0, at=NOW + HOUR, level_id=None, level_at=None, observed_at=None, received_at=None, phase=Phase.NEVER_SEEN)

    same = after(risen(), blank)

    assert (same.level, same.ended_at, same.phase) == (2, None, Phase.NEVER_SEEN)


def test_water_below_every_level_for_three_intervals_is_believed_of_rules_that_have_forgotten() -> None:
    low = standing(0, at=NOW + 3 * INTERVAL, value=0.6, level_id=None, level_at=None)

    ended = after(risen(), low)

    assert (ended.end, ended.ended_at) == (End.CLEARED, NOW + 3 * INTERVAL)


def test_an_end_whose_episode_goes_on_is_taken_back() -> None:
    ended = after(risen(), standing(0, at=NOW + HOUR))
    goes_on = standing(2, at=NOW + 2 * HOUR, opened_at=NOW)

    reopened = after(ended, goes_on, owed=False)

    assert (reopened.id, reopened.end, reopened.ended_at, reopened.level) == (ended.id, None, None, 2)


def test_an_end_is_taken_back_also_when_the_raise_has_moved() -> None:
    ended = after(risen(), standing(0, at=NOW + HOUR))
    moved = standing(2, at=NOW + 2 * HOUR, opened_at=NOW + 30 * MINUTE)

    reopened = after(ended, moved, owed=False)

    assert moved.opened_id != ended.id
    assert (reopened.id, reopened.end, reopened.opened_at) == (ended.id, None, NOW + 30 * MINUTE)


def test_another_episode_is_another_alarm() -> None:
    ended = after(risen(), standing(0, at=NOW + HOUR))

    another = after(ended, standing(1, at=NOW + 5 * HOUR), owed=False)

    assert another.id != ended.id


def test_another_episode_before_the_end_was_told_is_the_same_alarm() -> None:
    ended = after(risen(), standing(0, at=NOW + HOUR))

    same = after(ended, standing(1, at=NOW + 5 * HOUR), owed=True)

    assert same.id == ended.id
    assert same.end is None


def test_an_end_that_is_owed_becomes_a_correction_when_its_raise_is_withdrawn() -> None:
    ended = after(risen(), standing(0, at=NOW + HOUR))
    never = standing(0, at=NOW + 2 * HOUR, level_id=None, level_at=None)

    corrected = after(ended, never, known(withdrawn=(change(Kind.RAISE, 1, NOW),)))

    assert corrected.end is End.WITHDRAWN


def test_an_end_that_was_told_is_left_alone() -> None:
    ended = after(risen(), standing(0, at=NOW + HOUR))
    never = standing(0, at=NOW + 2 * HOUR, level_id=None, level_at=None)

    same = after(ended, never, known(withdrawn=(change(Kind.RAISE, 1, NOW),)), owed=False)

    assert same == ended


def closed(at: Instant = NOW + HOUR) -> Alarm:
    return replace(risen(), level=0, end=End.CLOSED, ended_at=at, handling=Handling.CLOSED, handled_by="an", phase=Phase.LOST)


def test_a_closed_alarm_stays_closed_while_its_gauge_is_silent() -> None:
    silent = standing(2, at=NOW, phase=Phase.LOST)

    same = after(closed(), silent)

    assert same == closed()


def test_old_readings_of_a_dead_gauge_open_nothing() -> None:
    backlog = standing(2, at=NOW + 30 * MINUTE, opened_at=NOW, received_at=NOW + 2 * HOUR, phase=Phase.STALE)

    same = after(closed(), backlog)

    assert same == closed()


def test_a_gauge_that_speaks_again_of_a_level_opens_its_alarm_again() -> None:
    alive = standing(2, at=NOW + 2 * HOUR, opened_at=NOW)

    reopened = after(closed(), alive, owed=False)

    assert (reopened.id, reopened.level, reopened.end) == (closed().id, 2, None)
    assert (reopened.handling, reopened.handled_by) == (Handling.OPEN, None)


def test_a_gauge_that_comes_back_dry_opens_no_closed_alarm_while_its_rules_hold_the_old_level() -> None:
    dry = replace(standing(2, at=NOW + 2 * HOUR, opened_at=NOW), value=0.4)

    same = after(closed(), dry, owed=False)

    assert same == closed()


def test_a_closed_alarm_is_not_ended_once_more() -> None:
    same = after(closed(), standing(0, at=NOW + 2 * HOUR))

    assert same == closed()


def test_an_acknowledged_alarm_stays_acknowledged_when_it_rises() -> None:
    seen = replace(risen(), handling=Handling.ACKNOWLEDGED, handled_by="an")

    worse = after(seen, standing(3, at=NOW + HOUR, opened_at=NOW))

    assert (worse.handling, worse.handled_by, worse.level) == (Handling.ACKNOWLEDGED, "an", 3)


def test_an_episode_that_nobody_saw_becomes_an_ended_alarm() -> None:
    begun, over = change(Kind.RAISE, 2, NOW), change(Kind.CLEAR, 0, NOW + HOUR, was=2)

    (missed,) = past(known(begun, over), [], FRAME, INTERVAL)

    assert (missed.id, missed.opened_at, missed.ended_at, missed.end) == (begun.id, NOW, NOW + HOUR, End.CLEARED)


def test_an_episode_that_an_alarm_stands_for_is_not_made_twice() -> None:
    begun, over = change(Kind.RAISE, 2, NOW - 10 * MINUTE), change(Kind.CLEAR, 0, NOW + HOUR, was=2)
    had = alarm(0, opened_at=NOW, ended_at=NOW + HOUR, end=End.CLEARED)

    assert list(past(known(begun, over), [had], FRAME, INTERVAL)) == []


def test_an_episode_that_goes_on_is_not_past() -> None:
    assert list(past(known(change(Kind.RAISE, 1, NOW)), [], FRAME, INTERVAL)) == []
