"""
`canhbao archive`: from the batches of the spool to the store and, where the settings name one, to InfluxDB, for as long as it runs.

Rule 1: nothing is cleaned up on the way out that a kill would not leave in order; a signal only saves the next start a repetition.
Rule 2: an error of a file ends the process; it is started again and goes on from the cursor.
Rule 3: each sink has a thread and a cursor of its own; the store never waits for a server.
Rule 4: the history is computed, and the spool held against the archive, by jobs beside them (`archive_jobs`).
"""

from __future__ import annotations

import signal
import threading
import time
from queue import SimpleQueue
from types import FrameType

import structlog

from ingest.archive import reconcile
from ingest.archive.batches import SpoolFile
from ingest.archive.forward import Forwarder, Turn
from ingest.archive.history import STORE
from ingest.archive.influx import NAME
from ingest.archive.reconcile import Round
from ingest.archive.store import Store
from service.clock import Clock
from service.programs.archive_influx import begin_influx, follow_influx
from service.programs.archive_jobs import Jobs
from service.settings import Settings

IDLE = 0.02
"""Seconds between two looks at a spool that has nothing new."""
SYNC = 1.0
"""Seconds after which what was written is put on the disk, so that the spool may forget it."""
FOLD = 1.0
"""Seconds between two moves of the store's log into its file."""
UNFOLDED = 10_000
"""Lines after which it is moved at once: each may be a page of the log, and of the disk."""
CACHE = 4 * 1024
"""KiB of the store that its writer keeps: the last page of each of a thousand series. Others write, too, which empties it each few seconds."""
LEAVE = 0.3
"""Seconds that the other sink has to come to an end; what it sends then, it sends again."""
PROGRESS = 2.0

log = structlog.get_logger(__name__)


class Stop:
    """Whether a signal asked to stop. A plain flag: a lock taken in a signal handler can wait for itself."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


class Pace:
    """Tells when some seconds of real time have passed since it last said so."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = time.monotonic()

    def is_due(self) -> bool:
        """Say so, at most once in the given time."""
        now = time.monotonic()
        if now - self._since < self._seconds:
            return False
        self._since = now
        return True


def run(settings: Settings, clock: Clock) -> int:
    """Forward until a signal asks to stop; give the exit code. For the main thread, as signals are."""
    stop = Stop()
    settings.data.mkdir(parents=True, exist_ok=True)
    histories = (STORE,) if settings.influx.url is None else (STORE, NAME)
    with SpoolFile(settings.spool_file) as spool, Store(settings.store_file, histories, CACHE) as store:
        wait_for(spool, stop)
        if not stop.asked:
            rounds = SimpleQueue[Round]()
            follower = with_influx(settings, spool, store, clock, rounds, stop)
            jobs = Jobs(settings, clock, histories, rounds, lambda: stop.asked)
            jobs.start(spool.bounds())
            forward(spool, store, jobs, clock, stop)
            jobs.end()
            store.sync()
            if follower is not None:
                follower.join(LEAVE)
    return 0


def with_influx(
    settings: Settings, spool: SpoolFile, store: Store, clock: Clock, rounds: SimpleQueue[Round], stop: Stop
) -> threading.Thread | None:
    """
    Let a thread move readings to the InfluxDB of the settings; gives it, or None where they name none.

    Its cursor is made before anything is stored, so that the spool keeps for it what the store has passed; the cursor of one
    that is named no longer goes, so that the spool need not keep everything for ever.
    """
    if settings.influx.url is None:
        for name in store.books.retire_others([store.name, reconcile.NAME], clock()):
            log.warning("a sink is no longer in the settings; its cursor is forgotten", sink=name)
        return None
    begin_influx(settings.store_file, spool.bounds(), clock)
    thread = threading.Thread(target=follow_influx, args=(settings, clock, rounds, lambda: stop.asked), name="influx", daemon=True)
    thread.start()
    return thread


def wait_for(spool: SpoolFile, stop: Stop) -> None:
    """Wait until ingest has made the spool."""
    progress = Pace(PROGRESS)
    while not stop.asked and not spool.is_there():
        if progress.is_due():
            log.info("waiting for the spool", fix="start `canhbao ingest` on the same data folder")
        time.sleep(IDLE)


def forward(spool: SpoolFile, store: Store, jobs: Jobs, clock: Clock, stop: Stop) -> None:
    """Write what waits, then look again; between two turns sync and say how far it is."""
    forwarder = Forwarder(spool, store)
    sync, fold, progress, unfolded = Pace(SYNC), Pace(FOLD), Pace(PROGRESS), 0
    while not stop.asked:
        turn = forwarder.turn(clock())
        tell(turn, catching_up=turn.behind > 0 and progress.is_due())
        if sync.is_due():
            store.sync()
        unfolded += turn.written.lines
        if fold.is_due() or unfolded >= UNFOLDED:
            store.fold()
            unfolded = 0
        if jobs.broken is not None:
            raise jobs.broken
        if not turn.behind:
            jobs.caught_up()
        if not turn.batches:
            time.sleep(IDLE)


def tell(turn: Turn, *, catching_up: bool) -> None:
    """Log what is worth knowing about a turn."""
    if turn.start is not None and turn.start.trouble is not None:
        log.error("the cursor does not fit the spool", trouble=turn.start.trouble, detail=turn.start.detail)
    if turn.written.refused:
        log.warning("lines refused", lines=turn.written.refused, up_to=turn.cursor.ordinal, see="table refused of the store")
    if catching_up:
        log.info("catching up", ordinal=turn.cursor.ordinal, batches_left=turn.behind)
