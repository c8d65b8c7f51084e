"""Every query of every committed dashboard is asked of a real InfluxDB that holds a flood, foul air and devices, and answers what the archive holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import yaml
from asking import Answer, Range, ask, in_browser, panels_of, statement_of
from flood import BEFORE_AT, FROM_AT, TO_AT, Month, month_of

from devices.city import registry_of
from devices.documents import read_yaml
from devices.instants import DAY, HOUR, MILLISECOND, MINUTE, from_datetime
from devices.readings import Reading
from devices.registry import Registry
from grafana.dashboards.words import level_name, tongue
from grafana.shipped import DATASOURCE, dashboards
from ingest.archive.forward import Batch, Cursor, Start
from ingest.archive.reader import StoreArchive
from ingest.archive.store import Store
from rules.changes import Phase
from service.own_figures import PHASES

pytestmark = [pytest.mark.influx, pytest.mark.shared]

WHOLE = Range(FROM_AT // MILLISECOND, TO_AT // MILLISECOND)
PEAK_AT = from_datetime(datetime.fromisoformat("2025-11-17T18:00:00+07:00"))
HOUR_AT_PEAK, DAY_AT_PEAK, THREE_DAYS = (Range(PEAK_AT // MILLISECOND - hours * 3_600_000, PEAK_AT // MILLISECOND) for hours in (1, 24, 72))
YEAR = Range(WHOLE.to_ms - 365 * 86_400_000, WHOLE.to_ms)
QUARTER = Range(WHOLE.from_ms // 86_400_000 * 86_400_000 - 76 * 86_400_000, WHOLE.from_ms // 86_400_000 * 86_400_000 + 14 * 86_400_000)
DRAWN = {each.uid: each.json for each in dashboards()}
VIETNAMESE = [uid for uid in DRAWN if uid.endswith("-vi")]


@dataclass(frozen=True)
class Loaded:
    """A bucket with a month in it."""

    url: str
    token: str
    bucket: str
    month: Month

    def ask(self, statement: str) -> list[Answer]:
        return ask(self.url, self.token, self.bucket, statement)

    def of(self, uid: str, title: str, looked: Range = WHOLE, **chosen: Any) -> list[list[Answer]]:
        """Give the answers of a panel, one list a query."""
        (panel,) = (each for each in panels_of(DRAWN[uid]) if each["title"] == title)
        return [self.ask(statement_of(target, panel, DRAWN[uid], chosen, looked)) for target in panel["targets"]]


@pytest.fixture(scope="module")
def registry(hue: Path) -> Registry:
    names = ("city.yaml", "wards.yaml", "stations.yaml", "devices.yaml")
    return registry_of({name: read_yaml(name, (hue / name).read_text(encoding="utf-8")) for name in names})


@pytest.fixture(scope="module")
def loaded(influxd: Any, shared: Path, registry: Registry) -> Loaded:
    month, bucket = month_of(shared, registry), influxd.new_bucket()
    lines = iter(month.lines)
    while part := list(islice(lines, 5_000)):
        influxd.write(bucket, "\n".join(part))
    return Loaded(influxd.url, influxd.token, bucket, month)


@pytest.fixture(scope="module")
def store(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> StoreArchive:
    """Give the other archive, with the same readings."""
    path = tmp_path_factory.mktemp("store") / "store.db"
    lines = loaded.month.lines[: len(loaded.month.readings)]
    with Store(path) as writer:
        writer.start(Start(Cursor("spool", 0)), now=0)
        writer.write("spool", [Batch(1, 0, "\n".join(lines).encode())])
    return StoreArchive(path)


CASES = [
    pytest.param(uid, panel["id"], id=f"{uid}-{panel['id']:02}") for uid in DRAWN for panel in panels_of(DRAWN[uid]) if panel.get("targets")
]


@pytest.mark.parametrize(("uid", "number"), CASES)
def test_a_panel_answers_without_error_and_shows_something(loaded: Loaded, uid: str, number: int) -> None:
    drawn = DRAWN[uid]
    (panel,) = (each for each in panels_of(drawn) if each["id"] == number)
    chosen = {"station": "kim-long"} if "-station-" in uid else {}

    answers = [loaded.ask(statement_of(target, panel, drawn, chosen, WHOLE)) for target in panel["targets"]]

    assert any(answers), [target["query"] for target in panel["targets"]]


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
        ("city", "station", {"kim-long", "phu-oc"}),
        ("station", "station", {"kim-long", "phu-oc"}),
        ("air", "station", {"air-thuan-hoa"}),
        ("devices", "device", {"wl-kim-long", "wl-kim-long-2", "wl-phu-oc", "aq-thuan-hoa"}),
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

    assert stations("$__all") == stations(["kim-long", "phu-oc"]) == {"kim-long", "phu-oc"}
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

    assert places == {name: (registry.stations[name].latitude, registry.stations[name].longitude) for name in ("kim-long", "phu-oc")}
    assert {each.tags["station"]: each.column("phase") for each in silent} == {"phu-oc": [PHASES[Phase.LOST]]}


def test_the_tiles_of_the_city_say_what_stood_at_the_end_of_the_range(loaded: Loaded) -> None:
    def tile(title: str) -> Any:
        ((answer,),) = loaded.of("canhbao-city-vi", title, Range(WHOLE.from_ms, PEAK_AT // MILLISECOND))
        return answer.rows[-1][-1]

    standing = [each for at, each in loaded.month.standings if at == PEAK_AT and each.primary]
    assert tile("Mức cao nhất") == max(each.level for each in standing) == 3
    assert tile("Trạm trên mức") == sum(each.level > 0 for each in standing)
    assert tile("Trễ hoặc mất tín hiệu") == sum(each.phase is not Phase.FRESH for each in standing)
    assert tile("Độ trễ trung vị") == 40


def test_a_suspect_sensor_is_seen_as_suspect(loaded: Loaded) -> None:
    ((*answers,),) = loaded.of("canhbao-station-vi", "Chất lượng số liệu", THREE_DAYS, station="kim-long")
    worst = {each.tags["device"]: max(each.column("max")) for each in answers}

    assert worst == {"wl-kim-long": 1, "wl-kim-long-2": 3}


def test_the_hours_of_the_air_are_means_of_checked_readings(loaded: Loaded) -> None:
    ((drawn,),) = loaded.of("canhbao-air-vi", "PM2.5", WHOLE)
    checked = {each.observed_at // MILLISECOND: each.value for each in _dust(loaded) if each.quality < 3}

    assert dict(drawn.rows) == pytest.approx(checked)
    assert len(checked) > 250


def test_the_days_of_the_air_are_days_of_the_city(loaded: Loaded) -> None:
    ((drawn,),) = loaded.of("canhbao-air-vi", "Bậc PM2.5 theo ngày (trung bình 24 giờ)", WHOLE)
    days: dict[int, list[float]] = {}
    for each in _dust(loaded):
        if each.quality < 3:
            days.setdefault((each.observed_at + 7 * HOUR) // DAY * DAY - 7 * HOUR, []).append(each.value)

    assert {at * MILLISECOND: value for at, value in drawn.rows} == pytest.approx(
        {day_at: fmean(values) for day_at, values in days.items()}
    )


def test_the_books_of_the_pipeline_are_those_that_were_written(loaded: Loaded) -> None:
    def newest(title: str) -> Any:
        ((answer,),) = loaded.of("canhbao-pipeline-vi", title)
        return answer.rows[-1][-1]

    assert newest("Lệch sổ") == 0
    assert newest("Đang chờ ghi") == 3
    assert newest("Nhịp của hệ thống") == 0.5
    flows = loaded.of("canhbao-pipeline-vi", "Số lần đo mỗi giây")
    assert len(flows) == 5
    assert sum(max(each.rows, key=lambda row: row[1])[1] > 0 for (each,) in flows) == 4, "all but the late ones flowed"


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


def _dust(loaded: Loaded) -> list[Reading]:
    return [each for each in loaded.month.readings if each.quantity == "pm2_5"]
