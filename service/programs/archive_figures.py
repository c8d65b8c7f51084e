"""
Figures about ourselves to InfluxDB, every half minute, in a thread of its own: a part of `canhbao archive`.

Rule 1: best effort: sent once, never kept; readings wait for nothing here, and no book counts these lines.
Rule 2: what cannot be read now is left out; that figures do not go is said once.
Rule 3: the libraries of the ledger are loaded in the thread: an archive without InfluxDB does not carry them.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from urllib.parse import urlencode

import structlog
from urllib3.exceptions import HTTPError

from devices.documents import ConfigurationError, Document, validated
from devices.forms import StationsForm
from devices.instants import Instant
from ingest.archive.influx import MOST, Server
from ingest.archive.influx_query import pool_of
from ingest.archive.own_figures import lines_of
from ingest.feed import NoSpool
from service.clock import Clock
from service.influx import server_of, write_token
from service.settings import Settings

EVERY = 30.0
"""Seconds of real time between two sets of figures."""
_LOOK = 0.2
_AWAY = (NoSpool, sqlite3.DatabaseError, LookupError, FileNotFoundError)
"""A file is not there, not finished, or held for long."""

log = structlog.get_logger(__name__)


def begin_figures(settings: Settings, clock: Clock, stopped: Callable[[], bool]) -> None:
    """Let a thread send figures until the process ends; it ends with the process and is never waited for."""
    server = server_of(settings)
    if server is not None:
        threading.Thread(target=_follow, args=(settings, server, clock, stopped), name="figures", daemon=True).start()


def _follow(settings: Settings, server: Server, clock: Clock, stopped: Callable[[], bool]) -> None:
    gathered, post = Gathered(settings), Post(server, write_token(settings))
    while not stopped():
        now = clock()
        post.send(gathered.lines(now, time.time_ns() // 1000))
        end = time.monotonic() + EVERY
        while not stopped() and time.monotonic() < end:
            time.sleep(_LOOK)


class Gathered:
    """The figures of a data folder."""

    def __init__(self, settings: Settings) -> None:
        logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells when it is loaded that it has plugins
        from alerts.ledger.opening import ledger_url, open_ledger_to_read
        from service.own_figures import Turns

        self._settings = settings
        self._ledger = open_ledger_to_read(ledger_url(settings.ledger_file))
        self._turns = Turns()
        self._places: tuple[str, Mapping[str, tuple[float, float]]] | None = None

    def lines(self, now: Instant, real_now: Instant) -> list[str]:
        """Give the lines of this moment; none where there is no spool to read."""
        from service.disk import budget_of
        from service.ledger_figures import ledger_figures, open_alarms
        from service.observation import spool_now, store_now
        from service.own_figures import alarm_figures, figures, standing_figures

        try:
            spool, store = spool_now(self._settings.spool_file), store_now(self._settings.store_file)
            if spool is None:
                return []
            counted = figures(spool, store, ledger_figures(self._ledger), real_now, budget_of(self._settings))
            standing = standing_figures(self._turns.due(spool.standings), self._positions(), now)
            return [line for some in (counted, alarm_figures(open_alarms(self._ledger)), standing) for line in lines_of(some, now)]
        except _AWAY:
            return []

    def _positions(self) -> Mapping[str, tuple[float, float]]:
        """Give where the stations are, read again when another city was applied."""
        from service.observation import feed_of

        feed = feed_of(self._settings.spool_file)
        revision = feed.revision()
        if revision is not None and (self._places is None or self._places[0] != revision):
            snapshot = feed.configuration()
            self._places = (revision, positions_of(snapshot.documents.get("stations.yaml")) if snapshot else {})
        return self._places[1] if self._places else {}


def positions_of(stations: object) -> dict[str, tuple[float, float]]:
    """Give the position of each station of an applied `stations.yaml`; none where it cannot be read."""
    try:
        form = validated(StationsForm, Document("stations.yaml", stations))
    except ConfigurationError:
        return {}
    return {station.id: (station.latitude, station.longitude) for station in form.stations}


class Post:
    """
    Sends lines once, and says when that begins or ceases to fail.

    Not by the client of the sink: two threads that load it at once can lock each other out, and the sink must not be the one that gives in.
    """

    def __init__(self, server: Server, token: Callable[[], str | None]) -> None:
        self._token = token
        self._url = f"{server.url.rstrip('/')}/api/v2/write?{urlencode({'org': server.org, 'bucket': server.bucket, 'precision': 'ms'})}"
        self._pool = pool_of(server)
        self._failed = False

    def send(self, lines: Iterable[str]) -> bool:
        """Send lines; tells whether all were taken."""
        left = iter(lines)
        fault = ""
        while not fault and (part := list(islice(left, MOST))):
            fault = self._sent("\n".join(part).encode())
        if fault and not self._failed:
            log.warning("figures do not go to InfluxDB; readings are not concerned", detail=fault, see="canhbao status")
        self._failed = bool(fault)
        return not fault

    def _sent(self, body: bytes) -> str:
        token = self._token()
        if token is None:
            return "there is no token"
        try:
            answer = self._pool.request("POST", self._url, body=body, headers={"Authorization": f"Token {token}"})
        except (HTTPError, OSError) as error:
            return str(error)[:200]
        return "" if answer.status == 204 else f"{answer.status} {answer.data[:200].decode(errors='replace')}"
