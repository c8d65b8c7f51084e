"""
The files of a city, each well formed -> what is wrong between their fields, with the fix.

Rule 1: a check finds all problems of its kind and changes nothing.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TypeAlias

from devices.corrections import Location
from devices.documents import Document, Problem
from devices.forms import DeviceForm, SensorForm, StationForm, ThresholdsForm, WardsForm, overlap
from devices.instants import Instant, format_instant
from devices.quantities import QUANTITIES

Validity: TypeAlias = tuple[Instant, Instant | None]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A sensor with its device and the place where it is written."""

    device: DeviceForm
    sensor: SensorForm
    at: Location

    @property
    def subject(self) -> tuple[str, str]:
        return self.sensor.station, self.sensor.quantity


def ward_problems(document: Document, form: WardsForm) -> Iterator[Problem]:
    """Check wards.yaml: each code once, each kind known, each pattern with its {name}."""
    yield from _twice(document, "wards", [ward.code for ward in form.wards], "code")
    for kind, patterns in form.kinds.items():
        for language, pattern in patterns.items():
            if "{name}" not in pattern:
                yield document.problem(("kinds", kind, language), f'{pattern!r} has no place for the name; write for example "P. {{name}}"')
    for index, ward in enumerate(form.wards):
        if ward.kind not in form.kinds:
            yield document.problem(("wards", index, "kind"), _unknown("kind", ward.kind, form.kinds, "kinds"))
        elif missing := [language for language in form.kinds[ward.kind] if language not in ward.name]:
            yield document.problem(
                ("wards", index, "name"), f"the name has no {missing[0]!r}; add it, since the kind {ward.kind!r} has one"
            )


def station_problems(document: Document, stations: Sequence[StationForm], wards: Iterable[str]) -> Iterator[Problem]:
    """Check stations.yaml: each id once, wards known, levels rising, times of validity apart."""
    known = frozenset(wards)
    yield from _twice(document, "stations", [station.id for station in stations], "id")
    for index, station in enumerate(stations):
        at: Location = ("stations", index)
        for place, code in enumerate(station.wards):
            if code not in known:
                yield document.problem((*at, "wards", place), _unknown("ward", code, known, "wards.yaml"))
        for place, thresholds in enumerate(station.thresholds):
            yield from _threshold_problems(document, (*at, "thresholds", place), thresholds)
        yield from _overlaps(document, (*at, "thresholds"), station.thresholds)


def _threshold_problems(document: Document, at: Location, thresholds: ThresholdsForm) -> Iterator[Problem]:
    yield from _backwards(document, at, (thresholds.valid_from, thresholds.valid_to))
    levels = thresholds.levels
    yield from _twice(document, "levels", [level.code for level in levels], "code", at)
    for index, (lower, higher) in enumerate(pairwise(levels), start=1):
        if higher.value <= lower.value:
            what = (
                f"{higher.code} ({higher.value}) is not above {lower.code} ({lower.value}); write the levels from the lowest to the highest"
            )
            yield document.problem((*at, "levels", index), what)
    known = QUANTITIES[thresholds.quantity]
    for index, level in enumerate(levels):
        if not known.low <= level.value <= known.high:
            what = f"{level.code} is {level.value} {known.unit}, outside what {known.name} can be ({known.low} to {known.high}); check the unit"
            yield document.problem((*at, "levels", index, "value"), what)


def _overlaps(document: Document, at: Location, all_thresholds: Sequence[ThresholdsForm]) -> Iterator[Problem]:
    for (_, one), (second, other) in combinations(enumerate(all_thresholds), 2):
        if one.quantity == other.quantity and overlap((one.valid_from, one.valid_to), (other.valid_from, other.valid_to)):
            what = f"two sets of levels of {one.quantity} are in force at one time; end the earlier one with valid_to where the later one begins"
            yield document.problem((*at, second, "valid_from"), what)


def device_problems(document: Document, devices: Sequence[DeviceForm], stations: Sequence[StationForm]) -> Iterator[Problem]:
    """Check devices.yaml: each id once, stations known, ranges in order, one primary sensor at a time."""
    yield from _twice(document, "devices", [device.id for device in devices], "id")
    placed = [
        _Placed(device, sensor, ("devices", index, "sensors", place))
        for index, device in enumerate(devices)
        for place, sensor in enumerate(device.sensors)
    ]
    known = frozenset(station.id for station in stations)
    for each in placed:
        if each.sensor.station not in known:
            yield document.problem((*each.at, "station"), _unknown("station", each.sensor.station, known, "stations.yaml"))
        yield from _backwards(document, each.at, _validity(each.sensor))
        yield from _range_problems(document, each)
    yield from _ambiguous(document, placed)
    yield from _primaries(document, placed)
    yield from _undriven(document, placed, stations)


def _range_problems(document: Document, each: _Placed) -> Iterator[Problem]:
    known, (low, high) = QUANTITIES[each.sensor.quantity], each.sensor.limits
    if low >= high:
        yield document.problem((*each.at, "range"), f"the range runs from {low} to {high}; write the lower end first")
    elif low < known.low or high > known.high:
        what = f"the range {low} to {high} leaves what {known.name} can be ({known.low} to {known.high} {known.unit}); narrow it"
        yield document.problem((*each.at, "range"), what)
    plausible = each.sensor.plausible
    if plausible and not low <= plausible[0] < plausible[1] <= high:
        what = f"plausible {plausible[0]} to {plausible[1]} does not lie inside the range {low} to {high}; narrow it, the lower end first"
        yield document.problem((*each.at, "plausible"), what)


def _ambiguous(document: Document, placed: Sequence[_Placed]) -> Iterator[Problem]:
    for one, other in _clashes(placed, lambda each: (each.device.id, each.sensor.quantity)):
        what = (
            f"device {one.device.id} has two sensors of {one.sensor.quantity} at one time, and a message could mean either; "
            "end the earlier one with valid_to"
        )
        yield document.problem(other.at, what)


def _primaries(document: Document, placed: Sequence[_Placed]) -> Iterator[Problem]:
    for one, other in _clashes([each for each in placed if each.sensor.primary], lambda each: each.subject):
        what = (
            f"{'/'.join(one.subject)} has two primary sensors at one time ({one.device.id} and {other.device.id}); "
            "set primary: false on one of them, or end it with valid_to"
        )
        yield document.problem((*other.at, "primary"), what)


def _undriven(document: Document, placed: Sequence[_Placed], stations: Sequence[StationForm]) -> Iterator[Problem]:
    judged = {(station.id, thresholds.quantity) for station in stations for thresholds in station.thresholds}
    undriven = judged - {each.subject for each in placed if each.sensor.primary}
    for each in {each.subject: each for each in placed if each.subject in undriven}.values():
        what = f"no sensor of {'/'.join(each.subject)} is primary, so its levels would never be judged; set primary: true on one"
        yield document.problem(each.at, what)


def _clashes(placed: Sequence[_Placed], key: Callable[[_Placed], tuple[str, str]]) -> Iterator[tuple[_Placed, _Placed]]:
    groups: dict[tuple[str, str], list[_Placed]] = defaultdict(list)
    for each in placed:
        groups[key(each)].append(each)
    for group in groups.values():
        for one, other in combinations(group, 2):
            if overlap(_validity(one.sensor), _validity(other.sensor)):
                yield one, other


def _validity(sensor: SensorForm) -> Validity:
    return sensor.valid_from, sensor.valid_to


def _backwards(document: Document, at: Location, validity: Validity) -> Iterator[Problem]:
    start, end = validity
    if end is not None and end <= start:
        what = f"ends at {format_instant(end)}, before it begins at {format_instant(start)}; exchange them, or remove valid_to"
        yield document.problem((*at, "valid_to"), what)


def _twice(document: Document, where: str, ids: Sequence[str], name: str, at: Location = ()) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, one in enumerate(ids):
        if one in seen:
            yield document.problem((*at, where, index, name), f"the {name} {one!r} is used twice; give each its own")
        seen.add(one)


def _unknown(what: str, given: str, known: Iterable[str], where: str) -> str:
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"there is no {what} {given!r} in {where}; " + (f"did you mean {near[0]!r}?" if near else "add it there, or correct it here")
