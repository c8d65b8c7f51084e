"""
The queue of events -> what is to be committed. The one thread that owns sensors and rules runs this.

Rule 1: events are taken in the order in which they came; time passes between them by ticks, at least every TICK.
Rule 2: what the rules say is passed on with its cause; standings whose values moved follow about once a second.
Rule 3: states go into the checkpoint a few at a time, so that there is no long pause; a new revision takes all of them with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from devices.instants import SECOND, Instant
from ingest.accept import Broken, Intake, hear, inherit, intake_of, take, tick
from ingest.configuration import Configuration
from ingest.floor import Floor
from ingest.inbox import Deaf, Event, Heard, Inbound, Incident, Trouble
from ingest.restart import Triple, begin, sensor_of
from ingest.taken import Applied, Checkpoint, Taken

TICK = 0.05
"""Real seconds. Short, so that what is done a little at a time is done very little at a time."""
ROUND = 60.0
"""Real seconds in which every sensor that moves gets into the checkpoint."""
TOLD_WITHIN = 0.75
"""Real seconds in which the standings that moved are told, after a look at them."""
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
    moved_every: float = 1.0
    """Real seconds between two looks at standings whose values moved."""


class Decider:
    """Runs an intake. `turned_at` is for the supervisor, the rest for the one thread."""

    def __init__(self, intake: Intake, wires: Wires) -> None:
        self._intake, self._wires = intake, wires
        self._clock_at = 0
        self._given: int | None = None
        """States given in the present round of the checkpoint; None between two rounds."""
        self._moved: dict[Triple, Any] = {}
        """Standings that have moved and are not told yet, by sensor."""
        self._share = FEWEST
        self._unsettled = False
        """Whether anything was put since the checkpoint last held everything."""
        self.turned_at = self._ticks_at = self._moved_at = time.monotonic()

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
        """Take one event."""
        self._put(self._taken(event))

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
            taken.standings += self._told_with({sensor_of(said.change) for said in taken.said})
        if taken.says_something:
            self._wires.put(taken)
            self._unsettled = taken.checkpoint is None or not (taken.checkpoint.begins and taken.checkpoint.ends)

    def tick(self) -> None:
        """Let time pass up to now, and pass on what has moved meanwhile."""
        at = self._wires.clock()
        taken = tick(self._intake, at)
        if at < self._clock_at - SECOND:
            detail = f"by {(self._clock_at - at) / SECOND:.1f} s; time stands still until it is made up"
            taken.incidents.append(Incident(taken.at, Trouble.CLOCK_WENT_BACK, detail))
        self._clock_at = at
        if time.monotonic() >= self._moved_at:
            self._moved_at = time.monotonic() + self._wires.moved_every
            self._look()
        taken.standings += self._some_moved()
        taken.checkpoint = self._checkpoint(self._unsettled or taken.says_something)
        self._put(taken)

    def _look(self) -> None:
        """Note the standings that have moved; the newest of each sensor counts."""
        self._moved.update((sensor_of(standing), standing) for standing in self._intake.engine.dirty())
        self._share = max(FEWEST, int(len(self._moved) * TICK / TOLD_WITHIN) + 1)

    def _told_with(self, sensors: set[Triple]) -> list[Any]:
        """Give the standings that belong to a change. Those that only moved would hold it up, so they wait."""
        self._look()
        return [self._moved.pop(sensor) for sensor in sensors if sensor in self._moved]

    def _some_moved(self) -> list[Any]:
        """Give some of the standings that moved, so that all are told within TOLD_WITHIN."""
        return [self._moved.pop(sensor) for sensor in [*self._moved][: self._share]]

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
        self._given = None
        self._moved.clear()  # the new engine tells all that stands
        sensors = frozenset((sensor.station, sensor.quantity, sensor.device) for sensor in configuration.registry.sensors())
        return Taken(
            before.now,
            said=list(said),
            incidents=[Incident(before.now, Trouble.CONFIGURATION_APPLIED, configuration.revision)],
            standings=list(engine.dirty()),
            checkpoint=Checkpoint([*moved.items()], begins=True, ends=True),
            applied=Applied(configuration.revision, configuration.documents, sensors),
        )
