"""
What `canhbao archive` does by the clock: compute the history of the store, forget what is old, hold the spool against the archive each night.

Rule 1: jobs have connections of their own; their transactions are short, for the store writes to the same file.
Rule 2: a round of the night begins again after a stop; the spool keeps what was not looked at.
Rule 3: beside InfluxDB a round ends there: its thread compares the days, and then lets the spool go.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from queue import SimpleQueue

import structlog

from devices.instants import HOUR, MINUTE, Instant, format_instant
from ingest.archive import history, reconcile
from ingest.archive.batches import SpoolFile
from ingest.archive.books import Books
from ingest.archive.forward import Bounds
from ingest.archive.reconcile import Round, held_from, release
from ingest.archive.schema import BEFORE_ALL, open_writer
from ingest.archive.store import Store
from ingest.configuration import read_snapshot
from ingest.spool import open_reader
from service.clock import Clock
from service.disk import advice
from service.memory import give_back
from service.schedule import Schedule
from service.settings import Settings

HISTORY = 5.0
"""Real seconds between two looks for hours to compute: a look costs a millisecond, and a rehearsal is fast."""
TRIM = 60.0
"""Real seconds between two looks for readings to forget, which asks each series."""
MOST_TOLD = 100
"""Devices and days of one round that are told; what differs in more is one cause."""

log = structlog.get_logger(__name__)


class Jobs:
    """
    The jobs of the archive.

    Args:
        settings: of the machine.
        clock: of the city.
        histories: names of those that compute what is stored.
        rounds: where a round goes on, beside InfluxDB.
        stopped: tells whether to come to an end.
    """

    def __init__(
        self, settings: Settings, clock: Clock, histories: Sequence[str], rounds: SimpleQueue[Round], stopped: Callable[[], bool]
    ) -> None:
        self._settings, self._clock, self._histories, self._rounds, self._stopped = settings, clock, histories, rounds, stopped
        self._trims = 0.0
        """Not before this, by the monotonic clock."""
        self._has_caught_up = False
        self.broken: sqlite3.Error | None = None
        """An error of the disk that a job has met; it ends the program, as one of any other thread does."""
        self._schedule = Schedule(clock, zone_of(settings))

    def start(self, spool: Bounds) -> None:
        """Begin."""
        with closing(open_writer(self._settings.store_file)) as db:
            held_from(Books(db, reconcile.NAME), spool, self._clock())  # before the store passes anything
        self._schedule.every_real("history", HISTORY, self._ending(self.compute))
        minutes = self._settings.archive.reconcile_minutes
        if minutes is None:
            self._schedule.daily("reconcile", 2, 30, self._ending(self.reconcile))
        else:
            self._schedule.every("reconcile", minutes * MINUTE, self._ending(self.reconcile))
        self._schedule.start()

    def caught_up(self) -> None:
        """Begin a first round when the store has caught up after a start: the night may have passed while nothing ran."""
        if not self._has_caught_up:
            self._has_caught_up = True
            self._schedule.soon("first round", self._ending(self.reconcile))

    def end(self) -> None:
        """End, without waiting for a job that runs."""
        self._schedule.end()

    def _ending(self, job: Callable[[Instant], None]) -> Callable[[Instant], None]:
        """
        Give a job that keeps an error of the disk for the main thread; any other is said, and the job runs again.

        What its connections took, some megabytes, is given back: the next round may be a day away.
        """

        def run(now: Instant) -> None:
            try:
                job(now)
            except sqlite3.Error as error:
                if not advice(error):
                    raise
                self.broken = error
            finally:
                give_back()

        return run

    def compute(self, now: Instant) -> None:
        """Bring the hours that are over into the history, and forget what is older than is kept."""
        keep = self._settings.store_hours
        with Store(self._settings.store_file, self._histories) as store:
            before = BEFORE_ALL if keep is None else store.present(now) - keep * HOUR
            while not self._stopped() and store.keep_history(now, before) == history.MOST:
                pass
            if keep is not None and time.monotonic() >= self._trims:
                self._trims = time.monotonic() + TRIM
                while not self._stopped() and store.trim(before):
                    pass

    def reconcile(self, now: Instant) -> None:
        """Hold the spool against the store, as far as the store is; where it ends here, let the spool go."""
        with SpoolFile(self._settings.spool_file) as spool, Store(self._settings.store_file, self._histories) as store:
            books = store.books.of(reconcile.NAME)
            bounds = spool.bounds()
            begin = held_from(books, bounds, now)
            cursor = store.cursor()
            until = 0 if cursor is None or cursor.spool != bounds.spool else cursor.ordinal
            found = reconcile.reconcile(spool, store, begin, until, self._stopped)
            self._tell(found, books, now)
            if len(self._histories) == 1:
                release(books, found.cursor)
            else:
                self._rounds.put(found)

    def _tell(self, found: Round, books: Books, now: Instant) -> None:
        for sentence in found.told(lambda day_at: format_instant(day_at)[:10])[:MOST_TOLD]:
            log.warning("the store was mended from the spool", detail=sentence)
            books.incident("store_lacked", sentence, now)
        log.info("spool and store compared", readings=sum(found.readings.values()), missing=sum(found.missing.values()))


def zone_of(settings: Settings) -> str:
    """Give the time zone of the city in force, for what is done at night; UTC where there is none yet."""
    with closing(open_reader(settings.spool_file)) as spool:
        snapshot = read_snapshot(spool)
    return "UTC" if snapshot is None else str(snapshot.documents["city.yaml"]["time_zone"])
