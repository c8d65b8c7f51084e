"""
Lines of a spool -> a real InfluxDB, and questions back; and what ingest pays for its being there. The server runs beside us, on the same processors.

Rule 1: CPU is that of the thread that moves lines, reading the spool and speaking to the server included.
Rule 2: rates are those of the program `archive` with a long spool before it and both sinks at work; its start is left out.
Rule 3: ingest is measured at one pace without InfluxDB and with it; the figures are what the second is of the first.
Rule 4: every run is counted on both sides: nothing missing, nothing refused, else there is no figure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench import flow
from bench.flow import Figures, Run
from devices.instants import DAY, MINUTE
from ingest.archive.batches import SpoolFile
from ingest.archive.books import Books
from ingest.archive.forward import Forwarder
from ingest.archive.influx import MOST, Influx
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.schema import open_writer
from ingest.lines import encode, series
from rig.brokers import Broker
from rig.bucket import Bucket, bucket_in
from rig.spool import write_spool
from rig.town import Town, town_in

SENSORS = 1_000
STEP = 5 * MINUTE
MONTH = 30 * DAY
PATIENCE = 600.0
LARGE, SMALL = 1_000, 20
"""Lines of a batch."""
PAID = ("cpu_us", "change_p50_ms", "change_p99_ms", "commit_p99_ms")
"""Figures of a flow that InfluxDB must not make worse."""


def measure(lines: int, run: Run) -> Figures:
    """Measure all; `lines` are moved, `run` is the flow."""
    with TemporaryDirectory(prefix="canhbao-bench-") as name, bucket_in(folder := Path(name)) as bucket:
        now = time.time_ns() // 1000 // STEP * STEP
        moved(folder / "warm.db", bucket, gauges(20_000, now), LARGE)
        found = {
            "influx_cpu_us": moved(folder / "large.db", bucket, gauges(lines, now), LARGE),
            "influx_small_cpu_us": moved(folder / "small.db", bucket, gauges(lines // 10, now), SMALL),
        }
        moved(folder / "month.db", bucket, month(now), LARGE)
        found |= answers(bucket, now)
    return {**found, **rates(lines), **paid(run)}


def gauges(lines: int, now: int) -> Iterator[str]:
    """Give lines of a thousand gauges, one every five minutes each, up to the present."""
    heads = [series("water_level", f"s-{number}", f"d-{number}") for number in range(SENSORS)]
    begun = now - lines // SENSORS * STEP
    for number in range(lines):
        at = (begun + number // SENSORS * STEP) // 1000
        yield encode(heads[number % SENSORS], 1 + number * 7 % 400 / 100, 1, at + 1_500, at)


def month(now: int) -> Iterator[str]:
    """Give a month of one gauge."""
    head = series("water_level", "m", "m")
    for number, at in enumerate(range(now - MONTH, now, STEP)):
        yield encode(head, number / 100, 1, at // 1000, at // 1000)


# ---- the sink


def moved(path: Path, bucket: Bucket, lines: Iterator[str], of_a_batch: int) -> float:
    """Move lines; gives microseconds of CPU for each."""
    write_spool(path, lines, of_a_batch)
    token = bucket.files.write.read_text().strip()
    with SpoolFile(path) as spool, closing(open_writer(path.with_suffix(".store"))) as db:
        forwarder = Forwarder(spool, Influx(bucket.server, lambda: token, Books(db, "influx"), lambda: 0, time.sleep), MOST)
        cpu, count, behind = time.thread_time(), 0, 1
        while behind:
            turn = forwarder.turn(0)
            assert not turn.written.refused, turn
            count, behind = count + turn.written.lines, turn.behind
        return (time.thread_time() - cpu) / count * 1e6


def rates(lines: int) -> Figures:
    """Let the archive catch up with a spool, to store and InfluxDB at once; gives lines a second of each."""
    with TemporaryDirectory(prefix="canhbao-bench-") as name, bucket_in(folder := Path(name)) as bucket:
        more = {**bucket.settings(straight=True), "CANHBAO_ARCHIVE__KEEP_HOURS": "100000"}
        with town_in(folder, folder, Broker("", [], 1), more=more) as town:
            town.data.mkdir()
            write_spool(town.data / "spool.db", gauges(lines, time.time_ns() // 1000 // STEP * STEP), LARGE)
            town.start("archive")
            found = {name: rate * LARGE for name, rate in _followed(town).items()}
            stored, points = town.one("store.db", "SELECT count(*) FROM reading"), bucket.count()
            assert stored == points == lines, f"of {lines} lines {stored} are in the store and {points} in InfluxDB"
    return {"influx_lines_s": found["influx"], "influx_store_lines_s": found["store"]}


def _followed(town: Town) -> dict[str, float]:
    """Watch both cursors to the end; gives batches a second of each, from its first move on."""
    last, deadline = town.last_batch(), time.monotonic() + PATIENCE
    begun: dict[str, tuple[float, int]] = {}
    found: dict[str, float] = {}
    while len(found) < 2:
        assert not town.fallen(), f"{town.fallen()}{town.tails()}"
        assert time.monotonic() < deadline, f"the archive does not get there within {PATIENCE:g} s{town.tails()}"
        for name, reached in town.rows("store.db", "SELECT name, reached FROM cursor WHERE name <> 'reconcile' AND reached > 0"):
            since, first = begun.setdefault(name, (time.monotonic(), reached))
            if reached == last and name not in found:
                found[name] = (last - first) / (time.monotonic() - since)
        time.sleep(0.01)
    return found


# ---- questions


def answers(bucket: Bucket, now: int) -> Figures:
    """Ask as pages do; gives milliseconds, medians."""
    archive, start = InfluxArchive(bucket.server, bucket.files.read.read_text().strip()), now - MONTH
    assert len(archive.latest()) == SENSORS + 1
    questions: dict[str, Callable[[], Any]] = {
        "latest": archive.latest,
        "month": lambda: archive.downsampled("m", "water_level", start, now, 500),
        "whole_month": lambda: archive.series("m", "water_level", start, now),
        "gaps": lambda: archive.gaps("m", "water_level", start, now, 15 * MINUTE),
        "count": lambda: archive.count(now - DAY, now),
    }
    return {f"influx_{name}_ms": milliseconds(ask) for name, ask in questions.items()}


def milliseconds(ask: Callable[[], Any], times: int = 15) -> float:
    """Give the median."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        took.append((time.perf_counter() - begun) * 1000)
    return median(took)


# ---- what ingest pays


def paid(run: Run) -> Figures:
    """Measure a flow without InfluxDB, with it twice, and without: what drifts meanwhile falls on both alike."""
    first, one, two, last = flow.measure(run), _beside(run), _beside(run), flow.measure(run)
    names = {each: "ingest_cpu_x" if each == "cpu_us" else each.replace("_ms", "_x") for each in PAID}
    return {f"influx_{name}": (one[each] + two[each]) / (first[each] + last[each]) for each, name in names.items()}


def _beside(run: Run) -> Figures:
    with TemporaryDirectory(prefix="canhbao-bench-") as name, bucket_in(Path(name)) as bucket:
        found = flow.measure(run, bucket.settings(straight=True))
        readings = run.gauges + run.messages * run.packed
        assert (points := bucket.count()) == readings, f"{readings} readings, InfluxDB has {points}"
    return found
