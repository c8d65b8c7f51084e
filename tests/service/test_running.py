"""`canhbao run`: one service a data folder, all of it gone when it is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.broker import answers, free_port

Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(tmp_path: Path, hue: Path, port: int) -> Iterator[Start]:
    """Start `canhbao run` with the embedded broker and the archive."""
    own = {"CANHBAO_DATA": str(tmp_path / "data"), "CANHBAO_CITY": str(hue), "CANHBAO_BROKER__PORT": str(port)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANHBAO_")} | own
    started: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "service.cli", "run", "--only", "archive"]
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def until(true: Callable[[], bool], within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def pids(data: Path) -> dict[str, int]:
    try:
        programs = json.loads((data / "run.json").read_text())["programs"]
    except FileNotFoundError:
        return {}
    return {name: each["pid"] for name, each in programs.items() if each["pid"]}


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_kill_9_leaves_neither_broker_nor_program(start: Start, tmp_path: Path, port: int) -> None:
    service = start()
    until(lambda: len(pids(tmp_path / "data")) == 2)
    children = pids(tmp_path / "data")

    service.kill()
    service.wait()

    assert set(children) == {"broker", "archive"}
    until(lambda: not any(is_there(pid) for pid in children.values()), within=2.0)
    assert not answers("127.0.0.1", port)


@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_ends_within_three_seconds_with_status_0(start: Start, tmp_path: Path, wish: signal.Signals) -> None:
    service = start()
    until(lambda: len(pids(tmp_path / "data")) == 2)
    children = pids(tmp_path / "data")
    began = time.monotonic()

    service.send_signal(wish)
    status = service.wait(5)

    assert status == 0
    assert time.monotonic() - began < 3.0
    assert not any(is_there(pid) for pid in children.values())


def test_a_broker_that_is_killed_is_started_again_on_its_port(start: Start, tmp_path: Path, port: int) -> None:
    start()
    until(lambda: len(pids(tmp_path / "data")) == 2)
    first = pids(tmp_path / "data")["broker"]

    os.kill(first, signal.SIGKILL)

    until(lambda: pids(tmp_path / "data").get("broker", first) != first and answers("127.0.0.1", port))


def test_a_second_service_on_the_same_folder_is_refused(start: Start, tmp_path: Path) -> None:
    start()
    until(lambda: len(pids(tmp_path / "data")) == 2)

    second = start()

    assert second.wait(15) == 69
    assert second.stderr is not None
    assert "another canhbao runs on the data folder" in second.stderr.read()
