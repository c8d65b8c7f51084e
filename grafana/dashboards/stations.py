"""The registry -> what stations give to panels: their names, the bands of their legal levels, and the gaps that are gaps at them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar
from zoneinfo import ZoneInfo

from grafana_foundation_sdk.builders import stat, statetimeline, statushistory, timeseries
from grafana_foundation_sdk.models.dashboard import ThresholdsConfig, ThresholdsMode

from devices.instants import MILLISECOND, Instant, to_datetime
from devices.registry import Registry, Sensor
from devices.stations import Station, Thresholds
from grafana.dashboards.looks import LEVEL_COLOURS, level_steps, steps
from grafana.dashboards.panels import Properties, properties, with_bands
from grafana.dashboards.words import Tongue, level_name

P = TypeVar("P", stat.Panel, timeseries.Panel, statetimeline.Panel, statushistory.Panel)
WATERS = ("water_level", "water_depth")
MISSED = 3
"""Intervals after which a line is not joined."""


def with_names(panel: P, registry: Registry, t: Tongue) -> P:
    """Call series that are named by the id of a station by its name."""
    for station in registry.stations.values():
        panel = panel.override_by_name(station.id, properties({"displayName": t(station.name["vi"], station.name["en"])}))
    return panel


def with_levels(panel: timeseries.Panel, registry: Registry) -> timeseries.Panel:
    """Give each series `<station> · <device>` the bands of the levels in force at its station, and the gaps of its sensor."""
    panel = with_bands(panel).thresholds(steps(("transparent",), ()))
    for station, sensor in _waters(registry):
        current = in_force(station, sensor.quantity)
        bands = ThresholdsConfig(mode=ThresholdsMode.ABSOLUTE, steps=level_steps(current))
        changes: Properties = {"thresholds": bands, "custom.insertNulls": MISSED * sensor.interval // MILLISECOND}
        panel = panel.override_by_regexp(f"/^{station.id} · {sensor.device}$/", properties(changes))
    return panel


def with_legal_lines(panel: timeseries.Panel, registry: Registry, t: Tongue) -> timeseries.Panel:
    """Give the lines of legal levels their colours; they are dashed, and no gap breaks them."""
    codes = {level.code: level.number for station in registry.stations.values() for each in station.thresholds for level in each.levels}
    for code, number in codes.items():
        colour = LEVEL_COLOURS[4 if code == "historic" else min(number, 4)]
        look: Properties = {
            "color": {"mode": "fixed", "fixedColor": colour},
            "custom.lineStyle": {"fill": "dash", "dash": [8, 6]},
            "custom.lineWidth": 1,
            "custom.showPoints": "never",
            "custom.insertNulls": False,
        }
        panel = panel.override_by_name(level_name(code, t), properties(look))
    return panel


def in_force(station: Station, quantity: str) -> Thresholds | None:
    """Give the levels without an end; a set that ends shows as a line, for its time."""
    return next((each for each in station.thresholds if each.quantity == quantity and each.valid_to is None), None)


def legal_table(registry: Registry, t: Tongue) -> str:
    """Give all legal levels with validity and source, in Markdown."""
    head = t("| Trạm | Mức | Hiệu lực | Nguồn |", "| Station | Levels | Validity | Source |")
    return "\n".join([head, "|---|---|---|---|", *_legal_rows(registry, t)])


def _legal_rows(registry: Registry, t: Tongue) -> Iterator[str]:
    zone = ZoneInfo(registry.time_zone)
    watched = {station.id for station, _ in _waters(registry)}
    for station in registry.stations.values():
        name = t(station.name["vi"], station.name["en"])
        for each in station.thresholds:
            levels = "; ".join(f"{level_name(level.code, t)}: {_metres(level.value, t)}" for level in each.levels)
            until = t("đến nay", "until now") if each.valid_to is None else t("đến ", "until ") + _day(each.valid_to, zone)
            yield f"| {name} | {levels} | {t('từ', 'from')} {_day(each.valid_from, zone)} {until} | {each.source} |"
        if station.id in watched and not station.thresholds:
            yield f"| {name} | {t('chưa công bố', 'not published')} | | |"


def _waters(registry: Registry) -> Iterator[tuple[Station, Sensor]]:
    for sensor in registry.sensors():
        if sensor.quantity in WATERS:
            yield registry.stations[sensor.station], sensor


def _metres(value: float, t: Tongue) -> str:
    return t(f"{value:.2f}".replace(".", ","), f"{value:.2f}") + " m"


def _day(at: Instant, zone: ZoneInfo) -> str:
    return f"{to_datetime(at).astimezone(zone):%d/%m/%Y}"
