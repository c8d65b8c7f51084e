"""
Turn what was taken into one transaction of the spool, then acknowledge it to the broker. Hot path: `_gather`, `store`.

Rule 1: a group is what waits when the last commit is done and what joins it within LINGER, up to MOST readings; a change in it
        ends the wait. A slow disk so makes larger groups, never a longer queue of small ones.
Rule 2: everything of a group is one transaction; its receipts leave only after it.
Rule 3: nothing is caught. A commit that fails ends the process, and the broker delivers again.
Rule 4: a batch is replayed as: what was heard, then its lines, then a tick at `received_at`. So what was heard opens a batch, and
        a checkpoint closes one.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from devices.instants import Instant
from ingest.floor import Floor, last_hearing, read_floor, write_floor
from ingest.inbox import Incident, Receipt
from ingest.quarantine import Quarantine
from ingest.rows import CHANGE, change_row, counts_of, store_counts, store_rare
from ingest.session import Pulse
from ingest.spool import SpoolError, open_spool, set_meta
from ingest.taken import Taken
from ingest.trim import Limits, trim

LINGER = 0.005
MOST = 5_000
BEAT = 1.0
"""Seconds between two heartbeats; the other programs call everything stale when ten of them are missing."""
_AWAITS_NOTHING, _AWAITS_URGENT, _AWAITS_ANYTHING = range(3)
"""What wakes the committer: nothing while it works, only what cannot wait while a group lingers, anything while there is none."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where and how much to keep."""

    spool: Path
    store: Path
    """The file of the archive, whose cursors say what may go."""
    session: str
    """Name of the broker's session; remembered, so that its loss is noticed after a restart too."""
    quarantine_bytes: int = 256 * 1024 * 1024
    budget_bytes: int | None = None


class Committer:
    """Owns the writing of the spool. `put` and `settle` are for the accepting thread, the rest for the one that calls `run`."""

    def __init__(
        self,
        keeping: Keeping,
        acknowledge: Callable[[list[Receipt]], None],
        pulse: Callable[[], Pulse],
        clock: Callable[[], Instant],
        tell: Callable[[Incident], None] = lambda _: None,
    ) -> None:
        """
        Make a committer that does not run yet.

        Args:
            keeping: the files.
            acknowledge: called after each commit; must not block.
            pulse: tells how the session is, for the heartbeat.
            clock: the world's, for the heartbeat and for trimming.
            tell: hears what somebody should know of the spool; must not block.
        """
        self._keeping, self._acknowledge, self._pulse, self._clock, self._tell = keeping, acknowledge, pulse, clock, tell
        self._limits = Limits(keeping.store, keeping.budget_bytes)
        self._waiting: deque[Taken | threading.Event] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._awaits = _AWAITS_NOTHING
        self._put = self._done = 0
        self._stopping = False
        self.turned_at = time.monotonic()
        """When the loop last went round, for the supervisor."""

    def put(self, taken: Taken) -> None:
        """Have this committed; does not block."""
        self._put += taken.readings
        self._waiting.append(taken)
        self._ring(_AWAITS_URGENT if taken.closes_a_batch or taken.opens_a_batch else _AWAITS_ANYTHING)

    def settle(self) -> None:
        """Wait until all that was put is on the disk."""
        settled = threading.Event()
        self._waiting.append(settled)
        self._ring(_AWAITS_URGENT)
        settled.wait()

    def stop(self) -> None:
        """Have `run` return after the group it is at."""
        self._stopping = True
        self._waiting.append(threading.Event())
        self._ring(_AWAITS_URGENT)

    def run(self) -> None:
        """Commit until stopped; raises SpoolError where the disk refuses."""
        with closing(open_spool(self._keeping.spool)) as spool:
            self._begin(spool)
            try:
                while not self._stopping:
                    self._turn(spool)
            except sqlite3.OperationalError as error:
                advice = "free space on its disk" if error.sqlite_errorcode == sqlite3.SQLITE_FULL else "check the disk and the rights"
                raise SpoolError(
                    f"{self._keeping.spool} cannot be written: {error}; {advice}. Nothing is lost: the broker keeps it"
                ) from error

    def _begin(self, spool: sqlite3.Connection) -> None:
        self._quarantine = Quarantine(spool, self._keeping.quarantine_bytes)
        row = spool.execute("SELECT revision FROM configuration ORDER BY ordinal DESC LIMIT 1").fetchone()
        self._revision = "" if row is None else row[0]
        self._floor = read_floor(spool)
        self._round: Floor | None = None
        self._hearing = last_hearing(spool, self._floor)
        self._beat_at = time.monotonic()

    def _turn(self, spool: sqlite3.Connection) -> None:
        self.turned_at = time.monotonic()
        group, settled = self._gather()
        beats = time.monotonic() >= self._beat_at
        if group or beats:
            self.store(spool, group, beats=beats)
            self._acknowledge([taken.receipt for taken in group if taken.receipt is not None])
            self._done += sum([taken.readings for taken in group])
        if settled is not None:
            settled.set()
        if beats:
            self._beat_at = time.monotonic() + BEAT
            trim(spool, self._limits, self._floor.ordinal, self._clock(), self._tell)

    def _gather(self) -> tuple[list[Taken], threading.Event | None]:
        """Give the next group, and the event to set once it is on the disk."""
        group: list[Taken] = []
        readings, until = 0, self._beat_at
        while readings < MOST:
            if not self._waiting:
                self._sleep(until, _AWAITS_ANYTHING if not group else _AWAITS_URGENT)
                if not self._waiting:
                    break
            found = self._waiting.popleft()
            if isinstance(found, threading.Event):
                return group, found
            if group and found.opens_a_batch:
                self._waiting.appendleft(found)
                break
            if not group:
                until = time.monotonic() + LINGER
            group.append(found)
            readings += len(found.lines)
            if found.closes_a_batch:
                break
        return group, None

    def _sleep(self, until: float, awaited: int) -> None:
        """Sleep to an instant of the monotonic clock, or until what is awaited comes. The rest only waits: being woken costs more than it."""
        self._awaits = awaited  # before the look at what waits, so that nothing slips in between
        left = until - time.monotonic()
        if not self._waiting and left > 0:
            with suppress(Empty):
                self._bell.get(timeout=left)
        self._awaits = _AWAITS_NOTHING

    def _ring(self, kind: int) -> None:
        """Wake the committer if it awaits this; who awaits anything awaits what is urgent too."""
        if kind <= self._awaits:
            self._awaits = _AWAITS_NOTHING  # once is enough
            self._bell.put(None)

    def store(self, spool: sqlite3.Connection, group: list[Taken], *, beats: bool) -> None:
        """Write a group as one transaction; an empty one is but a heartbeat."""
        spool.execute("BEGIN IMMEDIATE")
        if group:
            self._store_group(spool, group)
        if beats:
            self._store_beat(spool)
        spool.execute("COMMIT")

    def _store_group(self, spool: sqlite3.Connection, group: list[Taken]) -> None:
        at, applied = group[-1].at, group[0].applied
        if applied is not None:
            self._revision = applied.revision
        lines = [line for taken in group for line in taken.lines]
        ranks = array("q", [rank for taken in group for rank in taken.ranks])
        hearing = [heard for taken in group for heard in taken.hearing]
        said = [said for taken in group for said in taken.said]
        rejections = [rejection for taken in group for rejection in taken.rejections]
        ordinal = spool.execute(
            "INSERT INTO batch VALUES (NULL, ?, ?, ?, ?, ?, ?)",
            (at, len(lines), self._revision, "\n".join(lines).encode(), ranks.tobytes(), json.dumps(hearing)),
        ).lastrowid
        assert ordinal is not None
        spool.executemany(CHANGE, [change_row(ordinal, one) for one in said])
        store_counts(spool, counts_of(group))
        if rejections:
            self._quarantine.add(ordinal, at, rejections)
        store_rare(spool, ordinal, group)
        if hearing:
            self._store_hearing(spool, *hearing[-1])
        self._store_floor(spool, ordinal, group[-1])

    def _store_hearing(self, spool: sqlite3.Connection, at: Instant, hears: bool) -> None:
        self._hearing = at, hears
        if hears:
            set_meta(spool, "session", self._keeping.session)

    def _store_floor(self, spool: sqlite3.Connection, ordinal: int, last: Taken) -> None:
        """Keep the states of a checkpoint, and note where a replay would begin."""
        if last.checkpoint is None:
            return
        spool.executemany(
            "INSERT INTO checkpoint VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET ordinal = excluded.ordinal, state = excluded.state",
            [(key, ordinal, state) for key, state in last.checkpoint.rows],
        )
        if last.checkpoint.begins:
            self._round = Floor(ordinal, last.at, self._hearing)
        if last.checkpoint.ends and self._round is not None:
            self._floor, self._round = self._round, None
            write_floor(spool, self._floor)

    def _store_beat(self, spool: sqlite3.Connection) -> None:
        pulse = self._pulse()
        real_at = time.time_ns() // 1000
        turned_at = real_at - int((time.monotonic() - pulse.turned_at) * 1e6)
        since_at, hears = self._hearing
        hearing = hears and pulse.hears  # before the first event of this process the batches speak of the last one
        facts = (real_at, self._clock(), turned_at, pulse.connected, hearing, since_at, pulse.waiting, self._put - self._done)
        spool.execute("INSERT OR REPLACE INTO heartbeat VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*facts, pulse.generation, os.getpid()))
