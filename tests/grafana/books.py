"""
What stands at sensors, half hour by half hour -> the lines of figures about ourselves that an archive of that time holds.

The figures are made up so that no two of them are alike: a panel that shows another one than it says is found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from desk_town import alarm

from alerts.model import Alarm, Handling
from devices.instants import HOUR, MINUTE, SECOND, Instant
from devices.readings import Reading
from devices.registry import Registry
from ingest.archive.own_figures import lines_of
from ingest.feed import Heartbeat
from rules.changes import Standing
from service.observation import Balance, SinkNow, SpoolNow, StoreNow
from service.own_figures import alarm_figures, figures, standing_figures

STEP = 30 * MINUTE
BUDGET = 2**30


def figures_of(
    readings: Sequence[Reading], standings: Sequence[tuple[Instant, Standing]], registry: Registry, from_at: Instant, lost_from: Instant
) -> Iterator[str]:
    """Give the lines; from an instant on, one reading is missing in the books."""
    positions = {station.id: (station.latitude, station.longitude) for station in registry.stations.values()}
    by_instant: dict[Instant, list[Standing]] = {}
    for at, standing in standings:
        by_instant.setdefault(at, []).append(standing)
    received = Counter((reading.received_at - from_at) // STEP for reading in readings if reading.received_at >= from_at)
    total, begun = 0, dict[tuple[str, str], Instant]()
    for number, at in enumerate(sorted(by_instant)):
        total += received[number - 1]
        alarms = list(_alarms(by_instant[at], at, begun))
        spool = _spool(total, number, at, by_instant[at], lost=int(at >= lost_from))
        yield from lines_of(figures(spool, _store(number), _ledger(number, len(alarms)), at, BUDGET - number), at)
        yield from lines_of(standing_figures(by_instant[at], positions, at), at)
        yield from lines_of(alarm_figures(alarms), at)


def _spool(total: int, number: int, at: Instant, standings: Sequence[Standing], lost: int) -> SpoolNow:
    duplicate, of_range, of_future, late = total // 50, total // 100, total // 300, total // 200
    quarantined = of_range + of_future
    counters = {"messages": total, "late": late, "quarantined:range": of_range, "quarantined:future": of_future}
    waiting, is_deaf = 3 + number % 5, number % 100 == 0
    balance = Balance(total, total - quarantined - duplicate - lost, duplicate, quarantined, waiting)
    beat = Heartbeat(
        at - (75 * SECOND if is_deaf else 500_000), at, at, connected=True, hearing=not is_deaf, hearing_since_at=at, waiting_bytes=0,
        waiting_readings=waiting, generation=1, pid=1,
    )  # fmt: skip
    return SpoolNow("s", 10 + number, counters, balance, beat, tuple(standings), (), size=2**20 + 1_024 * number)


def _store(number: int) -> StoreNow:
    return StoreNow(
        "s", 10 + number - number % 3, number, 1 + number // 70, {"influx": SinkNow("s", 10 + number - number % 11, number // 50, None)}
    )


def _ledger(number: int, alarms: int) -> tuple[int, dict[str, int], dict[tuple[str, str], int]]:
    counts = {
        "alarms_open": alarms + 2,
        "alarms_owed": number % 4,
        "notices": number,
        "withheld": number // 25,
        "incidents_open": number % 2,
    }
    return 10 + number - number % 2, counts, {("journal", "done"): number // 10, ("page", "waiting"): number % 6}


def _alarms(standings: Sequence[Standing], at: Instant, begun: dict[tuple[str, str], Instant]) -> Iterator[tuple[Alarm, int]]:
    for each in standings:
        place = each.device, each.quantity
        if not (each.primary and each.level):
            begun.pop(place, None)
            continue
        opened_at = begun.setdefault(place, at)
        is_taken = at - opened_at > 2 * HOUR
        yield _alarm(each, opened_at, Handling.ACKNOWLEDGED if is_taken else Handling.OPEN), each.level if is_taken else 0


def _alarm(each: Standing, opened_at: Instant, handling: Handling) -> Alarm:
    name = f"{each.station}-{opened_at // HOUR}"
    place: dict[str, Any] = {"station": each.station, "quantity": each.quantity, "device": each.device}
    newest: dict[str, Any] = {"value": each.value, "peak": each.peak, "phase": each.phase}
    return alarm(each.level, at=opened_at, id=name, handling=handling, **place, **newest)
