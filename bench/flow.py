"""
One run: a broker, an ingest process, a publisher -> figures, after the spool was read back.

Rule 1: nothing missing, nothing twice, every counter right; else the run raises and gives no figure.
Rule 2: CPU is that of the ingest process alone. On a machine that others use it is the figure; the rate is a hint.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.publisher import Task
from ingest.spool import open_reader
from service.broker import prepare, wait_until_ready

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 120.0
Figures = dict[str, float]


@dataclass(frozen=True)
class Run:
    """What to measure."""

    title: str
    broker: str
    """`mosquitto` or `embedded`."""
    messages: int
    gauges: int
    packed: int = 1
    rate: float = 1e9


@dataclass(frozen=True)
class At:
    """A running broker, and who may speak to it."""

    port: int
    client_id: str = "bench"
    ingest: tuple[str | None, str | None] = (None, None)
    publisher: tuple[str | None, str | None] = (None, None)


def mosquitto() -> str | None:
    """Give the path of Mosquitto, if there is one."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def measure(run: Run) -> Figures:
    """Do a run; raises AssertionError where something is missing."""
    with TemporaryDirectory(prefix="canhbao-bench-") as name:
        folder = Path(name)
        with mosquitto_at(folder) if run.broker == "mosquitto" else embedded_at(folder) as at:
            return _measure(run, at, folder / "spool.db")


def _measure(run: Run, at: At, spool: Path) -> Figures:
    who = {"username": at.ingest[0], "password": at.ingest[1], "client_id": at.client_id}
    with child("bench.worker", {"spool": str(spool), "port": at.port, "gauges": run.gauges, **who}) as worker:
        answer(worker)
        warm = Task(at.port, run.gauges, run.gauges, 1, run.rate, 0, *at.publisher)
        published(warm)
        until_received(spool, run.gauges)
        tell(worker, "mark")
        answer(worker)
        sent = published(Task(at.port, run.messages, run.gauges, run.packed, run.rate, 1, *at.publisher))
        total = run.gauges + run.messages * run.packed
        until_received(spool, total)
        stored_at = time.monotonic()
        tell(worker, "end")
        took = json.loads(answer(worker))
        worker.wait(10)
    audit(spool, total)
    readings = run.messages * run.packed
    late = [end - sent["sent_at"][key] for key, end in took["changed"] if key in sent["sent_at"]]
    return {
        "readings_s": round(readings / (stored_at - sent["start"])),
        "cpu_us": round(took["cpu"] / readings * 1e6, 1),
        **spread("commit", took["commits"]),
        **spread("change", late),
        "changes": len(late),
        "mb": took["mb"],
    }


def audit(path: Path, readings: int) -> None:
    """Read the spool back and compare it with what was sent."""
    with closing(open_reader(path)) as spool:
        lines = [line for (body,) in spool.execute("SELECT body FROM batch") for line in body.decode().splitlines()]
        counters = dict(spool.execute("SELECT name, count FROM counter").fetchall())
        whole = spool.execute("PRAGMA integrity_check").fetchone()
    identities = {(line.partition(" ")[0], line.rpartition(" ")[2]) for line in lines}
    assert len(identities) == readings, f"{readings - len(identities)} of {readings} readings are missing"
    assert len(lines) == readings == counters["archived"], f"{len(lines) - len(identities)} readings are there twice"
    assert counters["received"] == sum(counters.get(name, 0) for name in ("archived", "duplicate", "quarantined")), counters
    assert counters.get("quarantined", 0) == 0, counters
    assert whole == ("ok",), whole


def spread(name: str, seconds: list[float]) -> Figures:
    """Give p50 and p99 in milliseconds; nothing where there is nothing."""
    ordered = sorted(seconds)
    return {f"{name}_p{part}_ms": round(ordered[int(len(ordered) * part / 100)] * 1e3, 2) for part in (50, 99)} if ordered else {}


# ---- processes


@contextmanager
def child(module: str, given: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """Start a module of ours with its task; it is gone afterwards."""
    command = [sys.executable, "-m", module, json.dumps(given)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def published(task: Task) -> dict[str, Any]:
    """Have a task published by a process of its own."""
    with child("bench.publisher", asdict(task)) as publisher:
        found: dict[str, Any] = json.loads(answer(publisher))
    return found


def answer(process: subprocess.Popen[str]) -> str:
    """Wait for a line; raises where the process has ended."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"{process.args!r} ended with {process.wait()}"
    return line


def tell(process: subprocess.Popen[str], word: str) -> None:
    """Write a line to a process."""
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def until_received(path: Path, readings: int) -> None:
    """Wait until the spool has taken in so many readings."""
    deadline, before = time.monotonic() + PATIENCE, -1
    while True:
        with closing(open_reader(path)) as spool:
            count = (spool.execute("SELECT count FROM counter WHERE name = 'received'").fetchone() or (0,))[0]
        if count >= readings:
            return
        if count > before:
            deadline, before = time.monotonic() + PATIENCE, count
        assert time.monotonic() < deadline, f"{readings - count} of {readings} readings do not come"
        time.sleep(0.01)


# ---- brokers


@contextmanager
def mosquitto_at(folder: Path) -> Iterator[At]:
    """Run a Mosquitto that keeps what it holds in memory and sets no limits."""
    program, port = mosquitto(), free_port()
    assert program is not None, "there is no mosquitto on this machine"
    wishes = ("allow_anonymous true", "max_inflight_messages 0", "max_queued_messages 0", "set_tcp_nodelay true", "log_type none")
    configuration = folder / "mosquitto.conf"
    configuration.write_text("\n".join([f"listener {port} 127.0.0.1", *wishes, ""]))
    with process([program, "-c", str(configuration)]):
        until_listening(port)
        yield At(port)


@contextmanager
def embedded_at(folder: Path) -> Iterator[At]:
    """Run the embedded broker as `canhbao run` does."""
    prepared = prepare(folder, free_port(), devices=[])
    ingest, gateway = prepared.accounts.ingest, prepared.accounts.gateway
    with process(list(prepared.command)):
        wait_until_ready(prepared)
        yield At(prepared.port, ingest.client_id, (ingest.username, ingest.password), (gateway.username, gateway.password))


@contextmanager
def process(command: list[str]) -> Iterator[None]:
    """Run a command; it is gone afterwards."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()


def free_port() -> int:
    """Give a port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until_listening(port: int) -> None:
    """Wait until somebody listens on a port."""
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens on {port}"
            time.sleep(0.02)
        else:
            return
