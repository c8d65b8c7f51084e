"""The desk on a real ledger file: steps, restarts, what operators do, who gets what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from desk_town import (
    INTERVAL,
    NOW,
    OPERATORS,
    RESIDENTS,
    Happened,
    Place,
    Reported,
    Town,
    alarm,
    change,
    issued,
    kept,
    registry,
    spoken,
    standing,
    station,
    withdrawn,
)
from sqlalchemy import select

from alerts.desk import step
from alerts.ledger import acting, changes, reading, schema
from alerts.ledger import alarms as ledger_alarms
from alerts.ledger.acting import ActionRefused
from alerts.ledger.recipients import recipients_of, sync_recipients
from alerts.model import Alarm, Audience, End, Handling, Notice, Status
from alerts.policy import PolicyRecipient
from alerts.ports import hears
from devices.instants import HOUR, MINUTE, SECOND, Instant
from rules.changes import Kind, Phase


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path / "ledger.db")


@pytest.fixture
def earnest(tmp_path: Path) -> Town:
    return Town(tmp_path / "ledger.db", status=Status.ACTUAL)


def at(hours: float) -> Instant:
    return NOW + round(hours * HOUR)


def alarms(town: Town) -> list[Alarm]:
    with town.engine.connect() as connection:
        return reading.recent_alarms(connection, 0)


def only(town: Town) -> Alarm:
    (found,) = alarms(town)
    return found


def notices(town: Town) -> list[Notice]:
    with town.engine.connect() as connection:
        return list(reversed(reading.recent_notices(connection)))


def act(town: Town, verb: Any, *arguments: Any, **more: Any) -> Any:
    with town.engine.begin() as connection:
        return verb(connection, *arguments, **more)


def dead(level: int, last: Instant, since: Instant) -> Any:
    """What stands at a gauge that fell silent."""
    return standing(level, at=last, opened_at=NOW, phase=Phase.STALE, phase_at=since)


# ---- the whole way


def test_a_flood_is_told_up_and_down_and_to_its_end(town: Town) -> None:
    told = [
        spoken(town.step(standing(level, at=at(hour), opened_at=NOW if level else None, level_at=at(hour))))
        for hour, level in ((0, 1), (1, 2), (2, 3), (3, 1), (4, 0))
    ]

    assert told == [
        [("operators", "warning", 0, 1)],
        [("operators", "worse", 1, 2), ("residents", "warning", 0, 2)],
        [("operators", "worse", 2, 3), ("residents", "worse", 2, 3)],
        [("operators", "easing", 3, 1), ("residents", "easing", 3, 1)],
        [("operators", "all_clear", 1, 0), ("residents", "all_clear", 1, 0)],
    ]
    assert (only(town).end, only(town).ended_at) == (End.CLEARED, at(4))


def test_a_step_that_is_repeated_says_nothing_more(town: Town) -> None:
    first = town.step(standing(2))

    again = town.step(standing(2))

    assert len(first.notices) == 2
    assert spoken(again) == spoken(town.wait(at(0.1))) == []


def test_a_step_that_is_not_committed_never_was(town: Town) -> None:
    news = Reported(Place("spool", 1), [(1, *issued(change(Kind.RAISE, 2, NOW)))], [standing(2)])
    with town.engine.connect() as connection:  # ends without a commit, as a kill does
        lost = step(connection, news, town.desk, now=NOW, hears=True)
    town.reopen()

    with town.engine.begin() as connection:
        assert changes.cursor_of(connection) is None
        done = step(connection, news, town.desk, now=NOW, hears=True)

    assert spoken(done) == spoken(lost)
    assert len(notices(town)) == 2
    with town.engine.connect() as connection:
        assert changes.cursor_of(connection) == ("spool", 1)


def test_a_restart_repeats_nothing(town: Town) -> None:
    town.step(standing(2))
    town.reopen()

    assert spoken(town.step(standing(2, at=at(0.1), opened_at=NOW))) == []


def test_the_end_is_told_though_its_edge_was_never_read(town: Town) -> None:
    town.step(standing(2))

    done = town.step(standing(0, at=at(9)))

    assert spoken(done) == [("operators", "all_clear", 2, 0), ("residents", "all_clear", 2, 0)]


def test_a_station_without_the_third_level_warns_residents_of_the_fourth(tmp_path: Path) -> None:
    upland = registry(station("bridge", [("bd1", 1.0), ("bd3", 3.5)]))
    town = Town(tmp_path / "ledger.db", registry=upland)

    first, second = town.step(standing(1)), town.step(standing(2, at=at(1), opened_at=NOW))

    assert spoken(first) == [("operators", "warning", 0, 1)]
    assert ("residents", "warning", 0, 2) in spoken(second)


def test_a_sensor_that_is_not_primary_has_no_alarm(town: Town) -> None:
    assert spoken(town.step(standing(3, primary=False))) == []
    assert alarms(town) == []


# ---- revisions


def test_a_raise_that_is_withdrawn_is_corrected_once(town: Town) -> None:
    raised = change(Kind.RAISE, 2, NOW)
    town.step(standing(2), said=issued(raised))

    done = town.step(standing(0, at=at(0.1), level_id=None, level_at=None), said=withdrawn(raised))

    assert spoken(done) == [("operators", "correction", 2, 0), ("residents", "correction", 2, 0)]
    assert only(town).end is End.WITHDRAWN


def test_a_moved_raise_is_nothing(town: Town) -> None:
    raised, moved = change(Kind.RAISE, 2, NOW), change(Kind.RAISE, 2, NOW - INTERVAL)
    town.step(standing(2), said=issued(raised))

    done = town.step(standing(2, opened_at=NOW - INTERVAL, level_at=NOW - INTERVAL), said=[*withdrawn(raised), *issued(moved)])

    assert spoken(done) == []
    assert (only(town).id, only(town).opened_at) == (standing(2).opened_id, NOW - INTERVAL)


def test_a_higher_level_that_is_withdrawn_is_corrected_down_to_what_stands(town: Town) -> None:
    raised, up = change(Kind.RAISE, 2, NOW), change(Kind.STEP_UP, 3, at(1), was=2)
    town.step(standing(2), said=issued(raised))
    town.step(standing(3, at=at(1), opened_at=NOW, level_id=up.id), said=issued(up))

    done = town.step(standing(2, at=at(1.1), opened_at=NOW, level_id=raised.id), said=withdrawn(up))

    assert spoken(done) == [("operators", "correction", 3, 2), ("residents", "correction", 3, 2)]


def test_an_end_that_did_not_hold_opens_the_same_alarm_again(town: Town) -> None:
    town.step(standing(2))
    town.step(standing(0, at=at(1)))

    done = town.step(standing(2, at=at(1.1), opened_at=NOW))

    assert spoken(done) == [("operators", "warning_again", 0, 2), ("residents", "warning_again", 0, 2)]
    assert only(town).end is None


def test_a_change_that_is_issued_again_stands(town: Town) -> None:
    raised = change(Kind.RAISE, 2, NOW)
    town.step(said=issued(raised))
    town.step(said=withdrawn(raised))
    town.step(said=issued(raised))

    with town.engine.connect() as connection:
        assert reading.level_history(connection, "bridge", "water_level", 0) == [raised]


# ---- the past


def test_a_backlog_ends_in_one_notice_about_the_present(town: Town) -> None:
    received = at(6)
    steps = [
        town.step(standing(level, at=at(hour), opened_at=NOW if level else None, received_at=received), now=received)
        for hour, level in ((0, 1), (2, 3), (4, 1), (6, 2))
    ]

    assert [spoken(each) for each in steps] == [[], [], [], [("operators", "warning", 0, 2), ("residents", "warning", 0, 2)]]


def test_what_rose_and_ended_in_one_step_is_history_and_nobody_is_told(town: Town) -> None:
    begun, up, over = change(Kind.RAISE, 1, NOW), change(Kind.STEP_UP, 3, at(1), was=1), change(Kind.CLEAR, 0, at(2), was=3)

    done = town.step(standing(0, at=at(2)), said=issued(begun, up, over), now=at(6))

    assert spoken(done) == []
    assert kept(done) == [("operators", "warning", 3, "historic"), ("residents", "warning", 3, "historic")]
    assert (only(town).id, only(town).ended_at) == (begun.id, at(2))


def test_history_is_written_once(town: Town) -> None:
    begun, over = change(Kind.RAISE, 2, NOW), change(Kind.CLEAR, 0, at(2), was=2)
    town.step(standing(0, at=at(2)), said=issued(begun, over), now=at(6))

    again = town.step(standing(0, at=at(6.1)), said=issued(over), now=at(6.1))

    assert kept(again) == []
    assert len(alarms(town)) == 1


def test_history_is_written_where_a_long_episode_is_read_in_two_pieces(town: Town) -> None:
    earlier, over_then = change(Kind.RAISE, 2, at(-200)), change(Kind.CLEAR, 0, at(-190), was=2)
    begun, over = change(Kind.RAISE, 2, NOW), change(Kind.CLEAR, 0, at(90), was=2)
    town.step(standing(0, at=at(90)), said=issued(earlier, over_then, begun), now=at(91))

    town.step(standing(0, at=at(90)), said=issued(over), now=at(91))

    assert {(each.id, each.opened_at, each.ended_at) for each in alarms(town)} == {
        (earlier.id, at(-200), at(-190)),
        (begun.id, NOW, at(90)),
    }


def test_operators_hear_of_an_old_level_when_nothing_arrives_and_residents_never(town: Town) -> None:
    first = town.step(standing(2, at=at(0), received_at=at(3)), now=at(3))
    before = town.wait(at(3) + 10 * MINUTE - 1)
    after = town.wait(at(3) + 10 * MINUTE)
    much_later = town.wait(at(30))

    assert kept(first) == [("operators", "warning", 2, "not_current"), ("residents", "warning", 2, "not_current")]
    assert (spoken(before), spoken(much_later)) == ([], [])
    assert spoken(after) == [("operators", "warning", 0, 2)]


def test_what_is_withheld_is_stored_once(town: Town) -> None:
    town.step(standing(2, at=at(0), received_at=at(3)), now=at(3))
    for minute in range(1, 9):
        town.wait(at(3) + minute * MINUTE)

    with town.engine.connect() as connection:
        assert len(reading.withheld(connection)) == 2


# ---- silent gauges, deafness


def test_a_gauge_that_dies_keeps_its_warning_and_is_told_lost_once(town: Town) -> None:
    town.step(standing(2))

    first = town.step(dead(2, NOW, at(0.5)), now=at(0.5))
    later = [town.step(replace(dead(2, NOW, at(3)), phase=Phase.LOST), now=at(3)), town.wait(at(50))]

    assert spoken(first) == [("operators", "lost", 2, 2), ("residents", "lost", 2, 2)]
    assert [spoken(each) for each in later] == [[], []]
    assert only(town).end is None


def test_a_gauge_that_comes_back_below_every_level_gives_the_end(town: Town) -> None:
    town.step(standing(2))
    town.step(dead(2, NOW, at(0.5)), now=at(0.5))

    done = town.step(standing(0, at=at(9)))

    assert [each[1] for each in spoken(done)] == ["all_clear", "all_clear"]


def test_an_end_that_came_too_late_waits_for_a_present_reading(town: Town) -> None:
    town.step(standing(2))
    late = town.step(standing(0, at=at(1), received_at=at(3)), now=at(3))
    waiting = town.wait(at(5))

    done = town.step(standing(0, at=at(6), level_at=at(1)), now=at(6))

    assert spoken(late) == spoken(waiting) == []
    assert spoken(done) == [("operators", "all_clear", 2, 0), ("residents", "all_clear", 2, 0)]


def test_while_we_are_deaf_residents_hear_nothing_of_the_present(town: Town) -> None:
    deaf = town.step(standing(2), hears=False)
    done = town.wait(at(0.1))

    assert spoken(deaf) == [("operators", "warning", 0, 2)]
    assert kept(deaf) == [("residents", "warning", 2, "deaf")]
    assert spoken(done) == [("residents", "warning", 0, 2)]


def test_news_of_one_place_waits_for_no_other_and_a_whole_step_tells_the_rest(tmp_path: Path) -> None:
    town = Town(tmp_path / "ledger.db", registry=registry(station("bridge"), station("dam")))
    town.step(standing(1), standing(2, station="dam", device="wl-dam"), hears=False)

    at_once = town.step(standing(2), is_whole=False)
    later = town.wait(town.now)

    places = {each.id: each.station for each in alarms(town)}
    assert {places[notice.alarm] for notice in at_once.notices} == {"bridge"}
    assert [(places[notice.alarm], notice.audience.value) for notice in later.notices] == [("dam", "residents")]
    assert not town.wait(town.now).notices


def test_deafness_is_one_incident_that_ends(town: Town) -> None:
    happened = [(1, Happened(at(0), "deaf", "no broker")), (2, Happened(at(1), "deaf", "no broker")), (3, Happened(at(2), "hears"))]
    news = Reported(Place("spool", 3), incidents=[*happened, (3, Happened(at(2), "session_lost", "x"))])

    with town.engine.begin() as connection:
        step(connection, news, town.desk, now=at(2), hears=True)

    with town.engine.connect() as connection:
        found = [(each.kind, each.opened_at, each.ended_at) for each in reading.incidents(connection)]
    assert sorted(found) == [("deaf", at(0), at(2)), ("session_lost", at(2), at(2))]


def test_no_sign_of_life_is_one_incident_that_ends(town: Town) -> None:
    for minute in range(3):
        town.wait(at(0) + minute * MINUTE, hears=False, is_alive=False)
    town.wait(at(1))

    with town.engine.connect() as connection:
        (found,) = reading.incidents(connection)
    assert (found.kind, found.opened_at, found.ended_at) == ("no_heartbeat", NOW, at(1))


@pytest.mark.parametrize(
    ("age", "hearing", "heard"), [(0, True, True), (10 * SECOND, True, True), (10 * SECOND + 1, True, False), (0, False, False)]
)
def test_we_hear_while_ingest_is_alive_and_hears(age: int, hearing: bool, heard: bool) -> None:
    from desk_town import Pulse

    assert hears(Pulse(NOW - age, hearing), NOW) is heard
    assert not hears(None, NOW)


# ---- in earnest


def test_in_earnest_one_gauge_warns_operators_alone(earnest: Town) -> None:
    done = earnest.step(standing(3))

    assert spoken(done) == [("operators", "warning", 0, 3)]
    assert kept(done) == [("residents", "warning", 3, "no_approval")]


# ---- what operators do


def silence(town: Town, until: Instant, place: str | None = "bridge") -> int:
    return int(act(town, acting.silence, place, None, until, "an", "works at the gauge", town.now))


def test_a_silence_delays_what_still_differs_and_nothing_else(town: Town) -> None:
    town.step(standing(3))
    silence(town, at(2))

    during = town.step(standing(1, at=at(1), opened_at=NOW))
    after = town.wait(at(2))

    assert spoken(during) == [("residents", "easing", 3, 1)]
    assert kept(during) == [("operators", "easing", 1, "silenced")]
    assert spoken(after) == [("operators", "easing", 3, 1)]


def test_a_silence_swallows_no_end(town: Town) -> None:
    town.step(standing(3))
    silence(town, at(8))

    done = town.step(standing(0, at=at(1)))

    assert [each[1] for each in spoken(done)] == ["all_clear", "all_clear"]


def test_a_silence_elsewhere_holds_back_nothing(town: Town) -> None:
    silence(town, at(8), "weir")

    assert ("operators", "warning", 0, 1) in spoken(town.step(standing(1)))


def test_a_silence_everywhere_can_be_lifted(town: Town) -> None:
    number = silence(town, at(8), None)
    held = town.step(standing(1))
    act(town, acting.lift, number, "an", at(0.1))

    done = town.wait(at(0.1))

    assert spoken(held) == []
    assert spoken(done) == [("operators", "warning", 0, 1)]


def test_what_rose_and_ended_within_a_silence_is_told_to_no_operator(town: Town) -> None:
    silence(town, at(8))
    held = town.step(standing(1))
    done = town.step(standing(0, at=at(1)))

    assert spoken(held) == spoken(done) == spoken(town.wait(at(9))) == []
    assert kept(held)[0] == ("operators", "warning", 1, "silenced")
    assert kept(done) == []


def test_closing_a_dead_gauge_tells_the_end_to_who_was_warned(town: Town) -> None:
    town.step(standing(2))
    town.step(dead(2, NOW, at(0.5)), now=at(0.5))
    changed = act(town, acting.close, only(town).id, "an", "carried away by the flood", at(3))

    done = town.wait(at(3))

    assert changed
    assert spoken(done) == [("operators", "closed", 2, 0), ("residents", "closed", 2, 0)]
    assert spoken(town.step(dead(2, NOW, at(0.5)), now=at(4))) == []
    assert (only(town).end, only(town).handling_reason) == (End.CLOSED, "carried away by the flood")


def test_a_gauge_that_speaks_after_its_alarm_was_closed_is_heard(town: Town) -> None:
    town.step(standing(2))
    town.step(dead(2, NOW, at(0.5)), now=at(0.5))
    act(town, acting.close, only(town).id, "an", "carried away", at(3))
    town.wait(at(3))

    done = town.step(standing(2, at=at(5), opened_at=NOW))

    assert spoken(done) == [("operators", "warning_again", 0, 2), ("residents", "warning_again", 0, 2)]
    assert only(town).handling is Handling.OPEN


def test_a_gauge_that_is_heard_cannot_be_closed_but_by_force(town: Town) -> None:
    town.step(standing(2))
    identity = only(town).id

    with pytest.raises(ActionRefused, match="is heard"):
        act(town, acting.close, identity, "an", "tired of it", at(1))
    assert act(town, acting.close, identity, "an", "tired of it", at(1), force=True)
    assert [each[1] for each in spoken(town.wait(at(1)))] == ["closed", "closed"]


def test_an_end_that_is_owed_for_want_of_readings_can_be_closed(town: Town) -> None:
    town.step(standing(2))
    town.step(replace(standing(0, at=at(1), received_at=at(3)), phase=Phase.STALE), now=at(3))
    act(town, acting.close, only(town).id, "an", "the gauge is gone, the water too", at(4))

    done = town.wait(at(4))

    assert [each[1] for each in spoken(done)] == ["closed", "closed"]


def test_actions_are_written_down_once(town: Town) -> None:
    town.step(standing(1))
    identity = only(town).id

    changed = [act(town, acting.acknowledge, identity, "an", at(0.1)) for _ in range(2)]
    numbers = {silence(town, at(5)) for _ in range(2)}
    lifted = [act(town, acting.lift, min(numbers), "an", at(0.2)) for _ in range(2)]

    assert (changed, len(numbers), lifted) == ([True, False], 1, [True, False])
    with town.engine.connect() as connection:
        verbs = connection.execute(select(schema.action.c.verb).order_by(schema.action.c.id)).scalars().all()
    assert verbs == ["acknowledge", "silence", "lift"]


@pytest.mark.parametrize(
    ("verb", "arguments", "said"),
    [
        (acting.acknowledge, ("none", "an", NOW), "there is no alarm"),
        (acting.close, ("none", "an", "why", NOW), "there is no alarm"),
        (acting.silence, (None, None, NOW, "an", "why", NOW), "would end before it begins"),
        (acting.silence, (None, None, NOW + 1, "an", " ", NOW), "needs a reason"),
        (acting.lift, (7, "an", NOW), "there is no silence 7"),
    ],
)
def test_an_action_that_does_not_fit_is_refused_with_its_fix(town: Town, verb: Any, arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ActionRefused, match=said):
        act(town, verb, *arguments)


# ---- who gets it


def deliveries(town: Town) -> list[tuple[str, str, str]]:
    with town.engine.connect() as connection:
        wanted = select(schema.notice.c.kind, schema.delivery.c.channel, schema.delivery.c.state).join(
            schema.notice, schema.notice.c.id == schema.delivery.c.notice
        )
        where = schema.notice.c.audience == RESIDENTS.value
        return [tuple(row) for row in connection.execute(wanted.where(where).order_by(schema.notice.c.sequence))]


def test_an_exercise_goes_only_by_channels_of_exercises(town: Town, tmp_path: Path) -> None:
    town.step(standing(2))

    assert deliveries(town) == [("warning", "drill", "waiting")]


def test_earnest_goes_only_by_channels_in_earnest(earnest: Town) -> None:
    earnest.policy = replace(earnest.policy, single_gauge_public=True)
    earnest.step(standing(2))

    assert deliveries(earnest) == [("warning", "log", "waiting")]


def test_what_is_overtaken_is_not_sent_any_more(town: Town) -> None:
    town.step(standing(2))
    town.step(standing(3, at=at(1), opened_at=NOW))

    assert deliveries(town) == [("warning", "drill", "superseded"), ("worse", "drill", "waiting")]


def to_residents(town: Town) -> list[Notice]:
    return [each for each in notices(town) if each.audience is RESIDENTS]


def people(town: Town, notice: Notice, channel: str = "drill") -> list[str]:
    with town.engine.connect() as connection:
        return [each.address for each in recipients_of(connection, notice, channel)]


def test_who_left_after_the_warning_still_gets_the_end_and_nothing_else(town: Town) -> None:
    town.step(standing(2))
    others = [each for each in town.policy.recipients if each.audience is OPERATORS]
    act(town, sync_recipients, [*others, PolicyRecipient(RESIDENTS, "drill", "newcomer", "vi")], at(0.5))
    town.step(standing(3, at=at(1), opened_at=NOW))
    town.step(standing(0, at=at(2)))

    worse, end = to_residents(town)[1:]

    assert people(town, worse) == ["newcomer"]
    assert people(town, end) == ["people", "newcomer"]


def test_who_left_before_the_warning_gets_nothing(town: Town) -> None:
    act(town, sync_recipients, [], NOW)
    act(town, sync_recipients, [PolicyRecipient(RESIDENTS, "drill-2", "stranger", "vi")], NOW)
    town.step(standing(2, at=at(1)))
    town.step(standing(0, at=at(2)))

    end = to_residents(town)[-1]

    assert people(town, end) == []
    assert people(town, end, "drill-2") == ["stranger"]


def test_recipients_are_given_in_pages(town: Town) -> None:
    crowd = [PolicyRecipient(RESIDENTS, "drill", f"r{number}", "vi") for number in range(5)]
    act(town, sync_recipients, crowd, NOW)
    town.step(standing(2))
    notice = to_residents(town)[-1]

    with town.engine.connect() as connection:
        first = recipients_of(connection, notice, "drill", 0, 3)
        second = recipients_of(connection, notice, "drill", first[-1].id, 3)

    assert [each.address for each in first + second] == ["r0", "r1", "r2", "r3", "r4"]


def test_who_comes_back_is_told_again(town: Town) -> None:
    act(town, sync_recipients, [], NOW)
    act(town, sync_recipients, [PolicyRecipient(RESIDENTS, "drill", "people", "en")], at(1))
    town.step(standing(2, at=at(2)))

    with town.engine.connect() as connection:
        (found,) = recipients_of(connection, to_residents(town)[-1], "drill")

    assert (found.address, found.language) == ("people", "en")


# ---- trouble of our own


def test_an_alarm_without_words_stops_no_other_and_stays_owed(town: Town) -> None:
    def stumble(alarm: Alarm, *rest: Any) -> Any:
        if alarm.station == "weir":
            raise KeyError(alarm.station)
        return {"kind": "x"}, {"vi": {"title": "t", "body": "b", "short": "s"}}

    news = Reported(Place("spool", 1), standings=[standing(1, station="weir"), standing(1)])
    with town.engine.begin() as connection:
        done = step(connection, news, replace(town.desk, compose=stumble), now=NOW, hears=True)
    mended = town.wait(at(0.1))

    assert spoken(done) == spoken(mended) == [("operators", "warning", 0, 1)]
    with town.engine.connect() as connection:
        (incident,) = reading.incidents(connection)
    assert incident.kind.startswith("no_words")
    assert incident.ended_at == at(0.1)


def test_what_is_counted_is_what_is_there(town: Town) -> None:
    town.step(standing(2))
    town.step(standing(0, at=at(1), received_at=at(3)), now=at(3))

    with town.engine.connect() as connection:
        counted = reading.counts(connection)

    assert (counted["alarms_open"], counted["alarms_owed"], counted["notices"]) == (0, 1, 2)


def test_told_is_given_by_alarm(town: Town) -> None:
    town.step(standing(2))
    identity = only(town).id

    with town.engine.connect() as connection:
        found = reading.told(connection, Audience.RESIDENTS, [identity])
        stored = reading.notice(connection, str(found[identity].notice))

    assert (found[identity].level, found[identity].highest) == (2, 2)
    assert stored is not None
    assert stored.expires_at == NOW + 6 * HOUR


def test_alarms_that_ended_push_no_live_one_off_a_short_list(town: Town) -> None:
    ended = [alarm(at=at(n), id=f"{n:016}", ended_at=at(n), end=End.CLEARED, opened_at=at(n)) for n in range(1, 6)]
    with town.engine.begin() as connection:
        for each in (alarm(opened_at=NOW), *ended):
            ledger_alarms.save(connection, each)

        found = reading.recent_alarms(connection, 0, 2)

    assert [each.id for each in found] == [alarm().id, "0000000000000005"]
