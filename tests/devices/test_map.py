"""The shipped map: complete, drawable, small, and as its tool makes it."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from devices.city import registry_of
from devices.documents import read_json, read_yaml
from devices.registry import Registry

FILES = ("city.yaml", "wards.yaml", "stations.yaml", "devices.yaml")
NUMBER = r"-?(?:\d+(?:\.\d)?|\.\d)"
PATH = re.compile(rf"(?:M{NUMBER} ?{NUMBER}(?:l{NUMBER} ?{NUMBER})+z?)+")
STEP = re.compile(rf"([Ml])({NUMBER}) ?({NUMBER})|z")


@pytest.fixture(scope="module")
def registry(hue: Path) -> Registry:
    return registry_of({name: read_yaml(name, (hue / name).read_text(encoding="utf-8")) for name in FILES})


@pytest.fixture(scope="module")
def drawn(hue: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json("map.json", (hue / "map.json").read_text(encoding="utf-8")).content
    return content


def rings(path: str) -> list[list[tuple[int, int]]]:
    """Read a path back into points, in tenths of a unit."""
    found: list[list[tuple[int, int]]] = []
    for letter, x, y in STEP.findall(path):
        if letter == "M":
            found.append([(round(float(x) * 10), round(float(y) * 10))])
        elif letter == "l":
            last = found[-1][-1]
            found[-1].append((last[0] + round(float(x) * 10), last[1] + round(float(y) * 10)))
    return found


def test_all_forty_wards_are_on_the_map_of_the_city(drawn: dict[str, Any], registry: Registry) -> None:
    assert set(drawn["views"]["city"]["wards"]) == set(registry.wards)
    assert set(drawn["views"]["river"]["wards"]) < set(registry.wards)


def test_every_ward_that_is_warned_for_the_two_great_rivers_is_on_the_near_map(drawn: dict[str, Any], registry: Registry) -> None:
    warned = {*registry.stations["kim-long"].wards, *registry.stations["phu-oc"].wards}

    assert warned <= set(drawn["views"]["river"]["wards"])
    assert len(drawn["views"]["river"]["wards"]) >= 20


@pytest.mark.parametrize("view", ["river", "city"])
def test_every_shape_is_a_valid_path_inside_its_frame(drawn: dict[str, Any], view: str) -> None:
    shown = drawn["views"][view]
    shapes = [*shown["wards"].values(), *(river["path"] for river in shown.get("rivers", []))]

    for path in shapes:
        assert PATH.fullmatch(path), path[:80]
    for path in shown["wards"].values():
        for x, y in (point for ring in rings(path) for point in ring):
            assert -70 <= x <= shown["width"] * 10 + 70
            assert -70 <= y <= shown["height"] * 10 + 70


@pytest.mark.parametrize(("view", "shared"), [("river", 0.75), ("city", 0.6)])
def test_neighbours_share_their_border_point_for_point(drawn: dict[str, Any], view: str, shared: float) -> None:
    shown = drawn["views"][view]
    width, height = shown["width"] * 10, shown["height"] * 10
    owners: dict[frozenset[tuple[int, int]], set[str]] = defaultdict(set)
    for code, path in shown["wards"].items():
        for one, other in (pair for ring in rings(path) for pair in zip(ring, [*ring[1:], ring[0]], strict=True)):
            owners[frozenset((one, other))].add(code)

    inside = [len(codes) for edge, codes in owners.items() if all(0 < x < width and 0 < y < height for x, y in edge)]

    assert max(inside) == 2  # an edge that three shapes claim would be an overlap
    assert inside.count(2) / len(inside) > shared  # the rest is the coast and the city's border


def test_labels_lie_inside_their_frame_and_know_their_room(drawn: dict[str, Any]) -> None:
    for shown in drawn["views"].values():
        assert set(shown["labels"]) <= set(shown["wards"])
        for x, y, room in shown["labels"].values():
            assert 0 < x < shown["width"]
            assert 0 < y < shown["height"]
            assert room > 0


def test_stations_stand_where_the_projection_puts_them(drawn: dict[str, Any], registry: Registry) -> None:
    for shown in drawn["views"].values():
        for name, (x, y) in shown["stations"].items():
            station, how = registry.stations[name], shown["projection"]
            assert x == pytest.approx((station.longitude - how["west"]) * how["across"], abs=0.06)
            assert y == pytest.approx((how["north"] - station.latitude) * how["down"], abs=0.06)
    assert set(drawn["views"]["city"]["stations"]) == set(registry.stations)
    assert {"kim-long", "phu-oc"} <= set(drawn["views"]["river"]["stations"])


def test_the_frame_of_the_near_map_lies_inside_the_city(drawn: dict[str, Any]) -> None:
    x, y, width, height = drawn["views"]["city"]["frame"]

    assert 0 < x < x + width < drawn["views"]["city"]["width"]
    assert 0 < y < y + height < drawn["views"]["city"]["height"]


def test_the_map_is_small(hue: Path) -> None:
    text = (hue / "map.json").read_bytes()

    assert len(text) <= 45_000
    assert len(gzip.compress(text)) <= 18_000


@pytest.mark.shared
def test_the_tool_makes_the_shipped_map(hue: Path, shared: Path, root: Path, registry: Registry) -> None:
    spec = importlib.util.spec_from_file_location("make_map", root / "tools" / "make_map.py")
    assert spec is not None
    assert spec.loader is not None
    make_map = sys.modules["make_map"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_map)

    made = make_map.map_of(make_map.rings_of(shared / "geo-hue" / "wards"), registry)

    assert json.loads(json.dumps(made)) == json.loads((hue / "map.json").read_text(encoding="utf-8"))
