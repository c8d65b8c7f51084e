"""
The queue of events -> what is to be committed. The one thread that owns sensors and rules runs this.

Rule 1: events are taken in the order in which they came; time passes between them by ticks, at least every TICK.
Rule 2: what the rules say is passed on with its cause; standings whose values moved follow a few at a time, each about once a second.
Rule 3: states go into the checkpoint a few at a time, so that there is no long pause; a new revision takes all of them with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import TypeAlias

from devices.instants import SECOND, Instant
from ingest.accept import Broken, Intake, hear, inherit, intake_of, take, tick
from ingest.configuration import Configuration
from ingest.floor import Floor
from ingest.inbox import Deaf, Event, Heard, Inbound, Incident, Trouble
from ingest.leaps import is_contradicted, leap
from ingest.restart import begin
from ingest.taken import Applied, Checkpoint, Taken

TICK = 0.05
"""Real seconds. Short, so that what is done a little at a time is done very little at a time."""
ROUND = 60.0
"""Real seconds in which every sensor that moves gets into the checkpoint."""
MOVED = 48
"""Standings that are told in one tick because their values moved."""
FEWEST = 16
ALL = 1 << 40

Inbox: TypeAlias = SimpleQueue[Event | Configuration | None]
"""Thread-safe and without a bound, since the session counts what waits. None ends the thread."""


@dataclass(frozen=True, slots=True)
class Wires:
    """What the accepting thread needs of the others."""

    put: Callable[[Taken], None]
    """Has something committed."""
    settle: Callable[[], None]
    """Waits until all that was put is on the disk."""
    states: Callable[[], dict[str, bytes]]
    """Gives the newest states in the checkpoint, by key."""
    suspect: Callable[[bytes, Instant], None]
    """Notes the digest of a message that ends us."""
    clock: Callable[[], Instant]
    leap: Instant = 1 << 62
    """Of the clock, between two looks at it: more is no passing of time, it was set, or we did not run."""
    in_force: Callable[[], None] = lambda: None
    """Called when a revision has come into force: what it is made of lives until the next."""


class Decider:
    """Runs an intake. `turned_at` is for the supervisor, the rest for the one thread."""

    def __init__(self, intake: Intake, wires: Wires) -> None:
        self._intake, self._wires = intake, wires
        self._clock_at = 0
        self._given: int | None = None
        """States given in the present round of the checkpoint; None between two rounds."""
        self._unsettled = False
        """Whether anything was put since the checkpoint last held everything."""
        self.turned_at = self._ticks_at = time.monotonic()

    def run(self, inbox: Inbox) -> None:
        """Take events until there is a None."""
        while True:
            self.turned_at = time.monotonic()
            with suppress(Empty):
                event = inbox.get(timeout=max(0.0, self._ticks_at - self.turned_at))
                if event is None:
                    return
                self.handle(event)
            if time.monotonic() >= self._ticks_at:
                self._ticks_at = time.monotonic() + TICK
                self.tick()

    def handle(self, event: Event | Configuration) -> None:
        """Take one event; one that is stamped by a clock which was set since, or is not known to be, waits for a look at the clock."""
        if isinstance(event, Inbound | Heard | Deaf) and self._clock_at:
            event = self._by_this_clock(event)
        self._put(self._taken(event))

    def _by_this_clock(self, event: Inbound | Heard | Deaf) -> Inbound | Heard | Deaf:
        at = event.received_at if isinstance(event, Inbound) else event.at
        if abs(at - self._clock_at) <= self._wires.leap:
            return event
        self.tick()
        return replace(event, received_at=self._clock_at) if isinstance(event, Inbound) else replace(event, at=self._clock_at)

    def _taken(self, event: Event | Configuration) -> Taken:
        match event:
            case Inbound():
                return self._take(event)
            case Heard(at):
                return hear(self._intake, at, None)
            case Deaf(at, why):
                return hear(self._intake, at, why)
            case Incident():
                return Taken(self._intake.now, incidents=[event])
            case Configuration():
                return self._apply(event)

    def _take(self, inbound: Inbound) -> Taken:
        try:
            return take(self._intake, inbound)
        except Broken as broken:
            self._wires.suspect(broken.digest, self._intake.now)
            raise

    def _put(self, taken: Taken) -> None:
        if taken.said:
            taken.standings += self._intake.engine.dirty()
        if taken.says_something:
            self._wires.put(taken)
            self._unsettled = taken.checkpoint is None or not (taken.checkpoint.begins and taken.checkpoint.ends)

    def tick(self) -> None:
        """Let time pass up to now, and pass on what has moved meanwhile."""
        taken = self._passed(self._wires.clock())
        taken.standings += self._intake.engine.dirty(MOVED)
        taken.checkpoint = self._checkpoint(self._unsettled or taken.says_something)
        self._put(taken)

    def _passed(self, at: Instant) -> Taken:
        """Let time pass up to what the clock says, or leap there."""
        intake, before = self._intake, self._clock_at or self._intake.now
        self._clock_at = at
        is_later = at - before > self._wires.leap
        is_back = at < before - self._wires.leap and not is_contradicted(intake, at)
        if is_back or (is_later and intake.hearing[1] and before):
            self._put(leap(intake, at))
        taken = tick(intake, at)
        if at < before - SECOND and not is_back:
            detail = f"by {(before - at) / SECOND:.1f} s; time stands still until it is made up"
            taken.incidents.append(Incident(taken.at, Trouble.CLOCK_WENT_BACK, detail))
        return taken

    def _checkpoint(self, unsettled: bool) -> Checkpoint | None:
        """Give the next states of a round; a state that moves again while the round goes on waits for the next one."""
        if not unsettled and self._given is None:
            return None
        most = max(FEWEST, int(self._intake.size * TICK / ROUND))
        rows = list(self._intake.engine.snapshots(most))
        begins, given = self._given is None, (self._given or 0) + len(rows)
        if len(rows) < most:  # all that had moved is given: whatever came before needs no replay
            self._given = None
            return Checkpoint(rows, begins=True, ends=True)
        self._given = None if given >= self._intake.size else given
        return Checkpoint(rows, begins=begins, ends=self._given is None)

    def _apply(self, configuration: Configuration) -> Taken:
        """Put a new revision into force: all states go into the checkpoint, and from there into an engine with the new rules."""
        self._put(tick(self._intake, self._wires.clock()))
        before, moved = self._intake, dict(self._intake.engine.snapshots(ALL))
        self._wires.settle()
        engine = configuration.engine(before.now)
        said = begin(engine, {**self._wires.states(), **moved}.items(), Floor(0, before.now, before.hearing))
        self._intake = intake_of(configuration.registry, engine)
        inherit(self._intake, before)
        self._wires.in_force()
        self._given = None
        sensors = frozenset((sensor.station, sensor.quantity, sensor.device) for sensor in configuration.registry.sensors())
        return Taken(
            before.now,
            said=list(said),
            incidents=[Incident(before.now, Trouble.CONFIGURATION_APPLIED, configuration.revision)],
            standings=list(engine.dirty()),
            checkpoint=Checkpoint([*moved.items()], begins=True, ends=True),
            applied=Applied(configuration.revision, configuration.documents, sensors),
        )
