"""Many sensors, silences and stops: what is said does not depend on how often somebody looks, nor on where we stopped."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.instants import DAY, MINUTE, SECOND, Instant
from devices.registry import Device, Registry, Sensor
from rules import engine as engine_module
from rules.changes import Kind
from rules.engine import Engine
from service.configuration import load_city

CITY = load_city(Path(__file__).parents[2] / "config" / "hue")
START: Instant = 20_000 * DAY
STATION = CITY.registry.stations["kim-long"]


def a_city(*intervals: int) -> tuple[Registry, list[Sensor]]:
    """Give a city of one gauge a place, each with its own interval in minutes."""
    names = [f"s{number}" for number in range(len(intervals))]
    sensors = [
        Sensor(f"d-{name}", "water_level", name, primary=True, interval=minutes * MINUTE, low=-1, high=12)
        for name, minutes in zip(names, intervals, strict=True)
    ]
    stations = {name: replace(STATION, id=name) for name in names}
    devices = {sensor.device: Device(sensor.device, "native", (sensor,)) for sensor in sensors}
    return replace(CITY.registry, stations=stations, devices=devices), sensors


class World:
    """An engine, driven as ingest drives it, that can be stopped and begun again from its checkpoint."""

    def __init__(self, registry: Registry) -> None:
        self.registry, self.engine = registry, Engine(registry, CITY.rules, START)
        self.rows: dict[str, bytes] = {}
        self.heard = (START, True)
        self.said: list = []
        self.now = START

    def tick(self, at: Instant) -> None:
        self.now = at
        self.said += self.engine.tick(at)

    def hearing(self, at: Instant, hears: bool) -> None:
        self.tick(at)
        self.heard = at, hears
        self.said += self.engine.hearing(at, hears)

    def hear(self, at: Instant, sensor: Sensor, value: float, late: int) -> None:
        self.tick(at)
        outcome = self.engine.memory(sensor).observe(at - late, value, -1, at)
        self.said += outcome.said if outcome is not None else ()

    def stop_and_begin(self, at: Instant) -> None:
        self.tick(at)
        self.rows |= dict(self.engine.snapshots(1 << 40))
        self.engine = Engine(self.registry, CITY.rules, at)
        for key, state in self.rows.items():
            self.engine.restore(key, state)
        self.engine.hearing(self.heard[0], False)
        if self.heard[1]:
            self.engine.hearing(*self.heard)
        self.said += self.engine.tick(at)


events = st.lists(
    st.tuples(
        st.integers(0, 45),
        st.sampled_from(["hear"] * 8 + ["deaf", "hears"]),
        st.integers(0, 2),
        st.sampled_from([0.5, 0.95, 1.2, 2.1, 2.3, 4.2]),
        st.sampled_from([0, 0, 0, 7, 25, 90, 300]),
    ),
    max_size=60,
)


def play(world: World, sensors: list[Sensor], happened, between) -> None:
    at = START
    for pause, what, which, value, late in happened:
        between(world, at, at + pause * MINUTE)
        at += pause * MINUTE
        if what == "hear":
            world.hear(at, sensors[which], value, late * MINUTE)
        else:
            world.hearing(at, what == "hears")
    world.hearing(at, True)
    world.tick(at + DAY)


def straight_on(_world: World, _since: Instant, _until: Instant) -> None:
    return None


@settings(max_examples=150, deadline=None)
@given(events)
def test_a_stop_at_every_step_changes_nothing_that_is_said(happened):
    registry, sensors = a_city(10, 10, 60)
    straight, stopped = World(registry), World(registry)

    play(straight, sensors, happened, straight_on)
    play(stopped, sensors, happened, lambda world, since, _: world.stop_and_begin(since))

    assert Counter(straight.said) == Counter(stopped.said)
    for sensor in sensors:
        assert straight.engine.standing(sensor.station, "water_level") == stopped.engine.standing(sensor.station, "water_level")


@settings(max_examples=150, deadline=None)
@given(events, st.randoms())
def test_looking_more_often_changes_neither_what_is_said_nor_its_order(happened, chance):
    registry, sensors = a_city(10, 10, 60)
    plain, ticked = World(registry), World(registry)

    def often(world: World, since: Instant, until: Instant) -> None:
        for at in sorted(chance.randint(since, until) for _ in range(3)):
            world.tick(at)

    play(plain, sensors, happened, straight_on)
    play(ticked, sensors, happened, often)

    assert [(one.change.at, one.change.id) for one in plain.said] == [(one.change.at, one.change.id) for one in ticked.said]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events, st.randoms())
def test_looking_at_one_sensor_a_call_only_delays_what_is_said(monkeypatch, happened, chance):
    registry, sensors = a_city(10, 10, 60)
    plain, slow = World(registry), World(registry)

    def often(world: World, since: Instant, until: Instant) -> None:
        for at in sorted(chance.randint(since, until) for _ in range(3)):
            world.tick(at)

    play(plain, sensors, happened, straight_on)
    with monkeypatch.context() as patch:
        patch.setattr(engine_module, "LOOKS", 1)
        play(slow, sensors, happened, often)
    for _ in range(99):
        slow.tick(slow.now)

    assert Counter(slow.said) == Counter(plain.said)
    for sensor in sensors:
        assert [one for one in slow.said if one.change.device == sensor.device] == [
            one for one in plain.said if one.change.device == sensor.device
        ]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events)
def test_a_stop_while_silences_wait_to_be_looked_at_changes_nothing_that_is_said(monkeypatch, happened):
    registry, sensors = a_city(10, 10, 60)
    plain, stopped = World(registry), World(registry)

    play(plain, sensors, happened, straight_on)
    with monkeypatch.context() as patch:
        patch.setattr(engine_module, "LOOKS", 1)
        play(stopped, sensors, happened, lambda world, since, _: world.stop_and_begin(since))
    for _ in range(99):
        stopped.tick(stopped.now)

    assert Counter(stopped.said) == Counter(plain.said)


def test_when_many_fall_silent_at_once_no_call_looks_at_more_than_its_share_and_none_is_forgotten():
    registry, sensors = a_city(*[10] * 1_000)
    engine = Engine(registry, CITY.rules, START)

    said = [engine.tick(START + 21 * MINUTE) for _ in range(1_000 // engine_module.LOOKS + 1)]

    assert max(len(each) for each in said) == engine_module.LOOKS
    assert Counter(one.change.device for each in said for one in each) == Counter(sensor.device for sensor in sensors)


def test_values_that_moved_are_told_in_turn_a_few_a_call_and_each_once_a_second():
    registry, sensors = a_city(*[10] * 30)
    engine = Engine(registry, CITY.rules, START)
    for minute in (0, 10, 20):
        for sensor in sensors:
            engine.memory(sensor).observe(START + minute * MINUTE, 9.0, -1, START + minute * MINUTE)
    engine.tick(START + 20 * MINUTE)
    assert len(list(engine.dirty())) == 30
    for sensor in sensors:
        engine.memory(sensor).observe(START + 30 * MINUTE, 9.1, -1, START + 30 * MINUTE)
    engine.tick(START + 30 * MINUTE)

    told = [[standing.device for standing in engine.dirty(12)] for _ in range(4)]

    assert [len(each) for each in told] == [12, 12, 6, 0]
    assert {device for each in told for device in each} == {sensor.device for sensor in sensors}


def test_ten_thousand_silent_sensors_are_all_missed_each_at_its_deadline():
    registry, sensors = a_city(*(5 + number % 56 for number in range(10_000)))
    engine = Engine(registry, CITY.rules, START)

    said = [one for second in range(0, 7_300, 20) for one in engine.tick(START + second * SECOND)]

    stale = {one.change.device: one.change.at - START for one in said if one.change.kind is Kind.STALE}
    assert stale == {sensor.device: 2 * sensor.interval for sensor in sensors}


def test_states_are_given_the_longest_waiting_first_and_once():
    registry, sensors = a_city(*[10] * 5)
    engine = Engine(registry, CITY.rules, START)
    assert len(list(engine.snapshots(9))) == 5
    for number in (3, 0, 4, 0, 3):
        engine.memory(sensors[number]).observe(START + number * MINUTE, 0.5, -1, START + 5 * MINUTE)

    given_keys = [[key for key, _ in engine.snapshots(2)] for _ in range(3)]

    assert given_keys == [["s3/water_level/d-s3", "s0/water_level/d-s0"], ["s4/water_level/d-s4"], []]
