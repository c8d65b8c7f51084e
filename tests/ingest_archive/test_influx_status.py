"""What keeps InfluxDB waiting stands in `canhbao status`, with what to do about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ingest.spool import open_spool

ALONE = {name: value for name, value in os.environ.items() if not name.startswith("CANHBAO_")}


@contextmanager
def archive(data: Path, given: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "service.cli", "archive", "--data", str(data)]
    with subprocess.Popen(command, env={**ALONE, **given}, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=data) as process:
        try:
            yield
        finally:
            process.kill()


def told(data: Path, given: dict[str, str], *words: str) -> list[str]:
    """Ask for the status until it speaks of all the words in one sentence; gives what is wrong."""
    command = [sys.executable, "-m", "service.cli", "status", "--json", "--data", str(data)]
    deadline = time.monotonic() + 40
    while True:
        answer = subprocess.run(
            command, check=False, env={**ALONE, **given}, stdout=subprocess.PIPE, text=True, timeout=60, cwd=data
        ).stdout
        troubles: list[str] = json.loads(answer)["troubles"]
        if time.monotonic() > deadline or any(all(word in trouble for word in words) for trouble in troubles):
            return [trouble for trouble in troubles if all(word in trouble for word in words)]
        time.sleep(0.2)


def settings(url: str, **more: str) -> dict[str, str]:
    names = {"URL": url, "TOKEN": "t", "READ_TOKEN": "t", "TIMEOUT": "2", **more}
    return {f"CANHBAO_INFLUX__{name}": value for name, value in names.items()}


@pytest.mark.influx
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"TOKEN": "wrong"}, ("readings wait for influx", "401", "canhbao archive init")),
        ({"BUCKET": "nowhere"}, ("readings wait for influx", 'bucket "nowhere" not found', "canhbao archive init")),
    ],
    ids=["token", "bucket"],
)
def test_a_wrong_token_and_a_missing_bucket_are_told(
    influxd: Any, tmp_path: Path, new_spool: Any, reading: Any, line: Any, wrong: dict[str, str], words: tuple[str, ...]
) -> None:
    given = settings(influxd.url, **{"ORG": influxd.org, "BUCKET": "first", "TOKEN": influxd.token, "READ_TOKEN": influxd.token, **wrong})
    new_spool(tmp_path / "spool.db").append([line(reading())])

    with archive(tmp_path, given):
        assert told(tmp_path, given, *words)


@pytest.mark.influx
def test_a_missing_bucket_of_the_history_is_told_and_readings_go_on(
    influxd: Any, tmp_path: Path, new_spool: Any, reading: Any, line: Any
) -> None:
    names = {"ORG": influxd.org, "BUCKET": influxd.new_bucket(), "TOKEN": influxd.token, "READ_TOKEN": influxd.token}
    given = settings(influxd.url, **names)
    new_spool(tmp_path / "spool.db").append([line(reading())])

    with archive(tmp_path, given):
        found = told(tmp_path, given, "influx upkeep waits", "_hourly", "canhbao archive init")

    assert len(found) == 1


def test_a_server_of_another_version_is_told(tmp_path: Path, new_spool: Any, reading: Any, line: Any) -> None:
    class Other(BaseHTTPRequestHandler):
        """Takes lines as version 2 does, as some versions do."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(204)
            self.send_header("X-Influxdb-Version", "v3.1.0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    new_spool(tmp_path / "spool.db").append([line(reading())])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    given = settings(f"http://127.0.0.1:{server.server_port}")
    try:
        with archive(tmp_path, given):
            found = told(tmp_path, given, "is version v3.1.0", "must be the address of a server of InfluxDB 2")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    assert len(found) == 1


def test_a_spool_that_fills_is_told_with_its_budget(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool.db")
    spool.execute("INSERT INTO batch VALUES (NULL, 0, 0, 'r1', zeroblob(900000), x'', '[]')")
    spool.close()

    found = told(tmp_path, {"CANHBAO_SPOOL__BUDGET_BYTES": str(2**20)}, "of its 1 MiB", "spool.budget_bytes")

    assert len(found) == 1
