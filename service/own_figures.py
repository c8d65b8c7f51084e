"""
What the files of a data folder say now -> figures for the dashboards.

Rule 1: the same words as for Prometheus (`web.public.metrics`): received = archived + duplicate + quarantined + waiting, and what is missing has a figure.
Rule 2: a sensor that is fresh and below every level is written when that is news, and else in its turn, each tenth time: most are so, most of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias
from zlib import crc32

from alerts.model import Alarm, Handling
from devices.instants import MILLISECOND, SECOND, Instant
from ingest.archive.own_figures import Figure, Number
from rules.changes import Phase, Standing
from service.observation import SpoolNow, StoreNow

PHASES = {Phase.FRESH: 0, Phase.STALE: 1, Phase.LOST: 2, Phase.NEVER_SEEN: 3}
"""As numbers, the worse the higher."""
HANDLINGS = {Handling.OPEN: 0, Handling.ACKNOWLEDGED: 1, Handling.CLOSED: 2}
"""As numbers, in their order."""
TURNS = 10
Position: TypeAlias = tuple[float, float]
"""Latitude and longitude."""
Deliveries: TypeAlias = Mapping[tuple[str, str], int]
"""By channel and state."""


class Turns:
    """Which sensors are written this time."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str, str], tuple[int, Phase]] = {}
        self._turn = 0

    def due(self, standings: Iterable[Standing]) -> list[Standing]:
        """Give those that are not well, that have changed, or whose turn it is."""
        self._turn += 1
        return [standing for standing in standings if self._is_due(standing)]

    def _is_due(self, standing: Standing) -> bool:
        key, state = (standing.station, standing.quantity, standing.device), (standing.level, standing.phase)
        is_news = self._written.get(key) != state
        self._written[key] = state
        return is_news or state != (0, Phase.FRESH) or (self._turn + crc32("/".join(key).encode())) % TURNS == 0


def figures(
    spool: SpoolNow,
    store: StoreNow | None,
    ledger: tuple[int | None, Mapping[str, int], Deliveries],
    real_now: Instant,
    budget: int | None = None,
) -> Iterator[Figure]:
    """
    Give what is counted.

    Args:
        spool: as it is now.
        store: as it is now; None where it cannot be read.
        ledger: up to which batch it has come, what it counts, its deliveries.
        real_now: the machine's time, for the age of the heartbeat.
        budget: bytes that the spool may hold; None where that is not known.
    """
    depth: dict[str, Number | None] = {"spool_bytes": spool.size, "spool_budget": budget}
    yield Figure("pipeline", {**_balance(spool), **depth, **_heartbeat(spool, real_now), **_sensors(spool.standings), **ledger[1]})
    for name, (ordinal, refused) in _readers(store, ledger[0]).items():
        yield Figure("reader", {"behind": max(spool.ordinal - ordinal, 0), "refused": refused}, {"reader": name})
    for reason, count in spool.reasons.items():
        yield Figure("quarantine", {"readings": count}, {"reason": reason})
    for (channel, state), count in ledger[2].items():
        yield Figure("delivery", {"notices": count}, {"channel": channel, "state": state})


def standing_figures(standings: Sequence[Standing], positions: Mapping[str, Position], now: Instant) -> Iterator[Figure]:
    """Give what stands at sensors, with the positions of their stations."""
    for each in standings:
        latitude, longitude = positions.get(each.station, (None, None))
        tags = {"station": each.station, "device": each.device, "quantity": each.quantity}
        yield Figure("standing", {**_standing(each, now), "latitude": latitude, "longitude": longitude}, tags)


def alarm_figures(alarms: Iterable[tuple[Alarm, int]]) -> Iterator[Figure]:
    """Give the alarms that have not ended, each with the level that residents were told; its id is a tag, to lead an operator to it."""
    for alarm, told in alarms:
        numbers: dict[str, Number | None] = {
            "level": alarm.level,
            "told": told,
            "shown": None if alarm.value is None else float(alarm.value),
            "peak": None if alarm.peak is None else float(alarm.peak),
            "phase": PHASES[alarm.phase],
            "handling": HANDLINGS[alarm.handling],
            "opened_at": alarm.opened_at // MILLISECOND,
        }
        yield Figure("alarm", numbers, {"alarm": alarm.id, "station": alarm.station, "device": alarm.device, "quantity": alarm.quantity})


def _balance(spool: SpoolNow) -> dict[str, Number | None]:
    balance = spool.balance
    return {
        "received": balance.received + balance.waiting,  # one that waits was received, too
        "archived": balance.archived,
        "duplicate": balance.duplicate,
        "quarantined": balance.quarantined,
        "waiting": balance.waiting,
        "unaccounted": balance.received - balance.archived - balance.duplicate - balance.quarantined,
        "messages": spool.counters.get("messages", 0),
        "late": spool.counters.get("late", 0),
        "batches": spool.ordinal,
    }


def _heartbeat(spool: SpoolNow, real_now: Instant) -> dict[str, Number | None]:
    beat = spool.heartbeat
    if beat is None:
        return {}
    return {"heartbeat_age": (real_now - beat.real_at) / SECOND, "connected": int(beat.connected), "hearing": int(beat.hearing)}


def _sensors(standings: Sequence[Standing]) -> dict[str, Number | None]:
    """Count sensors, all of them by how current they are, the primary ones by what stands. Zero is said, so that nothing said is not zero."""
    primary = [each for each in standings if each.primary]
    by_phase = {f"sensors_{phase}": sum(each.phase is phase for each in standings) for phase in Phase}
    above, unheard = sum(each.level > 0 for each in primary), sum(each.phase is not Phase.FRESH for each in primary)
    return {**by_phase, "above": above, "unheard": unheard, "highest": max((each.level for each in primary), default=0)}


def _readers(store: StoreNow | None, ledger: int | None) -> dict[str, tuple[int, int | None]]:
    found: dict[str, tuple[int, int | None]] = {} if ledger is None else {"serve": (ledger, None)}
    if store is not None:
        found["store"] = (store.ordinal, store.refused)
        found |= {name: (sink.ordinal, sink.refused) for name, sink in store.others.items()}
    return found


def _standing(each: Standing, now: Instant) -> dict[str, Number | None]:
    known = each.received_at is not None and each.observed_at is not None
    return {
        "level": each.level,
        "primary": int(each.primary),
        "phase": PHASES[each.phase],
        "shown": None if each.value is None else float(each.value),
        "trend": None if each.trend is None else float(each.trend),
        "peak": None if each.peak is None else float(each.peak),
        "observed_at": None if each.observed_at is None else each.observed_at // MILLISECOND,
        "silent_for": None if each.received_at is None else (now - each.received_at) / SECOND,
        "delay": (each.received_at - each.observed_at) / SECOND if known else None,  # type: ignore[operator]
    }
