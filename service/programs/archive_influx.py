"""
The second sink of `canhbao archive`: from the batches of the spool to InfluxDB, in a thread of its own.

Rule 1: whatever keeps the server from taking lines is waited for, said in the log once, and kept for `canhbao status`.
Rule 2: when nothing waits, InfluxDB is compared with the store, a day at a time, and what differs is sent again. It needs the token to read.
Rule 3: an error of a file ends the process, as in the first sink.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import structlog

from devices.instants import DAY, HOUR, Instant, format_instant
from ingest.archive.batches import SpoolFile
from ingest.archive.books import Away, Books
from ingest.archive.forward import Bounds, Cursor, Forwarder, Turn, begin
from ingest.archive.influx import MOST, NAME, Influx
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.influx_reconcile import Compared, compare_day, days
from ingest.archive.query import ArchiveAway
from ingest.archive.schema import open_writer
from ingest.archive.store import Store
from service.clock import Clock
from service.influx import influx_archive, server_of, write_token
from service.settings import Settings

NIGHTLY = 24 * 3600.0
"""Seconds of real time between two comparisons of InfluxDB with the store."""
COMPARED = 3 * DAY
"""How far back, at most as far as the store keeps readings."""
REST = 600.0
"""Seconds after an attempt that failed."""
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


def follow_influx(settings: Settings, clock: Clock, stopped: Callable[[], bool]) -> None:
    """Move readings until it is asked to stop, or the process ends; when little waits, compare a day with the store, if one is due."""
    server = server_of(settings)
    if server is None:
        return
    pause = pause_until(stopped)
    with SpoolFile(settings.spool_file) as spool, closing(open_writer(settings.store_file)) as db:
        books = Books(db, NAME)
        sink = Influx(server, write_token(settings), books, clock, pause, tell_away)
        forwarder, comparing = Forwarder(spool, sink, MOST), Comparing(settings, books, clock)
        try:
            while True:
                turn = forwarder.turn(clock())
                if tell_turn(turn):
                    comparing.begin()
                if turn.written.lines > MOST // 2:
                    pause(0.0)
                    continue
                if is_as_far(Books(db, Store.name).cursor(), turn.cursor):
                    comparing.step(sink)
                pause(LINGER)
        except Stopped:
            log.info("InfluxDB: stopped", up_to=sink.cursor())


def is_as_far(cursor: Cursor | None, other: Cursor) -> bool:
    """Tell whether a cursor has passed all that another has."""
    return cursor is not None and cursor.spool == other.spool and cursor.ordinal >= other.ordinal


class Comparing:
    """Compares InfluxDB with the store, a day a step: all that the store has after the start, the last days each night."""

    def __init__(self, settings: Settings, books: Books, clock: Clock) -> None:
        self._settings = settings
        self._books = books
        self._clock = clock
        self._left: list[Instant] = []
        self._begins = time.monotonic() + NIGHTLY
        self._rests = 0.0
        """Until then, by the monotonic clock."""
        self.begin()

    def begin(self) -> None:
        """Begin with all that the store has, the newest day first."""
        self._left = list(days(self._settings.store_file, self._kept_since(), self._clock()))

    def step(self, sink: Influx) -> None:
        """Compare the next day that has readings, if one is due."""
        now = time.monotonic()
        if now >= self._begins:
            self._left, self._begins = self._left or self._last_days(), now + NIGHTLY
        if not self._left or now < self._rests:
            return
        try:
            archive = influx_archive(self._settings)
            while archive is not None and self._left and not self._compared(archive, sink):
                pass
        except ArchiveAway as away:
            log.warning("InfluxDB cannot be compared with the store", detail=str(away))
            self._rests = now + REST

    def _compared(self, archive: InfluxArchive, sink: Influx) -> bool:
        """Compare the next day; tells whether there was anything to compare."""
        found = compare_day(self._settings.store_file, archive, sink, self._left[0])
        self._tell(self._left.pop(0), found)
        return found.series > 0

    def _last_days(self) -> list[Instant]:
        """Give the last days that are over: into today, readings go on coming."""
        kept, now = self._kept_since(), self._clock()
        since = now - COMPARED if kept is None else max(kept, now - COMPARED)
        return list(days(self._settings.store_file, since, now)[1:])

    def _kept_since(self) -> Instant | None:
        """Give since when the store has all readings; an hour later than it may forget, so that nothing goes meanwhile."""
        hours = self._settings.archive.keep_hours
        return None if hours is None else self._clock() - (hours - 1) * HOUR

    def _tell(self, day_at: Instant, found: Compared) -> None:
        if not found.different or day_at + DAY > self._clock():  # the store may just be ahead in a day that is not over
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
