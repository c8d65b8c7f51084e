"""The whole service on a city of its own, playing real rivers through a real broker."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devices.instants import Instant
from devices.simulate import Message
from service.broker import free_port
from service.clock import RehearsalClock, anchor
from service.simulator import Gateway, Progress, play


@dataclass
class Town:
    """A running service: `canhbao run` in a data folder of its own, at a rehearsal's pace."""

    data: Path
    city: Path
    clock: RehearsalClock
    environment: dict[str, str]
    process: subprocess.Popen[bytes] = field(init=False)
    gateway: Gateway = field(init=False)

    def start(self) -> None:
        command = [sys.executable, "-m", "service.cli", "run"]
        with (self.data / "run.log").open("ab") as log:
            self.process = subprocess.Popen(command, env={**os.environ, **self.environment}, stdout=log, stderr=log)
        self.until((self.data / "broker" / "accounts.json").exists, "the broker's accounts")
        account = json.loads((self.data / "broker" / "accounts.json").read_text())["gateway"]
        port = int(self.environment["CANHBAO_BROKER__PORT"])
        self.gateway = Gateway("127.0.0.1", port, account["username"], account["password"], account["client_id"])
        self.until(lambda: self.one("spool.db", "SELECT hearing FROM heartbeat"), "ingest to hear the broker")
        self.until(lambda: self.one("ledger.db", "SELECT count(*) FROM cursor"), "serve to read the feed")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self, program: str) -> None:
        """Kill -9 one of the programs; the supervisor starts it again."""
        state = json.loads((self.data / "run.json").read_text())
        pid = state["programs"][program]["pid"]
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def play(self, messages: list[Message], meanwhile: Callable[[Progress], None] = lambda _: None) -> Progress:
        return play(messages, self.clock, self.gateway, meanwhile, threading.Event())

    def rows(self, file: str, question: str) -> list[tuple]:
        try:
            with closing(sqlite3.connect(f"file:{self.data / file}?mode=ro", uri=True, timeout=10)) as connection:
                return connection.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []

    def one(self, file: str, question: str) -> object:
        rows = self.rows(file, question)
        return rows[0][0] if rows else None

    def until(self, holds: Callable[[], object], what: str, within: float = 30.0) -> None:
        deadline = time.monotonic() + within
        while not holds():
            log = self.data / "run.log"
            assert time.monotonic() < deadline, f"waited {within:g} s for {what}; the log ends:\n{log.read_text()[-3000:]}"
            time.sleep(0.05)

    def notices(self) -> list[dict]:
        """What the recipients were sent, in order."""
        path = self.data / "notices-exercise.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def a_town(tmp_path: Path) -> Iterator[Callable[[Path, Instant, float], Town]]:
    """Give a function that starts a service: (folder of the city, start of its clock, speed)."""
    towns: list[Town] = []

    def start(city: Path, start_at: Instant, speed: float) -> Town:
        data = tmp_path / f"town-{len(towns)}"
        data.mkdir()
        environment = {
            "CANHBAO_DATA": str(data),
            "CANHBAO_CITY": str(city),
            "CANHBAO_BROKER__PORT": str(free_port()),
            "CANHBAO_WEB__PORT": str(free_port()),
            "CANHBAO_OPERATORS__PORT": str(free_port()),
        }
        # The clock stands still for the time that the programs need to start.
        clock = anchor(data, start_at - int(15 * speed * 1e6), speed)
        towns.append(Town(data, city, clock, environment))
        towns[-1].start()
        return towns[-1]

    yield start
    for town in towns:
        town.stop()
