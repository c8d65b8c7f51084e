"""`canhbao serve` as a process of its own, on a spool that real parts write: told once through kills, pages that act, an end in time."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
from river import KIM_LONG, Arrival, River, local

from devices.instants import MINUTE, SECOND
from ingest.inbox import Heard
from service.clock import anchor

START = local("2025-11-17 06:00")


@dataclass
class Served:
    """A town without a desk of its own: `canhbao serve` works on its files."""

    town: River
    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def data(self) -> Path:
        return self.town.folder

    def start(self) -> None:
        environment = {**os.environ, "CANHBAO_OPERATORS__PORT": str(self.port), "CANHBAO_LOG__FORMAT": "json"}
        command = [sys.executable, "-m", "service.cli", "serve", "--data", str(self.data)]
        with (self.data / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def lines(self) -> list[dict[str, Any]]:
        """What has gone out by the exercise channel."""
        path = self.data / "notices-exercise.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def told(self, audience: str) -> list[tuple[str, int]]:
        by_key = {each["key"]: (each["kind"], each["level"]) for each in self.lines() if each["audience"] == audience}
        return list(by_key.values())  # a kill between sending and noting it repeats one, under the same key

    def until(self, holds: Callable[[], Any], what: str, within: float = 40.0) -> None:
        deadline = time.monotonic() + within
        while not holds():
            assert self.process.poll() is None, (
                f"serve ended with {self.process.returncode}: {(self.data / 'serve.log').read_text()[-2000:]}"
            )
            assert time.monotonic() < deadline, f"no {what}: {(self.data / 'serve.log').read_text()[-2000:]}"
            time.sleep(0.02)

    def rises_to(self, value: float, minutes_ago: tuple[int, ...] = (10, 0)) -> None:
        """Let readings of the present arrive."""
        now = self.town.clock_at
        self.town.arrive(Arrival(now, "kim-long", tuple((now - ago * MINUTE, value) for ago in minutes_ago)))
        self.town.look()

    def ask(self, method: str, path: str, token: str | None, body: Any = None) -> urllib3.BaseHTTPResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return urllib3.PoolManager(retries=False, timeout=10.0).request(
            method, f"http://127.0.0.1:{self.port}{path}", json=body, headers=headers
        )


@pytest.fixture
def served(river: Callable[..., River], free_port: Callable[[], int]) -> Iterator[Served]:
    town = river(KIM_LONG, start_at=START)
    town.ledger.dispose()
    (town.folder / "ledger.db").unlink()
    town.step = lambda **_: None  # type: ignore[method-assign]  # the desk is in the process
    anchor(town.folder, START, 1.0)
    town.handle(Heard(START))
    town.clock_at = START + SECOND
    one = Served(town, free_port())
    one.start()
    yield one
    one.kill()


def token(served: Served) -> str:
    return (served.data / "operator.token").read_text().strip()


@pytest.mark.slow
def test_what_happens_is_told_once_through_kills_and_operators_can_act(served: Served) -> None:
    served.rises_to(2.4)
    served.until(lambda: served.told("residents") and served.told("operators"), "first notices")
    served.kill()
    served.start()
    served.until(lambda: (served.data / "operator.token").exists() and _answers(served), "answer of the pages")
    served.town.clock_at += 2 * MINUTE
    served.rises_to(3.9, (1, 0))
    served.until(lambda: len(served.told("residents")) == len(served.told("operators")) == 2, "second notices")

    assert served.told("operators") == [("warning", 2), ("worse", 3)]
    assert served.told("residents") == [("warning", 2), ("worse", 3)]
    assert all(each["status"] == "Exercise" and each["title"].startswith("DIỄN TẬP") for each in served.lines())
    assert not (served.data / "notices.jsonl").exists()
    assert stat.S_IMODE((served.data / "operator.token").stat().st_mode) == 0o600

    assert served.ask("GET", "/act/alarms", None).status == 401
    (alarm,) = _alarms(served)
    assert served.ask("POST", "/act/acknowledge", token(served), {"alarm": alarm["id"], "by": "an"}).status == 200
    assert _alarms(served)[0]["handling"] == "acknowledged"
    refused = served.ask("POST", "/act/close", token(served), {"alarm": alarm["id"], "by": "an", "reason": "no"})
    assert refused.status == 409
    began = time.monotonic()
    assert (
        served.ask("POST", "/act/close", token(served), {"alarm": alarm["id"], "by": "an", "reason": "dead", "force": True}).status == 200
    )
    served.until(lambda: served.told("residents")[-1] == ("closed", 0), "the end")
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_what_a_killed_one_was_sending_is_sent_at_the_next_start_and_not_when_its_lease_ends(served: Served) -> None:
    served.rises_to(2.4)
    served.until(lambda: served.told("residents") and served.told("operators"), "first notices")
    before = len(served.lines())
    served.kill()
    with closing(sqlite3.connect(served.data / "ledger.db", isolation_level=None)) as ledger:  # killed between sending and noting it
        ledger.execute("DELETE FROM receipt")
        ledger.execute("UPDATE delivery SET state = 'waiting', cursor = 0, leased_until = ?", (time.time_ns() // 1000 + 10 * MINUTE,))
    served.start()
    served.until(lambda: len(served.lines()) > before, "repeat of what may not have arrived")

    assert len({each["key"] for each in served.lines()}) == before


@pytest.mark.slow
def test_a_signal_ends_it_within_a_second_and_nothing_is_left_to_clean_up(served: Served) -> None:
    served.rises_to(2.4)
    served.until(lambda: served.told("operators"), "first notice")
    began = time.monotonic()

    served.process.send_signal(signal.SIGTERM)
    status = served.process.wait(10)

    assert status == 0
    assert time.monotonic() - began < 2  # one second on a machine that does nothing else


@pytest.mark.slow
def test_another_spool_under_the_ledger_is_an_incident_and_ends_no_alarm(served: Served, hue: Path) -> None:
    served.rises_to(2.4)
    served.until(lambda: served.told("residents"), "first notice")
    served.kill()
    served.town.stop()
    for file in served.data.glob("spool.db*"):
        file.unlink()
    served.town.clock_at += 10 * SECOND
    served.town.start(is_first=True)
    served.town.handle(Heard(served.town.clock_at))

    served.start()
    served.rises_to(2.5, (0,))  # a single reading, which the rules do not believe yet
    served.until(lambda: any(each["kind"] == "spool_changed" for each in _incidents(served)), "incident")
    time.sleep(1.5)  # two of its looks

    assert served.told("residents") == [("warning", 2)]


def _answers(served: Served) -> bool:
    try:
        return served.ask("GET", "/healthz", None).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _alarms(served: Served) -> list[dict[str, Any]]:
    found = served.ask("GET", "/act/alarms", token(served)).json()
    return found["alarms"] if isinstance(found, dict) else found


def _incidents(served: Served) -> list[dict[str, Any]]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(served.data / "ledger.db")) as ledger:
        ledger.row_factory = sqlite3.Row
        return [dict(row) for row in ledger.execute("SELECT kind, opened_at, ended_at FROM incident")]
