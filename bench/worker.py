"""
Ingest under measurement, as a process of its own: `python -m bench.worker '{"spool": ..., "port": ..., ...}'`.

It says `ready` when it hears the broker; `mark` on its standard input starts the measurement, `end` ends it and gives the figures as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import ClassVar

from bench.city import configuration
from devices.instants import MILLISECOND
from ingest.commit import Committer, Keeping
from ingest.connection import Broker
from ingest.decide import Decider, Inbox, Wires
from ingest.restart import newest_states, resume
from ingest.session import Session
from ingest.spool import open_reader, open_spool, suspect
from ingest.taken import Taken
from service.programs.ingest import TOPICS, Running


class Timed(Committer):
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


def now() -> int:
    """Give the present instant."""
    return time.time_ns() // 1000


def main(path: Path, broker: Broker, gauges: int) -> None:
    """Ingest until told to end."""
    city = configuration(gauges)
    open_spool(path).close()
    with closing(open_reader(path)) as spool:
        resumed = resume(spool, city)
    inbox: Inbox = SimpleQueue()
    session = Session(broker, inbox.put, now)
    committer = Timed(Keeping(path, path.with_name("store.db"), broker.session), session.acknowledge, session.pulse, now)
    wires = Wires(committer.put, committer.settle, lambda: _states(path), lambda digest, at: suspect(path, digest, at), now)
    running = Running(path, inbox, session, Decider(resumed.intake, wires), committer)
    if resumed.last_at == 0:
        inbox.put(city)
    running.start()
    while not session.pulse().hears:
        time.sleep(0.02)
    print("ready", flush=True)
    measure()
    running.stop()


def measure() -> None:
    """Wait for the marks, and say what lies between them."""
    sys.stdin.readline()
    Timed.commits.clear()
    Timed.changed.clear()
    before = resource.getrusage(resource.RUSAGE_SELF)
    print("marked", flush=True)
    sys.stdin.readline()
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
    print(json.dumps({"cpu": used, "mb": peak, "commits": Timed.commits, "changed": Timed.changed}), flush=True)


def _states(path: Path) -> dict[str, bytes]:
    with closing(open_reader(path)) as spool:
        return newest_states(spool)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    place = Broker("127.0.0.1", given["port"], given["client_id"], TOPICS, given.get("username"), given.get("password"))
    main(Path(given["spool"]), place, given["gauges"])
    sys.stdout.flush()
    os._exit(0)
