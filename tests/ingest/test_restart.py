"""A restart at any point is as if there had been none."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.instants import HOUR, MINUTE, SECOND
from ingest import decide
from ingest.accept import Broken
from ingest.inbox import Deaf, Heard, Incident, Trouble
from ingest.lines import parse
from ingest.restart import SUSPECTED
from ingest.spool import open_spool, suspect


def steps(kit):
    """Give a life of two gauges: rising, late, conflicting, silent, deaf, and falling again."""
    at = kit.now // 1000
    return [
        kit.inbound(kit.up(1.0)),
        kit.inbound(kit.up(3.2, at=at + 60_000, seq=2), received_at=kit.now + MINUTE),
        kit.inbound(kit.up(3.4, at=at + 120_000, seq=3), received_at=kit.now + 2 * MINUTE),
        kit.inbound(kit.up(2.0, at=at + 90_000, seq=9), received_at=kit.now + 3 * MINUTE),
        kit.now + 5 * MINUTE,
        kit.inbound(kit.up(2.1, at=at + 60_000, seq=4), received_at=kit.now + 6 * MINUTE),
        kit.inbound(kit.up(5.0), kit.up(30.0, at=at + 1), device="wl-1", received_at=kit.now + 7 * MINUTE),
        Deaf(kit.now + 8 * MINUTE, "away"),
        kit.now + 40 * MINUTE,
        Heard(kit.now + 41 * MINUTE),
        kit.now + 50 * MINUTE,
        kit.inbound(kit.up(9.0, m={"battery": 40}), received_at=kit.now + 55 * MINUTE),
        kit.now + 62 * MINUTE,
        kit.inbound(kit.up(1.0, at=at + 3_700_000, seq=20), received_at=kit.now + 63 * MINUTE),
        kit.now + 3 * HOUR,
    ]


def go(spool, step):
    if isinstance(step, int):
        spool.ticks(step)
    else:
        spool.happens(step)


def ended(spool):
    return spool.lines(), spool.changes(), spool.rows("SELECT station, quantity, body FROM standing ORDER BY 1, 2")


@pytest.fixture
def whole(kit, spooled):
    spool = spooled()
    for step in steps(kit):
        go(spool, step)
    assert Counter(kind for (kind,) in spool.rows("SELECT kind FROM change")).keys() >= {"raise", "clear", "stale", "fresh"}
    return ended(spool)


@pytest.mark.parametrize("stop", range(15))
def test_a_restart_at_any_step_changes_nothing(kit, spooled, whole, stop):
    spool = spooled()

    for number, step in enumerate(steps(kit)):
        go(spool, step)
        if number == stop:
            spool.crash()

    assert ended(spool) == whole
    assert spool.resumed.incidents == []


def test_a_restart_after_every_step_changes_nothing(kit, spooled, whole):
    spool = spooled()

    for step in steps(kit):
        go(spool, step)
        spool.crash()
        assert spool.resumed.incidents == []

    assert ended(spool) == whole


def test_a_crash_between_two_steps_with_everything_delivered_again_changes_nothing(kit, spooled, whole):
    spool = spooled()

    for step in steps(kit):
        if not isinstance(step, int):
            spool.happens(step, commit=False)
            spool.crash()
        go(spool, step)

    assert ended(spool) == whole


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from([1.0, 2.7, 3.5]), st.integers(0, 1)), min_size=1, max_size=20),
    st.sets(st.integers(0, 20), max_size=4),
    st.booleans(),
)
def test_any_readings_with_crashes_anywhere_and_checkpoints_or_not_end_the_same(kit, spooled, readings, crashes, checkpoints):
    ranks = {1.0: 1, 2.7: 2, 3.5: 3}

    with spooled() as one, spooled() as other:
        for number, (minutes, value, gauge) in enumerate(readings):
            message = kit.up(value, at=kit.now // 1000 - minutes * 60_000, seq=ranks[value])
            event = kit.inbound(message, device=f"wl-{gauge}", received_at=kit.now + number * SECOND)
            one.happens(event)
            other.happens(event)
            if checkpoints and number % 3 == 0:
                other.ticks(kit.now + number * SECOND)
            if number in crashes:
                other.crash()
                other.happens(event)

        assert (one.lines(), one.changes()) == (other.lines(), other.changes())
        assert other.counters()["archived"] == one.counters()["archived"]


def test_a_redelivered_reading_without_a_time_is_known_after_a_restart(kit, spooled):
    spool = spooled()
    message = {"v": 1, "boot": 7, "seq": 1, "m": {"water_level": 1.0}}
    spool.happens(kit.inbound(message))
    spool.crash()

    spool.happens(kit.inbound(message, received_at=kit.now + 5 * HOUR))

    assert (len(spool.lines()), spool.counters()["duplicate"]) == (1, 1)


def test_what_is_known_of_time_and_hearing_survives(kit, spooled):
    spool = spooled()
    spool.happens(Deaf(kit.now + MINUTE, "away"))
    spool.ticks(kit.now + HOUR)
    spool.crash()

    assert spool.resumed.intake.hearing == (kit.now + MINUTE, False)
    assert spool.resumed.last_at >= kit.now + MINUTE


# ---- the checkpoint


def test_a_checkpoint_spares_the_replay_of_what_came_before(kit, spooled):
    spool = spooled()
    for step in steps(kit)[:5]:
        go(spool, step)

    floor = json.loads(spool.rows("SELECT value FROM meta WHERE key = 'floor'")[0][0])["ordinal"]
    assert floor == spool.rows("SELECT max(ordinal) FROM batch")[0][0]


def test_states_go_into_the_checkpoint_a_few_at_a_time_and_a_restart_within_a_round_is_right(kit, spooled, monkeypatch):
    monkeypatch.setattr(decide, "FEWEST", 3)
    city, spool = kit.configuration(kit.gauges(8)), spooled(kit.configuration(kit.gauges(8)))
    whole = spooled(city)
    floors = []

    for number in range(60):
        event = kit.inbound(
            kit.up(float(number % 5), at=kit.now // 1000 + number), device=f"wl-{number % 8}", received_at=kit.now + number * SECOND
        )
        whole.happens(event)
        spool.happens(event)
        if number % 2:
            spool.ticks(kit.now + number * SECOND)
        floors.append(json.loads(spool.rows("SELECT value FROM meta WHERE key = 'floor'")[0][0])["ordinal"])
        if number % 7 == 6:
            spool.crash()
            assert spool.resumed.incidents == []

    assert (spool.lines(), spool.changes()) == (whole.lines(), whole.changes())
    assert len(set(floors)) > 5
    assert floors == sorted(floors)


def test_a_sensor_whose_state_is_newer_than_the_floor_joins_the_replay_where_it_was_written(kit, spooled, monkeypatch):
    monkeypatch.setattr(decide, "FEWEST", 1)
    spool, at = spooled(kit.configuration(kit.gauges(4))), kit.now // 1000
    spool.happens(*(kit.inbound(kit.up(3.5), device=f"wl-{n}") for n in range(4)))
    for seconds in range(1, 9):
        spool.ticks(kit.now + seconds * SECOND)
    spool.happens(*(kit.inbound(kit.up(3.6, at=at + 1), device=f"wl-{n}", received_at=kit.now + 9 * SECOND) for n in range(4)))
    spool.ticks(kit.now + 10 * SECOND)
    floor = json.loads(spool.rows("SELECT value FROM meta WHERE key = 'floor'")[0][0])["ordinal"]
    assert [number for (number,) in spool.rows("SELECT count(*) FROM checkpoint WHERE ordinal > ?", floor)] == [1]

    spool.crash()
    spool.happens(*(kit.inbound(kit.up(3.5), device=f"wl-{n}", received_at=kit.now + 11 * SECOND) for n in range(4)))
    spool.happens(*(kit.inbound(kit.up(1.0, at=at + 2), device=f"wl-{n}", received_at=kit.now + 11 * SECOND) for n in range(4)))

    assert spool.resumed.incidents == []
    assert spool.counters()["duplicate"] == 4
    assert Counter(kind for (kind,) in spool.rows("SELECT kind FROM change")) == {"raise": 4, "fresh": 4, "clear": 4}


def test_states_that_are_still_on_their_way_to_the_disk_are_carried_over_to_a_new_revision(kit, spooled):
    spool = spooled()
    spool.happens(kit.inbound(kit.up(1.0)), commit=False)
    spool.decider.tick()

    spool.happens(kit.configuration(kit.gauges(2), "r2"), kit.inbound(kit.up(1.0)))

    assert (len(spool.lines()), spool.counters()["duplicate"]) == (1, 1)


def test_quiet_times_write_nothing(kit, spooled):
    spool = spooled()
    spool.happens(kit.inbound(kit.up(1.0)))
    spool.ticks(kit.now + SECOND)
    before = spool.rows("SELECT max(ordinal) FROM batch")

    for seconds in range(2, 10):
        spool.ticks(kit.now + seconds * SECOND)

    assert spool.rows("SELECT max(ordinal) FROM batch") == before


def test_after_other_code_says_something_else_what_was_stored_stands_and_it_is_told(kit, spooled):
    spool = spooled()
    spool.happens(kit.inbound(kit.up(3.2)))
    before = spool.changes(), spool.rows("SELECT body FROM standing")
    spool.city = kit.configuration(kit.gauges(2), raise_at=99.0)

    spool.crash()

    assert [incident.kind for incident in spool.resumed.incidents] == [Trouble.REPLAY_DIFFERS]
    assert "st-0/water_level/wl-0" in spool.resumed.incidents[0].detail
    assert (spool.changes(), spool.rows("SELECT body FROM standing")) == before
    assert spool.resumed.standings == []


# ---- configuration


def test_the_city_is_in_the_spool_before_anything_that_it_judges(kit, spooled):
    spool = spooled()
    spool.happens(kit.inbound(kit.up(1.0)))

    revision, ordinal, documents = spool.rows("SELECT revision, ordinal, documents FROM configuration")[0]
    assert (revision, ordinal, json.loads(documents)) == ("r1", 1, {"city.yaml": {"revision": "r1"}})
    assert spool.rows("SELECT ordinal, revision FROM batch ORDER BY ordinal") == [(1, "r1"), (2, "r1")]


def test_a_new_revision_keeps_what_is_known_and_judges_what_follows(kit, spooled):
    spool = spooled()
    spool.happens(kit.inbound(kit.up(2.6)))

    spool.happens(kit.configuration(kit.gauges(3), "r2", raise_at=2.9))
    spool.happens(kit.inbound(kit.up(2.6)), kit.inbound(kit.up(2.95, at=kit.now // 1000 + 1)), kit.inbound(kit.up(1.0), device="wl-2"))

    assert spool.counters()["duplicate"] == 1
    assert len(spool.lines()) == 3
    assert [kind for (kind,) in spool.rows("SELECT kind FROM change")] == ["fresh", "raise", "fresh"]
    assert [revision for (revision,) in spool.rows("SELECT revision FROM batch ORDER BY ordinal")][-1] == "r2"


def test_a_restart_after_a_new_revision_does_not_replay_across_it(kit, spooled):
    spool = spooled()
    spool.happens(kit.inbound(kit.up(3.2)))
    new = kit.configuration(kit.gauges(3), "r2", raise_at=4.0)
    spool.happens(new, kit.inbound(kit.up(3.9, at=kit.now // 1000 + 1)))
    before = ended(spool)
    spool.city = new

    spool.crash()
    spool.happens(kit.inbound(kit.up(3.9, at=kit.now // 1000 + 1)))

    assert spool.resumed.incidents == []
    assert ended(spool) == before
    assert spool.counters()["duplicate"] == 1


def test_going_back_to_an_earlier_revision_is_a_new_application(kit, spooled):
    spool = spooled()
    first, second = kit.configuration(kit.gauges(2), "r1"), kit.configuration(kit.gauges(2), "r2")

    spool.happens(second, first)

    in_force = spool.rows("SELECT revision FROM configuration ORDER BY ordinal DESC LIMIT 1")
    assert (in_force, len(spool.rows("SELECT 1 FROM configuration"))) == ([("r1",)], 2)


def test_what_stands_of_a_sensor_that_is_gone_goes_with_it(kit, spooled):
    spool = spooled()
    spool.happens(kit.inbound(kit.up(3.2)), kit.inbound(kit.up(3.2), device="wl-1"))

    spool.happens(kit.configuration(kit.gauges(1), "r2"))

    assert spool.rows("SELECT device FROM standing") == [("wl-0",)]


# ---- our own mistakes


def test_a_message_that_ended_us_twice_is_kept_in_quarantine_unread(kit, spooled):
    spool = spooled()
    message = kit.inbound(kit.up(kit.deadly))

    for _ in range(SUSPECTED):
        with pytest.raises(Broken):
            spool.happens(message)
        spool.crash()
    spool.happens(message, kit.inbound(kit.up(2.0)))

    assert spool.rows("SELECT reason FROM quarantine") == [("poison",)]
    assert len(spool.lines()) == 1


def test_a_message_that_ended_us_once_gets_another_chance(kit, spooled):
    spool = spooled()
    suspect(spool.path, b"d" * 16, kit.now)
    spool.crash()

    with closing(open_spool(spool.path)) as writer:
        assert writer.execute("SELECT times FROM suspect").fetchall() == [(1,)]
    assert spool.resumed.intake.poison == frozenset()


def test_a_clock_that_goes_back_is_told_and_time_stands_still(kit, spooled):
    spool = spooled()
    spool.ticks(kit.now + HOUR)

    spool.ticks(kit.now)
    spool.happens(kit.inbound(kit.up(1.0)))

    assert [kind for (kind,) in spool.rows("SELECT kind FROM incident ORDER BY id")][-1] == Trouble.CLOCK_WENT_BACK
    assert parse(spool.lines()[0]).received_at == kit.now + HOUR


def test_who_was_deaf_before_two_restarts_is_deaf_after_them_and_calls_nobody_silent(kit, spooled):
    spool = spooled()
    spool.happens(Heard(kit.now), kit.inbound(kit.up(1.0)))
    spool.ticks(kit.now)
    spool.happens(Deaf(kit.now + MINUTE, "away"))
    spool.crash()
    spool.happens(Incident(kit.now + MINUTE, Trouble.UNREACHABLE, "still away"))
    spool.ticks(kit.now + MINUTE)  # what was put makes a new floor

    spool.crash()
    spool.ticks(kit.now + 5 * HOUR)

    assert spool.resumed.intake.hearing == (kit.now + MINUTE, False)
    assert spool.rows("SELECT count(*) FROM change WHERE kind = 'stale'") == [(0,)]
