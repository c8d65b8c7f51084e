"""The engine of a city: silence, deafness, what it tells of what stands, and its checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.instants import DAY, HOUR, MINUTE
from devices.registry import Registry, Sensor
from ingest import engine as port
from rules.changes import Kind, Phase
from rules.engine import Engine
from service.configuration import load_city

CITY = load_city(Path(__file__).parents[2] / "config" / "hue")
START = 20_000 * DAY
INTERVAL = 10 * MINUTE


def one_gauge(**other) -> tuple[Registry, Sensor]:
    """Give the registry with the gauge of Kim Long alone."""
    device = CITY.registry.devices["wl-kim-long"]
    sensor = replace(next(each for each in device.sensors if each.quantity == "water_level"), **other)
    return replace(CITY.registry, devices={device.id: replace(device, sensors=(sensor,))}), sensor


def an_engine() -> tuple[Engine, Sensor]:
    registry, sensor = one_gauge()
    return Engine(registry, CITY.rules, START), sensor


def kinds(said):
    return [(each.change.kind, each.change.at - START) for each in said or ()]


def hear(engine, sensor, minute, value=0.5, late=0):
    at = START + minute * MINUTE
    said = list(engine.tick(at))
    outcome = engine.memory(sensor).observe(at - late, value, -1, at)
    return said + list(outcome.said if outcome is not None else ())


def test_the_engine_fits_the_port_of_ingest():
    fits: port.Engine = an_engine()[0]

    assert fits.tick(START) == ()


def test_silence_is_dated_by_its_deadline_whenever_somebody_looks():
    engine, sensor = an_engine()
    hear(engine, sensor, 0)

    assert kinds(engine.tick(START + 20 * MINUTE - 1)) == []
    assert kinds(engine.tick(START + 7 * HOUR)) == [(Kind.STALE, 20 * MINUTE), (Kind.LOST, 120 * MINUTE)]
    assert kinds(engine.tick(START + 8 * HOUR)) == []


def test_while_we_are_deaf_nobody_is_called_silent_and_patience_begins_anew_when_we_hear():
    engine, sensor = an_engine()
    hear(engine, sensor, 0)
    engine.hearing(START + 5 * MINUTE, False)

    during = engine.tick(START + 65 * MINUTE)
    engine.hearing(START + 65 * MINUTE, True)
    soon = engine.tick(START + 84 * MINUTE)
    then = engine.tick(START + 85 * MINUTE)

    assert [kinds(said) for said in (during, soon, then)] == [[], [], [(Kind.STALE, 85 * MINUTE)]]


def test_readings_of_long_ago_do_not_make_a_sensor_fresh():
    engine, sensor = an_engine()
    hear(engine, sensor, 0)

    said = [hear(engine, sensor, minute, late=HOUR) for minute in (10, 20, 30)]

    assert [kinds(each) for each in said] == [[], [(Kind.STALE, 20 * MINUTE)], []]
    assert kinds(hear(engine, sensor, 40)) == [(Kind.FRESH, 40 * MINUTE)]


def test_a_sensor_that_was_never_heard_is_missed():
    engine, sensor = an_engine()

    assert kinds(engine.tick(START + 21 * MINUTE)) == [(Kind.STALE, 20 * MINUTE)]
    assert engine.standing(sensor.station, sensor.quantity).observed_at is None


@given(st.lists(st.integers(1, 90), min_size=1, max_size=40), st.randoms())
@settings(max_examples=200, deadline=None)
def test_extra_ticks_change_nothing(pauses, chance):
    plain, sensor = an_engine()
    ticked, _ = an_engine()
    said: tuple[list, list] = ([], [])
    minute = 0
    for pause in pauses:
        for step in sorted({chance.randint(0, pause) for _ in range(3)}):
            said[1].extend(ticked.tick(START + (minute + step) * MINUTE))
        minute += pause
        value = chance.choice([0.5, 1.2, 2.5])
        said[0].extend(hear(plain, sensor, minute, value))
        said[1].extend(hear(ticked, sensor, minute, value))

    said[0].extend(plain.tick(START + 200 * DAY))
    said[0].extend(plain.tick(START + 201 * DAY))
    said[1].extend(ticked.tick(START + 200 * DAY))
    said[1].extend(ticked.tick(START + 201 * DAY))

    assert said[0] == said[1]


@given(st.lists(st.integers(1, 90), min_size=1, max_size=30), st.randoms(), st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_an_engine_restored_from_its_checkpoint_goes_on_as_if_it_had_never_stopped(pauses, chance, stop):
    straight, sensor = an_engine()
    stopped, _ = an_engine()
    minute = 0
    for number, pause in enumerate(pauses):
        minute += pause
        value = chance.choice([0.5, 1.2, 2.5])
        if number == stop:
            rows = list(stopped.snapshots(10))
            assert len(rows) == 1
            stopped, _ = an_engine()
            for key, state in rows:
                stopped.restore(key, state)

        assert hear(straight, sensor, minute, value) == hear(stopped, sensor, minute, value)

    assert straight.standing("kim-long", "water_level") == stopped.standing("kim-long", "water_level")


def test_what_stands_is_told_when_it_moves_and_the_water_of_an_alarm_as_it_moves():
    engine, sensor = an_engine()

    list(engine.dirty(9))
    hear(engine, sensor, 0)
    assert [(each.level, each.phase) for each in engine.dirty(9)] == [(0, Phase.FRESH)]
    hear(engine, sensor, 10)
    assert list(engine.dirty(9)) == []
    hear(engine, sensor, 20, 1.2)
    hear(engine, sensor, 30, 1.3)
    assert [(each.level, each.value, each.peak) for each in engine.dirty()] == [(1, 1.3, 1.3)]
    assert list(engine.dirty()) == []
    hear(engine, sensor, 40, 1.25)
    assert [(each.level, each.value, each.peak, round(each.trend, 3)) for each in engine.dirty(9)] == [(1, 1.25, 1.3, 1.125)]


def test_a_sensor_beside_the_primary_one_drives_no_alarm_but_is_watched():
    registry, sensor = one_gauge(primary=False)
    engine = Engine(registry, CITY.rules, START)

    said = [hear(engine, sensor, minute, 5.0) for minute in (0, 10, 20)]

    assert [kinds(each) for each in said] == [[(Kind.FRESH, 0)], [], []]


def test_levels_are_those_in_force_when_the_water_was_measured():
    device = CITY.registry.devices["wl-phu-oc"]
    engine = Engine(CITY.registry, CITY.rules, START)
    sensor = next(each for each in device.sensors if each.quantity == "water_level")
    before, after = 1_762_188_900_000_000, 1_762_189_500_000_000  # 3 November 2025 23:55 and 4 November 00:05 in Hue
    memory = engine.memory(sensor)

    for at in (before - 2 * INTERVAL, before - INTERVAL, before):
        memory.observe(at, 5.25, -1, at)
    highest = engine.standing("phu-oc", "water_level").level
    for at in (after, after + INTERVAL, after + 2 * INTERVAL):
        memory.observe(at, 5.2, -1, at)

    assert (highest, engine.standing("phu-oc", "water_level").level) == (4, 3)


def test_slack_is_added_to_patience():
    registry, sensor = one_gauge()
    engine = Engine(registry, CITY.rules, START, slack=3 * MINUTE)
    hear(engine, sensor, 0)

    assert kinds(engine.tick(START + 23 * MINUTE)) == [(Kind.STALE, 23 * MINUTE)]


def test_a_sensor_whose_readings_were_taken_back_before_a_restart_adds_to_no_other_one():
    engine, sensor = an_engine()
    hear(engine, sensor, 0)
    engine.rewind(START - HOUR, START - HOUR)  # the clock had been ahead
    state = dict(engine.snapshots(10))
    restarted, _ = an_engine()
    for key, body in state.items():
        restarted.restore(key, body)

    hear(restarted, sensor, -50)

    assert list(restarted.memory(sensor).value) == [0.5]
    never_heard, _ = an_engine()
    assert list(never_heard.memory(sensor).value) == []
