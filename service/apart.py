"""
A city's folder, or what was applied -> what judging readings needs of it, made in a process of its own.

What a city is written in takes seconds to read when the city is large, and leaves garbage behind. Neither the flow of readings nor the
memory of a program that runs for years should feel it, so `canhbao ingest` gets the finished values and never the text they came from.

Rule 1: files are checked whole, texts and policy included; what was applied was checked then.
Rule 2: the process writes one pickle to its standard output, and only this module reads it.
"""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from devices.documents import ConfigurationError, Problem
from devices.registry import Device, Registry, Sensor
from devices.stations import Station
from ingest.configuration import read_snapshot
from ingest.spool import open_reader
from service.configuration import Watched, from_snapshot, load_city, to_apply, watched

LONGEST = 120.0
"""Seconds after which a reading is given up."""
T = TypeVar("T")

FILES, APPLIED = "files", "applied"


def watched_of_files(folder: Path) -> Watched:
    """Read and check a city's files; raises ConfigurationError with every problem, or where they could not be read in LONGEST seconds."""
    return _asked(FILES, folder)


def watched_of_spool(spool: Path) -> Watched:
    """Give the city that is in force in a spool, in which one is; raises ConfigurationError where this version cannot use it."""
    return _asked(APPLIED, spool)


def _asked(what: str, place: Path) -> Watched:
    command = [sys.executable, "-m", __name__, what, str(place)]
    try:
        found = subprocess.run(command, stdout=subprocess.PIPE, timeout=LONGEST, check=True)
    except subprocess.SubprocessError as error:
        message = f"it could not be read: {error}; the reason stands above in the log, mend it and try again"
        raise ConfigurationError([Problem(str(place), None, "", message)]) from error
    told: Watched | tuple[Problem, ...] = pickle.loads(found.stdout)  # noqa: S301 - our own child wrote it
    if isinstance(told, Watched):
        return told
    raise ConfigurationError(told)


def lean(registry: Registry) -> Registry:
    """Leave out what only people read, and let equal texts and levels be one: ten thousand stations are held for years."""
    first, nothing = dict[Any, Any](), dict[str, str]()

    def same(value: T) -> T:
        found: T = first.setdefault(value, value)
        return found

    def sensor(it: Sensor) -> Sensor:
        return replace(it, device=same(it.device), station=same(it.station), quantity=same(it.quantity))

    stations = [
        Station(same(it.id), nothing, None, it.latitude, it.longitude, (), same(it.thresholds)) for it in registry.stations.values()
    ]
    devices = [Device(same(it.id), same(it.model), tuple(map(sensor, it.sensors))) for it in registry.devices.values()]
    return replace(registry, stations={it.id: it for it in stations}, devices={it.id: it for it in devices}, wards={})


def _answer(what: str, place: Path) -> Watched | tuple[Problem, ...]:
    try:
        found = _of_files(place) if what == FILES else _of_spool(place)
        return replace(found, registry=lean(found.registry))
    except ConfigurationError as error:
        return error.problems


def _of_files(folder: Path) -> Watched:
    return to_apply(load_city(folder))


def _of_spool(path: Path) -> Watched:
    with closing(open_reader(path)) as spool:
        snapshot = read_snapshot(spool)
    assert snapshot is not None, "nothing was applied yet"
    return watched(snapshot.revision, from_snapshot(snapshot.documents))


if __name__ == "__main__":
    gc.disable()  # everything that is made here is wanted, and then the process ends
    sys.stdout.buffer.write(pickle.dumps(_answer(sys.argv[1], Path(sys.argv[2])), pickle.HIGHEST_PROTOCOL))
