"""A restart at any point is as if there had been none, also under the rules that are shipped."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.instants import MINUTE, SECOND
from ingest import decide
from ingest.inbox import Deaf, Heard
from rules import engine as engine_module

VALUES = (0.3, 0.95, 1.5, 2.4, 4.2)


readings = st.tuples(st.just("reading"), st.integers(-15, 0), st.integers(0, 4), st.integers(0, 1))
ticks = st.tuples(st.just("tick"))
hearing = st.tuples(st.sampled_from(["deaf", "hears"]))
lives = st.lists(st.tuples(st.integers(0, 25), readings | readings | readings | ticks | hearing), min_size=1, max_size=25)


def live(kit, spool, at, happening):
    """Let one thing happen; `at` in minutes from the start, readings some intervals before it."""
    now = kit.now + at * MINUTE
    spool.clock_at = now
    match happening:
        case ["reading", ago, which, gauge]:
            message = kit.up(VALUES[which], at=(now + ago * 5 * MINUTE) // 1000, seq=10 * (at + 5 * ago + 1_000) + which)
            spool.happens(kit.inbound(message, device=f"wl-{gauge}", received_at=now))
        case ["tick"]:
            spool.ticks(now)
        case ["deaf"]:
            spool.happens(Deaf(now, "away"))
        case ["hears"]:
            spool.happens(Heard(now))


def ended(spool):
    """Give what is archived, what was said, and what stands at the end."""
    spool.ticks(spool.clock_at + 24 * 60 * MINUTE)
    return spool.lines(), spool.changes(), spool.standings()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives, st.sets(st.integers(0, 25), max_size=5), st.booleans())
def test_whatever_happens_a_crash_anywhere_changes_neither_what_was_said_nor_what_stands(kit, spooled, city, life, crashes, small_steps):
    at = 0

    with pytest.MonkeyPatch.context() as patch, spooled(city) as whole, spooled(city) as other:
        patch.setattr(decide, "FEWEST", 1 if small_steps else decide.FEWEST)
        for number, (passed, happening) in enumerate(life):
            at += passed
            live(kit, whole, at, happening)
            live(kit, other, at, happening)
            if number in crashes:
                other.crash()
                assert other.resumed.incidents == []

        assert ended(other) == ended(whole)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives, st.sets(st.integers(0, 25), max_size=5))
def test_a_crash_while_silences_wait_to_be_looked_at_neither_loses_nor_doubles_any(kit, spooled, city, life, crashes):
    at = 0

    with pytest.MonkeyPatch.context() as patch, spooled(city) as whole, spooled(city) as other:
        patch.setattr(engine_module, "LOOKS", 1)
        for number, (passed, happening) in enumerate(life):
            at += passed
            live(kit, whole, at, happening)
            live(kit, other, at, happening)
            if number in crashes:
                other.crash()
                assert other.resumed.incidents == []
        for spool in (whole, other):
            for seconds in range(20):
                spool.ticks(kit.now + (at + 24 * 60) * MINUTE + seconds * SECOND)

        one, two = ended(whole), ended(other)
        assert (one[0], sorted(one[1]), one[2]) == (two[0], sorted(two[1]), two[2])


def test_a_level_that_passed_to_the_next_device_is_there_after_a_crash_in_the_middle_of_a_round(kit, spooled, under_shipped_rules):
    until = kit.now + 40 * MINUTE
    old, new = kit.sensor("wl-0", valid_to=until), kit.sensor("wl-1", valid_from=until)
    others = [kit.sensor(f"a-{number}", f"a-{number}") for number in range(6)]
    configuration = under_shipped_rules(kit.registry_of(old, new, *others))

    with pytest.MonkeyPatch.context() as patch, spooled(configuration) as spool:
        patch.setattr(decide, "FEWEST", 1)
        for number, minutes in enumerate((0, 10, 20, 30)):
            for device in ["wl-0", *(sensor.device for sensor in others)]:
                at = kit.now + minutes * MINUTE
                message = kit.up(1.5, at=at // 1000, seq=number)
                spool.happens(kit.inbound(message, device=device, received_at=at))
            spool.ticks(kit.now + minutes * MINUTE)
        for seconds in range(20):
            spool.ticks(until + seconds * SECOND)
            spool.crash()

            assert [spool.resumed.intake.engine.memory(sensor).level for sensor in (old, new)] == [0, 1]
            assert spool.resumed.incidents == []
