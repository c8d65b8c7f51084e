"""
The files of a data folder -> what stands now, for `canhbao status` and for the view of a rehearsal.

Rule 1: reads are short and change nothing; a file that is not there yet is None, not an error.
Rule 2: what a room can be asked for is asked for there; nothing here knows the tables of the spool or the ledger.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError

from alerts.ledger import deliveries, reading, schema
from alerts.ledger.changes import cursor_of
from alerts.ledger.deliveries import State
from alerts.ledger.opening import ledger_url, open_ledger_to_read
from alerts.ledger.reading import Incident as LedgerIncident
from alerts.model import Alarm, Audience, Notice, Told, Withheld
from devices.instants import Instant
from ingest.archive.batches import SpoolFile
from ingest.archive.books import Away, Books
from ingest.archive.reconcile import NAME as RECONCILE
from ingest.archive.schema import open_reader as open_store
from ingest.feed import Feed, Heartbeat, NoSpool
from ingest.inbox import Incident
from ingest.spool import open_reader as open_spool_reader
from ingest.trim import size
from rules.changes import Said, Standing, said_of, standing_of

_ALL = 100_000


@dataclass(frozen=True, slots=True)
class Balance:
    """What became of every reading that the broker gave us; a message that cannot be read counts as one."""

    received: int
    archived: int
    duplicate: int
    quarantined: int
    waiting: int
    """Taken and not yet on disk; not among `received`, and the broker keeps it too."""

    @property
    def holds(self) -> bool:
        """Tell whether every reading is accounted for."""
        return self.received == self.archived + self.duplicate + self.quarantined


@dataclass(frozen=True, slots=True)
class SpoolNow:
    """The spool at one moment."""

    identity: str
    ordinal: int
    counters: Mapping[str, int]
    balance: Balance
    heartbeat: Heartbeat | None
    standings: tuple[Standing, ...]
    incidents: tuple[Incident, ...]
    """The newest ten, newest first."""
    size: int = 0
    """Bytes in use."""

    @property
    def reasons(self) -> dict[str, int]:
        """Give the readings in quarantine, by reason."""
        prefix = "quarantined:"
        return {name.removeprefix(prefix): count for name, count in self.counters.items() if name.startswith(prefix)}


@dataclass(frozen=True, slots=True)
class SinkNow:
    """Another sink of the archive at one moment: a server beside the store."""

    spool: str
    ordinal: int
    refused: int
    away: Away | None
    """Why it waits."""


@dataclass(frozen=True, slots=True)
class StoreNow:
    """The store at one moment."""

    spool: str | None
    ordinal: int
    readings: int
    """Newest readings that it knows: one a sensor."""
    refused: int
    others: Mapping[str, SinkNow]
    """The sinks beside it, by name; their cursors are in its file."""
    waits: Mapping[str, Away] = field(default_factory=dict)
    """What is not a sink and waits all the same, and why."""
    incidents: tuple[tuple[Instant, str, str], ...] = ()
    """When, kind and detail of the newest ten, newest first."""


@dataclass(frozen=True, slots=True)
class LedgerNow:
    """The ledger at one moment."""

    spool: str | None
    ordinal: int
    alarms: tuple[Alarm, ...]
    """The oldest first, also those that have ended."""
    owed: tuple[Told, ...]
    """What somebody still believes although its alarm may be over."""
    notices: tuple[Notice, ...]
    """The oldest first."""
    withheld: tuple[Withheld, ...]
    deliveries: Mapping[tuple[str, State], int]
    """By channel and state."""
    unreached: int
    """Recipients that were given up."""
    incidents: tuple[LedgerIncident, ...]
    """Those that have not ended."""


def feed_of(path: Path) -> Feed[Said, Standing]:
    """Give the feed of a spool, in terms of the rules."""
    return Feed(path, said_of, standing_of)


def spool_now(path: Path) -> SpoolNow | None:
    """Read the spool."""
    feed = feed_of(path)
    try:
        with SpoolFile(path) as spool:
            bounds = spool.bounds()
        with closing(open_spool_reader(path)) as reader:
            bytes_used = size(reader)
        counters, heartbeat = feed.counters(), feed.heartbeat()
    except (FileNotFoundError, LookupError, NoSpool, sqlite3.OperationalError):  # it is not there, or not yet finished
        return None
    names = ("received", "archived", "duplicate", "quarantined")
    received, archived, duplicate, quarantined = (counters.get(name, 0) for name in names)
    return SpoolNow(
        identity=bounds.spool,
        ordinal=bounds.last,
        counters=counters,
        balance=Balance(received, archived, duplicate, quarantined, heartbeat.waiting_readings if heartbeat else 0),
        heartbeat=heartbeat,
        standings=tuple(feed.standings()),
        incidents=tuple(feed.incidents(10)),
        size=bytes_used,
    )


def store_now(path: Path) -> StoreNow | None:
    """Read the store."""
    if not path.exists():
        return None
    try:
        with closing(open_store(path)) as store:
            spool, reached = store.execute("SELECT spool, reached FROM cursor WHERE name = 'store'").fetchone() or (None, 0)
            (readings,) = store.execute("SELECT count(*) FROM latest").fetchone()
            (refused,) = store.execute("SELECT count(*) FROM refused WHERE name = 'store'").fetchone()
            incidents = store.execute("SELECT at, kind, detail FROM incident ORDER BY id DESC LIMIT 10").fetchall()
            others = _others(store)
            waits = {name: Away(*why) for name, *why in store.execute("SELECT name, since, what, fix FROM away") if name not in others}
            return StoreNow(spool, reached, readings, refused, others, waits, tuple(incidents))
    except sqlite3.OperationalError:  # its tables are not there yet
        return None


def _others(store: sqlite3.Connection) -> dict[str, SinkNow]:
    rows = store.execute("SELECT name, spool, reached FROM cursor WHERE name NOT IN ('store', ?) ORDER BY name", (RECONCILE,)).fetchall()
    refused = dict(store.execute("SELECT name, count(*) FROM refused GROUP BY name").fetchall())
    return {name: SinkNow(spool, reached, refused.get(name, 0), Books(store, name).why_away()) for name, spool, reached in rows}


def ledger_now(path: Path) -> LedgerNow | None:
    """Read the ledger."""
    if not path.exists():
        return None
    engine = open_ledger_to_read(ledger_url(path))
    try:
        with engine.begin() as connection:
            return _ledger(connection)
    except OperationalError:  # its tables are not there yet
        return None
    finally:
        engine.dispose()


def _ledger(connection: Connection) -> LedgerNow:
    spool, ordinal = cursor_of(connection) or (None, 0)
    alarms = reading.recent_alarms(connection, since=0, most=_ALL)
    told = (reading.told(connection, audience, [alarm.id for alarm in alarms]) for audience in Audience)
    return LedgerNow(
        spool,
        ordinal,
        alarms=tuple(reversed(alarms)),
        owed=tuple(each for by_alarm in told for each in by_alarm.values() if each.level > 0),
        notices=tuple(reversed(reading.recent_notices(connection, most=_ALL))),
        withheld=tuple(reversed(reading.withheld(connection, most=_ALL))),
        deliveries=deliveries.counts(connection),
        unreached=connection.execute(select(func.coalesce(func.sum(schema.delivery.c.failed), 0))).scalar_one(),
        incidents=tuple(each for each in reading.incidents(connection) if each.ended_at is None),
    )
