"""
A town's spool, looked at all the time -> when each line was first seen committed, and how often each is there.

Rule 1: its connection is its own and its reads are short; a time is late by LOOK at most, and by what the machine makes a thread wait.
Rule 2: only identities are taken from a line; it is taken apart after the measurement, not in it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

from ingest.spool import open_reader
from rig.town import Town

LOOK = 0.001
"""Seconds between two looks."""
Identity = tuple[str, int]
"""Device, instant of observation in milliseconds."""


class Watch:
    """What was seen of a spool. `catch_up`, `seen` and `lines` are for the thread that made it."""

    def __init__(self, town: Town) -> None:
        self._town, self._reached = town, 0
        self._over = threading.Event()
        self._batches: list[tuple[float, bytes]] = []
        self.seen: dict[Identity, float] = {}
        """Monotonic seconds."""
        self.lines: Counter[Identity] = Counter()

    def look(self) -> None:
        """Look until it is over."""
        version = -1
        with closing(open_reader(self._town.data / "spool.db")) as spool:
            while not self._over.is_set():
                if (now := spool.execute("PRAGMA data_version").fetchone()[0]) != version:
                    version = now
                    rows = spool.execute("SELECT ordinal, body FROM batch WHERE ordinal > ? ORDER BY ordinal", (self._reached,)).fetchall()
                    at = time.monotonic()
                    self._batches += [(at, body) for _, body in rows if body]
                    self._reached = rows[-1][0] if rows else self._reached
                self._over.wait(LOOK)

    def catch_up(self) -> None:
        """Wait until all that is committed was seen, and take it apart."""
        last = self._town.last_batch()
        while self._reached < last:
            time.sleep(0.01)
        batches, self._batches = self._batches, []
        for at, body in batches:
            for line in body.decode().splitlines():
                identity = identity_of(line)
                self.seen.setdefault(identity, at)
                self.lines[identity] += 1

    def end(self) -> None:
        """Have `look` return."""
        self._over.set()


def identity_of(line: str) -> Identity:
    """Give device and instant of a line."""
    head, _, rest = line.partition(" ")
    return head.split(",")[1].removeprefix("device="), int(rest.rpartition(" ")[2])


@contextmanager
def watching(town: Town) -> Iterator[Watch]:
    """Look at a town's spool for as long as this lasts; it must be there."""
    watch = Watch(town)
    thread = threading.Thread(target=watch.look)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()
