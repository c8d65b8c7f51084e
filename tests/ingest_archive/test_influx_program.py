"""The archive as a process with two sinks: each goes its own way, and what keeps one waiting can be seen."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ingest.archive.influx import Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.query import ArchiveAway
from ingest.archive.reader import StoreArchive
from ingest.trim import passed

FAR_AHEAD = 4 * 10**15
SINKS = "FROM cursor WHERE name <> 'reconcile'"


@contextmanager
def archive(data: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANHBAO_")}
    command = [sys.executable, "-m", "service.cli", "archive", "--data", str(data)]
    with subprocess.Popen(
        command, env={**environment, **more}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=data
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], object], seconds: float = 25.0) -> None:
    """Wait for another process; fails when it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the other process did not get there"
        time.sleep(0.02)


def counted(archive: Any) -> int:
    try:
        return int(archive.count(0, FAR_AHEAD))
    except ArchiveAway:
        return -1


def rows(data: Path, statement: str) -> list[tuple[Any, ...]]:
    """Read the store; nothing where it is not there yet."""
    with closing(sqlite3.connect(data / "store.db")) as store, suppress(sqlite3.OperationalError):
        return store.execute(statement).fetchall()
    return []


def settings_of(server: Server, token: str) -> dict[str, str]:
    names = {"URL": server.url, "ORG": server.org, "BUCKET": server.bucket, "TOKEN": token, "READ_TOKEN": token, "TIMEOUT": "2"}
    return {f"CANHBAO_INFLUX__{name}": value for name, value in names.items()}


@pytest.mark.influx
def test_readings_come_to_both_and_each_has_its_cursor(influxd: Any, tmp_path: Path, new_spool: Any, reading: Any, line: Any) -> None:
    server = Server(influxd.url, influxd.org, influxd.new_bucket())
    spool = new_spool(tmp_path / "spool.db")
    spool.append([line(reading(minute=0))])

    with archive(tmp_path, **settings_of(server, influxd.token)) as process:
        until(lambda: counted(InfluxArchive(server, influxd.token)) == counted(StoreArchive(tmp_path / "store.db")) == 1)
        spool.append([line(reading(minute=1)), "no reading"])
        until(lambda: counted(InfluxArchive(server, influxd.token)) == counted(StoreArchive(tmp_path / "store.db")) == 2)
        until(lambda: rows(tmp_path, f"SELECT ordinal {SINKS}") == [(2,), (2,)])
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)

    assert process.returncode == 0
    assert "Traceback" not in said
    assert rows(tmp_path, f"SELECT name, reached, ordinal {SINKS} ORDER BY name") == [("influx", 2, 2), ("store", 2, 2)]
    assert rows(tmp_path, "SELECT name, ordinal, place FROM refused ORDER BY name") == [("influx", 2, 1), ("store", 2, 1)]


def test_a_server_that_is_away_keeps_neither_the_store_waiting_nor_the_spool_from_being_told(
    tmp_path: Path, new_spool: Any, reading: Any, line: Any, free_port: Callable[[], int]
) -> None:
    server = Server(f"http://127.0.0.1:{free_port()}", "o", "b")
    spool = new_spool(tmp_path / "spool.db")

    with archive(tmp_path, **settings_of(server, "t")) as process:
        for minute in range(5):
            spool.append([line(reading(minute=minute))])
            until(lambda minute=minute: counted(StoreArchive(tmp_path / "store.db")) == minute + 1)
        until(lambda: rows(tmp_path, "SELECT * FROM away"))
        until(lambda: rows(tmp_path, "SELECT ordinal FROM cursor WHERE name = 'store'") == [(5,)])
        kept = passed(tmp_path / "store.db", "spool-1")
        told = json.loads(status(tmp_path))
        asked_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        took = time.monotonic() - asked_at

    assert (process.returncode, kept) == (0, 0)
    assert took < 1.5
    assert told["lags"]["influx"] == 5
    assert [trouble for trouble in told["troubles"] if "readings wait for influx since" in trouble and "CANHBAO_INFLUX__URL" in trouble]


def status(data: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANHBAO_")}
    command = [sys.executable, "-m", "service.cli", "status", "--json", "--data", str(data)]
    return subprocess.run(command, check=False, env=environment, stdout=subprocess.PIPE, text=True, timeout=60, cwd=data).stdout


@pytest.mark.influx
def test_it_goes_on_by_itself_when_the_server_was_made_ready(
    new_influxd: Callable[[], Any], tmp_path: Path, new_spool: Any, reading: Any, line: Any
) -> None:
    influxd = new_influxd()
    new_spool(tmp_path / "spool.db").append([line(reading(minute=minute)) for minute in range(3)])
    named = {"CANHBAO_INFLUX__URL": influxd.url, "CANHBAO_INFLUX__TIMEOUT": "2"}
    init = [sys.executable, "-m", "service.cli", "archive", "init", "--data", str(tmp_path)]

    with archive(tmp_path, **named):
        until(lambda: rows(tmp_path, "SELECT what FROM away"))
        (what,) = rows(tmp_path, "SELECT what FROM away")[0]
        subprocess.run(init, check=True, env={**os.environ, **named}, stdout=subprocess.DEVNULL, timeout=60, cwd=tmp_path)
        reader = InfluxArchive(Server(influxd.url, "canhbao", "canhbao"), (tmp_path / "influx.read.token").read_text().strip())
        until(lambda: counted(reader) == 3, seconds=40)
        until(lambda: not rows(tmp_path, "SELECT what FROM away"))

    assert what == "there is no token for InfluxDB"


@pytest.mark.influx
def test_killed_again_and_again_both_end_as_if_it_never_was(influxd: Any, tmp_path: Path, new_spool: Any, reading: Any, line: Any) -> None:
    server = Server(influxd.url, influxd.org, influxd.new_bucket())
    spool = new_spool(tmp_path / "spool.db")
    for ordinal in range(600):
        spool.append([line(reading(minute=ordinal * 200 + place)) for place in range(200)])

    for goal in (20, 60, 110, 200):
        with archive(tmp_path, **settings_of(server, influxd.token)):
            until(lambda goal=goal: rows(tmp_path, f"SELECT reached FROM cursor WHERE name = 'influx' AND reached > {goal}"))
    assert rows(tmp_path, "SELECT reached FROM cursor WHERE name = 'influx'") < [(600,)]
    with archive(tmp_path, **settings_of(server, influxd.token)):
        until(lambda: rows(tmp_path, f"SELECT reached {SINKS}") == [(600,), (600,)], seconds=60)

    assert counted(InfluxArchive(server, influxd.token)) == counted(StoreArchive(tmp_path / "store.db")) == 120_000


def test_a_sink_that_is_no_longer_named_does_not_hold_the_spool_for_ever(
    tmp_path: Path, new_spool: Any, reading: Any, line: Any, free_port: Callable[[], int]
) -> None:
    new_spool(tmp_path / "spool.db").append([line(reading())])
    with archive(tmp_path, **settings_of(Server(f"http://127.0.0.1:{free_port()}", "o", "b"), "t")):
        until(lambda: rows(tmp_path, "SELECT * FROM away"))
        held = passed(tmp_path / "store.db", "spool-1")

    with archive(tmp_path):
        until(lambda: passed(tmp_path / "store.db", "spool-1") == 1)

    assert held == 0
    assert rows(tmp_path, f"SELECT name {SINKS}") == [("store",)]
    assert rows(tmp_path, "SELECT kind FROM incident") == [("sink_retired",)]
    assert rows(tmp_path, "SELECT * FROM away") == []


@pytest.mark.influx
def test_an_influxdb_that_is_named_later_gets_from_the_store_what_the_spool_has_forgotten(
    influxd: Any, tmp_path: Path, new_spool: Any, reading: Any, line: Any
) -> None:
    server = Server(influxd.url, influxd.org, influxd.new_bucket())
    spool = new_spool(tmp_path / "spool.db")
    for hour in range(100):
        spool.append([line(reading(minute=hour * 60))])
    with archive(tmp_path):
        until(lambda: passed(tmp_path / "store.db", "spool-1") == 100)
    spool.forget(up_to=90)

    with archive(tmp_path, **settings_of(server, influxd.token)):
        until(lambda: counted(InfluxArchive(server, influxd.token)) == 100, seconds=60)
        until(lambda: len(rows(tmp_path, "SELECT kind FROM incident WHERE kind = 'archives_differ'")) == 4)

    assert rows(tmp_path, "SELECT kind FROM incident WHERE kind <> 'archives_differ'") == [("batches_missing",)]
