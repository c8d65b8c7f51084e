"""The whole service in a rehearsal: a short flood through a real broker, from the first reading to the last all-clear."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from service.broker import free_port

Demo = Callable[..., subprocess.Popen[str]]
Ask = Callable[..., tuple[int, str]]

SHORT = """
name: short
about: {vi: "Một con lũ ngắn, giả định.", en: "A short flood, made up."}
start: "2025-10-26T06:00:00+07:00"
end: "2025-10-26T12:00:00+07:00"
seed: 1
series:
  river:
    kind: points
    noise: 0.0
    points:
      - {at: "2025-10-26T06:00:00+07:00", value: 0.60, kind: synthetic}
      - {at: "2025-10-26T07:00:00+07:00", value: 0.70, kind: synthetic}
      - {at: "2025-10-26T08:30:00+07:00", value: 2.60, kind: synthetic}
      - {at: "2025-10-26T09:30:00+07:00", value: 2.40, kind: synthetic}
      - {at: "2025-10-26T10:40:00+07:00", value: 0.70, kind: synthetic}
      - {at: "2025-10-26T12:00:00+07:00", value: 0.60, kind: synthetic}
devices:
  - device: wl-kim-long
    values: {water_level: {series: river}}
    faults:
      - {kind: duplicate, at: "2025-10-26T07:30:00+07:00", after: 2 min, times: 3}
operator:
  - {at: "2025-10-26T09:00:00+07:00", action: acknowledge, station: kim-long, quantity: water_level, by: ca trực, reason: đã báo}
"""

HIGH = """
name: high
about: {vi: "Nước cao, giả định.", en: "High water, made up."}
start: "2025-10-26T06:00:00+07:00"
end: "2025-10-28T06:00:00+07:00"
seed: 1
series:
  river: {kind: daily, mean: 2.6}
devices:
  - {device: wl-kim-long, values: {water_level: {series: river}}}
"""


@pytest.fixture
def environment(hue: Path, tmp_path: Path) -> dict[str, str]:
    """Free ports, and these scenarios beside the shipped ones."""
    city = Path(shutil.copytree(hue, tmp_path / "city"))
    for name, text in (("short", SHORT), ("high", HIGH)):
        (city / "scenarios" / f"{name}.yaml").write_text(text, encoding="utf-8")
    own = {"CANHBAO_CITY": str(city), "CANHBAO_WEB__PORT": str(free_port()), "CANHBAO_OPERATORS__PORT": str(free_port()), "LANG": "C.UTF-8"}
    return {name: value for name, value in os.environ.items() if not name.startswith("CANHBAO_")} | own


@pytest.fixture
def demo(environment: dict[str, str], tmp_path: Path) -> Iterator[Demo]:
    """Start `canhbao demo`."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "service.cli", "demo", "--plain", "--data", str(tmp_path / "data"), *words]
        started.append(subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def canhbao(environment: dict[str, str], tmp_path: Path) -> Ask:
    """Ask something of the running rehearsal; give status and what was said."""

    def ask(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "service.cli", *words, "--data", str(tmp_path / "data")]
        told = subprocess.run(command, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=30)
        return told.returncode, told.stdout + told.stderr

    return ask


def line_of(process: subprocess.Popen[str], said: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if said in line:
            return line
    raise AssertionError(f"it ended without saying {said!r}")


@pytest.mark.slow
def test_a_short_flood_warns_and_ends_and_its_books_balance(demo: Demo) -> None:
    process = demo("--scenario", "short", "--speed", "900", "--until-end")

    told, _ = process.communicate(timeout=100)

    assert process.returncode == 0, told
    for audience, kind in (("operators", "warning"), ("residents", "warning"), ("operators", "all_clear"), ("residents", "all_clear")):
        assert re.search(rf"^{audience} +{kind} +1$", told, re.MULTILINE), f"{audience} {kind}\n{told}"
    assert "ca trực: acknowledge kim-long/water_level (đã báo)" in told
    assert re.search(r"(\d+) received = (\d+) archived \+ [1-9]\d* duplicate", told)
    assert "The balance holds, and everybody who was warned was told the end." in told


@pytest.mark.slow
def test_on_a_terminal_it_is_a_live_page(environment: dict[str, str], tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    command = [sys.executable, "-m", "service.cli", "demo", "--scenario", "high", "--speed", "300", "--data", str(tmp_path / "data")]
    process = subprocess.Popen(command, env={**environment, "TERM": "xterm-256color"}, cwd=tmp_path, stdout=theirs, stderr=theirs)
    os.close(theirs)

    shown, deadline = b"", time.monotonic() + 60
    while b"above alarm level 2" not in shown and process.poll() is None and time.monotonic() < deadline:
        if select.select([ours], [], [], 0.5)[0]:
            shown += os.read(ours, 65_536)
    process.send_signal(signal.SIGINT)
    with suppress(OSError):  # the other end is closed
        while True:
            shown += os.read(ours, 65_536)
    os.close(ours)

    assert process.wait(5) == 0
    text = shown.decode(errors="replace")
    for word in ("EXERCISE", "Kim Long", "2.60 m", "bd2", "1 alarm", "operators", "readings received ="):
        assert word in text


@pytest.mark.slow
def test_operators_act_from_a_terminal(demo: Demo, canhbao: Ask) -> None:
    process = demo("--scenario", "high", "--speed", "300")
    line_of(process, "operators  warning")
    alarm = json.loads(canhbao("alarms", "--json")[1])["alarms"][0]

    acknowledged, again = canhbao("ack", alarm["id"][:6], "--by", "Lan"), canhbao("ack", alarm["id"], "--by", "Lan")
    close = canhbao("alarms", "close", alarm["id"], "--reason", "thử")
    silenced = canhbao("alarms", "silence", "phu-oc/water_level", "--until", "2 d", "--reason", "bảo trì", "--by", "Lan")
    listed = canhbao("alarms")
    lifted = canhbao("alarms", "lift", "1", "--by", "Lan")
    status = canhbao("status", "--json")

    assert acknowledged == (0, "acknowledged\n")
    assert again == (0, "was acknowledged already\n")
    assert close[0] == 1
    assert "refused: the gauge wl-kim-long is heard" in close[1]
    assert silenced == (0, "silenced; end it with: canhbao alarms lift 1\n")
    assert re.search(r"kim-long .*acknowledged", listed[1])
    assert "bảo trì" in listed[1]
    assert lifted == (0, "lifted\n")
    told = json.loads(status[1])
    assert told["programs"] == {"ingest": "hears the broker", "archive": "follows", "serve": "answers", "web": "answers"}
    assert told["balance"]["holds"]


@pytest.mark.slow
def test_ctrl_c_stops_a_rehearsal_within_three_seconds(demo: Demo) -> None:
    process = demo("--scenario", "short", "--speed", "60")
    line_of(process, "end it with Ctrl-C")
    began = time.monotonic()

    process.send_signal(signal.SIGINT)

    assert process.wait(5) == 0
    assert time.monotonic() - began < 3.0


@pytest.mark.slow
def test_kill_9_of_a_rehearsal_leaves_nothing_running(demo: Demo, tmp_path: Path) -> None:
    process = demo("--scenario", "short", "--speed", "60")
    line_of(process, "end it with Ctrl-C")

    process.kill()

    deadline = time.monotonic() + 3
    while running_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running_in(tmp_path) == []


def running_in(folder: Path) -> list[str]:
    """Give the command lines of living processes that work in a folder or were given one in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            inside = str(folder) in line or (process / "cwd").resolve() == folder
        except OSError:
            continue
        if inside and line:
            found.append(line)
    return found
