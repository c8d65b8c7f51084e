"""
Real series read in place -> what an archive holds of a November with a flood, foul air, a device that dies and one that doubts.

Kim Long: November 2025, hourly. Air: Hanoi, January 2018, hourly, moved to these days, at a station that is an example. The rest is made up.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from devices.instants import HOUR, MILLISECOND, MINUTE, Instant, from_datetime
from devices.readings import Quality, Reading
from devices.registry import Registry
from ingest.archive.own_figures import lines_of
from ingest.feed import Heartbeat
from ingest.lines import encode, series
from rules.changes import Phase, Standing
from service.observation import Balance, SinkNow, SpoolNow, StoreNow
from service.own_figures import figures, standing_figures

FROM_AT = from_datetime(datetime.fromisoformat("2025-11-10T00:00:00+07:00"))
TO_AT = from_datetime(datetime.fromisoformat("2025-11-25T00:00:00+07:00"))
BEFORE_AT = from_datetime(datetime.fromisoformat("2025-11-02T00:00:00+07:00"))
"""Two days before the record of Phú Ốc was raised; four days of readings follow."""
DIED_AT = from_datetime(datetime.fromisoformat("2025-11-20T00:00:00+07:00"))
"""Of the gauge at Phú Ốc."""
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
    own = _figures(readings, standings, registry)
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
                yield _reading(
                    "kim-long", "wl-kim-long-2", "water_level", level + 0.02, at, Quality.SUSPECT if level > 2.5 else Quality.PASS
                )
                yield _reading("kim-long", "wl-kim-long", "rainfall", max(level - 1.0, 0.0) * 4, at)
                if at < DIED_AT:
                    yield _reading("phu-oc", "wl-phu-oc", "water_level", level + 1.6, at)
                yield from _of_devices(at)
    for hour in range(96):
        yield _reading("phu-oc", "wl-phu-oc", "water_level", 5.27, BEFORE_AT + hour * HOUR)
    with (shared / _AIR).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            at = from_datetime(datetime.strptime(f"{row['Date (LT)']} +0700", "%Y-%m-%d %I:%M %p %z")) + _SHIFT
            if FROM_AT <= at < TO_AT and row["QC Name"] != "Missing":
                flag = Quality.PASS if row["QC Name"] == "Valid" else Quality.FAIL
                yield from (
                    _reading("air-thuan-hoa", "aq-thuan-hoa", quantity, max(float(row["Raw Conc."]), 0.0) * times, at, flag)
                    for quantity, times in (("pm2_5", 1.0), ("pm10", 1.4), ("o3", 0.8), ("no2", 0.5))
                )


def _of_devices(at: Instant) -> Iterator[Reading]:
    hours = (at - FROM_AT) / HOUR
    yield _reading("kim-long", "wl-kim-long", "battery", max(95.0 - hours / 4, 5.0), at)
    yield _reading("kim-long", "wl-kim-long", "voltage", 12.6 - hours / 400, at)
    yield _reading("kim-long", "wl-kim-long", "rssi", -80.0 - hours % 24, at)


def _reading(station: str, device: str, quantity: str, value: float, at: Instant, quality: Quality = Quality.PASS) -> Reading:
    return Reading(station, device, quantity, value, quality, at, at + 40 * 1_000_000)


def _standings(readings: Sequence[Reading], registry: Registry) -> Iterator[tuple[Instant, Standing]]:
    """What the rules would have said, simplified: the level of the newest reading; late after three hours, silent after twelve."""
    newest: dict[tuple[str, str, str], Reading] = {}
    waiting = list(reversed(readings))
    for at in range(FROM_AT, TO_AT, 30 * MINUTE):
        while waiting and waiting[-1].received_at <= at:
            reading = waiting.pop()
            newest[reading.station, reading.quantity, reading.device] = reading
        yield from ((at, _standing(reading, at, registry)) for reading in newest.values())


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
        primary=primary is not None and primary.device == reading.device,
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
        trend=0.1,
        phase=phase,
        phase_at=at,
        interval=HOUR,
    )


def _figures(readings: Sequence[Reading], standings: Sequence[tuple[Instant, Standing]], registry: Registry) -> Iterator[str]:
    positions = {station.id: (station.latitude, station.longitude) for station in registry.stations.values()}
    by_instant: dict[Instant, list[Standing]] = {}
    for at, standing in standings:
        by_instant.setdefault(at, []).append(standing)
    received = Counter((reading.received_at - FROM_AT) // (30 * MINUTE) for reading in readings if reading.received_at >= FROM_AT)
    total = 0
    for number, at in enumerate(sorted(by_instant)):
        total += received[number - 1]
        spool, store = _spool(total, number, at, by_instant[at]), StoreNow("s", number, 20, 0, {"influx": SinkNow("s", number, 1, None)})
        ledger = (number, {"alarms_open": 1, "alarms_owed": 0, "notices": 4, "withheld": 2, "incidents_open": 0}, {("journal", "sent"): 4})
        yield from lines_of(figures(spool, store, ledger, at), at)
        yield from lines_of(standing_figures(by_instant[at], positions, at), at)


def _spool(total: int, number: int, at: Instant, standings: Sequence[Standing]) -> SpoolNow:
    quarantined, duplicate = total // 100, total // 50
    counters = {"messages": total, "late": 0, "quarantined:range": quarantined}
    balance = Balance(total, total - quarantined - duplicate, duplicate, quarantined, 3)
    hearing = number % 100 != 0
    beat = Heartbeat(
        at - 500_000, at, at, connected=True, hearing=hearing, hearing_since_at=at, waiting_bytes=0, waiting_readings=3, generation=1, pid=1
    )
    return SpoolNow("s", number, counters, balance, beat, tuple(standings), ())
