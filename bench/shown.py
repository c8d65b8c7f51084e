"""
A data folder in which every gauge of the shipped city reports and one warning stands, as the other programs would have written it.

Rule 1: it lives: ingest gives signs of life each second; what residents were told changes when it is asked to.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from alerts.ledger import alarms
from alerts.ledger.migrating import migrate
from alerts.ledger.opening import ledger_url, open_ledger
from alerts.model import Alarm, Audience, Handling, Status, Told
from devices.instants import HOUR, MINUTE, SECOND, Instant
from devices.registry import Registry, Sensor
from ingest.archive.schema import open_writer
from ingest.spool import open_spool
from rules.changes import Phase, Standing
from service.configuration import City, load_city, to_snapshot

CITY = Path(__file__).resolve().parent.parent / "config" / "hue"
HISTORY = 48 * HOUR


class Shown:
    """A data folder with the shipped city: every gauge reports, one is above a level; as the other programs would write it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._now = time.time_ns() // 1000
        self._level = 1
        city = load_city(CITY)
        primary = [each for each in city.registry.sensors() if each.primary]
        self._write_spool(city, primary)
        self._write_store(primary)
        self._ledger = open_ledger(ledger_url(folder / "ledger.db"))
        migrate(self._ledger)
        self._alarm = _alarm(city.registry, city.revision, self._now)
        self.change()

    def beat(self) -> None:
        """Give a sign of life of ingest."""
        now = time.time_ns() // 1000
        with closing(open_spool(self.folder / "spool.db")) as spool:
            spool.execute("UPDATE heartbeat SET real_at = ?, clock_at = ?, turned_at = ?", (now, now, now))

    def change(self) -> None:
        """Tell residents another level."""
        self._level = 3 - self._level
        told = Told(self._alarm.id, Audience.RESIDENTS, self._level, self._alarm.level_id, 2, told_at=self._now)
        with self._ledger.begin() as ledger:
            alarms.save(ledger, self._alarm)
            alarms.save_told(ledger, told)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change each second."""
        with _each_second(self.change):
            yield

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.dispose()

    def _write_spool(self, city: City, primary: list[Sensor]) -> None:
        with closing(open_spool(self.folder / "spool.db")) as spool:
            beat = (self._now, self._now, self._now, 1, 1, self._now - HOUR, 0, 0, 1, 1)
            spool.execute(f"INSERT INTO heartbeat VALUES (1{', ?' * len(beat)})", beat)
            documents = json.dumps(to_snapshot(city.documents), ensure_ascii=False, default=str)
            spool.execute("INSERT INTO configuration VALUES (?, 1, ?, ?)", (city.revision, self._now, documents))
            for each in primary:
                stands = _standing(each, self._now)
                body = json.dumps({one.name: getattr(stands, one.name) for one in fields(stands)})
                spool.execute("INSERT INTO standing VALUES (?, ?, ?, 1, ?)", (each.station, each.quantity, each.device, body))

    def _write_store(self, primary: list[Sensor]) -> None:
        with closing(open_writer(self.folder / "store.db")) as store:
            store.execute("BEGIN")
            for number, each in enumerate(primary, 1):
                store.execute(
                    "INSERT INTO series (id, station, quantity, device) VALUES (?, ?, ?, ?)",
                    (number, each.station, each.quantity, each.device),
                )
                rows = [(number, at, _value(each, at), 1, at + SECOND) for at in range(self._now - HISTORY, self._now, 10 * MINUTE)]
                rows.append((number, self._now, _value(each, self._now), 1, self._now))
                store.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?)", rows)
                store.execute("INSERT INTO latest VALUES (?, ?, ?, ?, ?)", rows[-1])
            store.execute("COMMIT")


def _value(sensor: Sensor, at: Instant) -> float:
    """A tide inside what the instrument can report."""
    turn = abs((at // MINUTE) % 1_440 - 720) / 720
    return round(sensor.low + (0.1 + 0.05 * turn) * (sensor.high - sensor.low), 2)


def _standing(sensor: Sensor, now: Instant) -> Standing:
    nothing: dict[str, Any] = dict.fromkeys(("opened_id", "opened_at", "level_id", "level_at", "peak", "peak_at", "trend"))
    told: dict[str, Any] = {"rule": "", "level": 0, "value": _value(sensor, now), "observed_at": now, "received_at": now, **nothing}
    where: dict[str, Any] = {"station": sensor.station, "quantity": sensor.quantity, "device": sensor.device, "primary": True}
    return Standing(**where, **told, phase=Phase.FRESH, phase_at=now, interval=sensor.interval)


def _alarm(registry: Registry, revision: str, now: Instant) -> Alarm:
    levels: dict[str, Any] = {"opened_at": now - HOUR, "level_at": now - HOUR, "level": 2, "level_id": "2" * 16}
    water: dict[str, Any] = {"value": 2.5, "observed_at": now, "received_at": now, "trend": 0.1, "peak": 2.6, "peak_at": now}
    place = next(each for each in registry.sensors() if each.primary and len(_levels(registry, each, now)) > 1)
    named: dict[str, Any] = {"station": place.station, "quantity": place.quantity, "device": place.device, "interval": place.interval}
    ends: dict[str, Any] = {"ended_at": None, "end": None, "handled_by": None, "handled_at": None, "handling_reason": None}
    stands: dict[str, Any] = {"phase": Phase.FRESH, "phase_at": now, "handling": Handling.OPEN, "status": Status.ACTUAL}
    return Alarm(id="a" * 16, rule="river-levels", revision=revision, **named, **levels, **water, **stands, **ends)


def _levels(registry: Registry, sensor: Sensor, now: Instant) -> tuple[Any, ...]:
    thresholds = registry.stations[sensor.station].thresholds_at(sensor.quantity, now)
    return thresholds.levels if thresholds else ()


@contextmanager
def shown(folder: Path) -> Iterator[Shown]:
    """Make such a folder, whose ingest gives signs of life."""
    made = Shown(folder)
    try:
        with _each_second(made.beat):
            yield made
    finally:
        made.close()


@contextmanager
def _each_second(do: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def again() -> None:
        while not over.wait(1.0):
            do()

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
