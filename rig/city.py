"""
A number of gauges -> the folder of a city: one station each, four levels, the shipped rules and texts, notices to a webhook.

Rule 1: residents are told by a single gauge here, else most of what is to be proved would wait for somebody's approval.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

HUE = Path(__file__).resolve().parent.parent / "config" / "hue"
LEVELS = {"bd1": 1.0, "bd2": 2.0, "bd3": 3.5, "historic": 5.0}
"""Metres, at every station."""
SECRET = "a secret between the rig and its receiver"
OWN = ("scenarios", "street-depth.yaml", "stations.yaml", "devices.yaml", "policy.yaml")


def device_of(number: int) -> str:
    """Give the id of a gauge, which is that of its device too."""
    return f"wl-{number:05}"


def station_of(number: int) -> str:
    """Give the id of the station of a gauge."""
    return f"st-{number:05}"


def topic_of(number: int) -> str:
    """Give the topic that a gauge publishes to."""
    return f"canhbao/v1/{device_of(number)}/up"


def write_city(folder: Path, gauges: int, webhook: str | None = None, interval: str = "5 min") -> Path:
    """
    Write the folder of a city.

    Args:
        folder: to be made.
        gauges: how many.
        webhook: address to which operators' and residents' notices are posted; None: they are only written to a journal.
        interval: at which each gauge is expected to report.

    Returns:
        The folder.
    """
    shutil.copytree(HUE, folder, ignore=shutil.ignore_patterns(*OWN))
    _write(folder / "stations.yaml", {"stations": [_station(n) for n in range(gauges)]})
    _write(folder / "devices.yaml", {"devices": [_device(n, interval) for n in range(gauges)]})
    _write(folder / "policy.yaml", _policy(webhook))
    return folder


def environment() -> dict[str, str]:
    """Give the settings that the city's policy needs."""
    return {"CANHBAO_SECRETS__RIG": SECRET}


def _station(number: int) -> dict[str, object]:
    name = f"Trạm {number}"
    levels = [{"code": code, "value": value} for code, value in LEVELS.items()]
    thresholds = {"quantity": "water_level", "valid_from": "2010-01-01T00:00:00+07:00", "source": "made for trials", "levels": levels}
    place = {"latitude": 16.4, "longitude": 107.5, "wards": ["19774"], "river": {"vi": "sông Mẫu", "en": "Sample River"}}
    return {"id": station_of(number), "name": {"vi": name, "en": f"Gauge {number}"}, "example": True, **place, "thresholds": [thresholds]}


def _device(number: int, interval: str) -> dict[str, object]:
    sensor = {
        "quantity": "water_level",
        "station": station_of(number),
        "primary": True,
        "interval": interval,
        "range": [-5.0, 30.0],
        "valid_from": "2010-01-01T00:00:00+07:00",
    }
    return {"id": device_of(number), "model": "native", "example": True, "sensors": [sensor]}


def _policy(webhook: str | None) -> dict[str, Any]:
    policy: dict[str, Any] = yaml.safe_load((HUE / "policy.yaml").read_text())
    del policy["rules"]["street-depth"]
    policy["single_gauge_public"] = True
    if webhook is not None:
        for status in ("Actual", "Exercise"):
            policy["channels"][f"rig-{status.lower()}"] = {"kind": "webhook", "status": status, "secret": "rig", "time_limit": "3 s"}
        for audience in ("operators", "residents"):
            told = [{"channel": f"rig-{s}", "address": f"{webhook}/{audience}", "language": "vi"} for s in ("actual", "exercise")]
            policy["recipients"][audience] = told
    return policy


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")  # JSON is YAML, and is written and read faster
