"""
`python -m bench.influx`: lines of the spool -> a real InfluxDB, and questions back; prints CPU a line, lines a second and milliseconds a question.

The server is `influxd`, named in the variable INFLUXD or found on PATH; it runs beside us, on the same processors.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from devices.instants import DAY, MINUTE
from ingest.archive.batches import SpoolFile
from ingest.archive.books import Books
from ingest.archive.forward import Forwarder
from ingest.archive.influx import MOST, Influx, Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.influx_setup import Files, SetupFailed, set_up
from ingest.archive.schema import open_writer
from ingest.lines import encode, series
from ingest.spool import open_spool, set_meta

SENSORS = 1_000
STEP = 5 * MINUTE
NOW = time.time_ns() // 1000 // STEP * STEP
START = NOW - 30 * DAY


@contextmanager
def influxd(folder: Path) -> Iterator[str]:
    """Run a server; gives its address."""
    program = shutil.which(os.environ.get("INFLUXD", "influxd"))
    if program is None:
        sys.exit("no influxd on PATH; name it in the variable INFLUXD")
    address = "127.0.0.1:18086"
    places = [f"--{name}-path={folder / name}" for name in ("bolt", "sqlite", "engine")]
    with subprocess.Popen([program, *places, f"--http-bind-address={address}", "--reporting-disabled", "--log-level=error"]) as process:
        try:
            yield f"http://{address}"
        finally:
            process.kill()


def ready(server: Server, files: Files) -> None:
    """Set it up as soon as it answers."""
    for _ in range(200):
        with suppress(SetupFailed):
            set_up(server, files, None)
            return
        time.sleep(0.1)
    sys.exit("influxd does not get ready")


def fill(path: Path, lines: int, of_a_batch: int) -> None:
    """Make a spool of so many readings of a thousand gauges, one every five minutes each."""
    heads = [series("water_level", f"s-{number}", f"d-{number}") for number in range(SENSORS)]
    begun = NOW - lines // SENSORS * STEP
    with closing(open_spool(path)) as spool:
        set_meta(spool, "spool", path.stem)
        for first in range(0, lines, of_a_batch):
            texts = []
            for number in range(first, first + of_a_batch):
                at = (begun + number // SENSORS * STEP) // 1000
                texts.append(encode(heads[number % SENSORS], 1 + number * 7 % 400 / 100, 1, at + 1_500, at))
            row = (0, of_a_batch, "r1", "\n".join(texts).encode(), b"", "[]")
            spool.execute("INSERT INTO batch (received_at, readings, revision, body, ranks, hearing) VALUES (?, ?, ?, ?, ?, ?)", row)


def moved(path: Path, server: Server, token: str, store: Path) -> tuple[float, float, int]:
    """Move a spool; gives seconds of CPU, seconds, lines."""
    with SpoolFile(path) as spool, closing(open_writer(store)) as db:
        forwarder = Forwarder(spool, Influx(server, lambda: token, Books(db, "influx"), lambda: 0, time.sleep), MOST)
        cpu, begun, lines = time.thread_time(), time.monotonic(), 0
        while True:
            turn = forwarder.turn(0)
            lines += turn.written.lines
            if not turn.behind:
                return time.thread_time() - cpu, time.monotonic() - begun, lines


def milliseconds(ask: Callable[[], Any], times: int = 15) -> tuple[float, float]:
    """Give median and worst."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        took.append((time.perf_counter() - begun) * 1000)
    return median(took), max(took)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as name, influxd(folder := Path(name)) as url:
        server, files = Server(url, "bench", "bench", timeout=30), Files(folder / "data")
        ready(server, files)
        write, read = files.write.read_text().strip(), files.read.read_text().strip()
        fill(folder / "warm.db", 20_000, 500)
        moved(folder / "warm.db", server, write, folder / "warm-store.db")
        for of_a_batch in (1_000, 20):
            part = lines if of_a_batch == 1_000 else lines // 10
            fill(folder / f"of-{of_a_batch}.db", part, of_a_batch)
            cpu, seconds, count = moved(folder / f"of-{of_a_batch}.db", server, write, folder / f"store-{of_a_batch}.db")
            print(f"batches of {of_a_batch}: {count} lines, {cpu / count * 1e6:.2f} us of CPU a line, {count / seconds:,.0f} lines/s")
        month(server, write, folder)
        archive = InfluxArchive(server, read)
        assert len(archive.latest()) == SENSORS + 1
        questions: dict[str, Callable[[], Any]] = {
            "latest of 1,001 sensors": archive.latest,
            "a month of one sensor at 5 min, to 500 points": lambda: archive.downsampled("m", "water_level", START, START + 30 * DAY, 500),
            "a month of one sensor at 5 min, each reading": lambda: archive.series("m", "water_level", START, START + 30 * DAY),
            "its gaps": lambda: archive.gaps("m", "water_level", START, START + 30 * DAY, 15 * MINUTE),
            "count of a day": lambda: archive.count(NOW - DAY, NOW),
        }
        for what, ask in questions.items():
            middle, worst = milliseconds(ask)
            print(f"{what}: {middle:.1f} ms (worst {worst:.1f})")


def month(server: Server, token: str, folder: Path) -> None:
    """Write a month of one gauge."""
    head = series("water_level", "m", "m")
    texts = [encode(head, number / 100, 1, at // 1000, at // 1000) for number in range(8_640) for at in [START + number * STEP]]
    path = folder / "month.db"
    with closing(open_spool(path)) as spool:
        set_meta(spool, "spool", "month")
        row = (0, len(texts), "r1", "\n".join(texts).encode(), b"", "[]")
        spool.execute("INSERT INTO batch (received_at, readings, revision, body, ranks, hearing) VALUES (?, ?, ?, ?, ?, ?)", row)
    moved(path, server, token, folder / "store-month.db")


if __name__ == "__main__":
    main()
