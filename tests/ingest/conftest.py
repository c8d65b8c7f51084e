"""
What the tests of ingest share: a small rule engine of one level, registries, messages, and a spool that runs without threads.

The engine fits `ingest.engine.Engine` in the plainest way: a raise at 3 m, a clear below 2.5 m, stale after two silent intervals. It folds
all that it kept at every reading, so its answers are easy to believe.
"""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from devices.instants import HOUR, MINUTE, Instant
from devices.registry import Device, Registry, Sensor
from devices.stations import LegalLevel, Station, Thresholds
from devices.verdicts import Verdict
from ingest.commit import Committer, Keeping
from ingest.configuration import Configuration
from ingest.decide import Decider, Wires
from ingest.inbox import Inbound, Receipt
from ingest.replay import key_of
from ingest.restart import resume
from ingest.session import Pulse
from ingest.spool import open_reader, open_spool, suspect
from ingest.taken import Taken
from rules.changes import Change, Kind, Phase, Said, Standing, Verb, change_id
from rules.definition import rules_of
from rules.engine import Engine
from service.configuration import read_city

NOW: Instant = 1_763_798_400_000_000
LATENESS = 2 * HOUR
LOWEST: Instant = -(1 << 62)
DEADLY = 13.13
"""A value at which the small engine shows a mistake of ours."""
VALUES = {"value", "observed_at", "received_at", "trend"}
PULSE = Pulse(connected=True, hears=True, generation=1, waiting=0, turned_at=0.0, heard_at=0.0)


@dataclass(frozen=True, slots=True)
class SmallOutcome:
    verdict: Verdict
    said: tuple[Said, ...] = ()
    other: float | None = None


@dataclass
class SmallMemory:
    sensor: Sensor
    engine: SmallEngine = field(repr=False)
    newest: Instant = LOWEST
    kept: dict[Instant, tuple[float, int]] = field(default_factory=dict)
    standing: dict[str, Change] = field(default_factory=dict)
    received_at: Instant | None = None
    phase: Phase = Phase.NEVER_SEEN

    def observe(self, observed_at: Instant, value: float, rank: int, received_at: Instant) -> SmallOutcome | None:
        if value == DEADLY:
            raise ZeroDivisionError(value)
        if observed_at < self.newest - LATENESS:
            return SmallOutcome(Verdict.LATE)
        known = self.kept.get(observed_at)
        if known is not None and known[0] == value:
            return SmallOutcome(Verdict.DUPLICATE)
        if known is not None and (rank, value) < (known[1], known[0]):
            return SmallOutcome(Verdict.LOST_CONFLICT, (), known[0])
        self.kept[observed_at] = value, rank
        self.newest = max(self.newest, observed_at)
        self.received_at = received_at
        said = [*self._fold(), *self.turn(Phase.FRESH, received_at)]
        self.engine.touch(self)
        if known is not None:
            return SmallOutcome(Verdict.WON_CONFLICT, tuple(said), known[0])
        return SmallOutcome(Verdict.NEW, tuple(said)) if said else None

    def turn(self, phase: Phase, at: Instant) -> list[Said]:
        if phase is self.phase:
            return []
        self.phase = phase
        self.engine.touch(self)
        return [Said(Verb.ISSUED, self._change("freshness", Kind(phase.value), at, None))]

    def _fold(self) -> list[Said]:
        level, now = 0, {}
        for at, (value, _) in sorted(self.kept.items()):
            if (value >= self.engine.raise_at and not level) or (value < 2.5 and level):
                level = 1 - level
                change = self._change("level", Kind.RAISE if level else Kind.CLEAR, at, value)
                now[change.id] = change
        before, self.standing = self.standing, now
        gone = [Said(Verb.WITHDRAWN, change) for number, change in before.items() if number not in now]
        return [*gone, *(Said(Verb.ISSUED, change) for number, change in now.items() if number not in before)]

    def _change(self, rule: str, kind: Kind, at: Instant, value: float | None) -> Change:
        s, level = self.sensor, 1 if kind is Kind.RAISE else 0
        return Change(
            change_id(rule, s.station, s.quantity, kind, level, at), rule, s.station, s.quantity, s.device, kind, level, 0, at, value, value
        )

    def now_standing(self) -> Standing:
        s, last = self.sensor, [*self.standing.values()][-1:] or [None]
        level = 1 if last[0] and last[0].kind is Kind.RAISE else 0
        value = self.kept[self.newest][0] if self.kept else None
        return Standing(
            "level", s.station, s.quantity, s.device, s.primary, level, None, None, last[0].id if last[0] else None, None, None, None,
            value, self.newest if self.kept else None, self.received_at, None, self.phase, 0, s.interval,
        )  # fmt: skip


class SmallEngine:
    def __init__(self, registry: Registry, raise_at: float = 3.0) -> None:
        self.raise_at = raise_at
        self._memories = {key_of(s.station, s.quantity, s.device): SmallMemory(s, self) for s in registry.sensors()}
        self._moved: dict[str, None] = {}
        self._dirty: dict[str, None] = {}
        self._hears, self._heard_at, self._ticked_at = True, 0, 0

    def memory(self, sensor: Sensor) -> SmallMemory:
        return self._memories[key_of(sensor.station, sensor.quantity, sensor.device)]

    def touch(self, memory: SmallMemory) -> None:
        key = key_of(memory.sensor.station, memory.sensor.quantity, memory.sensor.device)
        self._moved.setdefault(key)
        self._dirty.setdefault(key)

    def tick(self, now: Instant) -> Sequence[Said]:
        if now <= self._ticked_at or not self._hears:
            return []
        self._ticked_at = now
        said = []
        for memory in self._memories.values():
            if memory.phase is Phase.FRESH:
                deadline = max(memory.received_at or 0, self._heard_at) + 2 * memory.sensor.interval
                said += memory.turn(Phase.STALE, deadline) if now >= deadline else []
        return said

    def hearing(self, at: Instant, hears: bool) -> Sequence[Said]:
        if hears and not self._hears:
            self._heard_at = at
        self._hears = hears
        return []

    def rewind(self, at: Instant, latest: Instant) -> None:
        raise NotImplementedError("the clocks of tests that use this engine are never set back")

    def again(self, now: Instant, silent: Iterable[str]) -> Sequence[Said]:
        return self.tick(now)

    def told(self) -> None:
        return None

    def dirty(self, most: int = 0) -> Iterable[Standing]:
        moved, self._dirty = self._dirty, {}
        return [self._memories[key].now_standing() for key in moved]

    def snapshots(self, most: int) -> Iterable[tuple[str, bytes]]:
        keys = [*self._moved][:most]
        for key in keys:
            del self._moved[key]
        return [(key, self._state(self._memories[key])) for key in keys]

    def restore(self, key: str, state: bytes) -> None:
        memory = self._memories.get(key)
        if memory is not None:
            memory.newest, memory.kept, memory.standing, memory.received_at, memory.phase = pickle.loads(state)

    def _state(self, m: SmallMemory) -> bytes:
        return pickle.dumps((m.newest, m.kept, m.standing, m.received_at, m.phase))


def sensor(device: str = "wl-0", station: str = "st-0", quantity: str = "water_level", **more: Any) -> Sensor:
    return Sensor(device, quantity, station, True, 10 * MINUTE, more.pop("low", -5.0), more.pop("high", 30.0), **more)


def registry_of(*sensors: Sensor) -> Registry:
    devices: dict[str, tuple[Sensor, ...]] = {}
    for one in sensors:
        devices[one.device] = (*devices.get(one.device, ()), one)
    return Registry({"vi": "Thử"}, "Asia/Ho_Chi_Minh", "", {}, {name: Device(name, "native", found) for name, found in devices.items()}, {})


def gauges(count: int = 1) -> Registry:
    """Give gauges wl-0, wl-1, ... with a battery each."""
    return registry_of(
        *(
            sensor(f"wl-{n}", f"st-{n}", quantity, low=low, high=high)
            for n in range(count)
            for quantity, low, high in (("water_level", -5.0, 30.0), ("battery", 0.0, 100.0))
        )
    )


def configuration(registry: Registry, revision: str = "r1", raise_at: float = 3.0) -> Configuration:
    return Configuration(revision, json.dumps({"city.yaml": {"revision": revision}}), registry, lambda _: SmallEngine(registry, raise_at))


def up(value: Any, at: Any = NOW // 1000, boot: Any = 7, seq: Any = 1, **more: Any) -> dict[str, Any]:
    """Give a native object; `at` in milliseconds."""
    return {"v": 1, "boot": boot, "seq": seq, "at": at, "m": {"water_level": value}, **more}


def inbound(*payloads: Any, device: str = "wl-0", received_at: Instant = NOW, generation: int = 1) -> Inbound:
    raw = [payload if isinstance(payload, bytes) else json.dumps(payload).encode() for payload in payloads]
    messages = [(f"canhbao/v1/{device}/up".encode(), payload, b"\0\1", 1, False, False) for payload in raw]
    return Inbound(Receipt(generation, [b"\0\1"] * len(raw), sum(map(len, raw))), received_at, messages)


class Spooled:
    """A spool and its intake, driven step by step; only the committer is a thread. `crash` forgets all that is not on the disk."""

    leap: Instant = 1 << 62
    """Of the clock, between two looks; more is no passing of time."""

    def __init__(self, folder: Path, city: Configuration, **keeping: Any) -> None:
        self.path, self.city, self.store = folder / "spool.db", city, folder / "store.db"
        self.keeping = Keeping(self.path, self.store, "me@here:1", **keeping)
        self.clock_at = NOW
        self.acknowledged: list[Receipt] = []
        self.waiting: list[Any] = []
        self.start()

    def start(self) -> None:
        self.committer = Committer(self.keeping, self.acknowledged.extend, lambda: PULSE, lambda: self.clock_at)
        self.thread = threading.Thread(target=self.committer.run)
        open_spool(self.path).close()
        with closing(open_reader(self.path)) as spool:
            self.resumed = resume(spool, self.city)
        wires = Wires(
            self.waiting.append, self.settle, self._states, lambda d, at: suspect(self.path, d, at), lambda: self.clock_at, self.leap
        )
        self.decider = Decider(self.resumed.intake, wires)
        if self.resumed.standings:
            self.committer.put(Taken(self.resumed.intake.now, standings=self.resumed.standings))
        self.thread.start()
        if self.resumed.last_at == 0:
            self.happens(self.city)

    def __enter__(self) -> Spooled:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.committer.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()

    def crash(self) -> None:
        self.waiting.clear()
        self.stop()
        self.start()

    def happens(self, *events: Any, commit: bool = True) -> None:
        for event in events:
            self.decider.handle(event)
        if commit:
            self.settle()

    def ticks(self, at: Instant) -> None:
        self.clock_at = at
        self.decider.tick()
        self.settle()

    def settle(self) -> None:
        for taken in self.waiting:
            self.committer.put(taken)
        self.waiting.clear()
        self.committer.settle()

    def rows(self, what: str, *values: Any) -> list[Any]:
        with closing(open_reader(self.path)) as spool:
            return spool.execute(what, values).fetchall()

    def _states(self) -> dict[str, bytes]:
        return dict(self.rows("SELECT key, state FROM checkpoint"))

    def lines(self) -> list[str]:
        return [line for (body,) in self.rows("SELECT body FROM batch ORDER BY ordinal") for line in body.decode().splitlines()]

    def counters(self) -> dict[str, int]:
        return dict(self.rows("SELECT name, count FROM counter"))

    def standings(self) -> list[dict[str, Any]]:
        """
        Give what was told to stand.

        The values of a gauge without a level are left out: nobody is told each of them, but a restart tells those that had moved.
        """
        told = [json.loads(body) for (body,) in self.rows("SELECT body FROM standing ORDER BY station, quantity, device")]
        return [{name: value for name, value in each.items() if each["level"] or name not in VALUES} for each in told]

    def changes(self) -> list[tuple[str, str]]:
        return self.rows("SELECT verb, id FROM change ORDER BY seq")


@pytest.fixture
def spooled(tmp_path):
    """Give a function that makes a spool in a folder of its own."""
    made: list[Spooled] = []

    def make(city: Configuration | None = None, **keeping: Any) -> Spooled:
        place = tmp_path / f"spool-{len(made)}"
        place.mkdir()
        made.append(Spooled(place, city or configuration(gauges(2)), **keeping))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@dataclass(frozen=True)
class Kit:
    """The makers of values, for tests."""

    now = NOW
    deadly = DEADLY
    pulse = PULSE
    engine = SmallEngine
    sensor = staticmethod(sensor)
    registry_of = staticmethod(registry_of)
    gauges = staticmethod(gauges)
    configuration = staticmethod(configuration)
    up = staticmethod(up)
    inbound = staticmethod(inbound)


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()


@pytest.fixture(scope="session")
def under_shipped_rules(hue: Path) -> Callable[[Registry], Configuration]:
    """Give a function that gives the configuration of a registry: levels at 1, 2 and 3.5 m everywhere, and the rules that are shipped."""
    levels = (LegalLevel(1, "bd1", 1.0), LegalLevel(2, "bd2", 2.0), LegalLevel(3, "bd3", 3.5))
    thresholds = (Thresholds("water_level", levels, 0, None, "made for a test"),)
    documents = {name: document for name, document in read_city(hue).items() if name.startswith("rules/")}

    def configured(bare: Registry) -> Configuration:
        names = {sensor.station for sensor in bare.sensors()}
        stations = {name: Station(name, {"vi": name}, None, 16.4, 107.5, (), thresholds) for name in names}
        registry = replace(bare, stations=stations)
        rules = rules_of(documents, registry)
        return Configuration("r1", "{}", registry, lambda started_at: Engine(registry, rules, started_at))

    return configured


@pytest.fixture(scope="session")
def city(kit: Kit, under_shipped_rules: Callable[[Registry], Configuration]) -> Configuration:
    """Give two gauges under the rules that are shipped."""
    return under_shipped_rules(kit.gauges(2))
