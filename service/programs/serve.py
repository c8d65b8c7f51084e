"""
`canhbao serve`: changes of the spool -> alarms, notices, deliveries; and the operators' pages, for as long as it runs.

Rule 1: one thread writes what is decided; each channel has a thread of its own, the pages another, jobs theirs. A thread that dies ends the process.
Rule 2: nothing is kept but the ledger: a start finds there what is still to be told, and to whom.
Rule 3: a city that this program cannot use leaves the earlier one in place, and is said.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Engine

from alerts.compose import compose
from alerts.deliver import Deliverer
from alerts.desk import step
from alerts.facts import facts_of
from alerts.ledger import changes, deliveries, incidents
from alerts.ledger.migrating import migrate
from alerts.ledger.opening import ledger_url, open_ledger, open_ledger_to_read
from alerts.ledger.recipients import recipients_of, sync_recipients
from alerts.model import Alarm, Status, Told
from alerts.plan import Draft
from alerts.ports import hears, is_alive
from alerts.telling import Compose, Desk, Step
from devices.documents import ConfigurationError
from devices.instants import SECOND, Instant
from ingest.feed import Cursor, CursorLost, Feed, Heartbeat, News, NoSpool
from ingest.watch import Watch
from rules.changes import Said, Standing, said_of, standing_of
from service.clock import Clock, RealClock, slack_of
from service.configuration import City, build, from_snapshot
from service.exits import CommandError, Exit
from service.programs.archive import Pace, Stop
from service.programs.serve_annotations import annotating
from service.programs.serve_channels import open_channels
from service.programs.serve_health import note_waits
from service.programs.serve_jobs import schedule_jobs
from service.programs.serve_pages import end_process, real_clock, start_pages, token_of
from service.settings import Settings

IDLE = 0.005
"""Longest real time, in seconds, between two looks whether the spool has moved."""
REST = 0.02
"""The same after something was new: what comes close together is one step."""
LOOK: int = SECOND
"""Of the city's clock: without news a step is made so often, because time alone lets things differ."""
MOST = 10_000
"""Changes in one step."""
CITY = 2.0
"""Real seconds between two looks at the applied configuration."""
LEAVE = 0.3
"""Seconds that each group of threads may take to end."""
SPOOL_CHANGED = "spool_changed"

log = structlog.get_logger(__name__)
SpoolFeed = Feed[Said, Standing]


def run(settings: Settings, clock: Clock) -> int:
    """
    Serve until a signal asks to stop. For the main thread, as signals are.

    Args:
        settings: of the machine.
        clock: of the city; one of a rehearsal makes all of this an exercise.

    Returns:
        The exit status.

    Raises:
        CommandError: the operators' address is taken, or the applied city cannot be used.
    """
    stop = Stop()
    settings.data.mkdir(parents=True, exist_ok=True)
    token = token_of(settings.token_file)
    engine = open_ledger(ledger_url(settings.ledger_file))
    migrate(engine)
    feed: SpoolFeed = Feed(settings.spool_file, said_of, standing_of)
    city = first_city(feed, stop)
    if city is not None:
        serving = Serving(settings, clock, engine, feed, city)
        pages = start_pages(settings, clock, engine, feed, token, acted=serving.look_now)
        jobs = schedule_jobs(
            clock,
            city.registry.time_zone,
            engine,
            serving.wake,
            show=annotating(settings, engine, clock()),
            look=partial(note_waits, settings.store_file, engine),
        )
        log.info("serving", revision=city.revision, status=serving.status.value, port=settings.operators.port)
        while not stop.asked:
            serving.turn()
        jobs.end()
        pages.end()
        serving.end()
    engine.dispose()
    return Exit.FINE


class Serving:
    """The desk at work: one turn after the other, in one thread."""

    def __init__(self, settings: Settings, clock: Clock, engine: Engine, feed: SpoolFeed, city: City) -> None:
        self._settings, self._clock, self._engine, self._feed = settings, clock, engine, feed
        self._reader = open_ledger_to_read(ledger_url(settings.ledger_file))
        self.status = Status.ACTUAL if isinstance(clock, RealClock) else Status.EXERCISE
        self._rest = min(REST, max(IDLE, 30 / clock.speed))
        self._watch = Watch(settings.spool_file)
        self._has_more = False
        """Whether the last reading of the feed left something unread."""
        self._heartbeat: Heartbeat | None = None
        self._look_for_city = Pace(CITY)
        self._looked_at: Instant = 0
        self._heard: bool | None = None
        self._asked = threading.Event()
        self._refused = ""
        self._deliverer: Deliverer | None = None
        with engine.begin() as connection:
            known = changes.cursor_of(connection)
            deliveries.give_back_all(connection)
        self._cursor = None if known is None else Cursor(*known)
        self._adopt(city)

    def turn(self) -> None:
        """Look at the spool once, and step where there is something to take or time has passed; wait where there is nothing."""
        news = self._read()
        self._follow_city(news)
        done = self._step(news)
        if done.notices:
            self.wake()
        if not self._has_more:
            self._asked.wait(self._rest if is_something(news) else IDLE)

    def wake(self) -> None:
        """Say that there may be something to deliver."""
        if self._deliverer is not None:
            self._deliverer.wake()

    def look_now(self) -> None:
        """Make the next turn come at once, with a step: an operator has acted. From any thread."""
        self._asked.set()

    def end(self) -> None:
        """Let the threads of the channels end, and go of the spool."""
        self._stop_delivering()
        self._watch.close()

    def _stop_delivering(self) -> None:
        if self._deliverer is not None:
            self._deliverer.stop(LEAVE)

    def _read(self) -> News[Said, Standing] | None:
        """Give what is new, which may be a sign of life alone; None where the spool stands still, or cannot be read."""
        if not self._watch.moved() and not self._has_more:
            return None
        had, self._heartbeat, self._has_more = self._heartbeat, None, False
        try:
            news = self._feed.read(self._cursor, MOST)
            self._heartbeat, self._has_more = news.heartbeat, len(news.said) >= MOST
            return news
        except CursorLost as error:
            log.error("the cursor does not fit the spool; it is read from its beginning", detail=str(error))
            with self._engine.begin() as connection:
                changes.forget_cursor(connection)
                incidents.note(connection, SPOOL_CHANGED, str(error), self._clock())
            self._cursor, self._has_more = None, True
        except NoSpool:
            if had is not None:  # once, not at each look
                log.error("the spool is gone; start `canhbao ingest` on this data folder")
        return None

    def _step(self, news: News[Said, Standing] | None) -> Step:
        now, real_now = self._clock(), real_clock()
        heard = hears(self._heartbeat, real_now)
        if is_asked := self._asked.is_set():
            self._asked.clear()  # before it is done: who asks meanwhile asks for the next one
        is_whole = is_asked or heard != self._heard or abs(now - self._looked_at) >= LOOK
        if not (is_whole or is_something(news)):
            return Step((), ())
        with self._engine.begin() as connection:
            alive = is_alive(self._heartbeat, real_now)
            done = step(connection, news, self._desk, now=now, hears=heard, is_alive=alive, is_whole=is_whole)
        if is_whole:
            self._looked_at, self._heard = now, heard
        if news is not None:
            self._cursor = news.cursor
        say(done)
        return done

    # ---- the city

    def _follow_city(self, news: News[Said, Standing] | None) -> None:
        """Adopt a revision before anything that it judged is taken."""
        is_applied = news is not None and any(incident.kind == "configuration_applied" for _, incident in news.incidents)
        if not is_applied and not self._look_for_city.is_due():
            return
        try:
            if self._feed.revision() in (None, self._desk.revision, self._refused):
                return
            snapshot = self._feed.configuration()
        except NoSpool:
            return
        assert snapshot is not None, "a revision that was applied has its documents"
        try:
            self._adopt(replace(build(from_snapshot(snapshot.documents)), revision=snapshot.revision))
        except ConfigurationError as error:
            self._refused = snapshot.revision
            log.error("the applied city cannot be used; the earlier one stays", revision=snapshot.revision, problems=str(error))

    def _adopt(self, city: City) -> None:
        """Take a city: who is told, by which channels, in which words."""
        policy = replace(city.policy, slack=slack_of(self._clock))
        self._desk = Desk(city.registry, policy, city.revision, self.status, composing(city))
        now = self._clock()
        with self._engine.begin() as connection:
            sync_recipients(connection, city.policy.recipients, now)
        self._stop_delivering()
        channels = open_channels(city.policy.channels, self._settings, self._engine, now)
        self._deliverer = Deliverer(self._engine, channels, recipients_of, self._clock, reader=self._reader)
        self._deliverer.start(on_death=end_with)
        log.info("city adopted", revision=city.revision)


def composing(city: City) -> Compose:
    """Give what puts drafts into the words of a city."""

    def words(alarm: Alarm, draft: Draft, told: Told, now: Instant) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
        facts = facts_of(
            alarm,
            draft.kind,
            level=draft.level,
            was=draft.was,
            registry=city.registry,
            now=now,
            audience=draft.audience,
            told=told,
        )
        return facts, compose(facts, city.texts)

    return words


def first_city(feed: SpoolFeed, stop: Stop) -> City | None:
    """Wait for the city that ingest applies; None if a signal asked to stop meanwhile. Raises CommandError where it cannot be used."""
    progress = Pace(CITY)
    while not stop.asked:
        try:
            snapshot = feed.configuration()
        except NoSpool:
            snapshot = None
        if snapshot is not None:
            try:
                return replace(build(from_snapshot(snapshot.documents)), revision=snapshot.revision)
            except ConfigurationError as error:
                raise CommandError(f"the applied city cannot be used by this version:\n{error}", Exit.CONFIGURATION) from error
        if progress.is_due():
            log.info("waiting for the spool", fix="start `canhbao ingest` on the same data folder")
        time.sleep(REST)
    return None


def is_something(news: News[Said, Standing] | None) -> bool:
    """Tell whether news is more than a sign of life."""
    return news is not None and bool(news.said or news.standings or news.incidents)


def say(done: Step) -> None:
    """Log what was decided."""
    for notice in done.notices:
        who = {"audience": notice.audience.value, "kind": notice.kind.value, "from_level": notice.was, "to_level": notice.level}
        log.info("notice", notice=notice.id, alarm=notice.alarm, **who)
    for withheld in done.withheld:
        what = {
            "audience": withheld.audience.value,
            "kind": withheld.kind.value,
            "of_level": withheld.level,
            "reason": withheld.reason.value,
        }
        log.info("withheld", alarm=withheld.alarm, **what)


def end_with(error: BaseException) -> None:
    """End a process that lost the thread of a channel."""
    log.error("a thread ended by an error; the process ends and is started again", thread=threading.current_thread().name, exc_info=error)
    end_process()
