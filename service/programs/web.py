"""
`canhbao web`: spool, store and ledger, which others write -> the residents' page and the open interface.

Rule 1: nothing is written; the program may run many times.
Rule 2: what cannot be read now is shown as not known, and read again a moment later: the page outlives the other programs.
Rule 3: an error in the editor ends the process; its supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
import sys
import time
from pathlib import Path

import structlog

from alerts.ledger.opening import ledger_url, open_ledger_to_read
from alerts.model import Status
from devices.documents import ConfigurationError
from devices.instants import Instant
from ingest.archive.batches import SpoolFile
from ingest.archive.reader import StoreArchive
from ingest.feed import Feed, NoSpool
from ingest.feed import Heartbeat as Sign
from rules.changes import Said, Standing, said_of, standing_of
from service.clock import Clock, RealClock
from service.configuration import build, from_snapshot
from service.exits import Exit
from service.ledger_figures import ledger_figures
from service.observation import store_now
from service.settings import Settings
from web.public.app import create_app
from web.public.editions import Editions, Editor
from web.public.events import MOST_LISTENERS
from web.public.gathering import Gathering
from web.public.ledger import LedgerFile
from web.public.page import Renderer
from web.public.ports import Figures, SpoolNow
from web.public.shapes import shapes_of
from web.public.situation import City, Heartbeat
from web.serving import StreamingServer, listener_on, room_for_streams, serve_beside

log = structlog.get_logger(__name__)

CITY_SECONDS = 2.0
"""Real time between two looks at the applied city: its documents are long."""
SWITCH_SECONDS = 0.0005
"""How long the editor's thread may hold up the one that answers, each time: 5 ms by default, and a request has several such times."""
_AWAY = (NoSpool, sqlite3.DatabaseError, LookupError, FileNotFoundError)
"""The file is not there, not finished, or held for long."""


class SpoolReader:
    """The spool as the pages need it; fits `web.public.ports.Spool` and `web.operators.ledger.Counters`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._feed: Feed[Said, Standing] = Feed(path, said_of, standing_of)
        self._city: City | None = None
        self._refused: str | None = None
        self._looked_at = float("-inf")

    def now(self) -> SpoolNow | None:
        """Give heartbeat and standings; None where there is no spool to read."""
        try:
            return SpoolNow(_heartbeat(self._feed.heartbeat()), self._feed.standings())
        except _AWAY:
            return None

    def undecided_since(self, reached: tuple[str, int]) -> Instant | None:
        """Give when the first readings after a place (spool, ordinal) were received; None where there are none, or no spool to read."""
        try:
            with SpoolFile(self._path) as spool:
                bounds = spool.bounds()
                after = reached[1] if reached[0] == bounds.spool else 0
                first = spool.batches(after, 1) if after < bounds.last else ()
        except _AWAY:
            return None
        return first[0].received_at if first else None

    def counters(self) -> dict[str, int] | None:
        """Give the counters; None where there is no spool to read."""
        try:
            return self._feed.counters()
        except _AWAY:
            return None

    def city(self) -> City | None:
        """Give the city as it was last applied; one that this program cannot build leaves the earlier one in place."""
        if self._city is not None and time.monotonic() - self._looked_at < CITY_SECONDS:
            return self._city
        self._looked_at = time.monotonic()
        try:
            revision = self._feed.revision()
            if revision is None or revision in (self._refused, self._city and self._city.revision):
                return self._city
            snapshot = self._feed.configuration()
        except _AWAY:
            return self._city
        assert snapshot is not None, "a revision that was applied has its documents"
        try:
            city = build(from_snapshot(snapshot.documents))
            self._city = City(snapshot.revision, city.registry, city.texts, shapes_of(city.documents))
        except ConfigurationError as error:
            self._refused = snapshot.revision
            log.error("the applied city cannot be shown", revision=snapshot.revision, problems=str(error))
        return self._city


class Counted:
    """The figures of all files; fits `web.public.ports.Counting`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._spool = SpoolReader(settings.spool_file)
        self._ledger = open_ledger_to_read(ledger_url(settings.ledger_file))

    def figures(self) -> Figures:
        """Count."""
        counters, ordinal = self._spool.counters(), self._ordinal()
        ledger_ordinal, counts, by_state = ledger_figures(self._ledger)
        return Figures(counters, ordinal, self._store(), ledger_ordinal, counts, by_state)

    def _ordinal(self) -> int | None:
        try:
            with SpoolFile(self._settings.spool_file) as spool:
                return spool.bounds().last
        except _AWAY:
            return None

    def _store(self) -> int | None:
        try:
            store = store_now(self._settings.store_file)
        except sqlite3.DatabaseError:
            return None
        return store.ordinal if store else None


def run(settings: Settings, clock: Clock) -> int:
    """
    Serve until a signal asks to stop.

    Args:
        settings: of the machine.
        clock: that of readings; one of a rehearsal makes all of this an exercise.

    Returns:
        The exit status.
    """
    for number in (signal.SIGTERM, signal.SIGINT):  # the server raises again what it caught, when it has ended
        signal.signal(number, lambda _number, _frame: None)
    try:
        listener = listener_on(settings.web.host, settings.web.port)
    except OSError as error:
        log.error("cannot listen", host=settings.web.host, port=settings.web.port, why=str(error), fix="set web.host and web.port")
        return Exit.UNAVAILABLE
    sys.setswitchinterval(SWITCH_SECONDS)
    asyncio.run(_serve(settings, clock, listener))
    return Exit.FINE


async def _serve(settings: Settings, clock: Clock, listener: socket.socket) -> None:
    archive, renderer, editions = StoreArchive(settings.store_file), Renderer(), Editions()
    status = Status.ACTUAL if isinstance(clock, RealClock) else Status.EXERCISE
    spool, ledger = SpoolReader(settings.spool_file), LedgerFile(settings.ledger_file)
    gathering = Gathering(spool, archive, ledger, clock, _real_clock, status, clock.speed)
    most = min(MOST_LISTENERS, room_for_streams())
    server = StreamingServer(create_app(editions, renderer, archive, Counted(settings), most), editions)
    await serve_beside(server, listener, Editor(gathering, renderer).run(editions))


def _real_clock() -> int:
    return time.time_ns() // 1000


def _heartbeat(sign: Sign | None) -> Heartbeat | None:
    if sign is None:
        return None
    return Heartbeat(
        real_at=sign.real_at,
        clock_at=sign.clock_at,
        connected=sign.connected,
        hearing=sign.hearing,
        hearing_since_at=sign.hearing_since_at,
        waiting_readings=sign.waiting_readings,
    )
