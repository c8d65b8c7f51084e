"""
`canhbao ingest`: from the broker to the spool, for as long as it runs; it alone applies the city's configuration.

Rule 1: one thread each: the session owns paho, the decider sensors and rules, the committer the spool; one more moves the spool's log.
        Queues between them, no locks. A thread that ends ends the process, which is started again.
Rule 2: the past is replayed before the first message is taken, so that what the broker delivers again is known.
Rule 3: a city that cannot be used changes nothing: it is an incident, and the one in force stays. SIGHUP reads the files again.
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import structlog

from devices.documents import ConfigurationError
from devices.instants import SECOND, Instant, Span, format_instant
from ingest.commit import Committer, Keeping
from ingest.configuration import Configuration
from ingest.connection import Broker
from ingest.decide import Decider, Inbox, Wires
from ingest.inbox import Deaf, Incident, Trouble
from ingest.restart import Resumed, newest_states, resume
from ingest.session import Session
from ingest.spool import meta, move_log, open_reader, open_spool, suspect
from ingest.taken import Taken
from rules.engine import Engine
from service.apart import watched_of_files, watched_of_spool
from service.clock import Clock, slack_of
from service.configuration import Watched
from service.disk import budget_of
from service.exits import CommandError, Exit
from service.memory import settle_memory
from service.settings import Settings

TOPICS = ("canhbao/v1/+/up",)
LOOK = 0.1
"""Seconds between two looks at signals and threads."""
STUCK = 60.0
"""Seconds without a turn of a thread after which we give up on ourselves."""
MOVE_LOG = 1.0
"""Seconds between two moves of the log into the file: each makes commits beside it wait for the disk, and moves a page once that was written often."""
LEAP: Span = 10 * SECOND
"""Between two looks at the clock: more is no passing of time. It was set, or we stood still; it is told as deafness."""
LONGEST_DETAIL = 4_000
"""Characters of an incident."""
LEAVE = 0.3
"""Seconds in which the threads may end in order. What is not finished then comes again."""

log = structlog.get_logger(__name__)


def run(settings: Settings, clock: Clock) -> int:
    """
    Take in what devices publish until a signal asks to stop. For the main thread, as signals are.

    Returns:
        The exit status; a fault does not return, it ends the process with 70.

    Raises:
        CommandError: where another ingest runs on the data folder, or no broker is set.
        ConfigurationError: where the city's files cannot be used and none was ever applied.
    """
    broker = broker_of(settings)
    settings.data.mkdir(parents=True, exist_ok=True)
    with only_one(settings.data):
        signals = Signals()
        running = start(settings, clock, broker)
        if running.goes_on:  # only now: reading a large city takes longer than a restart may
            running.reload(settings.city, clock)
        watch(running, signals, lambda: running.reload(settings.city, clock))
        running.stop()
    return Exit.FINE


class Running:
    """The parts, and the threads they run in."""

    def __init__(self, spool: Path, inbox: Inbox, session: Session, decider: Decider, committer: Committer) -> None:
        self.inbox = inbox
        self.revision = ""
        """What is in force, or about to be."""
        self.goes_on = False
        """Under a revision that was applied before; the files may say something else by now."""
        self._spool, self._session, self._decider, self._committer = spool, session, decider, committer
        self._leaving = threading.Event()
        works = {"commit": committer.run, "decide": self._decide, "session": session.run, "log": self._move_log}
        self._threads = [threading.Thread(target=_guarded(work, self._leaving), name=name, daemon=True) for name, work in works.items()]

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def reload(self, folder: Path, clock: Clock) -> None:
        """Read the city's files again, and apply them if they say something else and can be used."""
        wanted, refused = wanted_city(folder, clock)
        if refused is not None:
            self.inbox.put(refused)
        if wanted is not None and wanted.revision != self.revision:
            self.revision = wanted.revision
            self.inbox.put(wanted)

    def stuck(self) -> str:
        """Name a thread that does not turn, or nothing."""
        turned = {
            "session": self._session.pulse().turned_at,
            "decide": self._decider.turned_at,
            "commit": self._committer.turned_at,
        }
        return next((name for name, at in turned.items() if time.monotonic() - at > STUCK), "")

    def stop(self) -> None:
        """End the threads in order, within LEAVE; what waits stays with the broker."""
        self._leaving.set()
        self._session.stop()
        self.inbox.put(None)
        self._committer.stop()
        until = time.monotonic() + LEAVE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _decide(self) -> None:
        self._decider.run(self.inbox)

    def _move_log(self) -> None:
        with closing(open_spool(self._spool)) as spool:
            while not self._leaving.wait(MOVE_LOG):
                move_log(spool)


class Signals:
    """What signals asked for. Plain flags: a lock taken in a signal handler can wait for itself."""

    def __init__(self) -> None:
        self.stop = self.reload = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        else:
            self.stop = True


def start(settings: Settings, clock: Clock, broker: Broker) -> Running:
    """Replay the spool under the city that is in force in it, then start the threads."""
    gc.disable()
    open_spool(settings.spool_file).close()
    in_force = in_force_of(settings, clock)
    with closing(open_reader(settings.spool_file)) as spool:
        resumed = resume(spool, in_force)
        known = meta(spool, "session") == broker.session
    log.info("resumed", revision=in_force.revision, last_at=format_instant(resumed.last_at) if resumed.last_at else None)
    running = wire(settings, clock, replace(broker, known=known), resumed)
    is_new = resumed.last_at == 0
    if is_new:
        running.inbox.put(in_force)
    if resumed.intake.hearing[1]:
        running.inbox.put(Deaf(clock() if is_new else resumed.last_at, "ingest did not run"))
    running.revision, running.goes_on = in_force.revision, not is_new
    settle_memory()
    running.start()
    return running


def wire(settings: Settings, clock: Clock, broker: Broker, resumed: Resumed) -> Running:
    """Make the parts and connect them; nothing runs yet."""
    path, inbox = settings.spool_file, Inbox()
    session = Session(broker, inbox.put, clock)
    keeping = Keeping(path, settings.store_file, broker.session, settings.spool.quarantine_bytes, budget_of(settings))
    committer = Committer(keeping, session.acknowledge, session.pulse, clock, inbox.put)
    if resumed.incidents or resumed.standings:
        committer.put(Taken(resumed.intake.now, incidents=resumed.incidents, standings=resumed.standings))
    wires = Wires(
        put=committer.put,
        settle=committer.settle,
        states=lambda: _states(path),
        suspect=lambda digest, at: suspect(path, digest, at),
        clock=clock,
        in_force=settle_memory,
        leap=round(LEAP * clock.speed),
    )
    return Running(path, inbox, session, Decider(resumed.intake, wires), committer)


# ---- the city


def configuration_of(city: Watched, slack: Span = 0) -> Configuration:
    """Give a city as ingest needs it; `slack` is added to the patience with silent sensors."""

    def engine(started_at: Instant) -> Engine:
        return Engine(city.registry, city.rules, started_at, slack)

    return Configuration(city.revision, city.documents, city.registry, engine)


def wanted_city(folder: Path, clock: Clock) -> tuple[Configuration | None, Incident | None]:
    """Read the city's files: what is to be in force, or what is to be told of them."""
    try:
        return configuration_of(watched_of_files(folder), slack_of(clock)), None
    except ConfigurationError as error:
        log.error("the city's files cannot be used; what is in force stays", problems=str(error))
        return None, Incident(clock(), Trouble.CONFIGURATION_REFUSED, str(error)[:LONGEST_DETAIL])


def in_force_of(settings: Settings, clock: Clock) -> Configuration:
    """Give the revision to replay under: the applied one, or in a new spool that of the files; raises CommandError where there is neither."""
    with closing(open_reader(settings.spool_file)) as spool:
        is_new = spool.execute("SELECT 1 FROM configuration LIMIT 1").fetchone() is None
    if not is_new:
        return configuration_of(watched_of_spool(settings.spool_file), slack_of(clock))
    wanted, refused = wanted_city(settings.city, clock)
    if wanted is None:
        problems = refused.detail if refused is not None else ""
        raise CommandError(f"the city's files cannot be used, and none was ever applied:\n{problems}", Exit.CONFIGURATION)
    return wanted


# ---- the process


def broker_of(settings: Settings) -> Broker:
    """Give the broker of the settings; raises CommandError where none is set."""
    told = settings.broker
    if told.host is None:
        message = "no broker is set; set broker.host (CANHBAO_BROKER__HOST), or start `canhbao run`, which brings one"
        raise CommandError(message, Exit.USAGE)
    password = told.password.get_secret_value() if told.password is not None else None
    tls = ssl.create_default_context(cafile=told.ca) if told.tls else None
    return Broker(told.host, told.port, told.client_id, TOPICS, told.username, password, tls)


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the lock of ingest; raises CommandError where another one holds it. The kernel frees it however we end."""
    with (data / "ingest.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another `canhbao ingest` writes the spool of {data}; end that one, or give another folder with --data"
            raise CommandError(message, Exit.UNAVAILABLE) from None
        yield


def watch(running: Running, signals: Signals, reload: Callable[[], None]) -> None:
    """Look after the process until it is asked to end; a thread that hangs ends it."""
    while not signals.stop:
        time.sleep(LOOK)
        if signals.reload:
            signals.reload = False
            reload()
        if stuck := running.stuck():
            log.error("a thread hangs; the process ends and is started again", thread=stuck)
            _end()


def _guarded(work: Callable[[], None], leaving: threading.Event) -> Callable[[], None]:
    """Take the process with it when it ends before it was asked to."""

    def guarded() -> None:
        try:
            work()
        except BaseException:
            log.exception("a thread ended by an error; the process ends and is started again", thread=threading.current_thread().name)
            _end()
        if not leaving.is_set():
            log.error("a thread ended; the process ends and is started again", thread=threading.current_thread().name)
            _end()

    return guarded


def _end() -> None:
    sys.stderr.flush()
    os._exit(Exit.FAULT)


def _states(path: Path) -> dict[str, bytes]:
    with closing(open_reader(path)) as spool:
        return newest_states(spool)
