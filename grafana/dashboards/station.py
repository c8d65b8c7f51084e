"""The registry -> the page of one station: its water with the legal levels, what the rules said, and how far its data can be trusted."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from devices.registry import Registry
from grafana.dashboards import statements as ask
from grafana.dashboards.frame import Sheet, choice
from grafana.dashboards.looks import LATE, RAIN, TROUBLE, WELL, levels, phases, qualities, steps
from grafana.dashboards.panels import LATELY, Place, Properties, chart, note, placed, properties, tile, timeline
from grafana.dashboards.stations import legal_table, with_legal_lines, with_levels
from grafana.dashboards.words import Tongue
from grafana.shipped import TAG

OURS = f'{ask.OF_STATION} AND "quantity" =~ /^water_/'
PRIMARY = f'{OURS} AND "primary" = 1'


def station(registry: Registry, _language: str, t: Tongue) -> Sheet:
    """Draw it."""
    table = note(t("Mức pháp lý: giá trị, hiệu lực, nguồn", "Legal levels: values, validity, sources"), legal_table(registry, t))
    rows = [_tiles(t), [Place(_water(registry, t), 24, 12)], *_states(t), [Place(table, 24, 10)]]
    about = t("Diễn biến tại một trạm: mực nước, mức cảnh báo, chất lượng số liệu.", "One station: water, levels, quality of data.")
    chosen = choice("station", t("Trạm", "Station"), ask.STATIONS_OF_WATER, several=False)
    return Sheet("station", t("Trạm đo", "Station"), about, placed(rows), [chosen], (TAG, "${station}"), "now-3d")


def _tiles(t: Tongue) -> list[Place]:
    def newest(title: str, about: str, unit: str, field: str, **look: object) -> Place:
        query = ask.standing_now(field, PRIMARY, '"device"', table=False, alias="$tag_device")
        return Place(tile(title, about, unit, [query], **look).time_from(LATELY), 4, 4)  # type: ignore[arg-type]

    at = t("của cảm biến chính.", "of the primary sensor.")
    return [
        newest(t("Mực nước", "Water"), t(f"Số mới nhất {at}", f"The newest {at}"), "lengthm", "shown", decimals=2),
        newest(t("Mức", "Level"), t("Theo bộ luật cảnh báo.", "As the rules say."), "none", "level", words=levels(t)),
        newest(t("Đỉnh từ khi vượt mức", "Peak since it rose"), t(f"Cao nhất {at}", f"The highest {at}"), "lengthm", "peak", decimals=2),
        newest(
            t("Thay đổi mỗi giờ", "Change an hour"),
            t("Trong khoảng một giờ qua.", "Over about the last hour."),
            "lengthm",
            "trend",
            decimals=2,
        ),
        newest(t("Số liệu", "Data"), t("Đúng hạn, trễ hay mất tín hiệu.", "On time, late or silent."), "none", "phase", words=phases(t)),
        newest(
            t("Nhận cách đây", "Received ago"),
            t(f"Tuổi của số mới nhất {at}", f"Age of the newest {at}"),
            "s",
            "silent_for",
            bands=steps((WELL, LATE, TROUBLE), (1_800.0, 7_200.0)),
        ),
    ]


def _water(registry: Registry, t: Tongue) -> timeseries.Panel:
    wet = t("Mưa", "Rain")
    panel = chart(
        t("Mực nước: ${station}", "Water: ${station}"),
        t(
            "Giá trị cao nhất trong mỗi khoảng. Nền: mức đang hiệu lực; nét đứt: mức theo thời gian hiệu lực. Vùng màu: cảnh báo đã gửi.",
            "The highest of each interval. Bands: levels in force; dashes: levels in their time of validity. Regions: warnings that were sent.",
        ),
        "lengthm",
        [ask.water(), *ask.legal_levels(registry, t), ask.rain(wet, "R")],
    ).decimals(2)
    bars: Properties = {
        "unit": "lengthmm",
        "color": {"mode": "fixed", "fixedColor": RAIN},
        "custom.drawStyle": "bars",
        "custom.fillOpacity": 60,
        "custom.axisPlacement": "right",
        "custom.thresholdsStyle": {"mode": "off"},
    }
    return with_legal_lines(with_levels(panel, registry), registry, t).override_by_regexp(f"/^{wet} · /", properties(bars))


def _states(t: Tongue) -> list[list[Place]]:
    device = '"device"', "$tag_device"
    level = timeline(
        t("Mức theo thời gian", "Level over time"),
        t("Theo bộ luật, của cảm biến chính.", "As the rules say, of the primary sensor."),
        [ask.standing("level", PRIMARY, *device)],
        levels(t),
    )
    phase = timeline(
        t("Tình trạng số liệu", "State of the data"),
        t("Đúng hạn, trễ hay mất tín hiệu; theo giờ nhận.", "On time, late or silent; by the time of receipt."),
        [ask.standing("phase", OURS, *device)],
        phases(t),
    )
    flag = timeline(
        t("Chất lượng số liệu", "Quality of the data"),
        t(
            "Cờ kiểm tra xấu nhất trong mỗi khoảng. Số nghi ngờ vẫn được vẽ và vẫn được xét.",
            "The worst flag of each interval. A suspect reading is still drawn and still judged.",
        ),
        [ask.quality(ask.WATER)],
        qualities(t),
    )
    return [[Place(level, 24, 4)], [Place(flag, 12, 5), Place(phase, 12, 5)]]
