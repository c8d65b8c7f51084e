"""The files of a city: the shipped one loads, and each kind of mistake is found with its file, line and fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.city import registry_of
from devices.documents import ConfigurationError, read_yaml
from devices.instants import MINUTE, parse_instant
from devices.registry import Registry

FILES = ("city.yaml", "wards.yaml", "stations.yaml", "devices.yaml")
SMALL = {
    "city.yaml": "name: {vi: TP, en: City}\ntime_zone: Asia/Ho_Chi_Minh\nhotline: '1'\n",
    "wards.yaml": 'kinds:\n  phuong: {vi: "P. {name}", en: "{name} ward"}\nwards:\n  - {code: "19774", kind: phuong, name: {vi: Kim Long, en: Kim Long}}\n',
    "stations.yaml": """stations:
  - id: kim-long
    name: {vi: Kim Long, en: Kim Long}
    latitude: 16.4
    longitude: 107.5
    wards: ["19774"]
    thresholds:
      - quantity: water_level
        valid_from: "2020-01-01T00:00:00+07:00"
        source: a decision
        levels:
          - {code: bd1, value: 1.0}
          - {code: bd2, value: 2.0}
""",
    "devices.yaml": """devices:
  - id: wl-1
    model: native
    sensors:
      - {quantity: water_level, station: kim-long, primary: true, interval: 10 min, range: [-1, 12], plausible: [0, 6]}
""",
}


def small(**changed: tuple[str, str]) -> dict[str, str]:
    texts = dict(SMALL)
    for name, (old, new) in changed.items():
        assert old in texts[f"{name}.yaml"]
        texts[f"{name}.yaml"] = texts[f"{name}.yaml"].replace(old, new)
    return texts


def built(texts: dict[str, str]) -> Registry:
    return registry_of({name: read_yaml(name, text) for name, text in texts.items()})


def problems_of(texts: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        built(texts)
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture(scope="module")
def registry(hue: Path) -> Registry:
    return registry_of({name: read_yaml(name, (hue / name).read_text(encoding="utf-8")) for name in FILES})


def test_the_shipped_city_has_forty_wards_and_a_device_for_each_station(registry: Registry) -> None:
    assert len(registry.wards) == 40
    assert {sensor.station for sensor in registry.sensors()} == set(registry.stations)
    assert (registry.city["vi"], registry.hotline, registry.emergency["rescue"]) == ("TP Huế", "19001075", "112")


def test_a_ward_is_named_with_its_kind_in_texts_and_without_on_the_map(registry: Registry) -> None:
    assert registry.wards["19774"].name == {"vi": "P. Kim Long", "en": "Kim Long ward"}
    assert registry.wards["19867"].name == {"vi": "X. Quảng Điền", "en": "Quảng Điền commune"}
    assert registry.wards["19867"].short["vi"] == "Quảng Điền"


def test_the_record_at_phu_oc_changes_when_the_feed_changed_it(registry: Registry) -> None:
    station = registry.stations["phu-oc"]

    before = station.thresholds_at("water_level", parse_instant("2025-11-03T23:59:59.999+07:00"))
    after = station.thresholds_at("water_level", parse_instant("2025-11-04T00:00:00+07:00"))

    assert before is not None
    assert after is not None
    assert [level.value for level in before.levels] == [1.5, 3.0, 4.5, 5.24]
    assert [level.value for level in after.levels] == [1.5, 3.0, 4.5, 5.31]
    assert [level.number for level in after.levels] == [1, 2, 3, 4]


def test_a_level_that_nobody_published_is_absent(registry: Registry) -> None:
    at = parse_instant("2025-10-27T00:00:00+07:00")

    known = registry.stations["thuong-nhat"].thresholds_at("water_level", at)

    assert known is not None
    assert [level.code for level in known.levels] == ["bd1", "bd2"]
    assert registry.stations["phong-binh"].thresholds_at("water_level", at) is None
    assert registry.stations["truoi"].thresholds == ()


def test_every_level_has_a_source_and_every_invented_place_says_so(registry: Registry) -> None:
    for station in registry.stations.values():
        assert all(thresholds.source for thresholds in station.thresholds)
        assert station.example == ("(ví dụ)" in station.name["vi"])
    assert all(device.example == registry.stations[device.sensors[0].station].example for device in registry.devices.values())


def test_the_second_sensor_at_kim_long_drives_no_alarm(registry: Registry) -> None:
    primary = registry.primary("kim-long", "water_level", parse_instant("2025-10-27T00:00:00+07:00"))

    assert primary is not None
    assert (primary.device, primary.interval) == ("wl-kim-long", 10 * MINUTE)
    assert not registry.devices["wl-kim-long-2"].sensors[0].primary


def test_the_small_city_of_these_tests_is_right() -> None:
    assert built(SMALL).devices["wl-1"].sensors[0].user_high == 6


def test_a_sensor_without_a_range_takes_that_of_its_quantity() -> None:
    registry = built(small(devices=(", range: [-1, 12], plausible: [0, 6]", "")))

    sensor = registry.devices["wl-1"].sensors[0]
    assert (sensor.low, sensor.high, sensor.user_low) == (-10.0, 9000.0, None)


LEVELS = "          - {code: bd1, value: 1.0}\n"
SENSOR = "      - {quantity: water_level, station: kim-long, primary: true, interval: 10 min, range: [-1, 12], plausible: [0, 6]}\n"
SECOND_DEVICE = SENSOR + "  - id: wl-2\n    model: native\n    sensors:\n" + SENSOR
SECOND_SET = """          - {code: bd2, value: 2.0}
      - quantity: water_level
        valid_from: "2024-01-01T00:00:00+07:00"
        source: another
        levels: [{code: bd1, value: 1.2}]
"""


@pytest.mark.parametrize(
    ("texts", "place", "says"),
    [
        (small(stations=('["19774"]', '["19775"]')), "stations.yaml:6: stations[0].wards[0]", "did you mean '19774'?"),
        (small(stations=('["19774"]', '["1977"]')), "stations.yaml:6: stations[0].wards[0]", "five digits in quotes"),
        (small(stations=('["19774"]', "[19774]")), "stations.yaml:6: stations[0].wards[0]", 'write it in quotes: "19774"'),
        (small(devices=("station: kim-long", "station: kim-lon")), "devices.yaml:5: devices[0].sensors[0].station", "did you mean 'kim-long'?"),
        (small(devices=("water_level", "water_levle")), "devices.yaml:5: devices[0].sensors[0].quantity", "did you mean 'water_level'?"),
        (small(devices=(SENSOR, SECOND_DEVICE)), "devices.yaml:9: devices[1].sensors[0].primary", "set primary: false on one of them"),
        (small(devices=(SENSOR, SENSOR + SENSOR)), "devices.yaml:6: devices[0].sensors[1]", "could mean either"),
        (small(devices=("primary: true", "primary: false")), "devices.yaml:5: devices[0].sensors[0]", "set primary: true on one"),
        (small(devices=("id: wl-1", "id: WL_1")), "devices.yaml:2: devices[0].id", "small letters a-z, digits and hyphens"),
        (small(devices=("id: wl-1", f"id: {'x' * 33}")), "devices.yaml:2: devices[0].id", "1 to 32"),
        (small(devices=("[-1, 12]", "[-1, 9999]")), "devices.yaml:5: devices[0].sensors[0].range", "narrow it"),
        (small(devices=("[-1, 12]", "[12, -1]")), "devices.yaml:5: devices[0].sensors[0].range", "write the lower end first"),
        (small(devices=("[0, 6]", "[0, 60]")), "devices.yaml:5: devices[0].sensors[0].plausible", "inside the range"),
        (small(devices=("10 min", "0 min")), "devices.yaml:5: devices[0].sensors[0].interval", "write the time between two readings"),
        (small(devices=("10 min", "10")), "devices.yaml:5: devices[0].sensors[0].interval", "with its unit"),
        (small(stations=("          - {code: bd2, value: 2.0}\n", SECOND_SET)), "stations.yaml:15: stations[0].thresholds[1].valid_from", "end the earlier one with valid_to"),
        (small(stations=("value: 2.0", "value: 1.0")), "stations.yaml:13: stations[0].thresholds[0].levels[1]", "from the lowest to the highest"),
        (small(stations=("value: 2.0", "value: 99999")), "stations.yaml:13: stations[0].thresholds[0].levels[1].value", "check the unit"),
        (small(stations=("code: bd2", "code: bd1")), "stations.yaml:13: stations[0].thresholds[0].levels[1].code", "give each its own"),
        (small(stations=("source: a decision", 'source: a\n        valid_to: "2019-01-01T00:00:00+07:00"')), "stations.yaml:11: stations[0].thresholds[0].valid_to", "exchange them"),
        (small(stations=("        source: a decision\n", "")), "stations.yaml:8: stations[0].thresholds[0].source", "add it"),
        (small(stations=("latitude: 16.4", "latitude: 164")), "stations.yaml:4: stations[0].latitude", "less than or equal to 90"),
        (small(city=("Asia/Ho_Chi_Minh", "Asia/Saigoon")), "city.yaml:2: time_zone", "IANA name"),
        (small(city=("Asia/Ho_Chi_Minh", "../etc")), "city.yaml:2: time_zone", "IANA name"),
        (small(wards=("kind: phuong", "kind: phuon")), "wards.yaml:4: wards[0].kind", "did you mean 'phuong'?"),
        (small(wards=("P. {name}", "P.")), "wards.yaml:2: kinds.phuong.vi", "no place for the name"),
        (small(wards=("{vi: Kim Long, en: Kim Long}", "{vi: Kim Long}")), "wards.yaml:4: wards[0].name", "has no 'en'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_the_fix(texts: dict[str, str], place: str, says: str) -> None:
    said = problems_of(texts)

    assert any(text.startswith(f"{place}: ") and says in text for text in said), said


def test_sensors_may_follow_each_other_at_one_station() -> None:
    first = SENSOR.replace("}", ', valid_to: "2025-01-01T00:00:00Z"}')
    then = SENSOR.replace("}", ', valid_from: "2025-01-01T00:00:00Z"}')

    registry = built(small(devices=(SENSOR, first + "  - id: wl-2\n    model: native\n    sensors:\n" + then)))

    early = registry.primary("kim-long", "water_level", parse_instant("2024-12-31T23:59:59Z"))
    late = registry.primary("kim-long", "water_level", parse_instant("2025-01-01T00:00:00Z"))
    assert early is not None
    assert late is not None
    assert (early.device, late.device) == ("wl-1", "wl-2")


def test_the_problems_of_all_files_are_told_at_once() -> None:
    texts = small(city=("hotline: '1'", "hotlin: '1'"), devices=("10 min", "10"))

    said = problems_of(texts)

    assert {text.split(":")[0] for text in said} == {"city.yaml", "devices.yaml"}


def test_a_missing_file_is_a_problem() -> None:
    texts = {name: text for name, text in SMALL.items() if name != "wards.yaml"}

    assert problems_of(texts) == ["wards.yaml: the file is missing; add it to the folder of the city"]
