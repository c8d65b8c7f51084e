"""
The second sink of `canhbao archive`: from the batches of the spool to InfluxDB, in a thread of its own.

Rule 1: whatever keeps the server from taking lines is waited for, said in the log once, and kept for `canhbao status`.
Rule 2: when nothing waits, InfluxDB is compared with the store, a day at a time, and what differs is sent again: all days after the start,
        and those of each round of `reconcile`, whose batches the spool may forget only then. It needs the token to read.
Rule 3: only when nothing is to be compared, the history is computed: not of readings that InfluxDB has yet to get.
Rule 4: an error of a file ends the process, as in the first sink.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import structlog

from devices.instants import DAY, HOUR, Instant, format_instant
from ingest.archive import influx_history, reconcile
from ingest.archive.batches import SpoolFile
from ingest.archive.books import Away, Books
from ingest.archive.forward import Bounds, Cursor, Forwarder, Turn, begin
from ingest.archive.history import done, waiting
from ingest.archive.influx import MOST, NAME, Influx
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.influx_reconcile import Compared, compare_day, days
from ingest.archive.query import ArchiveAway
from ingest.archive.reconcile import Round
from ingest.archive.schema import BEFORE_ALL, open_writer
from ingest.archive.store import Store
from service.clock import Clock
from service.influx import check_version, influx_archive, see_to_retention, server_of, write_token
from service.programs.archive_figures import begin_figures
from service.settings import Settings

UPKEEP, RETENTION = "influx upkeep", "influx retention"
"""Names under which it is kept why comparison and history wait, and what the bucket keeps."""
REST = 600.0
"""Seconds after an attempt that failed."""
HISTORY = 10.0
"""Seconds between two looks for hours to compute."""
YOUNG = HOUR
"""What was observed since is not compared: the store may just be ahead. Its day is in the next round too."""
LINGER = 0.2
"""Seconds in which lines gather for one request: requests are dear, and a dashboard does not notice."""
_LOOK = 0.05

log = structlog.get_logger(__name__)


class Stopped(Exception):  # noqa: N818 - it says what is so
    """The program was asked to stop."""


def begin_influx(store: Path, spool: Bounds, clock: Clock) -> None:
    """Make the cursor of InfluxDB where there is none."""
    with closing(open_writer(store)) as db:
        start = begin(Books(db, NAME), spool, clock())
    if start is not None and start.trouble is not None:
        log.error("the cursor of InfluxDB does not fit the spool", trouble=start.trouble, detail=start.detail)


def follow_influx(settings: Settings, clock: Clock, rounds: SimpleQueue[Round], stopped: Callable[[], bool]) -> None:
    """Move readings until it is asked to stop, or the process ends; when little waits, look after what is there."""
    server = server_of(settings)
    if server is None:
        return
    begin_figures(settings, clock, stopped)
    pause = pause_until(stopped)
    with SpoolFile(settings.spool_file) as spool, closing(open_writer(settings.store_file)) as db:
        sink = Influx(server, write_token(settings), Books(db, NAME), clock, pause, tell_away)
        forwarder, upkeep = Forwarder(spool, sink, MOST), Upkeep(settings, db, clock, rounds)
        try:
            while True:
                turn = forwarder.turn(clock())
                if tell_turn(turn):
                    upkeep.begin()
                if turn.written.lines > MOST // 2:
                    pause(0.0)
                    continue
                if is_as_far(Books(db, Store.name).cursor(), turn.cursor):
                    upkeep.step(sink)
                pause(LINGER)
        except Stopped:
            log.info("InfluxDB: stopped", up_to=sink.cursor())


def is_as_far(cursor: Cursor | None, other: Cursor) -> bool:
    """Tell whether a cursor has passed all that another has."""
    return cursor is not None and cursor.spool == other.spool and cursor.ordinal >= other.ordinal


class Upkeep:
    """Compares InfluxDB with the store, a day a step, lets the spool go, computes the history, and sees to what the bucket keeps."""

    def __init__(self, settings: Settings, db: sqlite3.Connection, clock: Clock, rounds: SimpleQueue[Round]) -> None:
        self._settings, self._db, self._clock, self._rounds = settings, db, clock, rounds
        self._books, self._upkeep, self._retention = Books(db, NAME), Books(db, UPKEEP), Books(db, RETENTION)
        self._left: list[Instant] = []
        self._round: Round | None = None
        """Whose days are compared now."""
        self._next: Round | None = None
        self._rests = self._looks = self._asks = 0.0
        """Until then, by the monotonic clock."""
        self._is_known = False
        self.begin()

    def begin(self) -> None:
        """Begin with all that the store has, the newest day first."""
        self._left = list(days(self._settings.store_file, self._kept_since(), self._clock()))

    def step(self, sink: Influx) -> None:
        """Do what is due next, a little of it."""
        if time.monotonic() < self._rests:
            return
        try:
            archive = influx_archive(self._settings)
            if archive is not None:
                self._step(archive, sink)
                self._say(None, self._upkeep)
        except ArchiveAway as away:
            self._say(str(away), self._upkeep)
            self._rests = time.monotonic() + REST

    def _step(self, archive: InfluxArchive, sink: Influx) -> None:
        if not self._is_known:
            check_version(self._settings)
            self._is_known = True
        while not self._rounds.empty():
            self._next = self._rounds.get()  # it begins where one that waits does, and goes further
        if not self._left and self._round is None and self._next is not None and is_as_far(self._books.cursor(), self._next.cursor):
            self._round, self._next = self._next, None
            self._left = [day_at for day_at in self._round.days if day_at >= self._kept_since()]
        while self._left and not self._compared(archive, sink):
            pass
        if self._left:
            return
        if self._round is not None:
            reconcile.release(Books(self._db, reconcile.NAME), self._round.cursor)
            self._round = None
        if time.monotonic() >= self._looks and not self._has_computed(archive):
            self._looks = time.monotonic() + HISTORY
            self._keep_as_told()

    def _compared(self, archive: InfluxArchive, sink: Influx) -> bool:
        """Compare the next day; tells whether there was anything to compare."""
        day_at = self._left[0]
        span = (day_at, min(day_at + DAY, self._clock() - YOUNG))
        found = compare_day(self._settings.store_file, archive, sink, self._books, span)
        self._tell(self._left.pop(0), found)
        return found.series > 0

    def _has_computed(self, archive: InfluxArchive) -> bool:
        """Compute the next hours; tells whether there were any."""
        server, token, reached = server_of(self._settings), write_token(self._settings)(), self._books.cursor()
        if server is None or token is None or reached is None:
            return False
        hours = waiting(self._db, NAME, self._clock(), reached.ordinal, influx_history.MOST)
        if not hours:
            return False
        computed = influx_history.compute(server, archive, token, hours)
        with self._books.transaction():
            done(self._db, NAME, [(hour.series, hour.hour_at) for hour in computed], reached.ordinal)
        return True

    def _keep_as_told(self) -> None:
        """See to how long the bucket keeps readings, once; what stands against it holds up nothing else."""
        if time.monotonic() < self._asks:
            return
        try:
            see_to_retention(self._settings)
            self._asks = math.inf
            self._say(None, self._retention)
        except ArchiveAway as away:
            self._asks = time.monotonic() + REST
            self._say(str(away), self._retention)

    def _kept_since(self) -> Instant:
        """Give since when InfluxDB takes readings: older ones it would only refuse."""
        keep = self._settings.influx.keep_days
        return BEFORE_ALL if keep is None else self._clock() - keep * DAY

    def _say(self, what: str | None, books: Books) -> None:
        known = books.why_away()
        if what is None and known is not None:
            books.away(None)
        if what is not None and (known is None or known.what != what):
            log.warning("InfluxDB is not looked after", part=books.name, detail=what)
            books.away(Away(known.since_at if known else self._clock(), what, "it goes on by itself when that is mended"))

    def _tell(self, day_at: Instant, found: Compared) -> None:
        if not found.different:
            return
        detail = (
            f"{format_instant(day_at)[:10]}: InfluxDB differs from the store in {found.different} of {found.series} series;"
            f" {found.sent} readings sent again, {found.refused} refused"
        )
        log.warning("InfluxDB was mended from the store", detail=detail)
        self._books.incident("archives_differ", detail, self._clock())


def pause_until(stopped: Callable[[], bool]) -> Callable[[float], None]:
    """Give what waits some seconds, and raises Stopped soon after it is asked to."""

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        while not stopped() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK))
        if stopped():
            raise Stopped

    return pause


def tell_away(away: Away | None) -> None:
    """Log that InfluxDB keeps us waiting, or does not any more."""
    if away is None:
        log.info("InfluxDB takes readings again")
    else:
        log.warning("readings wait for InfluxDB", what=away.what, fix=away.fix)


def tell_turn(turn: Turn) -> bool:
    """Log what is worth knowing about a turn; tells whether it had to begin elsewhere in the spool than it had ended."""
    if turn.written.refused:
        log.warning("InfluxDB refuses lines", lines=turn.written.refused, up_to=turn.cursor.ordinal, see="table refused of the store")
    if turn.start is None or turn.start.trouble is None:
        return False
    log.error("the cursor of InfluxDB does not fit the spool", trouble=turn.start.trouble, detail=turn.start.detail)
    return True
