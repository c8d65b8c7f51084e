"""The archive as a process, over days: history in store and InfluxDB, late readings in both, and what stays while InfluxDB is away."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from devices.instants import DAY, HOUR
from ingest.archive.influx import Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.influx_setup import Files, set_up
from ingest.archive.query import ArchiveAway
from ingest.archive.reader import StoreArchive
from ingest.trim import passed
from service.settings import load_settings

START, FAR_AHEAD = 1_761_523_200_000_000, 4 * 10**15
DAYS = 5


@contextmanager
def archive(data: Path, **more: str) -> Iterator[None]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANHBAO_")}
    command = [sys.executable, "-m", "service.cli", "archive", "--data", str(data)]
    given = {**environment, **{f"CANHBAO_INFLUX__{name}": value for name, value in more.items()}}
    with subprocess.Popen(command, env=given, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=data) as process:
        try:
            yield
        finally:
            process.kill()


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for another process; fails when it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the other process did not get there"
        time.sleep(0.1)


def rows(data: Path, statement: str) -> list[tuple[Any, ...]]:
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{data / 'store.db'}?mode=ro", uri=True)) as store:
        return store.execute(statement).fetchall()
    return []


def fill(spool: Any, reading: Any, line: Any) -> None:
    """Write five days of one gauge, a reading each half hour, a batch an hour."""
    for hour in range(DAYS * 24):
        spool.append([line(reading(minute=60 * hour + minute, value=hour + minute)) for minute in (0, 30)])


def hourly(server: Server, token: str) -> list[tuple[int, int, float]]:
    """Give what the history on the server has: beginning, count, greatest."""
    with suppress(ArchiveAway):
        nothing_kept = InfluxArchive(server, token, keep=DAY, clock=lambda: FAR_AHEAD)
        buckets = nothing_kept.downsampled("kim-long", "water_level", START, START + DAYS * DAY, DAYS * 24)
        return [(each.start_at, each.count, each.high) for each in buckets]
    return []


@pytest.mark.slow
@pytest.mark.influx
def test_both_archives_get_the_history_late_readings_change_it_and_then_the_spool_and_old_readings_may_go(
    influxd: Any, tmp_path: Path, new_spool: Any, reading: Any, line: Any
) -> None:
    server, files = Server(influxd.url, influxd.org, "of-days"), Files(tmp_path)
    set_up(server, files, influxd.token)
    token = files.read.read_text().strip()
    spool = new_spool(tmp_path / "spool.db")
    fill(spool, reading, line)
    store, whole = StoreArchive(tmp_path / "store.db"), [(START + hour * HOUR, 2, float(hour + 30)) for hour in range(DAYS * 24)]

    with archive(tmp_path, URL=server.url, ORG=server.org, BUCKET=server.bucket):
        until(lambda: hourly(server, token)[:-1] == whole[:-1])
        until(lambda: passed(tmp_path / "store.db", "spool-1") == DAYS * 24)
        until(lambda: rows(tmp_path, "SELECT count(*) FROM reading") <= [(2 * 72 + 2,)])
        spool.append([line(reading(minute=4 * 24 * 60 + 1, value=500.0))])
        until(lambda: hourly(server, token)[96] == (START + 96 * HOUR, 3, 500.0))

    kept = store.series("kim-long", "water_level", START, START + DAYS * DAY)
    assert [each.observed_at for each in kept[:48]] == [START + hour * HOUR for hour in range(48)]
    assert [each.value for each in kept[:47]] == [hour + 15.0 for hour in range(47)]
    assert len(kept) in {47 + 2 * 73 + 1, 48 + 2 * 72 + 1}
    assert store.count(START, FAR_AHEAD) == InfluxArchive(server, token).count(START, FAR_AHEAD) == 2 * DAYS * 24 + 1
    assert not rows(tmp_path, "SELECT kind FROM incident WHERE kind <> 'archives_differ'")


def test_while_influxdb_is_away_for_days_the_store_shows_everything_and_forgets_nothing_that_it_lacks(
    tmp_path: Path, new_spool: Any, reading: Any, line: Any, free_port: Callable[[], int]
) -> None:
    fill(new_spool(tmp_path / "spool.db"), reading, line)
    store = StoreArchive(tmp_path / "store.db")

    with archive(tmp_path, URL=f"http://127.0.0.1:{free_port()}", TOKEN="t"):
        until(lambda: rows(tmp_path, "SELECT count(*) FROM hourly") == [(DAYS * 24,)])
        until(lambda: rows(tmp_path, "SELECT what FROM away"))
        time.sleep(1.0)  # time to forget something

    assert rows(tmp_path, "SELECT count(*) FROM reading") == [(2 * DAYS * 24,)]
    assert [each.value for each in store.latest()] == [DAYS * 24 - 1 + 30.0]
    assert len(store.series("kim-long", "water_level", START + 2 * DAY, FAR_AHEAD)) == 2 * 72
    assert passed(tmp_path / "store.db", "spool-1") == 0


def test_the_store_keeps_three_days_beside_influxdb_and_everything_without_it() -> None:
    influx = {"url": "http://127.0.0.1:8086"}

    assert load_settings().store_hours is None
    assert load_settings(influx=influx).store_hours == 72
    assert load_settings(influx=influx, archive={"keep_hours": 240}).store_hours == 240
    assert load_settings(archive={"keep_hours": 24}).store_hours == 24
