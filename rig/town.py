"""
A data folder, a city and a broker -> the four programs as children of ours, each of which may be killed and started again.

Rule 1: everything is gone when the `with` ends.
Rule 2: a program that ends by itself is a finding: `fallen` tells it, unless the run said that it may.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.brokers import Broker, free_port, until_listening
from rig.city import environment

PROGRAMS = ("ingest", "archive", "serve", "web")
PATIENCE = 60.0


@dataclass
class Town:
    """The programs of one data folder."""

    data: Path
    city: Path
    broker: Broker
    more: Mapping[str, str] = field(default_factory=dict)
    """Settings beside the usual ones, for every program."""
    before: Mapping[str, list[str]] = field(default_factory=dict)
    """Words put before the command of a program, for example `strace` or `faketime`."""
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=lambda: {"web": free_port(), "operators": free_port()})

    def environment(self) -> dict[str, str]:
        """Give the settings of the programs."""
        name, password = self.broker.ingest
        settings = {
            "CANHBAO_DATA": str(self.data),
            "CANHBAO_CITY": str(self.city),
            "CANHBAO_BROKER__HOST": self.broker.host,
            "CANHBAO_BROKER__PORT": str(self.broker.port),
            "CANHBAO_BROKER__CLIENT_ID": self.broker.client_id,
            "CANHBAO_WEB__PORT": str(self.ports["web"]),
            "CANHBAO_OPERATORS__PORT": str(self.ports["operators"]),
            **environment(),
            **self.more,
        }
        if name is not None and password is not None:
            settings |= {"CANHBAO_BROKER__USERNAME": name, "CANHBAO_BROKER__PASSWORD": password}
        return settings

    # ---- programs

    def start(self, *names: str) -> None:
        """Start some programs, or all; returns at once."""
        self.data.mkdir(parents=True, exist_ok=True)
        for name in names or PROGRAMS:
            command = [*self.before.get(name, ()), sys.executable, "-m", "service.cli", name]
            with self.log(name).open("ab") as log:
                self.running[name] = subprocess.Popen(command, env={**os.environ, **self.environment()}, stdout=log, stderr=log)
            self.starts[name] = self.starts.get(name, 0) + 1

    def kill(self, name: str) -> None:
        """Kill -9, and wait until it is gone."""
        self._end(name, signal.SIGKILL)

    def stop(self, name: str) -> None:
        """Ask a program to end, and wait."""
        self._end(name, signal.SIGTERM)

    def freeze(self, name: str) -> None:
        """SIGSTOP: it holds what it has and does nothing."""
        self.running[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.running[name].send_signal(signal.SIGCONT)

    def pid(self, name: str) -> int:
        """Give a program's process id."""
        return self.running[name].pid

    def fallen(self) -> list[str]:
        """Name the programs that have ended by themselves, with their exit status."""
        return [f"{name} ended with {process.returncode}" for name, process in self.running.items() if process.poll() is not None]

    def log(self, name: str) -> Path:
        """Give the file that a program's output goes to; it lies beside the data, not in it."""
        return self.data.with_name(f"{self.data.name}-{name}.log")

    def _end(self, name: str, how: signal.Signals) -> None:
        process = self.running.pop(name)
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # ---- waiting

    def ready(self, *names: str) -> None:
        """Wait until what was started does its work; raises at once where a program ends instead."""
        wanted = names or tuple(self.running)
        if "ingest" in wanted:
            self.until(lambda: self.hears() or self.running["ingest"].poll() is not None, "ingest to hear the broker")
            assert self.hears(), f"{self.fallen()}{self.tails()}"
        if "archive" in wanted:
            self.until(lambda: self.rows("store.db", "SELECT 1 FROM cursor"), "archive to keep a cursor")
        if "serve" in wanted:
            self.until(lambda: self.rows("ledger.db", "SELECT 1 FROM cursor"), "serve to keep a cursor")
        if "web" in wanted:
            until_listening(self.ports["web"], PATIENCE)

    def hears(self) -> bool:
        """Tell whether the ingest that runs now hears the broker."""
        process = self.running.get("ingest")
        beat = self.rows("spool.db", "SELECT hearing, pid FROM heartbeat")
        return process is not None and bool(beat) and bool(beat[0][0]) and beat[0][1] in _family(process.pid)

    def until(self, holds: Callable[[], object], what: str, within: float = PATIENCE) -> float:
        """Wait until something holds; gives the seconds it took, raises TimeoutError with the ends of the logs."""
        start = time.monotonic()
        while not holds():
            if time.monotonic() - start > within:
                raise TimeoutError(f"waited {within:g} s for {what}; {'; '.join(self.fallen())}{self.tails()}")
            time.sleep(0.02)
        return time.monotonic() - start

    def settled(self, readings: int, unlike: int = 0) -> bool:
        """
        Tell whether so many readings are in the books, all in every archive, all changes in the ledger, and nobody waits to be told.

        `unlike`: so many of them differ. Where a process was killed, what the broker gives again counts as received before the last has come.
        """
        return not self.unsettled(readings, unlike)

    def unsettled(self, readings: int, unlike: int = 0) -> str:
        """Say what is still on its way; nothing where all has arrived."""
        books = self.books()
        if (received := books.get("received", 0)) < readings:
            return f"{received:,} of {readings:,} readings are in the books"
        if (placed := books.get("archived", 0) + books.get("quarantined", 0)) < unlike:
            return f"{placed:,} of {unlike:,} different readings are archived or in quarantine"
        if (archived := self.archived_up_to()) < (last := self.last_batch()):
            return f"the archive has batch {archived:,} of {last:,}"
        changed = self.one("spool.db", "SELECT max(ordinal) FROM change") or 0
        if (read := self.one("ledger.db", "SELECT ordinal FROM cursor WHERE name = 'changes'") or 0) < changed:
            return f"the ledger has changes up to batch {read:,} of {changed:,}"
        waiting = self.rows(
            "ledger.db", "SELECT channel, state, count(*) FROM delivery WHERE state IN ('waiting', 'retrying') GROUP BY 1, 2"
        )
        return ", ".join(f"{count:,} deliveries by {channel} are {state}" for channel, state, count in waiting)

    # ---- reading

    def books(self) -> dict[str, int]:
        """Give the counters of ingest."""
        return dict(self.rows("spool.db", "SELECT name, count FROM counter"))

    def archived_up_to(self) -> int:
        """Give the ordinal of the last batch that every archive has."""
        return int(self.one("store.db", "SELECT min(reached) FROM cursor WHERE name IN ('store', 'influx')") or 0)

    def last_batch(self) -> int:
        """Give the ordinal of the newest batch, trimmed ones included."""
        return int(self.one("spool.db", "SELECT seq FROM sqlite_sequence WHERE name = 'batch'") or 0)

    def rows(self, file: str, question: str) -> list[tuple[Any, ...]]:
        """Ask a file of the data folder; nothing where it is not there yet."""
        try:
            with closing(sqlite3.connect(f"file:{self.data / file}?mode=ro", uri=True, timeout=10)) as connection:
                return connection.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []

    def one(self, file: str, question: str) -> Any:
        """Give the first value of the first row, or None."""
        rows = self.rows(file, question)
        return rows[0][0] if rows else None

    def tails(self) -> str:
        """Give the end of each log."""
        return "".join(f"\n--- {name}\n{self.log(name).read_text(errors='replace')[-1500:]}" for name in self.starts)


@contextmanager
def town_in(folder: Path, city: Path, broker: Broker, name: str = "data", **more: Any) -> Iterator[Town]:
    """Give a town whose data lie in `folder/name`; nothing runs yet, and nothing is left running."""
    town = Town(folder / name, city, broker, **more)
    try:
        yield town
    finally:
        for program in list(town.running):
            town.kill(program)


def _family(pid: int) -> set[int]:
    """Give a process and its descendants: a program may run below a word put before it (Linux)."""
    found, todo = {pid}, [pid]
    while todo:
        each = todo.pop()
        try:
            children = [int(word) for word in Path(f"/proc/{each}/task/{each}/children").read_text().split()]
        except OSError:
            continue
        found.update(children)
        todo += children
    return found
