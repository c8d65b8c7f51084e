"""The registry -> the overview of the city: what stands, where, since when; for a wall as well as for a desk."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat

from devices.registry import Registry
from grafana.dashboards import statements as ask
from grafana.dashboards.frame import Sheet, choice, to_alarms, uid_of
from grafana.dashboards.looks import LATE, LEVEL_COLOURS, TROUBLE, WELL, called, handlings, levels, named, phases, steps, told
from grafana.dashboards.panels import LATELY, NOW, Place, Query, chart, map_of, placed, rows_of, tile, timeline
from grafana.dashboards.stations import with_levels, with_names
from grafana.dashboards.words import WATERS as QUANTITIES
from grafana.dashboards.words import Tongue

WATERS = '"primary" = 1 AND "quantity" =~ /^water_/'
SILENT_AFTER, LATE_AFTER = 60.0, 10.0
"""Seconds: of the heartbeat of ingest; it comes every second and is written every half minute."""


def city(registry: Registry, language: str, t: Tongue) -> Sheet:
    """Draw it."""
    rows = [
        _tiles(t),
        [_alarms(registry, language, t)],
        _map_and_table(registry, language, t),
        [_levels(registry, t)],
        [_waters(registry, t)],
    ]
    station = choice("station", t("Trạm", "Station"), ask.STATIONS_OF_WATER, several=True)
    about = t(
        "Mức cảnh báo tại mọi trạm, trạm mất tín hiệu và tình trạng hệ thống.",
        "Warning levels at all stations, silent stations, and how we are.",
    )
    return Sheet("city", t("Toàn thành phố", "City overview"), about, placed(rows), [station])


def _tiles(t: Tongue) -> list[Place]:
    delay = 'SELECT median("delay") FROM (SELECT last("delay") AS "delay" FROM "canhbao_standing" WHERE $timeFilter GROUP BY "device", "quantity")'
    how_late = tile(
        t("Độ trễ trung vị", "Median delay"),
        t("Từ lúc đo đến lúc nhận, trung vị của các cảm biến.", "From observation to receipt, the median of all sensors."),
        "s",
        [Query(delay)],
    )
    tiles = [*_of_sensors(t), how_late.time_from(LATELY), _heartbeat(t).time_from(NOW)]
    return [Place(each, 4, 4) for each in tiles]


def _of_sensors(t: Tongue) -> list[stat.Panel]:
    worst = tile(
        t("Mức cao nhất", "Highest level"),
        t("Mức cao nhất đang hiệu lực, theo bộ luật cảnh báo.", "The highest level that stands, as the rules say."),
        "none",
        [ask.pipeline_now("highest")],
        words=levels(t),
    )
    counts = (
        (
            "above",
            LEVEL_COLOURS[2],
            t("Trạm trên mức", "Stations above a level"),
            t("Số cảm biến chính đang trên một mức.", "Primary sensors above a level."),
        ),
        (
            "unheard",
            LATE,
            t("Trễ hoặc mất tín hiệu", "Late or silent"),
            t(
                "Cảm biến chính không báo đúng hạn. Im lặng không có nghĩa là an toàn.",
                "Primary sensors not on time. Silence is no all-clear.",
            ),
        ),
        (
            "alarms_open",
            LEVEL_COLOURS[2],
            t("Cảnh báo chưa kết thúc", "Open alarms"),
            t("Cảnh báo đang mở trong sổ.", "Alarms in the ledger that have not ended."),
        ),
    )
    numbers = [
        tile(title, about, "none", [ask.pipeline_now(field)], bands=steps((WELL, colour), (1.0,))) for field, colour, title, about in counts
    ]
    return [each.time_from(NOW) for each in (worst, *numbers)]


def _heartbeat(t: Tongue) -> stat.Panel:
    return tile(
        t("Nhịp của hệ thống", "Our heartbeat"),
        t(
            "Tuổi của dấu hiệu sống gần nhất của chương trình nhận số liệu.",
            "Age of the last sign of life of the program that takes readings.",
        ),
        "s",
        [ask.pipeline_now("heartbeat_age")],
        bands=steps((WELL, LATE, TROUBLE), (LATE_AFTER, SILENT_AFTER)),
        none=t("Không có", "None"),
    )


def _alarms(registry: Registry, language: str, t: Tongue) -> Place:
    filled = {"type": "color-background", "mode": "basic"}
    handle = [{"title": t("Xử lý cảnh báo này", "Handle this alarm"), "url": to_alarms(t, "${__value.raw}"), "targetBlank": True}]
    panel = rows_of(
        t("Cảnh báo đang hiệu lực", "Active warnings"),
        t(
            "Cảnh báo trong sổ chưa kết thúc, mức cao nhất ở trên. Cảnh báo vừa kết thúc còn ở đây tối đa ba phút. Bảng trống khi ô «Cảnh báo chưa"
            " kết thúc» ghi 0; nếu ô đó ghi «–» thì không có số liệu.",
            "Alarms in the ledger that have not ended, the highest first. One that has just ended stays for up to three minutes. The table is"
            " empty because there are none only where the tile of open alarms says 0; where it says “–”, there are no figures.",
        ),
        ask.alarms_now("level,shown,opened_at,phase,told,handling"),
        {
            "station": (t("Trạm", "Station"), {"mappings": named((each.id, each.name[language]) for each in registry.stations.values())}),
            "quantity": (t("Đại lượng", "Quantity"), {"mappings": named((name, t(*words)) for name, words in QUANTITIES.items())}),
            "level": (t("Mức", "Level"), {"mappings": levels(t), "custom.cellOptions": filled}),
            "shown": (t("Giá trị mới nhất", "Newest value"), {"unit": "none", "decimals": 2}),
            "opened_at": (t("Từ lúc", "Since"), {"unit": "dateTimeAsIso"}),
            "phase": (t("Số liệu", "Data"), {"mappings": phases(t), "custom.cellOptions": {"type": "color-text"}}),
            "told": (t("Người dân được báo", "Residents were told"), {"mappings": told(t), "custom.cellOptions": {"type": "color-text"}}),
            "handling": (t("Xử lý", "Handling"), {"mappings": handlings(t), "custom.cellOptions": {"type": "color-text"}}),
            "alarm": (t("Mở", "Open"), {"mappings": called(t("Xử lý", "Handle")), "links": handle}),
        },
        highest="level",
    )
    return Place(panel.time_from(NOW), 24, 7)


def _map_and_table(registry: Registry, language: str, t: Tongue) -> list[Place]:
    names = named((station.id, station.name[language]) for station in registry.stations.values())
    ground = map_of(
        t("Bản đồ trạm", "Map of stations"),
        t(
            "Màu là mức cảnh báo; dấu nhân: trễ hoặc mất tín hiệu, mức cũ vẫn giữ. Vị trí gần đúng, không dùng để chọn phường.",
            "The colour is the level; a cross: late or silent, the level stays. Positions are approximate and never choose wards.",
        ),
        ask.standing_now("level,shown,phase,latitude,longitude", WATERS, '"station"', table=True),
        Query(
            'SELECT "phase", "latitude", "longitude" FROM (SELECT last("phase") AS "phase", last("latitude") AS "latitude", last("longitude") AS "longitude"'
            f' FROM "canhbao_standing" WHERE $timeFilter AND {WATERS} GROUP BY "station") WHERE "phase" > 0 GROUP BY "station"',
            table=True,
            ref="B",
        ),
        {"level": levels(t), "phase": phases(t), "station": names},
        steps(LEVEL_COLOURS, (1.0, 2.0, 3.0, 4.0)),
        t("Phường, xã", "Wards"),
    )
    to_station = f"/d/{uid_of('station', language)}?var-station=${{__value.raw}}&${{__url_time_range}}"
    handle = [{"title": t("Xử lý cảnh báo", "Handle alarms"), "url": to_alarms(t), "targetBlank": True}]
    look_up = [{"title": t("Mở trạm", "Open the station"), "url": to_station}]
    stations = rows_of(
        t("Các trạm", "Stations"),
        t(
            "Số mới nhất của cảm biến chính. Bấm vào trạm để xem diễn biến.",
            "The newest of the primary sensors. A station opens its own page.",
        ),
        ask.standing_now("level,shown,trend,phase,silent_for", WATERS, '"station"', table=True),
        {
            "station": (t("Trạm", "Station"), {"mappings": names, "links": look_up}),
            "level": (
                t("Mức", "Level"),
                {"mappings": levels(t), "links": handle, "custom.cellOptions": {"type": "color-background", "mode": "basic"}},
            ),
            "shown": (t("Mực nước", "Water"), {"unit": "lengthm", "decimals": 2}),
            "trend": (t("Mỗi giờ", "An hour"), {"unit": "lengthm", "decimals": 2}),
            "phase": (t("Số liệu", "Data"), {"mappings": phases(t), "custom.cellOptions": {"type": "color-text"}}),
            "silent_for": (t("Nhận cách đây", "Received"), {"unit": "s", "decimals": 0}),
        },
    )
    return [Place(ground.time_from(LATELY), 11, 13), Place(stations.time_from(LATELY), 13, 13)]


def _levels(registry: Registry, t: Tongue) -> Place:
    panel = timeline(
        t("Mức cảnh báo theo thời gian", "Levels over time"),
        t("Mức do bộ luật quyết định, không phải do biểu đồ.", "Levels as the rules decided them, not this chart."),
        [ask.standing("level", f"{WATERS} AND {ask.OF_STATION}", '"station"', "$tag_station")],
        levels(t),
    )
    return Place(with_names(panel, registry, t), 24, 8)


def _waters(registry: Registry, t: Tongue) -> Place:
    panel = chart(
        t("Mực nước: ${station}", "Water: ${station}"),
        t(
            "Giá trị cao nhất trong mỗi khoảng; nền là các mức pháp lý đang hiệu lực. Mỗi trạm một trục riêng.",
            "The highest of each interval; the bands are the legal levels in force. Each station has an axis of its own.",
        ),
        "lengthm",
        [ask.water()],
    )
    return Place(with_levels(panel, registry).repeat("station").repeat_direction("h").max_per_row(3), 24, 8)
