"""
The residents' page of a real `canhbao web` under load -> figures: requests a second, latency, memory of open pages, time of a change.

Rule 1: only whole and right answers count; a wrong one ends the run without a figure (`bench.visitors`).
Rule 2: the page is alive: gauges report, ingest gives signs of life each second, and in one run the water changes each second.
Rule 3: CPU and memory are those of the web process alone; the load has a process of its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.shown import Shown, shown
from rig.footprint import cpu_of, memory_of
from rig.processes import ROOT, answer, child, tell
from web.public.editions import PACE_SECONDS

PATIENCE = 30.0


def measure(seconds: float = 5.0, connections: int = 16, rate: float = 2_000, listeners: int = 1_000) -> dict[str, float]:
    """
    Measure the page.

    Args:
        seconds: of each of three runs of requests.
        connections: kept open by the load.
        rate: requests a second of the runs in which latency is judged.
        listeners: open pages that wait for a change.

    Returns:
        Figures by name. `page_per_core` are requests for each CPU second of the web process.
    """
    with TemporaryDirectory(prefix="canhbao-pages-") as name, shown(Path(name)) as data, website(data.folder) as (web, port):
        asked = {"port": port, "connections": connections, "seconds": seconds}
        load({**asked, "seconds": 1.0})
        found = {"page_idle_cpu_percent": idle(web, seconds)}
        cpu = cpu_of(web.pid)
        flat = load(asked)
        spent = cpu_of(web.pid) - cpu
        found |= {"page_per_second": flat["answers"] / flat["seconds"], "page_per_core": flat["answers"] / spent} | _named(
            "page_flat", flat
        )
        found |= _named("page", load({**asked, "rate": rate}))
        with data.changing():
            found |= _named("page_changing", load({**asked, "rate": rate}))
        found |= opened(data, web, port, listeners)
    return {name: round(value, 2) for name, value in found.items()}


def opened(data: Shown, web: subprocess.Popen[bytes], port: int, listeners: int) -> dict[str, float]:
    """Open streams, and tell them of one change."""
    before = memory_of(web.pid)
    with child("bench.visitors", {"port": port, "listeners": listeners}) as process:
        took = _answer(process)["opened"]
        time.sleep(2 * PACE_SECONDS)
        after = memory_of(web.pid)
        _tell(process)
        at = time.monotonic()
        data.change()
        heard = _answer(process)
        most = memory_of(web.pid)
    return {
        "events_open_s": took,
        "events_mb_before": before,
        "events_mb": max(after, most),
        "events_kb_each": (max(after, most) - before) * 1e3 / listeners,
        "events_first_ms": (heard["first_at"] - at) * 1e3,
        "events_all_ms": (heard["last_at"] - at) * 1e3,
    }


# ---- processes


@contextmanager
def website(data: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start `canhbao web` on a free port, and wait for its page; it is gone afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "CANHBAO_WEB__PORT": str(port)}
    command = [sys.executable, "-m", "service.cli", "web", "--data", str(data)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _is_there(port):
            assert process.poll() is None, "`canhbao web` has ended"
            assert time.monotonic() < deadline, "`canhbao web` shows no page"
            time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.wait()


def _is_there(port: int) -> bool:
    link = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        link.request("GET", "/")
        return link.getresponse().status == 200
    except OSError:
        return False
    finally:
        link.close()


def load(task: dict[str, Any]) -> dict[str, float]:
    """Do a whole task."""
    with child("bench.visitors", task) as process:
        return _answer(process)


def _answer(process: subprocess.Popen[str]) -> dict[str, float]:
    told: dict[str, float] = json.loads(answer(process))
    return told


def _tell(process: subprocess.Popen[str]) -> None:
    """Announce a change; comes back when the load is ready for it."""
    tell(process, "a change")
    _answer(process)


def _named(name: str, found: dict[str, float]) -> dict[str, float]:
    return {f"{name}_{key}": value for key, value in found.items() if key.startswith("p")}


def idle(web: subprocess.Popen[bytes], seconds: float) -> float:
    """Give the per cent of a core that the page costs when nobody asks."""
    before = cpu_of(web.pid)
    time.sleep(seconds)
    return (cpu_of(web.pid) - before) / seconds * 100


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
