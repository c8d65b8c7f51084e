"""The registry -> the devices: which are heard, how old their news is, their batteries, their signal, their doubtful readings."""

from __future__ import annotations

from grafana_foundation_sdk.builders import statushistory, table

from devices.quantities import QUANTITIES
from devices.registry import Registry
from grafana.dashboards import statements as ask
from grafana.dashboards.frame import Sheet, choice
from grafana.dashboards.looks import LATE, TROUBLE, WELL, named, phases, steps
from grafana.dashboards.panels import LATELY, NOW, Place, Query, chart, history, placed, rows_of, tile
from grafana.dashboards.words import Tongue

ALL = f"/^({'|'.join(QUANTITIES)})$/"
"""Every measurement of readings, and none of ours."""
LOW_BATTERY, EMPTY_BATTERY = 30.0, 15.0
"""Percent; an operator has some days to go there, or some hours."""
SLOW = 6 * 3_600_000
COUNTED = '$timeFilter AND "device" =~ /^${device:regex}$/'


def devices(registry: Registry, language: str, t: Tongue) -> Sheet:
    """Draw it."""
    rows = [
        _tiles(t),
        [Place(_table(registry, language, t).time_from(LATELY), 24, 12)],
        [Place(_heard(t), 24, 10)],
        _power(t),
        _doubts(t),
    ]
    about = t("Thiết bị nào đang báo, pin, tín hiệu và số liệu nghi ngờ.", "Which devices report, batteries, signal, doubtful readings.")
    chosen = choice("device", t("Thiết bị", "Device"), ask.DEVICES, several=True)
    return Sheet("devices", t("Thiết bị", "Devices"), about, placed(rows), [chosen])


def _tiles(t: Tongue) -> list[Place]:
    about = t("Số cảm biến, mỗi đại lượng một cảm biến.", "Sensors; each quantity of a device is one.")
    kinds = (
        ("fresh", t("Đúng hạn", "On time"), WELL),
        ("stale", t("Trễ", "Late"), LATE),
        ("lost", t("Mất tín hiệu", "Silent"), TROUBLE),
        ("never_seen", t("Chưa từng báo", "Never heard"), LATE),
    )
    return [
        Place(tile(title, about, "none", [ask.pipeline_now(f"sensors_{phase}")], bands=steps((WELL, colour), (1.0,))).time_from(NOW), 6, 4)
        for phase, title, colour in kinds
    ]


def _table(registry: Registry, language: str, t: Tongue) -> table.Panel:
    names = named((station.id, station.name[language]) for station in registry.stations.values())
    return rows_of(
        t("Các cảm biến", "Sensors"),
        t("Theo giờ nhận; độ trễ là từ lúc đo đến lúc nhận.", "By the time of receipt; the delay is from observation to receipt."),
        ask.standing_now("phase,silent_for,delay,shown", ask.OF_DEVICE, '"device", "station", "quantity"', table=True),
        {
            "device": (t("Thiết bị", "Device"), {}),
            "station": (t("Trạm", "Station"), {"mappings": names}),
            "quantity": (t("Đại lượng", "Quantity"), {}),
            "phase": (
                t("Tình trạng", "State"),
                {"mappings": phases(t), "custom.cellOptions": {"type": "color-background", "mode": "basic"}},
            ),
            "silent_for": (t("Nhận cách đây", "Received ago"), {"unit": "s", "decimals": 0}),
            "delay": (t("Độ trễ", "Delay"), {"unit": "s", "decimals": 0}),
            "shown": (t("Giá trị mới nhất", "Newest value"), {"unit": "none", "decimals": 2}),
        },
    )


def _heard(t: Tongue) -> statushistory.Panel:
    return history(
        t("Thiết bị có báo không", "Are they heard"),
        t("Tình trạng xấu nhất của các cảm biến của thiết bị.", "The worst state among the sensors of a device."),
        [ask.standing("phase", ask.OF_DEVICE, '"device"', "$tag_device")],
        phases(t),
    )


def _lowest(quantity: str) -> Query:
    return Query(f'SELECT min("value") FROM "{quantity}" WHERE {COUNTED} {ask.EACH}, "device" fill(none)', "$tag_device")


def _power(t: Tongue) -> list[Place]:
    about = t("Giá trị thấp nhất trong mỗi khoảng.", "The lowest of each interval.")
    battery = chart(
        t("Pin", "Battery"),
        about,
        "percent",
        [_lowest("battery")],
        gap=SLOW,
        bands=steps((TROUBLE, LATE, "transparent"), (EMPTY_BATTERY, LOW_BATTERY)),
    )
    voltage = chart(t("Điện áp", "Voltage"), about, "volt", [_lowest("voltage")], gap=SLOW)
    signal = chart(t("Cường độ tín hiệu", "Signal"), about, "dBm", [_lowest("rssi")], gap=SLOW)
    return [Place(battery.min(0).max(100), 8, 8), Place(voltage, 8, 8), Place(signal, 8, 8)]


def _doubts(t: Tongue) -> list[Place]:
    def flagged(condition: str) -> Query:
        return Query(
            f'SELECT count("value") FROM {ALL} WHERE {COUNTED} AND {condition} {ask.EACH}, "device" fill(none)', "$tag_device · $m"
        )

    doubts = chart(
        t("Số nghi ngờ hoặc không đạt", "Suspect or failed readings"),
        t("Số lần đo có cờ 3, 4 hoặc 9 trong mỗi khoảng.", "Readings with flag 3, 4 or 9 in each interval."),
        "short",
        [flagged('"quality" >= 3')],
    )
    number = chart(
        t("Số lần đo", "Readings"), t("Số lần đo trong mỗi khoảng.", "Readings in each interval."), "short", [flagged('"quality" >= 1')]
    )
    return [Place(doubts, 12, 8), Place(number, 12, 8)]
