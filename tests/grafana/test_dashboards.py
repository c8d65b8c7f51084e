"""The committed dashboards are what the code draws for Hue, whole, in two languages, and within the bounds that Grafana and our archive set."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from asking import panels_of

from devices.instants import DAY, SECOND, parse_span
from devices.quantities import QUANTITIES
from devices.registry import Registry
from devices.stations import LegalLevel
from grafana.annotations import TAG as TAG_OF_ANNOTATIONS
from grafana.dashboards.drawing import files_of
from grafana.dashboards.looks import AIR_BREAKPOINTS, AIR_COLOURS
from grafana.shipped import ADDRESS, DATASOURCE, DRAWN, PROVISIONING, ROOM, TAG, dashboards, folders
from ingest.archive.own_figures import OF_READINGS, PREFIX

SHIPPED = dashboards()
ALL = pytest.mark.parametrize("drawn", [each.json for each in SHIPPED], ids=[each.uid for each in SHIPPED])


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


# ---- what is committed


def test_what_is_committed_is_what_is_drawn(hue: Path) -> None:
    drawn = dict(files_of(hue))
    files = [path for path in (*DRAWN.rglob("*.*"), PROVISIONING / "dashboards" / "canhbao.yaml") if path.is_file()]
    committed = {path.relative_to(ROOM).as_posix(): path.read_text(encoding="utf-8") for path in files}

    assert drawn.keys() == committed.keys()
    different = [name for name in drawn if drawn[name] != committed[name]]
    assert not different, f"{', '.join(different)}: run `python -m grafana.dashboards` and look at the difference"


def test_what_is_shipped_is_read_without_the_library_that_draws() -> None:
    command = "import sys; sys.modules['grafana_foundation_sdk'] = None; import grafana.shipped as s; print(len(s.dashboards()), s.playlist()['name'])"
    told = subprocess.run([sys.executable, "-c", command], check=True, capture_output=True, text=True, cwd=DRAWN.parents[2])

    assert told.stdout.startswith("10 ")


def test_nothing_that_runs_needs_the_library_that_draws(root: Path) -> None:
    running = [
        path for room in ("grafana", "service", "web", "alerts", "rules", "ingest", "devices") for path in (root / room).rglob("*.py")
    ]
    drawing = root / "grafana" / "dashboards"

    assert not [
        path
        for path in running
        if drawing not in path.parents
        and re.search(r"import grafana_foundation|from grafana(_foundation_sdk|\.dashboards)", path.read_text())
    ]


@ALL
def test_the_library_that_draws_reads_back_what_it_drew(drawn: dict[str, Any]) -> None:
    from grafana_foundation_sdk.builders import geomap, stat, statetimeline, statushistory, table, text, timeseries  # noqa: F401 - register
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    import grafana.dashboards  # noqa: F401 - keeps its warning away

    again = json.loads(json.dumps(Dashboard.from_json(json.loads(json.dumps(drawn))), cls=JSONEncoder))

    assert again["templating"] == drawn["templating"]
    assert [each["targets"] for each in again["panels"] if "targets" in each] == [
        each["targets"] for each in drawn["panels"] if "targets" in each
    ]
    assert [each["title"] for each in again["panels"]] == [each["title"] for each in drawn["panels"]]


def test_there_are_five_in_each_language_and_no_identifier_twice() -> None:
    uids = [each.uid for each in SHIPPED]

    assert sorted(uids) == sorted(
        f"canhbao-{name}-{folder.language}" for name in ("city", "station", "air", "devices", "pipeline") for folder in folders()
    )
    assert [each.folder for each in SHIPPED] == [folders()[0]] * 5 + [folders()[1]] * 5
    assert all(len({panel["title"] for panel in each.json["panels"]}) == len(each.json["panels"]) for each in SHIPPED)
    assert all("id" not in each.json and "version" not in each.json for each in SHIPPED)
    assert len({each.title for each in SHIPPED}) == 10


# ---- each of them


@ALL
def test_panels_have_a_number_a_place_a_title_and_what_they_need(drawn: dict[str, Any]) -> None:
    panels = list(panels_of(drawn))
    numbers = [panel["id"] for panel in panels]

    assert len(set(numbers)) == len(numbers)
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "text":
            assert panel["datasource"]["uid"] == DATASOURCE
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            refs = [target["refId"] for target in panel["targets"]]
            assert len(set(refs)) == len(refs)
            assert all(target["datasource"]["uid"] == DATASOURCE and target["rawQuery"] for target in panel["targets"])


@ALL
def test_no_panel_covers_another(drawn: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in drawn["panels"]]

    assert not [
        (a, b)
        for a, b in combinations(places, 2)
        if a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]
    ]


@ALL
def test_nothing_comes_from_another_host(drawn: dict[str, Any]) -> None:
    addresses = {address for text in texts(drawn) for address in re.findall(r"\w+://[^\s)\"|]*", text)}
    grounds = [panel["options"]["basemap"] for panel in drawn["panels"] if panel["type"] == "geomap"]

    assert addresses <= {ADDRESS}
    assert all(ground["type"] == "geojson" and ground["config"]["src"].startswith("public/") for ground in grounds)


@ALL
def test_it_asks_for_nothing_that_is_not_written(drawn: dict[str, Any]) -> None:
    ours = {f"{PREFIX}{name}" for name in ("pipeline", "reader", "quarantine", "standing", "delivery", "alarm")}
    for target in (target for panel in panels_of(drawn) for target in panel.get("targets", ())):
        sources = re.findall(r'FROM "(\w+)"', target["query"]) + re.findall(r"FROM (/\S+/)", target["query"])
        assert sources, target["query"]
        for source in sources:
            pattern = source.strip("/")
            found = {name for name in {*QUANTITIES, *ours} if (re.search(pattern, name) if source.startswith("/") else name == source)}
            assert found, f"nobody writes {source}"
            assert not (found & ours and found - ours), f"{source} mixes readings and figures"
        assert re.search(r"\$timeFilter", target["query"]), "a query without a range asks for all of the past"


@ALL
def test_it_refreshes_at_a_pace_that_a_server_bears(drawn: dict[str, Any]) -> None:
    assert 10 * SECOND <= parse_span(drawn["refresh"].replace("s", " s")) <= DAY
    assert drawn["timezone"] == "Asia/Ho_Chi_Minh"


@ALL
def test_warnings_are_annotations_with_our_tag(drawn: dict[str, Any]) -> None:
    (warnings,) = drawn["annotations"]["list"]
    of_station = ["${station}"] if "-station-" in drawn["uid"] else []

    assert TAG == TAG_OF_ANNOTATIONS
    assert warnings["datasource"]["uid"] == "-- Grafana --"
    assert warnings["target"] == {"type": "tags", "tags": [TAG, *of_station], "matchAny": False, "limit": 200, "refId": "Anno"}


def test_the_languages_have_the_same_panels_and_no_title_is_left_in_vietnamese() -> None:
    same = {"PM2.5", "PM10", "O₃", "NO₂"}
    for vi, en in zip(SHIPPED[:5], SHIPPED[5:], strict=True):
        pairs = list(zip(panels_of(vi.json), panels_of(en.json), strict=True))
        assert [(a["id"], a["type"], a["gridPos"]) for a, _ in pairs] == [(b["id"], b["type"], b["gridPos"]) for _, b in pairs]
        assert {a["title"] for a, b in pairs if a["title"] == b["title"]} <= same
        assert not [b["title"] for _, b in pairs if re.search(r"[ăâđêôơưạảấầậắằặếềệốồộớờợứừựị]", b["title"] + b["description"])]


@ALL
def test_what_is_shown_as_the_present_is_not_old(drawn: dict[str, Any]) -> None:
    present = [panel for panel in panels_of(drawn) if panel["type"] in {"stat", "table", "geomap"}]

    assert all(panel.get("timeFrom") in {"3m", "15m", "3h"} for panel in present), "figures of yesterday would pass for today's"
    assert not [panel["title"] for panel in present if panel["fieldConfig"]["defaults"].get("noValue") == "0"], "silence is not zero"


# ---- colours and levels come from where they are said


def bands(panel: dict[str, Any]) -> dict[str, list[tuple[float | None, str]]]:
    """Give the bands of each series by the pattern that names it."""
    return {
        override["matcher"]["options"]: [(step["value"], step["color"]) for step in each["value"]["steps"]]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "thresholds"
    }


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("name", ["city", "station"])
def test_the_bands_are_the_legal_levels_in_force(registry: Registry, name: str, language: str) -> None:
    drawn = next(each.json for each in SHIPPED if each.uid == f"canhbao-{name}-{language}")
    (panel,) = (each for each in drawn["panels"] if each["type"] == "timeseries")
    waters = [sensor for sensor in registry.sensors() if sensor.quantity in {"water_level", "water_depth"}]

    assert bands(panel).keys() == {f"/^{sensor.station} · {sensor.device}$/" for sensor in waters}
    for sensor in waters:
        now = registry.stations[sensor.station].thresholds_at(sensor.quantity, 2**53)
        levels: tuple[LegalLevel, ...] = now.levels if now else ()
        assert [value for value, _ in bands(panel)[f"/^{sensor.station} · {sensor.device}$/"]] == [None, *(level.value for level in levels)]


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_legal_level_stands_in_the_table_with_validity_and_source(registry: Registry, language: str) -> None:
    drawn = next(each.json for each in SHIPPED if each.uid == f"canhbao-station-{language}")
    (table,) = (each["options"]["content"] for each in drawn["panels"] if each["type"] == "text")
    rows = [row for row in table.splitlines()[2:] if "m |" in row or "; " in row]

    sets = [each for station in registry.stations.values() for each in station.thresholds]
    assert len(rows) == len(sets)
    assert all(any(each.source in row for row in rows) for each in sets)
    assert "5,31 m" in table if language == "vi" else "5.31 m" in table
    assert "04/11/2025" in table


def test_the_colours_of_the_air_are_those_of_the_decision() -> None:
    rgb = ((0, 228, 0), (255, 255, 0), (255, 126, 0), (255, 0, 0), (143, 63, 151), (126, 0, 35))
    drawn = next(each.json for each in SHIPPED if each.uid == "canhbao-air-vi")
    (chart,) = (each for each in drawn["panels"] if each["title"] == "PM2.5")
    (days,) = (each for each in drawn["panels"] if each["title"].startswith("Bậc PM2.5 theo ngày"))
    steps = chart["fieldConfig"]["defaults"]["thresholds"]["steps"]
    ranges = days["fieldConfig"]["defaults"]["mappings"]

    assert [tuple(bytes.fromhex(colour[1:])) for colour in AIR_COLOURS] == list(rgb)
    assert [step["value"] for step in steps] == [None, 25, 50, 80, 150, 250]
    assert tuple(step["color"] for step in steps) == tuple(each["options"]["result"]["color"] for each in ranges) == AIR_COLOURS
    assert [each["options"]["result"]["text"] for each in ranges] == ["Tốt", "Trung bình", "Kém", "Xấu", "Rất xấu", "Nguy hại"]
    assert all(list(edges) == sorted(edges) and len(edges) == 5 for edges in AIR_BREAKPOINTS.values())


def test_the_map_lies_where_the_city_is(registry: Registry) -> None:
    shapes = json.loads((DRAWN / "wards.geojson").read_text(encoding="utf-8"))
    rings = {one["properties"]["code"]: [part[0] for part in one["geometry"]["coordinates"]] for one in shapes["features"]}
    points = [point for each in rings.values() for ring in each for point in ring]

    assert rings.keys() == registry.wards.keys()
    assert all(ring[0] == ring[-1] and len(ring) > 3 for each in rings.values() for ring in each)
    assert all(106.9 < longitude < 108.3 and 15.9 < latitude < 16.9 for longitude, latitude in points)
    dap_da = registry.stations["dap-da"]
    assert any(is_inside(dap_da.longitude, dap_da.latitude, ring) for code in dap_da.wards for ring in rings[code])


def is_inside(x: float, y: float, ring: list[list[float]]) -> bool:
    crossings = [(x2 - x1) * (y - y1) / (y2 - y1) + x1 for (x1, y1), (x2, y2) in pairwise(ring) if (y1 > y) != (y2 > y)]
    return sum(x < at for at in crossings) % 2 == 1


# ---- provisioning


def provisioned(name: str) -> dict[str, Any]:
    return yaml.safe_load((PROVISIONING / name / "canhbao.yaml").read_text(encoding="utf-8"))


def test_the_data_source_speaks_influxql_with_a_token_from_a_file() -> None:
    (source,) = provisioned("datasources")["datasources"]

    assert (source["uid"], source["type"], source["access"], source["editable"]) == (DATASOURCE, "influxdb", "proxy", False)
    assert source["jsonData"]["version"] == "InfluxQL"
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    assert source["secureJsonData"] == {"httpHeaderValue1": "Token $__file{/run/secrets/influx_read_token}"}


def test_grafana_raises_one_alert_that_our_heartbeat_is_missing() -> None:
    text = (PROVISIONING / "alerting" / "canhbao.yaml").read_text(encoding="utf-8")
    ((rule,),) = (group["rules"] for group in provisioned("alerting")["groups"])

    own = {group["folder"] for group in provisioned("alerting")["groups"]}
    assert not own & {folder.title for folder in folders()}, "Grafana makes it before those of the dashboards, under another identifier"
    assert (rule["noDataState"], rule["execErrState"]) == ("Alerting", "Alerting")
    assert rule["condition"] in {each["refId"] for each in rule["data"]}
    assert {each["datasourceUid"] for each in rule["data"]} == {DATASOURCE, "__expr__"}
    assert "$" not in text.split("apiVersion")[1], "Grafana would take it for a variable"


def test_a_figure_cannot_be_taken_for_a_reading() -> None:
    assert not any(name.startswith(PREFIX) for name in QUANTITIES)
    assert {"value", "quality", "received_at"} == OF_READINGS
