"""
The registry -> the air: concentrations in the official colours of VN_AQI.

Rule 1: what is coloured is the concentration, by the breakpoints of Decision 1459/QĐ-TCMT. VN_AQI itself is not computed here, and the page says so.
Rule 2: what failed quality control, or was suspect, is left out of the means: the decision asks for checked data.
"""

from __future__ import annotations

from devices.registry import Registry
from grafana.dashboards import statements as ask
from grafana.dashboards.frame import Sheet, choice
from grafana.dashboards.looks import air as categories
from grafana.dashboards.looks import air_steps, qualities
from grafana.dashboards.panels import Place, Query, chart, note, placed, tile, timeline
from grafana.dashboards.stations import with_names
from grafana.dashboards.words import Tongue

AIR = "/^(pm2_5|pm10|o3|no2|so2|co)$/"
CHECKED = f'$timeFilter AND "quality" < 3 AND {ask.OF_STATION}'
MICROGRAMS = "conμgm3"
NEWEST = "3h"
"""Older than that is "no figure", not the present."""
HOURS = 3 * 3_600_000
"""Milliseconds: hourly data have a gap when two in a row are missing."""


def air(registry: Registry, _language: str, t: Tongue) -> Sheet:
    """Draw it."""
    rows = [_now(registry, t), [_hours(registry, t)], [_days(registry, t)], [_dust(registry, t)], _others(registry, t), _trust(t)]
    about = t(
        "Bụi và khí theo màu chính thức của VN_AQI; bản thân VN_AQI chưa được tính ở đây.",
        "Dust and gases in the official colours of VN_AQI; VN_AQI itself is not computed here.",
    )
    chosen = choice("station", t("Trạm", "Station"), ask.STATIONS_OF_AIR, several=True)
    return Sheet("air", t("Không khí", "Air"), about, placed(rows), [chosen], since="now-3d")


def _mean(quantity: str, every: str, zone: str = "") -> Query:
    group = f'GROUP BY time({every}), "station" fill(none)'
    return Query(f'SELECT mean("value") FROM "{quantity}" WHERE {CHECKED} {group}{zone}', "$tag_station")


def _now(registry: Registry, t: Tongue) -> list[Place]:
    about = t(
        "Trung bình giờ mới nhất có số liệu đạt kiểm tra, theo ngưỡng của Quyết định 1459/QĐ-TCMT. Đây không phải VN_AQI giờ.",
        "The newest hourly mean of checked data, by the breakpoints of Decision 1459/QĐ-TCMT. This is not the hourly VN_AQI.",
    )
    dust = tile(
        t("PM2.5, giờ mới nhất", "PM2.5, newest hour"), about, MICROGRAMS, [_mean("pm2_5", "1h")], bands=air_steps("pm2_5"), decimals=1
    )
    coarse = tile(
        t("PM10, giờ mới nhất", "PM10, newest hour"), about, MICROGRAMS, [_mean("pm10", "1h")], bands=air_steps("pm10"), decimals=1
    )
    return [Place(with_names(each, registry, t).time_from(NEWEST), 12, 5) for each in (dust, coarse)]


def _hours(registry: Registry, t: Tongue) -> Place:
    panel = timeline(
        t("Bậc PM2.5 theo giờ", "PM2.5 by the hour"),
        t("Trung bình giờ, xếp bậc theo ngưỡng PM2.5 của VN_AQI.", "Hourly means, classed by the breakpoints of VN_AQI for PM2.5."),
        [_mean("pm2_5", "1h")],
        categories("pm2_5", t),
        unit=MICROGRAMS,
    ).insert_nulls(HOURS)
    return Place(with_names(panel, registry, t), 24, 5)


def _days(registry: Registry, t: Tongue) -> Place:
    panel = timeline(
        t("Bậc PM2.5 theo ngày (trung bình 24 giờ)", "PM2.5 by the day (mean of 24 hours)"),
        t(
            "Trung bình từ 0 đến 24 giờ, giờ địa phương; VN_AQI ngày của bụi dùng trung bình 24 giờ. Ngày thiếu giờ vẫn được vẽ.",
            "Mean from 0 to 24 o'clock, local time; the daily VN_AQI of dust takes a mean of 24 hours. Days that lack hours are drawn, too.",
        ),
        [_mean("pm2_5", "1d", f" tz('{registry.time_zone}')")],
        categories("pm2_5", t),
        unit=MICROGRAMS,
    ).insert_nulls(2 * 86_400_000)
    return Place(with_names(panel, registry, t), 24, 5)


def _dust(registry: Registry, t: Tongue) -> Place:
    about = t(
        "Trung bình giờ của số liệu đạt kiểm tra; nền là các bậc của VN_AQI.",
        "Hourly means of checked data; the bands are those of VN_AQI.",
    )
    panel = chart(t("PM2.5", "PM2.5"), about, MICROGRAMS, [_mean("pm2_5", "1h")], gap=HOURS, bands=air_steps("pm2_5"))
    return Place(with_names(panel, registry, t), 24, 9)


def _others(registry: Registry, t: Tongue) -> list[Place]:
    about = t("Trung bình giờ của số liệu đạt kiểm tra.", "Hourly means of checked data.")
    gases = [
        chart(title, about, MICROGRAMS, [_mean(quantity, "1h")], gap=HOURS, bands=air_steps(quantity))
        for title, quantity in (("PM10", "pm10"), ("O₃", "o3"), ("NO₂", "no2"))
    ]
    return [Place(with_names(each, registry, t), 8, 8) for each in gases]


def _trust(t: Tongue) -> list[Place]:
    flags = timeline(
        t("Chất lượng số liệu", "Quality of the data"),
        t("Cờ kiểm tra xấu nhất trong mỗi khoảng.", "The worst flag of each interval."),
        [ask.quality(AIR)],
        qualities(t),
    ).insert_nulls(HOURS)
    return [Place(flags, 14, 8), Place(note(t("Cách đọc", "How to read this"), _method(t)), 10, 8)]


def _method(t: Tongue) -> str:
    return t(
        "Màu và ngưỡng: Quyết định 1459/QĐ-TCMT ngày 12/11/2019, bảng 1 và 2. PM2.5 (µg/m³): tốt đến 25, trung bình đến 50, kém đến 80, "
        "xấu đến 150, rất xấu đến 250, nguy hại trên 250.\n\nỞ đây tô màu **nồng độ**. **VN_AQI chưa được tính**: VN_AQI giờ của bụi dùng "
        "NowCast của 12 giờ, VN_AQI ngày dùng trung bình 24 giờ, và lấy giá trị lớn nhất giữa các chất.",
        "Colours and breakpoints: Decision 1459/QĐ-TCMT of 12 November 2019, tables 1 and 2. PM2.5 (µg/m³): good up to 25, moderate up to 50, "
        "poor up to 80, bad up to 150, very bad up to 250, hazardous above.\n\nWhat is coloured here is the **concentration**. **VN_AQI is not "
        "computed**: its hour takes a NowCast of 12 hours for dust, its day a mean of 24 hours, and the largest of all pollutants.",
    )
