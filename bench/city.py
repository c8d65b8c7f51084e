"""A city of so many gauges, made for measuring: one station each, levels at 1, 2 and 3.5 m, the rules of the shipped city."""

from __future__ import annotations

from pathlib import Path

from devices.instants import MINUTE, Instant
from devices.registry import Device, Registry, Sensor
from devices.stations import LegalLevel, Station, Thresholds
from ingest.configuration import Configuration
from rules.definition import rules_of
from rules.engine import Engine
from service.configuration import read_city

CITY = Path(__file__).resolve().parent.parent / "config" / "hue"
LOW, HIGH = 0.3, 1.5
"""Metres: below every level, and above the first."""
_LEVELS = (LegalLevel(1, "bd1", 1.0), LegalLevel(2, "bd2", 2.0), LegalLevel(3, "bd3", 3.5))


def name_of(number: int) -> str:
    """Give the id of a gauge."""
    return f"wl-{number:05}"


def configuration(gauges: int) -> Configuration:
    """Give the configuration of a city of so many gauges."""
    registry = Registry(
        {"vi": "Thử", "en": "Test"},
        "Asia/Ho_Chi_Minh",
        "",
        {f"st-{n:05}": _station(f"st-{n:05}") for n in range(gauges)},
        {name_of(n): _device(name_of(n), f"st-{n:05}") for n in range(gauges)},
        {},
    )
    documents = {name: document for name, document in read_city(CITY).items() if name.startswith("rules/")}
    rules = rules_of(documents, registry)

    def engine(started_at: Instant) -> Engine:
        return Engine(registry, rules, started_at)

    return Configuration("bench", {}, registry, engine)


def _station(name: str) -> Station:
    thresholds = Thresholds("water_level", _LEVELS, 0, None, "made for measuring")
    return Station(name, {"vi": name, "en": name}, None, 16.4, 107.5, (), (thresholds,))


def _device(name: str, station: str) -> Device:
    sensors = (
        Sensor(name, "water_level", station, primary=True, interval=10 * MINUTE, low=-5.0, high=30.0),
        Sensor(name, "battery", station, primary=False, interval=10 * MINUTE, low=0.0, high=100.0),
    )
    return Device(name, "native", sensors)
