"""A new configuration is applied while water stands: nothing already said is revised, and nothing is said by the edit itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from devices.instants import DAY, MINUTE, Instant
from devices.registry import Device, Registry, Sensor
from devices.stations import LegalLevel, Station, Thresholds
from devices.verdicts import Verdict
from rules.changes import Kind, Phase, Said, Standing
from rules.definition import FreshnessRule, LevelsRule, Rule
from rules.engine import Engine

START: Instant = 20_000 * DAY
INTERVAL = 10 * MINUTE
FIRST = Sensor("wl-1", "water_level", "kim-long", primary=True, interval=INTERVAL, low=-1, high=12)
SECOND = replace(FIRST, device="wl-2", primary=False)
BEFORE = (1.0, 2.0, 3.5)
TEST = {"name": "none", "levels": {"bd1": 1.0}, "every": "1 h", "values": [0.0], "expect": []}
SILENCE = {"name": "none", "interval": "1 h", "received": [], "until": "1 h", "expect": []}
RULES: tuple[Rule, ...] = (
    LevelsRule.model_validate(
        {
            "rule": "river-levels", "kind": "levels", "quantity": "water_level", "max_gap": "24 intervals", "lateness": "2 h",
            "defaults": {"confirm": 2, "hold": 3, "clear_margin": 0.1}, "tests": [TEST],
        }
    ),
    FreshnessRule.model_validate(
        {"rule": "freshness", "kind": "freshness", "stale_after": "2 intervals", "lost_after": "12 intervals", "tests": [SILENCE]}
    ),
)  # fmt: skip

Apply = Callable[[Engine, Registry, Instant], Engine]


def registry(*sensors: Sensor, values: tuple[float, ...] = BEFORE) -> Registry:
    levels = tuple(LegalLevel(number, f"bd{number}", value) for number, value in enumerate(values, start=1))
    station = Station("kim-long", {"vi": "Kim Long"}, None, 0, 0, (), (Thresholds("water_level", levels, 0, None, "a decision"),))
    return Registry({}, "UTC", "", {"kim-long": station}, {each.device: Device(each.device, "native", (each,)) for each in sensors}, {})


def restored(before: Engine, wanted: Registry, at: Instant, rules: tuple[Rule, ...] = RULES) -> Engine:
    """As ingest does it: through the rows of the checkpoint."""
    engine = Engine(wanted, rules, at)
    for key, state in before.snapshots(99):
        engine.restore(key, state)
    engine.hearing(START, hears=True)
    return engine


def restored_from_the_last(before: Engine, wanted: Registry, at: Instant) -> Engine:
    """The order of the rows says nothing."""
    engine = Engine(wanted, RULES, at)
    for key, state in reversed(list(before.snapshots(99))):
        engine.restore(key, state)
    engine.hearing(START, hears=True)
    return engine


both_ways = pytest.mark.parametrize("apply", [restored, restored_from_the_last])


def hear(engine: Engine, minute: int, value: float, sensor: Sensor = FIRST) -> list[Said]:
    at = START + minute * MINUTE
    said = list(engine.tick(at))
    outcome = engine.memory(sensor).observe(at, value, -1, at)
    return [one for one in [*said, *(outcome.said if outcome else ())] if one.change.rule != "freshness"]


def kinds(said: Iterable[Said]) -> list[tuple[str, Kind, int]]:
    return [(str(one.verb), one.change.kind, one.change.level) for one in said]


def an_alarm(*sensors: Sensor) -> Engine:
    """Give an engine where level 2 stands since minute 10, the newest reading being of minute 20."""
    engine = Engine(registry(*sensors), RULES, START)
    for minute in (0, 10, 20):
        for sensor in sensors:
            hear(engine, minute, 2.2, sensor)
    assert standing(engine).level == 2
    return engine


def standing(engine: Engine) -> Standing:
    found = engine.standing("kim-long", "water_level")
    assert found is not None
    return found


@both_ways
@pytest.mark.parametrize("values", [(1.0, 2.1, 3.5), (1.0, 1.5, 3.5), (1.0, 2.25, 3.5), (0.5, 2.0, 9.0)])
def test_a_threshold_edited_around_the_water_neither_ends_nor_doubles_an_alarm(apply: Apply, values: tuple[float, ...]):
    before = an_alarm(FIRST)

    engine = apply(before, registry(FIRST, values=values), START + 25 * MINUTE)
    said = [one for minute in (30, 40, 50, 60, 70) for one in hear(engine, minute, 2.2)]

    assert said == []
    assert standing(engine).opened_id == standing(before).opened_id


@both_ways
def test_a_threshold_edited_above_the_water_ends_the_level_after_its_three_readings(apply: Apply):
    engine = apply(an_alarm(FIRST), registry(FIRST, values=(1.0, 3.0, 3.5)), START + 25 * MINUTE)

    said = [kinds(hear(engine, minute, 2.2)) for minute in (30, 40, 50, 60)]

    assert said == [[], [], [("issued", Kind.STEP_DOWN, 1)], []]


@both_ways
def test_a_threshold_edited_below_the_water_is_reached_by_new_readings_only(apply: Apply):
    engine = apply(an_alarm(FIRST), registry(FIRST, values=(1.0, 2.0, 2.1)), START + 25 * MINUTE)

    said = [kinds(hear(engine, minute, 2.2)) for minute in (30, 40, 50)]

    assert said == [[], [("issued", Kind.STEP_UP, 3)], []]


@both_ways
def test_a_count_that_was_under_way_begins_again_under_other_levels(apply: Apply):
    before = Engine(registry(FIRST), RULES, START)
    hear(before, 0, 0.5)
    hear(before, 10, 2.4)

    engine = apply(before, registry(FIRST, values=(1.0, 2.3, 3.5)), START + 15 * MINUTE)

    assert kinds(hear(engine, 20, 2.4)) == []
    assert kinds(hear(engine, 30, 2.4)) == [("issued", Kind.RAISE, 2)]


@both_ways
def test_late_readings_of_before_an_edit_revise_nothing_but_are_known(apply: Apply):
    engine = apply(an_alarm(FIRST), registry(FIRST, values=(1.0, 1.9, 3.5)), START + 25 * MINUTE)
    memory = engine.memory(FIRST)

    late = memory.observe(START + 5 * MINUTE, 0.1, -1, START + 26 * MINUTE)
    again = memory.observe(START + 5 * MINUTE, 0.1, -1, START + 27 * MINUTE)
    known = memory.observe(START + 10 * MINUTE, 2.2, -1, START + 27 * MINUTE)

    assert late is not None
    assert again is not None
    assert known is not None
    assert (late.verdict, tuple(late.said)) == (Verdict.LATE, ())
    assert (again.verdict, known.verdict) == (Verdict.DUPLICATE, Verdict.DUPLICATE)


@both_ways
def test_where_nothing_of_a_sensor_changes_its_late_readings_still_count(apply: Apply):
    engine = apply(an_alarm(FIRST), registry(FIRST), START + 25 * MINUTE)

    late = engine.memory(FIRST).observe(START + 5 * MINUTE, 0.1, -1, START + 26 * MINUTE)

    assert late is not None
    assert kinds(late.said) == [("withdrawn", Kind.RAISE, 2), ("issued", Kind.RAISE, 2)]


@both_ways
def test_silence_goes_on_being_counted_over_an_edit(apply: Apply):
    engine = apply(an_alarm(FIRST), registry(FIRST, values=(1.0, 1.9, 3.5)), START + 35 * MINUTE)

    said = engine.tick(START + 41 * MINUTE)

    assert [(one.change.kind, one.change.at - START) for one in said] == [(Kind.STALE, 40 * MINUTE)]


def test_a_rule_that_is_renamed_keeps_its_alarm():
    before = an_alarm(FIRST)
    levels, silence = RULES
    renamed: tuple[Rule, ...] = (levels.model_copy(update={"rule": "rivers"}), silence)

    engine = restored(before, registry(FIRST), START + 25 * MINUTE, renamed)

    assert hear(engine, 30, 2.2) == []
    assert (standing(engine).level, standing(engine).rule) == (2, "rivers")


# ---- the device is exchanged


@both_ways
@pytest.mark.parametrize("still_there", [True, False])
def test_the_device_that_becomes_primary_goes_on_from_the_level_that_stands(apply: Apply, still_there: bool):
    before = an_alarm(FIRST, SECOND)
    heir = replace(SECOND, primary=True)
    sensors = (replace(FIRST, primary=False), heir) if still_there else (heir,)

    engine = apply(before, registry(*sensors), START + 25 * MINUTE)
    said = [kinds(hear(engine, minute, value, heir)) for minute, value in ((30, 2.2), (40, 0.5), (50, 0.5), (60, 0.5))]

    assert said == [[], [], [], [("issued", Kind.CLEAR, 0)]]
    if still_there:
        assert engine.memory(FIRST).level == 0


@both_ways
def test_a_new_device_takes_over_too(apply: Apply):
    before = an_alarm(FIRST)
    new = replace(FIRST, device="wl-3")

    engine = apply(before, registry(new), START + 25 * MINUTE)

    assert (standing(engine).level, standing(engine).opened_id, standing(engine).device) == (2, standing(before).opened_id, "wl-3")
    assert standing(engine).phase is Phase.NEVER_SEEN


def test_an_alarm_that_its_heir_has_ended_does_not_come_back_with_a_restart():
    before = an_alarm(FIRST)
    new = replace(FIRST, device="wl-3")
    rows = dict(before.snapshots(99))
    engine = restored(before, registry(new), START + 25 * MINUTE)
    for minute in (30, 40, 50):
        hear(engine, minute, 0.5, new)
    rows |= dict(engine.snapshots(99))

    for order in (sorted(rows), sorted(rows, reverse=True)):
        again = Engine(registry(new), RULES, START + 60 * MINUTE)
        for key in order:
            again.restore(key, rows[key])

        assert standing(again).level == 0


def test_where_the_time_of_the_next_primary_device_has_come_it_goes_on_from_the_level_that_stands():
    at = START + 25 * MINUTE
    old, new = replace(FIRST, valid_to=at), replace(SECOND, primary=True, valid_from=at)
    engine = Engine(registry(old, new), RULES, START)
    for minute in (0, 10, 20):
        hear(engine, minute, 2.2, old)

    said = [kinds(hear(engine, minute, value, new)) for minute, value in ((30, 2.2), (40, 2.2), (50, 0.5), (60, 0.5), (70, 0.5))]

    assert said == [[], [], [], [], [("issued", Kind.CLEAR, 0)]]
    assert engine.memory(old).level == 0


def test_a_device_is_missed_only_while_the_registry_says_that_it_is_there():
    gone, coming = replace(FIRST, valid_to=START + 15 * MINUTE), replace(SECOND, valid_from=START + 5 * DAY)
    engine = Engine(registry(gone, coming), RULES, START)
    hear(engine, 0, 0.5, gone)

    assert not engine.tick(START + 4 * DAY)
    assert [(one.change.device, one.change.kind) for one in engine.tick(START + 6 * DAY)] == [("wl-2", Kind.STALE), ("wl-2", Kind.LOST)]


def test_the_newest_entry_of_a_device_at_its_place_says_how_often_it_speaks():
    slow, fast = replace(FIRST, valid_to=START, interval=6 * INTERVAL), replace(FIRST, valid_from=START)
    known = registry(fast)
    known.devices["wl-1"] = Device("wl-1", "native", (slow, fast))

    engine = Engine(known, RULES, START)

    assert engine.memory(slow) is engine.memory(fast)
    assert [one.change.at - START for one in engine.tick(START + 21 * MINUTE)] == [20 * MINUTE]


def test_the_level_of_a_device_that_left_long_ago_does_not_come_back_with_the_heir_of_its_heir():
    first, second, third = (replace(FIRST, device=f"wl-{number}") for number in (1, 2, 3))
    before = an_alarm(first)
    heir = restored(before, registry(second), START + 25 * MINUTE)
    for minute in (30, 40, 50):
        hear(heir, minute, 0.5, second)
    rows = [*before.snapshots(9), *heir.snapshots(9)]
    assert {key for key, _ in rows} >= {"kim-long/water_level/wl-2"}

    for order in (rows, rows[::-1]):
        engine = Engine(registry(third), RULES, START + 60 * MINUTE)
        for key, state in order:
            engine.restore(key, state)

        assert standing(engine).level == 0
