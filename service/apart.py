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

from devices.documents import ConfigurationError, Problem
from devices.registry import Registry
from devices.stations import Station, Thresholds
from ingest.configuration import read_snapshot
from ingest.spool import open_reader
from service.configuration import Watched, from_snapshot, load_city, text_of, watched

LONGEST = 120.0
"""Seconds after which a reading is given up."""
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
    """Leave out what only people read of each station, and let equal levels be one value: ten thousand stations are held for years."""
    same: dict[Thresholds, Thresholds] = {}
    stations = {
        station.id: Station(station.id, {}, None, station.latitude, station.longitude, (), _shared(station.thresholds, same))
        for station in registry.stations.values()
    }
    return replace(registry, stations=stations, wards={})


def _shared(several: tuple[Thresholds, ...], same: dict[Thresholds, Thresholds]) -> tuple[Thresholds, ...]:
    return tuple(same.setdefault(thresholds, thresholds) for thresholds in several)


def _answer(what: str, place: Path) -> Watched | tuple[Problem, ...]:
    try:
        found = _of_files(place) if what == FILES else _of_spool(place)
        return replace(found, registry=lean(found.registry))
    except ConfigurationError as error:
        return error.problems


def _of_files(folder: Path) -> Watched:
    city = load_city(folder)
    return Watched(city.revision, text_of(city.documents), city.registry, city.rules)


def _of_spool(path: Path) -> Watched:
    with closing(open_reader(path)) as spool:
        snapshot = read_snapshot(spool)
    assert snapshot is not None, "nothing was applied yet"
    return watched(snapshot.revision, from_snapshot(snapshot.documents))


if __name__ == "__main__":
    gc.disable()  # everything that is made here is wanted, and then the process ends
    sys.stdout.buffer.write(pickle.dumps(_answer(sys.argv[1], Path(sys.argv[2])), pickle.HIGHEST_PROTOCOL))
