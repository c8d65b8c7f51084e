"""Every query of every committed dashboard is asked of a real InfluxDB that holds a flood, foul air and devices, and answers what the archive holds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from asking import Range, in_browser, panels_of, statement_of
from flood import BEFORE_AT, TO_AT
from loading import DRAWN, PEAK_AT, THREE_DAYS, WHOLE, Loaded

from devices.instants import HOUR, MILLISECOND, MINUTE, from_datetime
from devices.registry import Registry
from grafana.dashboards.words import level_name, tongue
from grafana.shipped import DATASOURCE
from ingest.archive.forward import Batch, Cursor, Start
from ingest.archive.reader import StoreArchive
from ingest.archive.store import Store
from rules.changes import Phase
from service.own_figures import PHASES

pytestmark = [pytest.mark.influx, pytest.mark.shared]

HOUR_AT_PEAK, DAY_AT_PEAK = (Range(PEAK_AT // MILLISECOND - hours * 3_600_000, PEAK_AT // MILLISECOND) for hours in (1, 24))
YEAR = Range(WHOLE.to_ms - 365 * 86_400_000, WHOLE.to_ms)
QUARTER = Range(WHOLE.from_ms // 86_400_000 * 86_400_000 - 76 * 86_400_000, WHOLE.from_ms // 86_400_000 * 86_400_000 + 14 * 86_400_000)
WATERS = {"kim-long", "phu-oc", "thuong-nhat", "dap-da", "ba-trieu", "nguyen-hoang"}
"""The stations whose water is in the archive."""
DEPTHS = {"wd-dap-da", "wd-ba-trieu", "wd-nguyen-hoang"}
VIETNAMESE = [uid for uid in DRAWN if uid.endswith("-vi")]


@pytest.fixture(scope="module")
def store(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> StoreArchive:
    """Give the other archive, with the same readings."""
    path = tmp_path_factory.mktemp("store") / "store.db"
    lines = loaded.month.lines[: len(loaded.month.readings)]
    with Store(path) as writer:
        writer.start(Start(Cursor("spool", 0)), now=0)
        writer.write("spool", [Batch(1, 0, "\n".join(lines).encode())])
    return StoreArchive(path)


@pytest.mark.parametrize("looked", [HOUR_AT_PEAK, DAY_AT_PEAK, YEAR], ids=["an-hour", "a-day", "a-year"])
@pytest.mark.parametrize("uid", DRAWN)
def test_every_query_is_taken_for_any_range_and_any_choice(loaded: Loaded, uid: str, looked: Range) -> None:
    several = {"station": ["kim-long", "phu-oc", "air-thuan-hoa"], "device": ["wl-kim-long", "wl-phu-oc"]}
    for chosen in ({"station": "phu-oc", "device": "wl-phu-oc"}, several):
        for panel in panels_of(DRAWN[uid]):
            for target in panel.get("targets", ()):
                loaded.ask(statement_of(target, panel, DRAWN[uid], chosen, looked))


@pytest.mark.parametrize(
    ("name", "variable", "found"),
    [
        ("city", "station", WATERS),
        ("station", "station", WATERS),
        ("air", "station", {"air-thuan-hoa", "air-phu-bai"}),
        (
            "devices",
            "device",
            {"wl-kim-long", "wl-kim-long-2", "wl-phu-oc", "wl-thuong-nhat", "wl-truoi", "wl-phong-binh", "aq-thuan-hoa", "aq-phu-bai"}
            | DEPTHS,
        ),
    ],
)
def test_a_variable_offers_what_has_data(loaded: Loaded, name: str, variable: str, found: set[str]) -> None:
    for uid in (f"canhbao-{name}-vi", f"canhbao-{name}-en"):
        (asked,) = (each["query"]["query"] for each in DRAWN[uid]["templating"]["list"] if each["name"] == variable)

        answers = loaded.ask(in_browser(asked, DRAWN[uid], {}))

        assert {value for answer in answers for value in answer.column("value")} == found


def test_what_is_chosen_is_all_that_is_shown(loaded: Loaded) -> None:
    def stations(chosen: Any) -> set[str]:
        (answers,) = loaded.of("canhbao-city-vi", "Mực nước: ${station}", station=chosen)
        return {answer.tags["station"] for answer in answers}

    assert stations("$__all") == WATERS
    assert stations(["kim-long", "phu-oc"]) == {"kim-long", "phu-oc"}
    assert stations("kim-long") == {"kim-long"}
    assert stations("kim") == set()


# ---- values


@pytest.mark.parametrize(("station", "device"), [("kim-long", "wl-kim-long"), ("kim-long", "wl-kim-long-2"), ("phu-oc", "wl-phu-oc")])
def test_the_water_of_a_station_is_that_of_the_archive(loaded: Loaded, store: StoreArchive, station: str, device: str) -> None:
    answers, *_ = loaded.of("canhbao-station-vi", "Mực nước: ${station}", THREE_DAYS, station=station)
    (drawn,) = (each for each in answers if each.tags == {"station": station, "device": device})
    kept = store.series(station, "water_level", THREE_DAYS.from_ms * 1000, THREE_DAYS.to_ms * 1000 + 1, device)

    interval = THREE_DAYS.interval(1_000)
    assert [tuple(row) for row in drawn.rows] == [(each.observed_at // MILLISECOND // interval * interval, each.value) for each in kept]
    assert len(kept) > 60


def test_from_far_away_the_water_is_the_highest_of_each_interval(loaded: Loaded, store: StoreArchive) -> None:
    answers, *_ = loaded.of("canhbao-station-vi", "Mực nước: ${station}", QUARTER, station="kim-long")
    (drawn,) = (each for each in answers if each.tags["device"] == "wl-kim-long")
    width = QUARTER.interval(1_000) * MILLISECOND
    points = (QUARTER.to_ms - QUARTER.from_ms) * MILLISECOND // width
    kept = store.downsampled("kim-long", "water_level", QUARTER.from_ms * MILLISECOND, QUARTER.to_ms * MILLISECOND, points, "wl-kim-long")

    assert width > HOUR
    inside = [tuple(row) for row in drawn.rows if row[0] < QUARTER.to_ms]
    assert inside == [(each.start_at // MILLISECOND, each.high) for each in kept]
    assert max(drawn.column("max")) == max(
        each.value for each in loaded.month.readings if each.device == "wl-kim-long" and each.quantity == "water_level"
    )


def test_a_legal_level_is_drawn_for_its_time_of_validity_alone(loaded: Loaded) -> None:
    changed_ms = from_datetime(datetime.fromisoformat("2025-11-04T00:00:00+07:00")) // MILLISECOND
    answers = loaded.of(
        "canhbao-station-vi",
        "Mực nước: ${station}",
        Range(BEFORE_AT // MILLISECOND, BEFORE_AT // MILLISECOND + 4 * 86_400_000),
        station="phu-oc",
    )
    records = [
        row
        for each in answers[1:]
        for series in each
        if "Lũ lịch sử" in series.columns
        for row in zip(series.column("time"), series.column("Lũ lịch sử"), strict=True)
    ]

    assert {round(value, 6) for at, value in records if at < changed_ms - 1} == {5.24}
    assert {round(value, 6) for at, value in records if at >= changed_ms} == {5.31}


@pytest.mark.parametrize("station", ["kim-long", "phu-oc"])
def test_the_legal_lines_of_a_station_are_its_own(loaded: Loaded, registry: Registry, station: str) -> None:
    answers = loaded.of("canhbao-station-en", "Water: ${station}", THREE_DAYS, station=station)
    lines = {
        name: round(series.column(name)[0], 6)
        for each in answers[1:]
        for series in each
        for name in series.columns
        if name not in {"time", "sum"}
    }

    in_force = registry.stations[station].thresholds_at("water_level", THREE_DAYS.from_ms * 1000)
    assert in_force is not None
    assert lines == {level_name(level.code, tongue("en")): level.value for level in in_force.levels}


def test_the_map_shows_each_station_where_it_is_and_the_silent_one_as_silent(loaded: Loaded, registry: Registry) -> None:
    stations, silent = loaded.of("canhbao-city-vi", "Bản đồ trạm")
    places = {each.tags["station"]: (each.column("latitude")[0], each.column("longitude")[0]) for each in stations}

    assert places == {
        name: (registry.stations[name].latitude, registry.stations[name].longitude) for name in WATERS | {"truoi", "phong-binh"}
    }
    assert {each.tags["station"]: each.column("phase") for each in silent} == {
        "phu-oc": [PHASES[Phase.LOST]],
        "truoi": [PHASES[Phase.NEVER_SEEN]],
        "phong-binh": [PHASES[Phase.NEVER_SEEN]],
    }


def test_the_warnings_at_the_peak_are_the_levels_that_stood_and_each_names_its_alarm(loaded: Loaded) -> None:
    ((*shown,),) = loaded.of("canhbao-city-en", "Active warnings", Range(PEAK_AT // MILLISECOND - 180_000, PEAK_AT // MILLISECOND))
    stood = {each.station: each.level for at, each in loaded.month.standings if at == PEAK_AT and each.primary and each.level}

    assert {each.tags["station"]: each.column("level")[0] for each in shown} == stood
    assert max(stood.values()) == 3
    assert all(each.tags["alarm"].startswith(f"{each.tags['station']}-") for each in shown)


def test_a_suspect_sensor_is_seen_as_suspect(loaded: Loaded) -> None:
    ((*answers,),) = loaded.of("canhbao-station-vi", "Chất lượng số liệu", THREE_DAYS, station="kim-long")
    worst = {each.tags["device"]: max(each.column("max")) for each in answers}

    assert worst == {"wl-kim-long": 1, "wl-kim-long-2": 3}


def test_the_languages_ask_the_same(loaded: Loaded) -> None:
    for uid in VIETNAMESE:
        english = DRAWN[uid.removesuffix("vi") + "en"]
        for panel, other in zip(panels_of(DRAWN[uid]), panels_of(english), strict=True):
            for target, same in zip(panel.get("targets", ()), other.get("targets", ()), strict=True):
                chosen = {"station": "kim-long"}
                first = loaded.ask(statement_of(target, panel, DRAWN[uid], chosen, DAY_AT_PEAK))
                second = loaded.ask(statement_of(same, other, english, chosen, DAY_AT_PEAK))
                assert [each.rows for each in first] == [each.rows for each in second]


# ---- our heartbeat is missing


def test_the_one_alert_asks_for_our_heartbeat_as_it_is_written(loaded: Loaded, root: Path) -> None:
    rules = yaml.safe_load((root / "grafana/provisioning/alerting/canhbao.yaml").read_text(encoding="utf-8"))
    ((rule,),) = (group["rules"] for group in rules["groups"])
    asked = next(each["model"]["query"] for each in rule["data"] if each["datasourceUid"] == DATASOURCE)

    (answer,) = loaded.ask(asked.replace("now()", f"{(TO_AT - 29 * MINUTE) // MILLISECOND}ms"))

    assert loaded.ask(asked) == [], "now there are no figures: the alert fires on no data"
    assert answer.rows[-1][-1] == 0.5
