"""
The documents of a city -> its Registry, or all that is wrong with them.

Rule 1: a registry is built only where no problem was found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from devices.city_checks import device_problems, station_problems, ward_problems
from devices.documents import ConfigurationError, Document, Documents, Form, Problem, validated
from devices.forms import CityForm, DeviceForm, DevicesForm, SensorForm, StationForm, StationsForm, ThresholdsForm, WardForm, WardsForm
from devices.registry import Device, Registry, Sensor
from devices.stations import LegalLevel, Station, Thresholds, Ward, Words

F = TypeVar("F", bound=Form)


def registry_of(documents: Documents) -> Registry:
    """
    Build the registry from `city.yaml`, `wards.yaml`, `stations.yaml` and `devices.yaml`.

    Raises:
        ConfigurationError: with every problem of all four files.
    """
    problems: list[Problem] = []
    city = _form(documents, "city.yaml", CityForm, problems)
    wards = _form(documents, "wards.yaml", WardsForm, problems)
    stations = _form(documents, "stations.yaml", StationsForm, problems)
    devices = _form(documents, "devices.yaml", DevicesForm, problems)
    if city is None or wards is None or stations is None or devices is None:
        raise ConfigurationError(problems)
    problems.extend(ward_problems(documents["wards.yaml"], wards))
    problems.extend(station_problems(documents["stations.yaml"], stations.stations, (ward.code for ward in wards.wards)))
    problems.extend(device_problems(documents["devices.yaml"], devices.devices, stations.stations))
    if problems:
        raise ConfigurationError(problems)
    return Registry(
        city=city.name,
        time_zone=city.time_zone,
        hotline=city.hotline,
        stations={form.id: _station(form) for form in stations.stations},
        devices={form.id: _device(form) for form in devices.devices},
        wards={form.code: _ward(form, wards.kinds[form.kind]) for form in wards.wards},
        emergency=city.emergency,
    )


def _form(documents: Documents, name: str, form: type[F], problems: list[Problem]) -> F | None:
    document: Document | None = documents.get(name)
    if document is None:
        problems.append(Problem(name, None, "", "the file is missing; add it to the folder of the city"))
        return None
    try:
        return validated(form, document)
    except ConfigurationError as error:
        problems.extend(error.problems)
        return None


def _ward(form: WardForm, patterns: Words) -> Ward:
    named = {language: pattern.replace("{name}", form.name[language]) for language, pattern in patterns.items()}
    return Ward(form.code, {**form.name, **named}, form.name)


def _station(form: StationForm) -> Station:
    return Station(
        id=form.id,
        name=form.name,
        river=form.river,
        latitude=form.latitude,
        longitude=form.longitude,
        wards=tuple(form.wards),
        thresholds=tuple(_thresholds(form.thresholds)),
        example=form.example,
        code=form.code,
        datum=form.datum,
        note=form.note,
    )


def _thresholds(forms: Iterable[ThresholdsForm]) -> Iterable[Thresholds]:
    for form in forms:
        levels = tuple(LegalLevel(number, level.code, level.value) for number, level in enumerate(form.levels, start=1))
        yield Thresholds(form.quantity, levels, form.valid_from, form.valid_to, form.source)


def _device(form: DeviceForm) -> Device:
    return Device(form.id, form.model, tuple(_sensor(form.id, sensor) for sensor in form.sensors), form.example)


def _sensor(device: str, form: SensorForm) -> Sensor:
    low, high = form.limits
    user_low, user_high = form.plausible or (None, None)
    return Sensor(
        device=device,
        quantity=form.quantity,
        station=form.station,
        primary=form.primary,
        interval=form.interval,
        low=low,
        high=high,
        user_low=user_low,
        user_high=user_high,
        mount_height=form.mount_height,
        valid_from=form.valid_from,
        valid_to=form.valid_to,
    )
