"""
The read side of the spool, for the other programs: what was said since a cursor, what stands, and how ingest is.

Rule 1: short reads: a read transaction that stays open makes the log of the spool grow.
Rule 2: a consumer keeps its cursor with its own data. A cursor that does not fit the spool raises, and never reads on silently.
Rule 3: this room does not know what a change is: the caller says how to build one (`rules.changes.said_of`, `standing_of`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from devices.instants import Instant
from ingest.configuration import Snapshot, read_snapshot
from ingest.inbox import Incident, Trouble
from ingest.spool import last_ordinal, meta, open_reader

SaidT = TypeVar("SaidT")
StandingT = TypeVar("StandingT")

_CHANGE = "verb, id, rule, station, quantity, device, kind, level, was, at, value, peak"
_CHANGES = f"SELECT ordinal, {_CHANGE} FROM change WHERE ordinal > ? AND ordinal <= ? ORDER BY seq"  # noqa: S608 - names of ours
_BEAT = (
    "real_at, clock_at, turned_at, connected, hearing, hearing_since_at, waiting_bytes, waiting_readings, generation, pid FROM heartbeat"
)


class CursorLost(Exception):  # noqa: N818 - it says what is so
    """The cursor does not fit the spool: it was exchanged, or put back to an older state. The text says which."""


class NoSpool(Exception):  # noqa: N818 - it says what is so
    """There is no spool yet: ingest has never run on this data directory."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a spool: everything up to the ordinal is known."""

    spool: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How ingest was when it last wrote; older than some seconds means that it is not running."""

    real_at: Instant
    """By the machine's clock."""
    clock_at: Instant
    """By the world's."""
    turned_at: Instant
    """When the session's loop last went round, by the machine's clock."""
    connected: bool
    hearing: bool
    hearing_since_at: Instant
    """Since when `hearing` is what it is, by the world's clock."""
    waiting_bytes: int
    waiting_readings: int
    generation: int
    """Connections since the start of the process."""
    pid: int


@dataclass(frozen=True, slots=True)
class News(Generic[SaidT, StandingT]):
    """What happened after a cursor."""

    cursor: Cursor
    said: list[tuple[int, SaidT]]
    """With the ordinal of each, in order."""
    standings: list[StandingT]
    """Of the sensors that moved, as they stand now."""
    incidents: list[tuple[int, Incident]]
    heartbeat: Heartbeat | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused message."""

    id: int
    received_at: Instant
    topic: bytes
    payload: bytes | None
    """None where it was emptied to keep the bound."""
    reason: str
    readings: int
    detail: str


class Feed(Generic[SaidT, StandingT]):
    """Reads a spool. Every call opens the file, so an exchanged spool is noticed at once."""

    def __init__(
        self,
        path: Path,
        said_of: Callable[[str, Mapping[str, Any]], SaidT],
        standing_of: Callable[[Mapping[str, Any]], StandingT],
    ) -> None:
        self._path, self._said_of, self._standing_of = path, said_of, standing_of

    def read(self, after: Cursor | None, most: int = 10_000) -> News[SaidT, StandingT]:
        """
        Give what happened after a cursor.

        Args:
            after: None for everything that the spool still knows.
            most: about how many changes; the rest follows at the next call.

        Returns:
            The news. Standings are as of now, so they can be ahead of the changes when there are more than `most`.

        Raises:
            CursorLost: when the cursor is of another spool, or beyond the end.
            NoSpool: when there is none.
        """
        with self._reading() as spool:
            start = _start(spool, after)
            end = _end(spool, start.ordinal, most)
            between = (start.ordinal, end)
            said = [(row[0], self._said(row[1:])) for row in spool.execute(_CHANGES, between)]
            bodies = spool.execute("SELECT body FROM standing WHERE ordinal > ? ORDER BY ordinal", (start.ordinal,))
            standings = [self._standing_of(json.loads(body)) for (body,) in bodies]
            told = spool.execute("SELECT ordinal, at, kind, detail FROM incident WHERE ordinal > ? AND ordinal <= ? ORDER BY id", between)
            incidents = [(ordinal, Incident(at, Trouble(kind), detail)) for ordinal, at, kind, detail in told]
            return News(Cursor(start.spool, end), said, standings, incidents, _heartbeat(spool))

    def standings(self) -> list[StandingT]:
        """Give all that stands."""
        with self._reading() as spool:
            bodies = spool.execute("SELECT body FROM standing ORDER BY station, quantity, device").fetchall()
        return [self._standing_of(json.loads(body)) for (body,) in bodies]

    def revision(self) -> str | None:
        """Give the revision of the city as it was last applied; its documents may be long, so ask this first."""
        with self._reading() as spool:
            row = spool.execute("SELECT revision FROM configuration ORDER BY ordinal DESC LIMIT 1").fetchone()
            return None if row is None else str(row[0])

    def configuration(self) -> Snapshot | None:
        """Give the city as it was last applied, or None while there is none."""
        with self._reading() as spool:
            return read_snapshot(spool)

    def counters(self) -> dict[str, int]:
        """Give the counters: received = archived + duplicate + quarantined, in readings."""
        with self._reading() as spool:
            return dict(spool.execute("SELECT name, count FROM counter ORDER BY name").fetchall())

    def heartbeat(self) -> Heartbeat | None:
        """Give the last sign of life."""
        with self._reading() as spool:
            return _heartbeat(spool)

    def quarantine(self, limit: int = 20) -> list[Quarantined]:
        """Give the newest refused messages, the newest first."""
        with self._reading() as spool:
            rows = spool.execute(
                "SELECT id, received_at, topic, payload, reason, readings, detail FROM quarantine ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [Quarantined(*row) for row in rows]

    def incidents(self, limit: int = 20) -> list[Incident]:
        """Give the newest incidents, the newest first."""
        with self._reading() as spool:
            rows = spool.execute("SELECT at, kind, detail FROM incident ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
        return [Incident(at, Trouble(kind), detail) for at, kind, detail in rows]

    def _said(self, row: tuple[Any, ...]) -> SaidT:
        verb, *values = row
        return self._said_of(verb, dict(zip(_CHANGE.split(", ")[1:], values, strict=True)))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            spool = open_reader(self._path)
        except sqlite3.OperationalError as error:
            raise NoSpool(f"there is no spool at {self._path}; start `canhbao ingest` on this data directory") from error
        with closing(spool):
            spool.execute("BEGIN")  # one picture for all statements; ends with the connection
            yield spool


def _start(spool: sqlite3.Connection, after: Cursor | None) -> Cursor:
    identity, end = meta(spool, "spool") or "", last_ordinal(spool)
    if after is None:
        return Cursor(identity, 0)
    if after.spool != identity:
        raise CursorLost(f"the cursor is of spool {after.spool}, this is {identity}: the spool was exchanged")
    if after.ordinal > end:
        raise CursorLost(f"the cursor is at {after.ordinal}, the spool ends at {end}: it was put back to an older state")
    return after


def _end(spool: sqlite3.Connection, start: int, most: int) -> int:
    """Give the last ordinal to read: that of the `most`-th change, whole, else the end."""
    row = spool.execute("SELECT ordinal FROM change WHERE ordinal > ? ORDER BY ordinal LIMIT 1 OFFSET ?", (start, most - 1)).fetchone()
    return last_ordinal(spool) if row is None else int(row[0])


def _heartbeat(spool: sqlite3.Connection) -> Heartbeat | None:
    row = spool.execute(f"SELECT {_BEAT}").fetchone()
    if row is None:
        return None
    real_at, clock_at, turned_at, connected, hearing, *rest = row
    return Heartbeat(real_at, clock_at, turned_at, bool(connected), bool(hearing), *rest)
