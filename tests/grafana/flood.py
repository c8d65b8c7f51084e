"""
Real series read in place -> what an archive holds of a November with a flood, foul air, a device that dies and one that doubts.

Kim Long: November 2025, hourly. Air: Hanoi, January 2018, hourly, moved to these days, at a station that is an example. The rest is made up: every station that
has legal levels gets water, so that no line of the dashboards is without a reading to stand beside.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from books import figures_of

from devices.instants import HOUR, MILLISECOND, MINUTE, SECOND, Instant, from_datetime
from devices.readings import Quality, Reading
from devices.registry import Registry
from ingest.lines import encode, series
from rules.changes import Phase, Standing

FROM_AT = from_datetime(datetime.fromisoformat("2025-11-10T00:00:00+07:00"))
TO_AT = from_datetime(datetime.fromisoformat("2025-11-25T00:00:00+07:00"))
BEFORE_AT = from_datetime(datetime.fromisoformat("2025-11-02T00:00:00+07:00"))
"""Two days before the record of Phú Ốc was raised; four days of readings follow."""
DIED_AT = from_datetime(datetime.fromisoformat("2025-11-20T00:00:00+07:00"))
"""Of the gauge at Phú Ốc, of the second one at Kim Long and of its rain gauge."""
REMOVED_AT = from_datetime(datetime.fromisoformat("2025-11-14T00:00:00+07:00"))
"""Of the gauge at Phong Bình, which was never heard."""
_AIR = "aq-hanoi-2018/hanoi_pm25_2018_jan_sep.csv"
_SHIFT = from_datetime(datetime.fromisoformat("2025-11-10T01:00:00+07:00")) - from_datetime(
    datetime.fromisoformat("2018-01-01T01:00:00+07:00")
)


@dataclass(frozen=True)
class Month:
    """All that is in the archive."""

    readings: tuple[Reading, ...]
    lines: tuple[str, ...]
    """Of readings and of figures."""
    standings: tuple[tuple[Instant, Standing], ...]


def month_of(shared: Path, registry: Registry) -> Month:
    readings = tuple(sorted(_readings(shared), key=lambda each: (each.observed_at, each.device, each.quantity)))
    standings = tuple(_standings(readings, registry))
    own = figures_of(readings, standings, registry, FROM_AT, lost_from=DIED_AT)
    return Month(readings, (*map(_line, readings), *own), standings)


def _line(reading: Reading) -> str:
    head = series(reading.quantity, reading.station, reading.device)
    return encode(head, reading.value, reading.quality, reading.received_at // MILLISECOND, reading.observed_at // MILLISECOND)


def _readings(shared: Path) -> Iterator[Reading]:
    with (shared / "vn-central-rivers-2025" / "river_71520_kim-long.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            at = from_datetime(datetime.fromisoformat(f"{row['time_local_gmt7']}+07:00"))
            if FROM_AT <= at < TO_AT:
                level = float(row["level_m"])
                yield _reading("kim-long", "wl-kim-long", "water_level", level, at)
                if at < DIED_AT:
                    flag = Quality.SUSPECT if level > 2.5 else Quality.PASS
                    yield _reading("kim-long", "wl-kim-long-2", "water_level", level + 0.02, at, flag)
                    yield _reading("kim-long", "wl-kim-long", "rainfall", max(level - 1.0, 0.0) * 4, at)
                    yield _reading("phu-oc", "wl-phu-oc", "water_level", level + 1.6, at)
                yield from _elsewhere(level, at)
                yield from _of_devices(at)
    for hour in range(96):
        yield _reading("phu-oc", "wl-phu-oc", "water_level", 5.27, BEFORE_AT + hour * HOUR)
    with (shared / _AIR).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            at = from_datetime(datetime.strptime(f"{row['Date (LT)']} +0700", "%Y-%m-%d %I:%M %p %z")) + _SHIFT
            if FROM_AT <= at < TO_AT and row["QC Name"] != "Missing":
                flag = Quality.PASS if row["QC Name"] == "Valid" else Quality.FAIL
                yield from _air(max(float(row["Raw Conc."]), 0.0), at, flag)


def _air(dust: float, at: Instant, flag: Quality) -> Iterator[Reading]:
    for quantity, times in (("pm2_5", 1.0), ("pm10", 1.4), ("o3", 0.8), ("no2", 0.5)):
        for half, more in ((0, 1.0), (1, 1.1)):  # an hour has two, or its mean would be its maximum
            yield _reading("air-thuan-hoa", "aq-thuan-hoa", quantity, dust * times * more, at + half * 30 * MINUTE, flag)
        yield _reading("air-phu-bai", "aq-phu-bai", quantity, dust * times * 0.7, at, flag)


def _elsewhere(level: float, at: Instant) -> Iterator[Reading]:
    yield _reading("thuong-nhat", "wl-thuong-nhat", "water_level", level + 58.0, at)
    for station, road in (("dap-da", 2.4), ("ba-trieu", 2.5), ("nguyen-hoang", 2.6)):
        yield _reading(station, f"wd-{station}", "water_depth", max(level - road, 0.0), at)


def _of_devices(at: Instant) -> Iterator[Reading]:
    hours = (at - FROM_AT) / HOUR
    yield _reading("kim-long", "wl-kim-long", "battery", max(95.0 - hours / 4, 5.0), at)
    yield _reading("kim-long", "wl-kim-long", "voltage", 12.6 - hours / 400, at)
    yield _reading("kim-long", "wl-kim-long", "rssi", -80.0 - hours % 24, at)


def _reading(station: str, device: str, quantity: str, value: float, at: Instant, quality: Quality = Quality.PASS) -> Reading:
    delay = (20 + 2 * len(device) + at // HOUR % 7) * SECOND  # each device and hour its own
    return Reading(station, device, quantity, value, quality, at, at + delay)


def _standings(readings: Sequence[Reading], registry: Registry) -> Iterator[tuple[Instant, Standing]]:
    """What the rules would have said, simplified: the level of the newest reading; late after three hours, silent after twelve."""
    newest: dict[tuple[str, str, str], Reading] = {}
    waiting = list(reversed(readings))
    for at in range(FROM_AT, TO_AT, 30 * MINUTE):
        while waiting and waiting[-1].received_at <= at:
            reading = waiting.pop()
            newest[reading.station, reading.quantity, reading.device] = reading
        yield from ((at, _standing(reading, at, registry)) for reading in newest.values())
        yield at, _never_heard("truoi", at, registry)
        if at < REMOVED_AT:
            yield at, _never_heard("phong-binh", at, registry)


def _standing(reading: Reading, at: Instant, registry: Registry) -> Standing:
    thresholds = registry.stations[reading.station].thresholds_at(reading.quantity, reading.observed_at)
    level = sum(reading.value >= each.value for each in thresholds.levels) if thresholds else 0
    age = at - reading.received_at
    phase = Phase.FRESH if age < 3 * HOUR else Phase.STALE if age < 12 * HOUR else Phase.LOST
    primary = registry.primary(reading.station, reading.quantity, reading.observed_at)
    return Standing(
        rule="",
        station=reading.station,
        quantity=reading.quantity,
        device=reading.device,
        primary=reading.quantity == "rainfall" or (primary is not None and primary.device == reading.device),
        level=level,
        opened_id=None,
        opened_at=None,
        level_id=None,
        level_at=None,
        peak=reading.value if level else None,
        peak_at=None,
        value=reading.value,
        observed_at=reading.observed_at,
        received_at=reading.received_at,
        trend=round(reading.value / 10, 3),
        phase=phase,
        phase_at=at,
        interval=HOUR,
    )


def _never_heard(station: str, at: Instant, registry: Registry) -> Standing:
    nothing = Reading(station, f"wl-{station}", "water_level", 0.0, Quality.PASS, at, at)
    unheard: dict[str, Any] = {"value": None, "observed_at": None, "received_at": None, "trend": None, "phase": Phase.NEVER_SEEN}
    return replace(_standing(nothing, at, registry), **unheard)
