"""What the residents' page shows, by state: pure, from plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pytest

from alerts.model import Audience, End
from devices.instants import DAY, HOUR, MINUTE, SECOND
from rules.changes import Phase
from web.public.citymap import look_of
from web.public.situation import City
from web.public.state import Head, PageState, Sense, Signal
from web.public.view import build, essence

StateOf = Callable[..., PageState]


def test_the_highest_warning_is_the_head_and_the_others_follow(scenes: ModuleType, state_of: StateOf) -> None:
    state = state_of(scenes.street())

    assert state.head is Head.IN_FORCE
    assert [(each.alarm.station, each.severity) for each in state.in_force] == [("kim-long", 3), ("phu-oc", 3), ("dap-da", 2)]
    assert state.featured is not None
    assert state.featured.value == 3.62


def test_a_value_stands_against_the_level_that_it_reached(scenes: ModuleType, state_of: StateOf) -> None:
    against = state_of(scenes.warning()).in_force[0].against

    assert against is not None
    assert (against.sense, against.level.code, against.by) == (Sense.ABOVE, "bd3", 0.12)


def test_water_that_went_down_stands_against_the_level_that_residents_were_told(scenes: ModuleType, state_of: StateOf) -> None:
    scene = scenes.warning()
    lower = scenes.standing("kim-long", 3.45, scenes.at("2025-10-27 07:22"), -0.2, level=3)
    eased = replace(scene, standings=(lower, *scene.standings[1:]))

    first = next(each for each in state_of(eased).in_force if each.alarm.station == "kim-long")

    assert first.level.code == "bd3"
    assert first.against is not None
    assert first.against.signed == -0.05


def test_an_alarm_that_residents_were_not_told_is_no_warning(scenes: ModuleType, state_of: StateOf) -> None:
    untold = replace(scenes.warning(), told=())

    state = state_of(untold)

    assert state.head is Head.HIGH_WATER
    assert state.in_force == ()
    assert all(ward.severity == 0 for ward in state.wards.values())


def test_what_operators_were_told_warns_no_resident(scenes: ModuleType, state_of: StateOf) -> None:
    scene = scenes.warning()
    operators = tuple(replace(each, audience=Audience.OPERATORS) for each in scene.told)

    assert state_of(replace(scene, told=operators)).in_force == ()


def test_high_water_of_which_nobody_was_warned_is_no_calm_page(scenes: ModuleType, state_of: StateOf) -> None:
    scene = scenes.warning()

    state = state_of(replace(scene, told=()))

    assert (state.head, state.in_force) == (Head.HIGH_WATER, ())
    assert state.featured is not None
    assert state.featured.station.id == "kim-long"
    assert not any(state.wards[code].is_known for code in state.featured.station.wards)


def test_no_warning_says_how_many_gauges_report(scenes: ModuleType, state_of: StateOf) -> None:
    state = state_of(scenes.calm())

    assert state.head is Head.NONE
    assert (state.reporting, len(state.gauges)) == (5, 5)


def test_a_silent_gauge_keeps_its_warning_and_its_level(scenes: ModuleType, state_of: StateOf) -> None:
    state = state_of(scenes.silent_alone())

    first = state.in_force[0]
    assert (first.gauge.signal, first.severity, first.gauge.value) == (Signal.SILENT, 2, 3.05)
    assert state.nearest is not None
    assert state.nearest.station.id == "phu-oc"
    assert first.gauge.trend is None


@pytest.mark.parametrize("name", ["silent", "deaf", "deaf-calm"])
def test_a_ward_of_a_gauge_that_is_not_heard_never_looks_safe(name: str, scenes: ModuleType, state_of: StateOf) -> None:
    state = state_of(scenes.SCENES[name]())

    unheard = {code for gauge in state.gauges if not gauge.is_heard for code in gauge.station.wards}
    assert unheard
    assert all("st" in look_of(state.wards[code]) for code in unheard)


def test_while_we_are_deaf_no_ward_looks_safe(scenes: ModuleType, state_of: StateOf) -> None:
    state = state_of(scenes.deaf_calm())

    assert all(look_of(ward) == "st" for ward in state.wards.values())


@pytest.mark.parametrize("age", [11 * SECOND, HOUR, 30 * DAY])
def test_an_old_heartbeat_is_our_deafness_and_no_gauges(age: int, scenes: ModuleType, state_of: StateOf) -> None:
    scene = replace(scenes.calm(), heartbeat=scenes.heartbeat(scenes.calm().now, age))

    state = state_of(scene)

    assert state.head is Head.UNKNOWN
    assert state.deaf is not None
    assert {gauge.signal for gauge in state.gauges} == {Signal.UNHEARD}


def test_a_heartbeat_of_ten_seconds_still_counts(scenes: ModuleType, state_of: StateOf) -> None:
    scene = replace(scenes.calm(), heartbeat=scenes.heartbeat(scenes.calm().now, 10 * SECOND))

    assert state_of(scene).deaf is None


def test_a_broker_that_is_not_heard_is_our_deafness(scenes: ModuleType, state_of: StateOf) -> None:
    scene = replace(scenes.calm(), heartbeat=scenes.heartbeat(scenes.calm().now, hearing=False))

    state = state_of(scene)

    assert state.head is Head.UNKNOWN
    assert state.deaf is not None
    assert state.deaf.since_at == scene.now - HOUR


def test_a_spool_that_cannot_be_read_is_our_deafness(scenes: ModuleType, city: City) -> None:
    situation = replace(scenes.calm().situation(city), heartbeat=None, standings=())

    assert build(situation).head is Head.UNKNOWN


def test_a_warning_stays_while_we_are_deaf(scenes: ModuleType, state_of: StateOf) -> None:
    state = state_of(scenes.deaf())

    assert state.head is Head.IN_FORCE
    assert [each.severity for each in state.in_force] == [3, 3]
    assert {each.gauge.signal for each in state.in_force} == {Signal.UNHEARD}


def test_a_ledger_that_cannot_be_read_is_not_no_warning(scenes: ModuleType, city: City) -> None:
    state = build(replace(scenes.calm().situation(city), ledger=None))

    assert state.head is Head.UNKNOWN
    assert not state.is_ledger_known


def test_no_warning_is_not_said_where_no_gauge_reports(scenes: ModuleType, state_of: StateOf) -> None:
    scene = scenes.calm()
    dead = tuple(replace(each, phase=Phase.LOST) for each in scene.standings)

    assert state_of(replace(scene, standings=dead)).head is Head.UNKNOWN


def test_readings_without_standings_grow_old_by_themselves(scenes: ModuleType, city: City) -> None:
    scene = replace(scenes.calm(), standings=())
    later = replace(scene, now=scene.now + 40 * MINUTE)

    assert build(scene.situation(city)).reporting == 5
    assert build(later.situation(city)).reporting == 0


def test_standings_are_shown_where_the_store_is_away(scenes: ModuleType, city: City) -> None:
    state = build(replace(scenes.warning().situation(city), latest=None))

    assert state.deaf is None
    assert state.in_force[0].gauge.value == 3.62


def test_the_newer_of_store_and_standing_counts(scenes: ModuleType, state_of: StateOf) -> None:
    scene = scenes.warning()
    newer = scenes.standing("kim-long", 3.71, scenes.at("2025-10-27 07:23"), 0.3, level=3)

    state = state_of(replace(scene, standings=(newer, *scene.standings[1:])))

    assert state.gauges[0].value == 3.71


@pytest.mark.parametrize(("after", "head"), [(0, Head.ENDED), (DAY - MINUTE - 4 * MINUTE, Head.ENDED), (DAY, Head.NONE)])
def test_an_end_is_shown_for_a_day(after: int, head: Head, scenes: ModuleType, state_of: StateOf) -> None:
    scene = scenes.over()
    now = scene.now + after
    standings = tuple(replace(each, observed_at=now - MINUTE, received_at=now - MINUTE) for each in scene.standings)

    assert state_of(replace(scene, now=now, standings=standings)).head is head


def test_an_all_clear_leaves_the_head_when_its_gauge_falls_silent(scenes: ModuleType, state_of: StateOf) -> None:
    scene = scenes.over()
    lost = (replace(scene.standings[0], phase=Phase.LOST), *scene.standings[1:])

    state = state_of(replace(scene, standings=lost))

    assert state.head is Head.NONE
    assert [each.end for each in state.ended] == [End.CLEARED]


def test_an_end_is_not_shown_where_the_same_place_is_warned_again(scenes: ModuleType, state_of: StateOf) -> None:
    scene = scenes.over()
    again = scenes.alarm("kim-long", 1, 1.05, scene.now, scene.now - HOUR, id="again00000000000")

    state = state_of(replace(scene, alarms=(*scene.alarms, again), told=(*scene.told, scenes.told(again, 1, scene.now))))

    assert state.head is Head.IN_FORCE
    assert state.ended == ()


def test_an_example_that_was_never_heard_is_not_shown(scenes: ModuleType, state_of: StateOf) -> None:
    assert state_of(scenes.warning()).streets == ()
    assert [gauge.station.id for gauge in state_of(scenes.street()).streets] == ["dap-da"]


def test_time_alone_makes_no_other_page(scenes: ModuleType, city: City) -> None:
    situation = scenes.warning().situation(city)

    later = replace(situation, now=situation.now + 20 * SECOND, real_now=situation.real_now + 3 * SECOND)

    assert essence(build(later)) == essence(build(situation))


def test_a_new_reading_makes_another_page(scenes: ModuleType, state_of: StateOf) -> None:
    scene = scenes.warning()
    newer = scenes.standing("phu-oc", 4.58, scenes.at("2025-10-27 07:23"), 0.1, level=3)
    other = replace(scene, standings=(scene.standings[0], newer, *scene.standings[2:]))

    assert essence(state_of(other)) != essence(state_of(scene))
