"""
Nothing -> facts of every shape that a notice can have, so that texts are tried before they are needed.

The places are those of no city. What is rare in life is here on purpose: no river, no ward, no value, a level that left the registry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from alerts.facts import Facts, facts_of
from alerts.model import Alarm, Audience, End, Handling, NoticeKind, Status, Told
from devices.instants import HOUR, MINUTE, Instant, parse_instant
from devices.registry import Registry
from devices.stations import LegalLevel, Station, Thresholds, Ward
from rules.changes import Phase

NOW: Instant = parse_instant("2025-10-27T07:24:00+07:00")
_RIVER = (("bd1", 1.0), ("bd2", 2.0), ("bd3", 3.5), ("historic", 5.81))
_STREET = (("d1", 0.3), ("d2", 0.5))
_WARD = Ward("00001", {"vi": "P. Mẫu", "en": "Sample ward"})


def _station(name: str, quantity: str, levels: tuple[tuple[str, float], ...], *, river: bool, wards: bool) -> Station:
    held = tuple(LegalLevel(number, code, value) for number, (code, value) in enumerate(levels, 1))
    return Station(
        id=name,
        name={"vi": "Trạm Mẫu", "en": "Sample"},
        river={"vi": "sông Mẫu", "en": "Sample River"} if river else None,
        latitude=0.0,
        longitude=0.0,
        wards=(_WARD.code,) if wards else (),
        thresholds=(Thresholds(quantity, held, 0, None, "a source"),),
    )


_STATIONS = (
    _station("river", "water_level", _RIVER, river=True, wards=True),
    _station("lake", "water_level", _RIVER, river=False, wards=False),
    _station("street", "water_depth", _STREET, river=False, wards=True),
)
REGISTRY = Registry(
    city={"vi": "TP Mẫu", "en": "Sample city"},
    time_zone="Asia/Ho_Chi_Minh",
    hotline="19000000",
    stations={station.id: station for station in _STATIONS},
    devices={},
    wards={_WARD.code: _WARD},
)


def alarm_at(station: Station, value: float | None, status: Status = Status.ACTUAL) -> Alarm:
    """Give an alarm at a station whose newest reading has a value."""
    return Alarm(
        id="0123456789abcdef",
        rule="sample",
        station=station.id,
        quantity=station.thresholds[0].quantity,
        device="sample",
        status=status,
        level=1,
        level_id=None,
        opened_at=NOW - 9 * HOUR,
        level_at=NOW - 4 * MINUTE,
        value=value,
        observed_at=None if value is None else NOW - 4 * MINUTE,
        received_at=None if value is None else NOW - 3 * MINUTE,
        trend=None if value is None else 0.11,
        peak=value,
        peak_at=None if value is None else NOW - 4 * MINUTE,
        interval=10 * MINUTE,
        ended_at=None,
        end=None,
        phase=Phase.FRESH,
        phase_at=NOW - HOUR,
        handling=Handling.OPEN,
        handled_by="An operator",
        handled_at=None,
        handling_reason="Trạm bị cuốn trôi.",
        revision="sample",
    )


def levels_of(kind: NoticeKind, highest: int) -> list[tuple[int, int]]:
    """Give every (level, was) that a kind of notice can have at a station with so many levels; one more has left the registry."""
    numbers = range(1, highest + 2)
    if kind in (NoticeKind.ALL_CLEAR, NoticeKind.CLOSED):
        return [(0, was) for was in numbers]
    if kind in (NoticeKind.WARNING, NoticeKind.WARNING_AGAIN):
        return [(level, 0) for level in numbers]
    if kind in (NoticeKind.LOST, NoticeKind.FOUND):
        return [(level, level) for level in numbers]
    below = [(low, high) for high in numbers for low in range(high)]
    if kind is NoticeKind.CORRECTION:
        return below
    return [(high, low) if kind is NoticeKind.WORSE else (low, high) for low, high in below if low]


def samples(statuses: tuple[Status, ...] = (Status.ACTUAL,), *, every_level: bool = False) -> Iterator[Facts]:
    """
    Give facts of every kind, place and audience, with a value on, above, just under and far below a level, and unknown.

    Args:
        statuses: in which to give them.
        every_level: all shapes for all pairs of levels that a kind can have, not for the first alone.
    """
    told = Told("0123456789abcdef", Audience.RESIDENTS, told_at=NOW - HOUR, end=End.CLEARED)
    for station, kind, audience, status in product(_STATIONS, NoticeKind, Audience, statuses):
        held = station.thresholds[0].levels
        pairs = levels_of(kind, len(held))
        cases = product(pairs, range(5)) if every_level else [*product(pairs[:1], range(5)), (pairs[-1], 0)]
        for (level, was), shape in cases:
            at = held[min(level or 1, len(held)) - 1].value
            value = (at, at + 0.12, at - 0.001, held[0].value - 0.15, None)[shape]
            alarm = replace(alarm_at(station, value, status), trend=_trend(value, at))
            before = told if shape % 2 == 0 else None
            yield facts_of(alarm, kind, level=level, was=was, registry=REGISTRY, now=NOW, audience=audience, told=before)


def _trend(value: float | None, at: float) -> float | None:
    return None if value is None else {0: 0.01, 1: 0.35}.get((value > at) - (value < at), -0.05)
