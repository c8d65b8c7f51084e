"""The shipped scenarios, and each fault: what a device publishes, when, and how far it is known."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from devices.city import registry_of
from devices.documents import ConfigurationError, read_yaml
from devices.instants import HOUR, MINUTE, SECOND, Instant, parse_instant
from devices.registry import Registry
from devices.scenario import Scenario, scenario_of
from devices.series import Origin
from devices.simulate import Message, stream_of

FILES = ("city.yaml", "wards.yaml", "stations.yaml", "devices.yaml")
BULLETINS = {"Kim Long": "wl-kim-long", "Phú Ốc": "wl-phu-oc"}


@pytest.fixture(scope="module")
def registry(hue: Path) -> Registry:
    return registry_of({name: read_yaml(name, (hue / name).read_text(encoding="utf-8")) for name in FILES})


def shipped(hue: Path, name: str, registry: Registry) -> Scenario:
    return scenario_of(read_yaml(f"scenarios/{name}.yaml", (hue / "scenarios" / f"{name}.yaml").read_text(encoding="utf-8")), registry)


@pytest.fixture(scope="module")
def scenario(hue: Path, registry: Registry) -> Scenario:
    return shipped(hue, "flood-2025-10", registry)


@pytest.fixture(scope="module")
def flood(scenario: Scenario, registry: Registry) -> list[Message]:
    return list(stream_of(scenario, registry))


def samples(messages: Iterable[Message], device: str) -> list[tuple[Instant, dict[str, float]]]:
    """Give all that a device said, in the order in which it came."""
    found = []
    for message in messages:
        if message.device == device:
            content = json.loads(message.payload)
            found += [(parse_instant(sample["at"]), sample["m"]) for sample in content.get("series", [content])]
    return found


def levels(messages: Iterable[Message], device: str, quantity: str = "water_level") -> dict[Instant, float]:
    return dict(sorted((at, values[quantity]) for at, values in samples(messages, device)))


def small(registry: Registry, *faults: str, series: str = "{kind: daily, mean: 1.0}", end: str = "02:00") -> list[Message]:
    """Play two hours of one gauge with the given faults."""
    text = f"""
name: small
about: {{en: small}}
start: "2025-01-01T00:00:00+00:00"
end: "2025-01-01T{end}:00+00:00"
seed: 1
series: {{level: {series}}}
devices:
  - device: wl-kim-long
    boot: 4
    delay: 2 s
    values: {{water_level: {{series: level}}}}
    faults: [{", ".join(faults)}]
"""
    return list(stream_of(scenario_of(read_yaml("small.yaml", text), registry), registry))


RISING = """{kind: points, points: [{at: "2025-01-01T00:00:00Z", value: 1, kind: synthetic}, {at: "2025-01-01T02:00:00Z", value: 2.2, kind: synthetic}]}"""


def minute(count: float) -> Instant:
    return parse_instant("2025-01-01T00:00:00Z") + int(count * MINUTE)


def clock_time(count: int) -> str:
    return f'"2025-01-01T{count // 60:02}:{count % 60:02}:00Z"'


# ---- the flood of October 2025


@pytest.mark.shared
def test_every_figure_of_the_bulletins_is_met_at_its_time(shared: Path, flood: list[Message]) -> None:
    with (shared / "hue-bulletins-2025" / "bulletin_levels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["station"] in BULLETINS]
    simulated = {name: levels(flood, device) for name, device in BULLETINS.items()}

    met = [simulated[row["station"]][parse_instant(f"{row['time_local_gmt7']}+07:00")] for row in rows]

    assert len(rows) == 23
    assert met == [float(row["level_m"]) for row in rows]


def test_published_figures_in_the_file_are_met_exactly_and_marked(scenario: Scenario, flood: list[Message]) -> None:
    for name, device in (("kim-long", "wl-kim-long"), ("phu-oc", "wl-phu-oc")):
        form = scenario.series[name]
        assert form.kind == "points"
        simulated = levels(flood, device)
        for point in form.points[:-1]:
            assert simulated[point.at] == pytest.approx(point.value, abs=1e-9)
    published = [message for message in flood if message.origin is Origin.PUBLISHED]
    assert {message.device for message in published} == {"wl-kim-long", "wl-kim-long-2", "wl-phu-oc"}


def test_only_what_lies_between_two_figures_is_called_interpolated(scenario: Scenario, flood: list[Message]) -> None:
    form = scenario.series["kim-long"]
    assert form.kind == "points"
    known = [point.at for point in form.points if point.kind != "synthetic"]

    for message in flood:
        if message.device == "wl-kim-long":
            at = parse_instant(json.loads(message.payload)["at"])
            inside = known[0] <= at <= known[-1]
            assert (message.origin in {Origin.INTERPOLATED, Origin.PUBLISHED}) == inside


@pytest.mark.parametrize("device", ["wl-kim-long", "wl-phu-oc", "wl-thuong-nhat"])
def test_each_judged_gauge_starts_below_its_first_level(device: str, registry: Registry, flood: list[Message]) -> None:
    sensor = registry.devices[device].sensors[0]
    thresholds = registry.stations[sensor.station].thresholds_at("water_level", parse_instant("2025-10-27T00:00:00+07:00"))
    assert thresholds is not None

    first = next(iter(levels(flood, device).values()))

    assert first < thresholds.levels[0].value


@pytest.mark.parametrize(("device", "level"), [("wl-kim-long", 1.0), ("wl-phu-oc", 1.5)])
def test_the_flood_ends_well_below_level_1_two_hours_before_the_end(device: str, level: float, flood: list[Message]) -> None:
    simulated = levels(flood, device)

    last_hours = [value for at, value in simulated.items() if at >= parse_instant("2025-11-04T22:00:00+07:00")]

    assert max(last_hours) < level - 0.10


@pytest.mark.parametrize(("name", "device", "fastest"), [("kim-long", "wl-kim-long", 0.18), ("phu-oc", "wl-phu-oc", 0.28)])
def test_no_made_up_limb_is_steeper_than_was_observed(
    name: str, device: str, fastest: float, scenario: Scenario, flood: list[Message]
) -> None:
    form = scenario.series[name]
    assert form.kind == "points"
    known = [point.at for point in form.points if point.kind != "synthetic"]
    simulated = levels(flood, device)

    made_up = [at for at in simulated if at + HOUR in simulated and (at + HOUR <= known[0] or at >= known[-1])]
    rates = [abs(simulated[at + HOUR] - simulated[at]) for at in made_up]

    assert len(rates) > 50
    assert max(rates) <= fastest + 2 * form.noise


def test_thuong_nhat_dies_at_its_crest_above_level_2(flood: list[Message]) -> None:
    simulated = levels(flood, "wl-thuong-nhat")

    assert max(simulated) == parse_instant("2025-10-27T14:00:00+07:00")
    assert list(simulated.values())[-1] > 61.0
    assert max(simulated.values()) - list(simulated.values())[-1] <= 0.05


def test_the_raving_sensor_never_gives_two_high_readings_in_a_row(registry: Registry, flood: list[Message]) -> None:
    sensor = registry.devices["wd-ba-trieu"].sensors[0]
    said = levels(flood, "wd-ba-trieu", "water_depth")

    kept = [value for value in said.values() if sensor.low <= value <= sensor.high]

    assert sum(value >= 0.30 for value in kept) > 50
    assert len(kept) < len(said)
    assert not any(one >= 0.20 and other >= 0.20 for one, other in pairwise(kept))


def test_one_street_floods_to_both_depths_and_dries_again(flood: list[Message]) -> None:
    depths = list(levels(flood, "wd-dap-da", "water_depth").values())

    assert max(depths) > 0.5
    assert max(depths[:12]) < 0.05
    assert max(depths[-12:]) < 0.05


def test_a_six_hour_backlog_comes_as_one_packed_message_before_the_present(flood: list[Message]) -> None:
    packed = next(message for message in flood if b'"series"' in message.payload)
    content = json.loads(packed.payload)["series"]
    after = [message for message in flood if message.device == "wl-phu-oc" and message.due_at >= packed.due_at]

    assert (packed.device, len(content)) == ("wl-phu-oc", 36)
    assert packed.readings == 72
    assert parse_instant(content[-1]["at"]) - parse_instant(content[0]["at"]) == 6 * HOUR - 10 * MINUTE
    assert after[0] is packed


def test_the_devices_of_the_city_are_all_at_work(registry: Registry, flood: list[Message]) -> None:
    assert {message.device for message in flood} == set(registry.devices)


def test_values_stay_in_the_range_of_their_sensors_but_where_a_fault_says_otherwise(registry: Registry, flood: list[Message]) -> None:
    limits = {(sensor.device, sensor.quantity): (sensor.low, sensor.high) for sensor in registry.sensors()}

    outside = Counter(
        device
        for device in registry.devices
        for _, values in samples(flood, device)
        for quantity, value in values.items()
        if not limits[device, quantity][0] <= value <= limits[device, quantity][1]
    )

    assert set(outside) == {"wd-ba-trieu"}


def test_operators_close_the_dead_gauge_with_a_reason(scenario: Scenario) -> None:
    closing = [action for action in scenario.operator if action.action == "close"]

    assert [(action.station, bool(action.reason)) for action in closing] == [("thuong-nhat", True)]
    assert all(scenario.start < action.at < scenario.end for action in scenario.operator)


def test_a_calm_day_reaches_no_level(hue: Path, registry: Registry) -> None:
    messages = list(stream_of(shipped(hue, "quiet", registry), registry))

    for station in registry.stations.values():
        for thresholds in station.thresholds:
            sensor = next(each for each in registry.sensors() if each.primary and each.subject == f"{station.id}/{thresholds.quantity}")
            assert max(levels(messages, sensor.device, sensor.quantity).values()) < thresholds.levels[0].value - 0.1
    assert {message.device for message in messages} == set(registry.devices)


def test_the_same_scenario_gives_the_same_bytes(scenario: Scenario, registry: Registry, flood: list[Message]) -> None:
    assert list(stream_of(scenario, registry)) == flood


def test_another_seed_gives_other_noise_and_the_same_figures(scenario: Scenario, registry: Registry, flood: list[Message]) -> None:
    other = list(stream_of(scenario.model_copy(update={"seed": 2}), registry))

    assert levels(other, "wl-kim-long") != levels(flood, "wl-kim-long")
    at = parse_instant("2025-10-27T20:00:00+07:00")
    assert levels(other, "wl-kim-long")[at] == levels(flood, "wl-kim-long")[at] == 5.05


def test_messages_come_in_the_order_in_which_they_are_due(flood: list[Message]) -> None:
    assert all(one.due_at <= other.due_at for one, other in pairwise(flood))


# ---- faults


def test_a_message_is_the_native_object_with_boot_and_seq(registry: Registry) -> None:
    first, second = small(registry)[:2]

    assert first.topic == "canhbao/v1/wl-kim-long/up"
    assert json.loads(first.payload) == {"v": 1, "boot": 4, "seq": 1, "at": "2025-01-01T07:00:00+07:00", "m": {"water_level": 1.0}}
    assert json.loads(second.payload)["seq"] == 2
    assert second.due_at == minute(10) + 2 * SECOND


def test_a_silence_leaves_a_gap_and_a_new_boot(registry: Registry) -> None:
    messages = small(registry, f"{{kind: silence, since: {clock_time(30)}, until: {clock_time(60)}}}")

    assert minute(20) in levels(messages, "wl-kim-long")
    assert [minute(each) in levels(messages, "wl-kim-long") for each in (30, 40, 50, 60)] == [False, False, False, True]
    assert [(content["boot"], content["seq"]) for content in contents(messages)][2:5] == [(4, 3), (5, 1), (5, 2)]


def test_a_dead_device_never_comes_back(registry: Registry) -> None:
    messages = small(registry, f"{{kind: dead, since: {clock_time(30)}}}")

    assert max(levels(messages, "wl-kim-long")) == minute(20)


def test_an_outage_keeps_the_readings_and_sends_them_at_its_end(registry: Registry) -> None:
    whole = small(registry, series=RISING)
    messages = small(registry, f"{{kind: outage, since: {clock_time(30)}, until: {clock_time(60)}}}", series=RISING)

    packed = next(message for message in messages if message.readings == 3)
    assert packed.due_at == minute(60) + 2 * SECOND
    assert json.loads(packed.payload)["seq"] == 6
    assert levels(messages, "wl-kim-long") == levels(whole, "wl-kim-long")


def test_an_outage_without_a_reading_sends_nothing(registry: Registry) -> None:
    messages = small(registry, f"{{kind: outage, since: {clock_time(31)}, until: {clock_time(39)}}}")

    assert messages == small(registry)


def test_a_spike_changes_one_reading(registry: Registry) -> None:
    messages = small(registry, f"{{kind: spike, at: {clock_time(35)}, quantity: water_level, value: 9.9}}")

    said = levels(messages, "wl-kim-long")
    assert [at for at, value in said.items() if value != 1.0] == [minute(40)]
    assert [message.origin for message in messages].count(Origin.FAULT) == 1


def test_a_stuck_sensor_keeps_the_value_of_its_beginning(registry: Registry) -> None:
    messages = small(registry, f"{{kind: stuck, quantity: water_level, since: {clock_time(30)}, until: {clock_time(90)}}}", series=RISING)

    said = levels(messages, "wl-kim-long")
    assert {said[minute(each)] for each in range(30, 90, 10)} == {said[minute(30)]}
    assert said[minute(90)] > said[minute(80)]


def test_raving_replaces_every_nth_reading_and_no_other(registry: Registry) -> None:
    fault = f"{{kind: raving, quantity: water_level, since: {clock_time(20)}, until: {clock_time(80)}, every: 3, values: [7, -9]}}"

    said = levels(small(registry, fault), "wl-kim-long")

    assert {at: value for at, value in said.items() if value != 1.0} == {minute(20): 7.0, minute(50): -9.0}


def test_a_duplicate_is_the_same_bytes_again(registry: Registry) -> None:
    messages = small(registry, f"{{kind: duplicate, at: {clock_time(40)}, after: 20 s, times: 2}}")

    same = [message for message in messages if b"07:40" in message.payload]
    assert len({message.payload for message in same}) == 1
    assert [message.due_at - minute(40) for message in same] == [2 * SECOND, 22 * SECOND, 42 * SECOND]


def test_a_late_reading_comes_after_newer_ones_and_tells_its_own_time(registry: Registry) -> None:
    messages = small(registry, f"{{kind: late, at: {clock_time(40)}, by: 35 min}}")

    said = [at for at, _ in samples(messages, "wl-kim-long")]
    assert said.index(minute(40)) == said.index(minute(70)) + 1
    assert sorted(said) == list(levels(small(registry), "wl-kim-long"))


@pytest.mark.parametrize(("behind", "minutes"), [("false", 3), ("true", -3)])
def test_a_clock_that_is_off_moves_what_the_device_says_not_when_it_says_it(registry: Registry, behind: str, minutes: int) -> None:
    fault = f"{{kind: clock, by: 3 min, behind: {behind}, since: {clock_time(60)}, until: {clock_time(90)}}}"

    messages = small(registry, fault)

    at = [parse_instant(json.loads(message.payload)["at"]) for message in messages]
    off = {message.due_at: said - message.due_at + 2 * SECOND for message, said in zip(messages, at, strict=True)}
    assert [value for value in off.values() if value] == [minutes * MINUTE] * 3
    assert [message.due_at for message in messages] == [message.due_at for message in small(registry)]


def test_a_recorded_series_is_published_at_its_own_times(registry: Registry) -> None:
    series = f"{{kind: recorded, readings: [[{clock_time(3)}, 1.11], [{clock_time(64)}, 2.22]]}}"

    messages = small(registry, series=series)

    assert levels(messages, "wl-kim-long") == {minute(3): 1.11, minute(64): 2.22}
    assert {message.origin for message in messages} == {Origin.RECORDED}


def test_a_record_may_be_brought_by_the_caller(registry: Registry) -> None:
    text = """
name: replay
about: {en: replay}
start: "2025-01-01T00:00:00Z"
end: "2025-01-02T00:00:00Z"
seed: 1
series: {level: {kind: recorded, record: gauge}}
devices: [{device: wl-kim-long, values: {water_level: {series: level}}}]
"""
    scenario = scenario_of(read_yaml("replay.yaml", text), registry)

    messages = list(stream_of(scenario, registry, {"gauge": [(minute(0), 3.25), (minute(60), 3.5), (minute(60 * 48), 9.0)]}))

    assert levels(messages, "wl-kim-long") == {minute(0): 3.25, minute(60): 3.5}


# ---- mistakes in a scenario

GOOD = """name: small
about: {en: small}
start: "2025-01-01T00:00:00Z"
end: "2025-01-01T02:00:00Z"
seed: 1
series:
  level: {kind: daily, mean: 1.0}
devices:
  - device: wl-kim-long
    values: {water_level: {series: level}}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("device: wl-kim-long", "device: wl-kim-lon", "small.yaml:9: devices[0].device: there is no device 'wl-kim-lon'; did you mean 'wl-kim-long"),
        ("{series: level}", "{series: levle}", "small.yaml:10: devices[0].values.water_level.series: there is no series 'levle'; did you mean 'level'?"),
        ("{water_level:", "{rainfall:", "there is no sensor 'rainfall'"),
        ("T02:00", "T00:00", "small.yaml:4: end: the scenario ends before it starts"),
        ("kind: daily, mean: 1.0", "kind: dayly, mean: 1.0", "small.yaml:7: series.level"),
        ("kind: daily, mean: 1.0", "kind: points, points: [{at: '2025-01-01T00:00:00Z', value: 1, kind: observed}, {at: '2025-01-01T02:00:00Z', value: 1, kind: synthetic}]", "needs its source"),
        ("kind: daily, mean: 1.0", "kind: points, points: [{at: '2025-01-01T01:00:00Z', value: 1, kind: synthetic}, {at: '2025-01-01T02:00:00Z', value: 1, kind: synthetic}]", "does not reach from start to end"),
        ("kind: daily, mean: 1.0", "kind: points, points: [{at: '2025-01-01T00:00:00Z', value: 1, kind: synthetic}, {at: '2025-01-01T00:00:00Z', value: 1, kind: synthetic}]", "point 2 is not later"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_scenario_is_told_with_the_fix(registry: Registry, old: str, new: str, says: str) -> None:
    assert old in GOOD

    with pytest.raises(ConfigurationError) as caught:
        scenario_of(read_yaml("small.yaml", GOOD.replace(old, new)), registry)

    assert any(says in str(problem) for problem in caught.value.problems), caught.value.problems


def contents(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in messages]
