"""A city's folder: read whole, named by a revision, kept as a snapshot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from devices.documents import ConfigurationError
from service.configuration import build, from_snapshot, load_city, read_city, revision_of, to_snapshot


@pytest.fixture
def city(hue: Path, tmp_path: Path) -> Path:
    """Give a copy of the shipped city that a test may spoil."""
    return Path(shutil.copytree(hue, tmp_path / "city"))


def problems(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_city(folder)
    return str(caught.value)


def test_the_shipped_city_is_without_problems(hue: Path) -> None:
    city = load_city(hue)

    assert city.registry.stations
    assert city.rules
    assert len(city.revision) == 16


def test_a_city_from_its_snapshot_is_the_same_city(hue: Path) -> None:
    city = load_city(hue)

    again = build(from_snapshot(json.loads(json.dumps(to_snapshot(city.documents)))))

    assert (again.revision, again.registry, again.rules, again.policy) == (city.revision, city.registry, city.rules, city.policy)


def test_a_revision_does_not_depend_on_comments_or_line_ends(city: Path) -> None:
    before = revision_of(read_city(city))
    text = (city / "stations.yaml").read_text(encoding="utf-8")

    (city / "stations.yaml").write_text("# a new comment\n" + text.replace("\n", "\r\n"), encoding="utf-8", newline="")

    assert revision_of(read_city(city)) == before


def test_a_revision_changes_with_a_threshold(city: Path) -> None:
    before = revision_of(read_city(city))
    text = (city / "stations.yaml").read_text(encoding="utf-8")

    (city / "stations.yaml").write_text(text.replace("value: 2.00}", "value: 2.10}", 1), encoding="utf-8")

    assert revision_of(read_city(city)) != before


def test_scenarios_are_no_part_of_what_is_applied(city: Path) -> None:
    before = revision_of(read_city(city))

    shutil.rmtree(city / "scenarios")

    assert revision_of(read_city(city)) == before


def test_a_misspelt_file_is_named_with_the_one_that_was_meant(city: Path) -> None:
    (city / "stations.yaml").rename(city / "station.yaml")

    told = problems(city)

    assert "station.yaml: no file of this name belongs to a city; did you mean stations.yaml?" in told
    assert "stations.yaml: this file is missing" in told


def test_every_problem_of_every_file_is_told_at_once(city: Path) -> None:
    for name, found, spoilt in (("stations.yaml", "latitude:", "lattitude:"), ("devices.yaml", "primary: true", "primry: true")):
        text = (city / name).read_text(encoding="utf-8")
        (city / name).write_text(text.replace(found, spoilt, 1), encoding="utf-8")

    told = problems(city)

    assert "did you mean 'latitude'?" in told
    assert "did you mean 'primary'?" in told
    assert "stations.yaml:" in told
    assert "devices.yaml:" in told


def test_a_file_that_is_not_utf_8_is_said(city: Path) -> None:
    (city / "wards.yaml").write_bytes("tên: Huế".encode("utf-16"))

    assert "wards.yaml: this is not UTF-8 text" in problems(city)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert "there is no such folder; name a city's folder" in problems(tmp_path / "nowhere")
