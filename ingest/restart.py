"""
What the spool holds -> an intake that stands where the last one stood.

Rule 1: the checkpoint is loaded, and the batches after it are replayed with their stored instants; nothing is stored by it.
Rule 2: what was stored stands. Where a replay says something else, which only other code can, that is an incident, and the standing
        of that sensor stays as stored until it moves.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devices.instants import MILLISECOND, Instant
from devices.registry import Sensor
from ingest.accept import Intake, intake_of, topic_of
from ingest.configuration import Configuration
from ingest.engine import Engine, Memory, Said
from ingest.floor import Floor, read_floor
from ingest.inbox import Incident, Trouble
from ingest.replay import Replay, Triple, sensor_of

SUSPECTED = 2
"""So many times a message may end the process; then it is not read any more."""
_TOLD = 5


@dataclass(slots=True)
class Resumed:
    """Where the last process stood."""

    intake: Intake
    last_at: Instant
    """The last instant at which it was known to run; 0 for a new spool."""
    incidents: list[Incident] = field(default_factory=list)
    standings: list[Any] = field(default_factory=list)
    """To be stored again: of what was replayed, and of what was not told yet."""


class Nothing:
    """The engine of a spool to which no city was applied yet: no sensors, and nothing to say."""

    def memory(self, sensor: Sensor) -> Memory:
        """There are no sensors; raises LookupError."""
        raise LookupError(sensor)

    def tick(self, now: Instant) -> Sequence[Said]:  # noqa: ARG002 - the port has it
        """Say nothing."""
        return ()

    def again(self, now: Instant, silent: Iterable[str]) -> Sequence[Said]:  # noqa: ARG002 - the port has it
        """Say nothing."""
        return ()

    def hearing(self, at: Instant, hears: bool) -> Sequence[Said]:  # noqa: ARG002 - the port has it
        """Say nothing."""
        return ()

    def rewind(self, at: Instant, latest: Instant) -> None:
        """There is nothing to take back."""

    def dirty(self, most: int = 0) -> Iterable[Any]:  # noqa: ARG002 - the port has it
        """Give nothing."""
        return ()

    def told(self) -> None:
        """Nothing was restored."""

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
    rows = "SELECT key, state FROM checkpoint WHERE ordinal <= ?"
    begin(engine, spool.execute(rows, (floor.ordinal,)), floor)
    replay = Replay(spool, intake, floor)
    replay.run()
    engine.told()
    return _resumed(spool, _with_facts(spool, intake), replay.differences)


def begin(engine: Engine, rows: Iterable[tuple[str, bytes]], floor: Floor) -> Sequence[Said]:
    """Bring a new engine to a floor; gives what it says of it."""
    for key, state in rows:
        engine.restore(key, state)
    at, hears = floor.hearing
    said = [*engine.hearing(at, hears=False)]
    if hears:  # since then, so silence counts from there
        said += engine.hearing(at, hears=True)
    return said


def newest_states(spool: sqlite3.Connection) -> dict[str, bytes]:
    """Give the newest state of each sensor that the spool holds."""
    return dict(spool.execute("SELECT key, state FROM checkpoint").fetchall())


def _with_facts(spool: sqlite3.Connection, intake: Intake) -> Intake:
    """Add what is remembered beside the rules."""
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
