"""
Ingest under measurement, as a process of its own: `python -m bench.worker '{"data": ..., "city": ..., "port": ..., ...}'`.

It says `ready` once it runs; `mark` on its standard input starts the measurement, `end` ends it and gives the figures as JSON.

Rule 1: these are the parts of `canhbao ingest`, wired as it wires them; they only note when commits and ticks begin and end.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import sys
import time
from pathlib import Path
from typing import ClassVar

from service.memory import arrange_heap, keep_giving_back, leave_out_looks

leave_out_looks()  # as the program does

from devices.instants import MILLISECOND
from ingest.commit import Committer
from ingest.connection import Broker
from ingest.decide import Decider
from ingest.taken import Taken
from service.clock import RealClock
from service.logs import configure_logs
from service.programs import ingest
from service.settings import LogSettings, Settings


class TimedCommitter(Committer):
    """Notes how long commits take, and when changes of level are on the disk."""

    commits: ClassVar[list[float]] = []
    changed: ClassVar[list[tuple[str, float]]] = []

    def store(self, spool: sqlite3.Connection, group: list[Taken], *, beats: bool) -> None:
        """Write a group, and look at the clock."""
        start = time.monotonic()
        super().store(spool, group, beats=beats)
        end = time.monotonic()
        self.commits.append(end - start)
        for taken in group:
            for said in taken.said:
                if said.change.kind == "raise":
                    self.changed.append((f"{said.change.device} {said.change.at // MILLISECOND}", end))


class TimedDecider(Decider):
    """Notes how long the loop is held up by what is done a little at a time: silence, what moved, the checkpoint."""

    pauses: ClassVar[list[float]] = []

    def tick(self) -> None:
        """Let time pass, and look at the clock."""
        start = time.monotonic()
        super().tick()
        self.pauses.append(time.monotonic() - start)


def main(settings: Settings, broker: Broker) -> None:
    """Ingest until told to end."""
    ingest.Committer, ingest.Decider = TimedCommitter, TimedDecider  # type: ignore[attr-defined]  # the one seam that the program has not
    running = ingest.start(settings, RealClock(), broker)
    print("ready", flush=True)
    measure()
    running.stop()


def measure() -> None:
    """Wait for the marks, and say what lies between them."""
    sys.stdin.readline()
    for noted in (TimedCommitter.commits, TimedCommitter.changed, TimedDecider.pauses):
        noted.clear()
    before = resource.getrusage(resource.RUSAGE_SELF)
    print("marked", flush=True)
    sys.stdin.readline()
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    status = Path("/proc/self/status").read_text()
    now, peak = (int(status.partition(f"{name}:")[2].split()[0]) // 1024 for name in ("VmRSS", "VmHWM"))
    told = {"cpu": used, "mb": now, "peak_mb": peak, "commits": TimedCommitter.commits, "changed": TimedCommitter.changed}
    print(json.dumps({**told, "pauses": TimedDecider.pauses}), flush=True)


if __name__ == "__main__":
    arrange_heap()
    keep_giving_back()
    given = json.loads(sys.argv[1])
    configure_logs(LogSettings(level="warning"), "bench")
    place = Broker("127.0.0.1", given["port"], given["client_id"], ingest.TOPICS, given.get("username"), given.get("password"))
    main(Settings(data=Path(given["data"]), city=Path(given["city"])), place)
    sys.stdout.flush()
    os._exit(0)
