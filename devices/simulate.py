"""
A scenario and a registry -> the messages that its devices publish, in the order in which they are due.

Rule 1: the same scenario gives the same bytes, whoever plays it and how often.
Rule 2: faults of the instrument change values, faults of the clock change `at`, faults of the way change when and whether a message comes.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TypeAlias
from zoneinfo import ZoneInfo

from devices.faults import Clock, Dead, Duplicate, Late, Outage, Raving, Silence, Spike, Stuck
from devices.instants import Instant, format_instant
from devices.registry import Device, Registry
from devices.scenario import (
    ActorForm,
    CurveForm,
    DailyForm,
    HydrographForm,
    RecordedForm,
    Scenario,
    SeriesForm,
)
from devices.series import Crest, Daily, Hydrograph, Origin, Point, Recorded, Series, Value, curve

Records: TypeAlias = Mapping[str, Sequence[tuple[Instant, float]]]
"""Real readings by the name that a scenario gives them."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as a device publishes it."""

    due_at: Instant
    topic: str
    payload: bytes
    device: str
    readings: int
    """Values in it."""
    origin: Origin
    """Of its first value."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a device measured at one instant."""

    taken_at: Instant
    boot: int
    seq: int
    values: dict[str, float]
    origin: Origin
    says_at: Instant
    """What the device's clock said."""


def stream_of(scenario: Scenario, registry: Registry, records: Records | None = None) -> Iterator[Message]:
    """
    Give all messages of a scenario, by `due_at`.

    Args:
        scenario: checked against the same registry.
        registry: for the intervals of the sensors and the time zone that devices write.
        records: the real readings that series of kind `recorded` name.
    """
    series = {name: _series(form, records or {}) for name, form in scenario.series.items()}
    zone = ZoneInfo(registry.time_zone)
    return heapq.merge(
        *(_messages(actor, _taken(scenario, actor, registry.devices[actor.device], series), zone) for actor in scenario.devices),
        key=lambda message: (message.due_at, message.device),
    )


# ---- what a device measures


def _series(form: SeriesForm, records: Records) -> Series:
    match form:
        case CurveForm():
            return curve([Point(point.at, point.value, point.kind != "synthetic") for point in form.points])
        case HydrographForm():
            return Hydrograph(form.low, tuple(Crest(crest.at, crest.height, crest.rise, crest.fall) for crest in form.crests))
        case DailyForm():
            return Daily(form.mean, form.swing, form.highest_at, form.drift, form.low, form.high)
        case RecordedForm():
            return Recorded(dict(form.readings or records[form.record or ""]))


def _taken(scenario: Scenario, actor: ActorForm, device: Device, series: Mapping[str, Series]) -> list[_Taken]:
    boot, seq = actor.boot, 0
    asleep = False
    found: list[_Taken] = []
    for at in _instants(scenario, actor, device, series):
        if _silent(actor, at):
            asleep = True
            continue
        if asleep:
            boot, seq, asleep = boot + 1, 0, False
        if values := _values(scenario, actor, series, at):
            seq += 1
            found.append(_Taken(at, boot, seq, {name: each.value for name, each in values.items()}, next(iter(values.values())).origin, at))
    for fault in actor.faults:
        if isinstance(fault, Stuck | Raving | Spike | Clock):
            found = _spoilt(found, fault)
    return found


def _instants(scenario: Scenario, actor: ActorForm, device: Device, series: Mapping[str, Series]) -> Sequence[Instant]:
    """Give the instants of recorded readings where there are some, else one each interval from the start."""
    used = [series[use.series] for use in actor.values.values()]
    recorded = {at for each in used if isinstance(each, Recorded) for at in each.readings}
    if recorded:
        return sorted(at for at in recorded if scenario.start <= at < scenario.end)
    return range(scenario.start, scenario.end, min(sensor.interval for sensor in device.sensors if sensor.quantity in actor.values))


def _silent(actor: ActorForm, at: Instant) -> bool:
    return any(
        (isinstance(fault, Silence) and fault.since <= at < fault.until) or (isinstance(fault, Dead) and fault.since <= at)
        for fault in actor.faults
    )


def _values(scenario: Scenario, actor: ActorForm, series: Mapping[str, Series], at: Instant) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for quantity, use in actor.values.items():
        value = series[use.series].at(at)
        if value is not None:
            form = scenario.series[use.series]
            off = form.noise * (2 * chance(scenario.seed, actor.device, quantity, at) - 1)
            kept = min(value.high, max(value.low, value.value + off)) + use.plus
            found[quantity] = replace(value, value=_rounded(kept, form.resolution))
    return found


def chance(seed: int, device: str, quantity: str, at: Instant) -> float:
    """Give a number from 0 to below 1 that depends on nothing but these."""
    digest = blake2b(f"{seed}/{device}/{quantity}/{at}".encode(), digest_size=6).digest()
    return float(int.from_bytes(digest)) / 2**48


def _rounded(value: float, resolution: float) -> float:
    return round(round(value / resolution) * resolution, 6) + 0.0


# ---- what goes wrong with it


def _spoilt(taken: list[_Taken], fault: Stuck | Raving | Spike | Clock) -> list[_Taken]:
    match fault:
        case Spike():
            first = _first(taken, fault.at)
            return [_with(each, fault.quantity, fault.value) if index == first else each for index, each in enumerate(taken)]
        case Stuck():
            first = _first(taken, fault.since)
            stuck = taken[first].values[fault.quantity] if first is not None else 0.0
            return [_with(each, fault.quantity, stuck) if fault.since <= each.taken_at < fault.until else each for each in taken]
        case Raving():
            return _raving(taken, fault)
        case Clock():
            by = -fault.by if fault.behind else fault.by
            return [replace(each, says_at=each.taken_at + by) if fault.since <= each.taken_at < fault.until else each for each in taken]


def _raving(taken: list[_Taken], fault: Raving) -> list[_Taken]:
    during = [index for index, each in enumerate(taken) if fault.since <= each.taken_at < fault.until]
    wild = {index: fault.values[turn % len(fault.values)] for turn, index in enumerate(during[:: fault.every])}
    return [_with(each, fault.quantity, wild[index]) if index in wild else each for index, each in enumerate(taken)]


def _with(taken: _Taken, quantity: str, value: float) -> _Taken:
    return replace(taken, values={**taken.values, quantity: value}, origin=Origin.FAULT)


def _first(taken: Sequence[_Taken], at: Instant) -> int | None:
    return next((index for index, each in enumerate(taken) if each.taken_at >= at), None)


# ---- how it comes


def _messages(actor: ActorForm, taken: Sequence[_Taken], zone: ZoneInfo) -> list[Message]:
    topic = f"canhbao/v1/{actor.device}/up"
    outages = [fault for fault in actor.faults if isinstance(fault, Outage)]
    late = {_first(taken, fault.at): fault.by for fault in actor.faults if isinstance(fault, Late)}
    again = {_first(taken, fault.at): fault for fault in actor.faults if isinstance(fault, Duplicate)}
    found = [_backlog(actor, topic, outage, taken, zone) for outage in outages]  # ahead of the present, as a device empties its memory
    for index, each in enumerate(taken):
        if any(outage.since <= each.taken_at < outage.until for outage in outages):
            continue
        due_at = each.taken_at + actor.delay + late.get(index, 0)
        message = Message(due_at, topic, _single(each, zone), actor.device, len(each.values), each.origin)
        found.append(message)
        if index in again:
            found += [replace(message, due_at=due_at + turn * again[index].after) for turn in range(1, again[index].times + 1)]
    return sorted((message for message in found if message.readings), key=lambda message: message.due_at)


def _backlog(actor: ActorForm, topic: str, outage: Outage, taken: Sequence[_Taken], zone: ZoneInfo) -> Message:
    kept = [each for each in taken if outage.since <= each.taken_at < outage.until]
    count = sum(len(each.values) for each in kept)
    return Message(outage.until + actor.delay, topic, _packed(kept, zone), actor.device, count, kept[-1].origin if kept else Origin.FAULT)


def _single(taken: _Taken, zone: ZoneInfo) -> bytes:
    return _bytes({"v": 1, "boot": taken.boot, "seq": taken.seq, **_sample(taken, zone)})


def _packed(kept: Sequence[_Taken], zone: ZoneInfo) -> bytes:
    last = {"boot": kept[-1].boot, "seq": kept[-1].seq} if kept else {}
    return _bytes({"v": 1, **last, "series": [_sample(each, zone) for each in kept]})


def _sample(taken: _Taken, zone: ZoneInfo) -> dict[str, object]:
    return {"at": format_instant(taken.says_at, zone), "m": taken.values}


def _bytes(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
