"""
What the spool holds -> an intake that stands where the last one stood.

Rule 1: the checkpoint is loaded, and the batches after it are replayed with their stored instants; nothing is stored by it.
Rule 2: a sensor whose row of the checkpoint is newer than the floor joins the replay where that row was written.
Rule 3: what was stored stands. Where a replay says something else, which only other code can, that is an incident, and the standing
        of that sensor stays as stored until it moves.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from devices.instants import MILLISECOND, Instant
from devices.registry import Sensor
from ingest.accept import Intake, as_of, intake_of, topic_of
from ingest.configuration import Configuration
from ingest.engine import Engine, Memory, Said
from ingest.floor import Floor, read_floor
from ingest.inbox import Incident, Trouble
from ingest.lines import parse

SUSPECTED = 2
"""So many times a message may end the process; then it is not read any more."""
_TOLD = 5

Triple: TypeAlias = tuple[str, str, str]
"""(station, quantity, device)."""


@dataclass(slots=True)
class Resumed:
    """Where the last process stood."""

    intake: Intake
    last_at: Instant
    """The last instant at which it was known to run; 0 for a new spool."""
    incidents: list[Incident] = field(default_factory=list)
    standings: list[Any] = field(default_factory=list)
    """To be stored again: values that had moved in the last second."""


class Nothing:
    """The engine of a spool to which no city was applied yet: no sensors, and nothing to say."""

    def memory(self, sensor: Sensor) -> Memory:
        """There are no sensors; raises LookupError."""
        raise LookupError(sensor)

    def tick(self, now: Instant) -> Sequence[Said]:  # noqa: ARG002 - the port has it
        """Say nothing."""
        return ()

    def hearing(self, at: Instant, hears: bool) -> Sequence[Said]:  # noqa: ARG002 - the port has it
        """Say nothing."""
        return ()

    def dirty(self) -> Iterable[Any]:
        """Give nothing."""
        return ()

    def snapshots(self, most: int) -> Iterable[tuple[str, bytes]]:  # noqa: ARG002 - the port has it
        """Give nothing."""
        return ()

    def restore(self, key: str, state: bytes) -> None:
        """Ignore what belongs to no sensor."""


def resume(spool: sqlite3.Connection, configuration: Configuration) -> Resumed:
    """
    Load the checkpoint and replay what came after it.

    Args:
        spool: a connection to read from.
        configuration: the revision that is in force in the spool; any, for a new spool.
    """
    floor = read_floor(spool)
    if floor.ordinal == 0:  # nothing was ever applied, so nothing is known
        return Resumed(Intake(Nothing(), {}), 0)
    engine = configuration.engine(floor.at)
    intake = intake_of(configuration.registry, engine)
    later: dict[int, list[tuple[str, bytes]]] = defaultdict(list)
    for key, ordinal, state in spool.execute("SELECT key, ordinal, state FROM checkpoint"):
        later[max(ordinal, floor.ordinal)].append((key, state))
    begin(engine, later.pop(floor.ordinal, []), floor)
    differences = _replay(spool, intake, floor, later)
    intake = _with_facts(spool, intake_of(configuration.registry, engine), intake)
    return _resumed(spool, intake, differences)


def begin(engine: Engine, rows: Iterable[tuple[str, bytes]], floor: Floor) -> Sequence[Said]:
    """Bring a new engine to a floor; gives what it says of it."""
    for key, state in rows:
        engine.restore(key, state)
    at, hears = floor.hearing
    said = [*engine.hearing(at, hears=False)]
    if hears:  # since then, so silence counts from there
        said += engine.hearing(at, hears=True)
    return [*said, *engine.tick(floor.at)]


def newest_states(spool: sqlite3.Connection) -> dict[str, bytes]:
    """Give the newest state of each sensor that the spool holds."""
    return dict(spool.execute("SELECT key, state FROM checkpoint").fetchall())


def key_of(station: str, quantity: str, device: str) -> str:
    """Give the key under which an engine gives the state of a sensor."""
    return f"{station}/{quantity}/{device}"


def _replay(spool: sqlite3.Connection, intake: Intake, floor: Floor, later: Mapping[int, list[tuple[str, bytes]]]) -> dict[Triple, str]:
    """Let everything after the floor happen again; gives, for each sensor that says something else, what."""
    joins = {key: ordinal for ordinal, rows in later.items() for key, _ in rows}
    differences: dict[Triple, str] = {}
    intake.now, intake.hearing = floor.at, floor.hearing
    batches = "SELECT ordinal, received_at, body, ranks, hearing FROM batch WHERE ordinal > ? ORDER BY ordinal"
    for ordinal, received_at, body, ranks, hearing in spool.execute(batches, (floor.ordinal,)):
        said = _again(intake, body.decode(), array("q", ranks), json.loads(hearing))
        said += intake.engine.tick(received_at)
        intake.now = received_at
        for key, state in later.get(ordinal, ()):
            intake.engine.restore(key, state)
        replayed = Counter((str(one.verb), str(one.change.id), sensor_of(one.change)) for one in said)
        for verb, number, sensor in _differing(replayed, _stored(spool, ordinal)):
            if joins.get(key_of(*sensor), 0) < ordinal:
                differences.setdefault(sensor, f"{verb} {number} in batch {ordinal}")
    return differences


def _again(intake: Intake, body: str, ranks: Iterable[int], hearing: Iterable[tuple[Instant, bool]]) -> list[Said]:
    engine, said, told = intake.engine, list[Said](), -1
    for at, hears in hearing:
        said += engine.tick(at)
        said += engine.hearing(at, hears)
        intake.hearing = at, hears
    for line, rank in zip(body.splitlines(), ranks, strict=True):
        reading = parse(line)
        if reading.received_at != told:
            said += engine.tick(reading.received_at)
            told = reading.received_at
        sensor = _sensor(intake, reading.device, reading.quantity, reading.observed_at)
        if sensor is not None:
            outcome = engine.memory(sensor).observe(reading.observed_at, reading.value, rank, reading.received_at)
            said += outcome.said if outcome is not None else ()
    return said


def _sensor(intake: Intake, device: str, quantity: str, observed_at: Instant) -> Sensor | None:
    source = intake.sources.get(topic_of(device))
    known = as_of(source.sensors.get(quantity), observed_at // MILLISECOND) if source else None
    return known.sensor if known else None


def _stored(spool: sqlite3.Connection, ordinal: int) -> Counter[tuple[str, str, Triple]]:
    rows = spool.execute("SELECT verb, id, station, quantity, device FROM change WHERE ordinal = ?", (ordinal,))
    return Counter((verb, number, (station, quantity, device)) for verb, number, station, quantity, device in rows)


def _differing(one: Counter[tuple[str, str, Triple]], other: Counter[tuple[str, str, Triple]]) -> Iterable[tuple[str, str, Triple]]:
    return [*(one - other), *(other - one)] if one != other else []


def _with_facts(spool: sqlite3.Connection, intake: Intake, replayed: Intake) -> Intake:
    """Add what is remembered beside the rules."""
    intake.now, intake.hearing = replayed.now, replayed.hearing
    for device, rank, received_at in spool.execute("SELECT device, rank, received_at FROM first_receipt"):
        source = intake.sources.get(topic_of(device))
        if source is not None:
            source.receipts[rank] = received_at // MILLISECOND
    suspects = spool.execute("SELECT digest FROM suspect WHERE times >= ?", (SUSPECTED,))
    intake.poison = frozenset(digest for (digest,) in suspects)
    return intake


def _resumed(spool: sqlite3.Connection, intake: Intake, differences: Mapping[Triple, str]) -> Resumed:
    beat = spool.execute("SELECT clock_at FROM heartbeat").fetchone()
    standings = [standing for standing in intake.engine.dirty() if sensor_of(standing) not in differences]
    resumed = Resumed(intake, max(intake.now, beat[0] if beat else 0), standings=standings)
    if differences:
        told = "; ".join(f"{'/'.join(sensor)}: {what}" for sensor, what in [*differences.items()][:_TOLD])
        detail = f"{len(differences)} sensors say something else in the replay than was stored, which stands: {told}"
        resumed.incidents.append(Incident(intake.now, Trouble.REPLAY_DIFFERS, detail))
    return resumed


def sensor_of(what: Any) -> Triple:
    """Give the sensor that a change or a standing is about."""
    return what.station, what.quantity, what.device
