"""Real series read in place -> a city of six gauges, the messages of its devices, and an independent oracle of what is to be told."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

import yaml

from devices.instants import HOUR, Instant, format_instant, from_datetime
from devices.series import Origin
from devices.simulate import Message

RIVERS = {
    "kim-long": "71520_kim-long",
    "cam-le": "71521_cam-le",
    "kon-plong": "69704_kon-plong",
    "binh-nghi": "71549_binh-nghi",
    "cung-son": "71558_cung-son",
    "ayunpa": "71709_ayunpa",
}
CODES = ("bd1", "bd2", "bd3", "historic")
CUT = "2025-12-05"


@dataclass(frozen=True)
class River:
    """One gauge: its legal levels, and its readings."""

    name: str
    levels: tuple[float, ...]
    readings: tuple[tuple[Instant, float], ...]


def read_rivers(shared: Path) -> dict[str, River]:
    """Read the six series, cut at 4 December 2025."""
    return {name: _read(name, shared / "vn-central-rivers-2025" / f"river_{file}.csv") for name, file in RIVERS.items()}


def _read(name: str, path: Path) -> River:
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["time_local_gmt7"] < CUT]
    levels = tuple(float(rows[0][column]) for column in ("bd1_m", "bd2_m", "bd3_m", "historic_level_m"))
    at = [from_datetime(datetime.fromisoformat(f"{row['time_local_gmt7']}+07:00")) for row in rows]
    return River(name, levels, tuple(zip(at, (float(row["level_m"]) for row in rows), strict=True)))


def write_city(folder: Path, hue: Path, rivers: dict[str, River]) -> Path:
    """Write the folder of a city with these gauges and the shipped rules, texts and policy."""
    shutil.copytree(hue, folder, ignore=shutil.ignore_patterns("scenarios", "street-depth.yaml", "stations.yaml", "devices.yaml"))
    stations = [_station(river) for river in rivers.values()]
    devices = [
        {
            "id": f"wl-{name}",
            "model": "native",
            "sensors": [{"quantity": "water_level", "station": name, "primary": True, "interval": "1 h"}],
        }
        for name in rivers
    ]
    _write(folder / "stations.yaml", {"stations": stations})
    _write(folder / "devices.yaml", {"devices": devices})
    policy = yaml.safe_load((folder / "policy.yaml").read_text())
    del policy["rules"]["street-depth"]
    _write(folder / "policy.yaml", policy)
    return folder


def _station(river: River) -> dict:
    levels = [{"code": code, "value": value} for code, value in zip(CODES, river.levels, strict=True)]
    thresholds = {"quantity": "water_level", "valid_from": "2020-01-01T00:00:00+07:00", "source": "the series", "levels": levels}
    name = river.name.replace("-", " ").title()
    place = {"latitude": 16.4, "longitude": 107.5, "wards": ["19774"], "river": {"vi": "sông Mẫu", "en": "Sample River"}}
    return {"id": river.name, "name": {"vi": name, "en": name}, **place, "thresholds": [thresholds]}


def _write(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def messages(rivers: dict[str, River], chance: Random | None = None) -> list[Message]:
    """Give what the devices publish; with chance: delayed by up to two hours, so out of order, and one in five twice."""
    found = []
    for river in rivers.values():
        for seq, (at, value) in enumerate(river.readings):
            for _ in range(1 if chance is None or chance.random() > 0.2 else 2):
                due_at = at if chance is None else at + int(chance.random() * 1.9 * HOUR)
                found.append(_message(river, seq, at, value, due_at))
    return sorted(found, key=lambda message: message.due_at)


def last_levels(rivers: dict[str, River], at: Instant, seq: int) -> list[Message]:
    """Give what the devices publish after their series, each its last level again."""
    return [_message(river, seq, at, river.readings[-1][1], at) for river in rivers.values()]


def _message(river: River, seq: int, at: Instant, value: float, due_at: Instant) -> Message:
    payload = f'{{"v":1,"boot":1,"seq":{seq},"at":"{format_instant(at)}","m":{{"water_level":{value}}}}}'
    return Message(due_at, f"canhbao/v1/wl-{river.name}/up", payload.encode(), f"wl-{river.name}", 1, Origin.RECORDED)


def episodes(river: River) -> Counter[tuple[int, bool]]:
    """The oracle: how often each level was reached by two readings in a row, and left (True) by three in a row 0.10 m below it, or not."""
    found: Counter[tuple[int, bool]] = Counter()
    for level, legal in enumerate(river.levels, start=1):
        on, row = False, 0
        for _, value in river.readings:
            speaks = value < round(legal - 0.10, 6) if on else value >= legal
            row = row + 1 if speaks else 0
            if row == (3 if on else 2):
                found[level, True] += on
                on, row = not on, 0
        found[level, False] += on
    return +found
