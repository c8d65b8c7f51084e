"""What residents were told ends as one annotation an alarm, whatever happens on the way to Grafana."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import TOKEN, Fault, Grafana, message, recording_grafana

from devices.instants import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant
from grafana.annotations import STEP, Add, Amend, Episode, Held, Region, Remove, Said, Verb, name_of, plan, tags_of, text_of
from grafana.client import Client, GrafanaError, Server
from grafana.showing import MOST, show

NOW: Instant = parse_instant("2025-10-27T07:00:00+07:00")
WINDOW = (NOW - 30 * DAY, NOW + 30 * DAY)


def episode(
    name: str = "1", from_at: Instant = NOW, to_at: Instant | None = None, text: str = "t", *, is_exercise: bool = False
) -> Episode:
    tag = name_of(name, is_exercise=is_exercise)
    return Episode(tag, from_at, to_at, text, tags_of(tag, "bridge", "bd2", is_exercise=is_exercise))


def apply(verbs: Sequence[Verb], held: Sequence[Held]) -> list[Held]:
    """Do what a plan says."""
    found = {each.id: each for each in held}
    for verb in verbs:
        if isinstance(verb, Remove):
            del found[verb.id]
        else:
            number = verb.id if isinstance(verb, Amend) else max(found, default=0) + 1
            found[number] = Held(number, verb.region)
    return list(found.values())


# ---- the plan


INSTANTS = st.integers(NOW - 3 * DAY, NOW + 3 * DAY)
TAGS = st.sampled_from(["alarm:1", "alarm:2", "alarm:3", "drill:1", "canhbao", "bridge", "holiday"])
HELD = st.builds(
    lambda begins, ends, text, tags: Region(begins, ends, text, frozenset(tags)), INSTANTS, INSTANTS, st.sampled_from("tu"), st.sets(TAGS)
)
EPISODES = st.lists(
    st.builds(episode, st.sampled_from("123"), INSTANTS, st.none() | INSTANTS, st.sampled_from("tu"), is_exercise=st.booleans()),
    unique_by=lambda each: each.name,
    max_size=5,
)


@given(EPISODES, st.lists(HELD, max_size=8), INSTANTS)
@settings(max_examples=300, deadline=None)
def test_a_plan_that_was_done_leaves_nothing_to_do_and_touches_nothing_else(
    episodes: list[Episode], regions: list[Region], now: Instant
) -> None:
    held = [Held(number, region) for number, region in enumerate(regions, 1)]
    names = {each.name for each in episodes}

    after = apply(plan(episodes, held, now), held)

    for each in episodes:
        mine = [one for one in after if each.name in one.region.tags]
        assert [one.region for one in mine] == [each.region(now)]
    assert [one for one in after if not names & one.region.tags] == [one for one in held if not names & one.region.tags]
    assert plan(episodes, after, now) == []


def test_an_alarm_that_stands_is_moved_on_every_five_minutes_and_not_more_often() -> None:
    held = apply(plan([episode()], [], NOW), [])

    quiet = [plan([episode()], held, NOW + minute * MINUTE) for minute in range(5)]

    assert quiet == [[]] * 5
    assert plan([episode()], held, NOW + STEP) == [Amend(1, replace(held[0].region, to_at=NOW + 2 * STEP))]


def test_an_alarm_that_ended_reaches_to_its_end_for_ever() -> None:
    over = episode(to_at=NOW + HOUR)

    assert over.region(NOW + HOUR) == over.region(NOW + 9 * DAY)
    assert over.region(NOW).to_at == NOW + HOUR


def test_of_two_annotations_of_an_alarm_the_older_stays() -> None:
    region = episode().region(NOW)

    assert plan([episode()], [Held(8, region), Held(3, region)], NOW) == [Remove(8)]


def test_an_exercise_that_replays_an_alarm_has_an_annotation_of_its_own() -> None:
    real, drill = episode(), episode(is_exercise=True)

    assert plan([drill], [Held(1, real.region(NOW))], NOW) == [Add("drill:1", drill.region(NOW))]
    assert drill.tags == {"canhbao", "drill:1", "bridge", "bd2", "exercise", "diễn tập"}
    assert real.tags == {"canhbao", "alarm:1", "bridge", "bd2"}


def test_the_text_has_the_newest_notice_in_both_languages_and_the_way_there() -> None:
    def said(minutes: int, vi: str, en: str) -> Said:
        return Said(NOW + minutes * MINUTE, {"en": {"title": en, "body": f"{en}."}, "vi": {"title": vi, "body": f"{vi}."}})

    text = text_of([said(0, "Báo động 1", "Alert 1"), said(90, "Hết lũ", "Over"), said(60, "Báo động <2>", "Alert 2")], "Asia/Ho_Chi_Minh")

    assert text == ("Hết lũ\nHết lũ.\n\nOver\nOver.\n\n08:00 27/10  Báo động &lt;2&gt; / Alert 2\n07:00 27/10  Báo động 1 / Alert 1")


# ---- on the way to Grafana


def test_repeated_runs_make_no_second_one(told: Grafana, client: Client) -> None:
    for second in range(0, 60, 15):
        show(client, [episode()], WINDOW, NOW + second * SECOND)

    assert told.writes() == [("POST", "/api/annotations")]


def test_start_update_and_end_are_one_region(told: Grafana, client: Client) -> None:
    show(client, [episode(text="first")], WINDOW, NOW)
    show(client, [episode(text="worse")], WINDOW, NOW + HOUR)
    show(client, [episode(text="over", to_at=NOW + 2 * HOUR)], WINDOW, NOW + 3 * HOUR)

    assert [verb for verb, _ in told.writes()] == ["POST", "PATCH", "PATCH"]
    ms = NOW // 1000
    assert told.shown() == [(ms, ms + 7_200_000, "over", episode().tags)]


FAULTS = {
    "500 before it was done": Fault(500, message("database is locked")),
    "500 after it was done": Fault(500, message("database is locked"), done=True),
    "502 of a proxy": Fault(502, b"<html>no message</html>", "text/html", done=True),
    "slow, not done": Fault(wait=60),
    "slow, done": Fault(wait=60, done=True),
    "cut, not done": Fault(),
    "cut, done": Fault(cut=True, done=True),
    "an empty answer": Fault(204, done=True),
    "the page of a login": Fault(200, b"<html>log in</html>", "text/html"),
    "401": Fault(401, message("Invalid API key")),
    "403": Fault(403, message("no permission")),
    "404": Fault(404, message("Not found")),
    "409": Fault(409, message("conflict")),
    "412": Fault(412, message("precondition failed")),
    "429": Fault(429, message("slow down")),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("verb", ["GET", "POST", "PATCH"])
def test_whatever_goes_wrong_the_next_run_ends_in_one_annotation(
    told: Grafana, client: Client, hasty: Client, verb: str, fault: Fault
) -> None:
    if verb == "PATCH":
        show(client, [episode(text="first")], WINDOW, NOW)
    told.fail(verb, "/api/annotations", fault)

    with suppress(GrafanaError):
        show(hasty, [episode()], WINDOW, NOW)
    show(client, [episode()], WINDOW, NOW)

    ms = NOW // 1000
    assert told.shown() == [(ms, ms + 300_000, "t", episode().tags)]


def test_one_that_is_carried_out_after_all_is_removed_again(told: Grafana, client: Client) -> None:
    show(client, [episode()], WINDOW, NOW)
    client.add_annotation(episode().region(NOW))  # as the request of an earlier run does that lay in a proxy

    show(client, [episode()], WINDOW, NOW)

    assert list(told.annotations) == [1]


def test_one_outside_the_window_is_found_before_it_is_added(told: Grafana, client: Client) -> None:
    show(client, [episode(text="old", from_at=NOW - 50 * DAY, to_at=NOW - 49 * DAY)], WINDOW, NOW)

    show(client, [episode(text="new", from_at=NOW - 50 * DAY, to_at=NOW)], WINDOW, NOW)

    assert [each["text"] for each in told.annotations.values()] == ["new"]


def test_what_others_made_is_never_touched(told: Grafana, client: Client) -> None:
    others = [
        Region(NOW, NOW, "dam opened", frozenset({"canhbao"})),
        Region(NOW, NOW, "another service", frozenset({"canhbao", "alarm:9"})),
    ]
    for each in others:
        client.add_annotation(each)

    show(client, [episode()], WINDOW, NOW)
    show(client, [], WINDOW, NOW)

    assert {each.region.text for each in client.annotations(["canhbao"])} == {"dam opened", "another service", "t"}


def test_one_that_is_refused_stops_no_other(told: Grafana, client: Client) -> None:
    shown = show(client, [episode("1", text=""), episode("2")], WINDOW, NOW)

    assert [error.status for error in shown.refused] == [400]
    assert shown.done == 1
    assert len(told.annotations) == 1


def test_without_the_right_to_write_one_try_is_enough(told: Grafana, client: Client) -> None:
    told.rights -= {"annotations:write"}

    with pytest.raises(GrafanaError, match="role Editor"):
        show(client, [episode("1"), episode("2")], WINDOW, NOW)
    assert len(told.writes()) == 1


def test_a_backlog_is_told_in_parts_and_whole_in_the_end(told: Grafana, client: Client) -> None:
    many = [episode(f"{number:03}") for number in range(MOST + 10)]

    first = show(client, many, WINDOW, NOW)
    show(client, many, WINDOW, NOW)

    assert (first.done, first.left) == (MOST, 10)
    assert len(told.annotations) == MOST + 10


def test_a_day_away_and_a_lost_database_end_in_the_same_annotations(told: Grafana, client: Client) -> None:
    """Two Grafanas hear of the same flood; one is away for a day, answers badly for another, and is put back to its beginning."""
    chance = random.Random(7)
    with recording_grafana() as steady:
        always = Client(Server(steady.url, timeout=30.0), TOKEN)
        for hour in range(72):
            now = NOW + hour * HOUR
            flood = [
                episode(
                    str(number),
                    NOW + 6 * number * HOUR,
                    ended if (ended := NOW + (6 * number + 20) * HOUR) <= now else None,
                    f"{hour // 5}",
                )
                for number in range(8)
                if NOW + 6 * number * HOUR <= now
            ]
            show(always, flood, WINDOW, now)
            if hour == 60:
                told.annotations.clear()
            if 12 <= hour < 36:
                told.fail("GET", "/api/annotations", Fault(503, message("starting")))
            elif 36 <= hour < 60:
                verb, fault = chance.choice(["POST", "PATCH"]), Fault(500, message("x"), done=chance.random() < 0.5)
                told.fail(verb, "/api/annotations", fault)
            try:
                show(client, flood, WINDOW, now)
            except GrafanaError:
                assert hour < 60
            if hour == 59:
                told.faults.clear()

        assert told.shown() == steady.shown()
        assert len(told.annotations) == 8
