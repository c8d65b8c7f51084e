"""How a server becomes ours, and that doing it again changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ingest.archive.books import Books
from ingest.archive.forward import Cursor, Start
from ingest.archive.influx import Influx, Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.influx_setup import Done, Files, SetupFailed, kept_by, may, set_up
from ingest.archive.query import ArchiveAway
from ingest.archive.schema import open_writer
from service.influx import files_of, see_to_retention, server_of
from service.settings import load_settings

Run = Callable[..., subprocess.CompletedProcess[str]]


@contextmanager
def answering(version: str | None) -> Iterator[str]:
    """Play a server that says a version, or none; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            if version is not None:
                self.send_header("X-Influxdb-Version", version)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def canhbao(tmp_path: Path) -> Run:
    """Run a command in an empty folder, with nothing of the machine's settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANHBAO_")}

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service.cli", *words]
        given = {**environment, "COLUMNS": "200", **more}
        return subprocess.run(command, check=False, cwd=tmp_path, env=given, capture_output=True, text=True, timeout=60)

    return run


def contents(folder: Path) -> dict[str, tuple[str, int]]:
    return {file.name: (file.read_text(), file.stat().st_mode & 0o777) for file in folder.iterdir()}


def tokens(files: Files) -> tuple[str, str]:
    return files.write.read_text().strip(), files.read.read_text().strip()


@pytest.mark.influx
def test_an_empty_server_gets_all_it_needs_and_a_second_time_changes_nothing(new_influxd: Callable[[], Any], tmp_path: Path) -> None:
    server, files = Server(new_influxd().url, "hue", "readings"), Files(tmp_path / "data")

    first, made = set_up(server, files, operator=None), contents(files.folder)
    second, kept = set_up(server, files, operator=None), contents(files.folder)

    assert (first.onboarded, first.org, first.bucket, first.hourly, first.write, first.read) == (True, *[Done.MADE] * 5)
    assert (second.onboarded, second.org, second.bucket, second.hourly, second.write, second.read) == (False, *[Done.KEPT] * 5)
    assert first.keeps_seconds == 0
    assert made == kept
    assert {mode for _, mode in made.values()} == {0o600}
    assert set(made) == {"influx.operator.token", "influx.password", "influx.write.token", "influx.read.token"}


@pytest.mark.influx
def test_each_token_may_do_one_thing_only(influxd: Any, tmp_path: Path, reading: Any, batch: Any) -> None:
    server, files = Server(influxd.url, influxd.org, "least"), Files(tmp_path / "data")
    set_up(server, files, influxd.token)
    write, read = tokens(files)
    with closing(open_writer(tmp_path / "store.db")) as db:
        sink = Influx(server, lambda: write, Books(db, "influx"), lambda: 0, time.sleep)
        sink.start(Start(Cursor("spool-1", 0)), now=0)
        sink.write("spool-1", [batch(1, [reading()])])

    assert list(InfluxArchive(server, read).latest()) == [reading()]
    with pytest.raises(ArchiveAway):
        InfluxArchive(server, write).latest()
    assert [may(server, action, token) for token in (write, read) for action in ("write", "read")] == [True, False, False, True]
    elsewhere = Server(influxd.url, influxd.org, influxd.new_bucket())
    assert not any(may(elsewhere, action, token) for token in (write, read) for action in ("write", "read"))


@pytest.mark.influx
def test_a_server_in_use_needs_a_token_that_may_make_things(influxd: Any, tmp_path: Path) -> None:
    server, files = Server(influxd.url, "another-org", "another-bucket"), Files(tmp_path / "data")

    for operator in (None, "wrong"):
        with pytest.raises(SetupFailed, match="--operator-token-file"):
            set_up(server, files, operator)
    report = set_up(server, files, influxd.token, keep_seconds=86_400)

    assert (report.onboarded, report.org, report.bucket, report.keeps_seconds) == (False, Done.MADE, Done.MADE, 86_400)
    assert not files.operator.exists(), "the token of somebody else is not kept"


@pytest.mark.influx
def test_what_a_bucket_keeps_follows_the_setting_and_the_history_stays_for_ever(influxd: Any, tmp_path: Path) -> None:
    server, files = Server(influxd.url, influxd.org, "following"), Files(tmp_path / "data")

    reports = [set_up(server, files, influxd.token, keep_seconds=days * 86_400) for days in (0, 400, 1, 30, 30, 0)]

    assert [report.keeps_seconds for report in reports] == [days * 86_400 for days in (0, 400, 1, 30, 30, 0)]
    assert [report.bucket for report in reports] == [Done.MADE, *[Done.CHANGED] * 3, Done.KEPT, Done.CHANGED]
    assert kept_by(server.hourly, files.read.read_text().strip()) == 0


@pytest.mark.influx
def test_the_running_service_changes_what_the_bucket_keeps_where_it_may_and_else_says_so(
    new_influxd: Callable[[], Any], tmp_path: Path
) -> None:
    influx = {"url": new_influxd().url, "bucket": "kept"}
    first, later = (load_settings(data=tmp_path, influx={**influx, **more}) for more in ({}, {"keep_days": 3}))
    server, files = server_of(first), files_of(first)
    assert server is not None
    set_up(server, files, None)

    see_to_retention(first)
    see_to_retention(later)
    assert kept_by(server, files.read.read_text().strip()) == 3 * 86_400
    files.operator.unlink()
    with pytest.raises(
        ArchiveAway, match=r"readings 3 days, the setting influx.keep_days says for ever; run `canhbao archive init`, or change"
    ):
        see_to_retention(first)


@pytest.mark.influx
def test_a_token_that_may_not_write_the_history_is_made_anew(influxd: Any, tmp_path: Path) -> None:
    server, files = Server(influxd.url, influxd.org, "grown"), Files(tmp_path / "data")
    set_up(server, files, influxd.token)
    (org,) = influxd.ask("GET", f"/api/v2/orgs?org={influxd.org}")["orgs"]
    (bucket,) = influxd.ask("GET", "/api/v2/buckets?name=grown")["buckets"]
    permission = {"action": "write", "resource": {"type": "buckets", "id": bucket["id"], "orgID": org["id"]}}
    files.write.write_text(influxd.ask("POST", "/api/v2/authorizations", {"orgID": org["id"], "permissions": [permission]})["token"])

    assert set_up(server, files, influxd.token).write == Done.REPLACED


@pytest.mark.influx
def test_a_token_that_is_lost_or_does_not_work_any_more_is_made_anew(influxd: Any, tmp_path: Path) -> None:
    server, files = Server(influxd.url, influxd.org, "anew"), Files(tmp_path / "data")
    set_up(server, files, influxd.token)
    files.write.unlink()
    files.read.write_text("revoked\n")

    report = set_up(server, files, influxd.token)

    assert (report.write, report.read) == (Done.MADE, Done.REPLACED)
    write, read = tokens(files)
    assert may(server, "write", write)
    assert may(server, "read", read)
    assert files.read.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("version", "said"), [("1.8.10", "is version 1.8.10"), ("v3.1.0", "is version v3.1.0"), (None, "is no InfluxDB, as it seems")]
)
def test_another_server_than_influxdb_2_is_refused_by_name(tmp_path: Path, version: str | None, said: str) -> None:
    with answering(version) as url, pytest.raises(SetupFailed, match=said):
        set_up(Server(url, "o", "b"), Files(tmp_path), None)


def test_a_server_that_is_away_is_said_with_what_to_do(tmp_path: Path, free_port: Callable[[], int]) -> None:
    with pytest.raises(SetupFailed, match=r"does not answer.*CANHBAO_INFLUX__URL"):
        set_up(Server(f"http://127.0.0.1:{free_port()}", "o", "b", timeout=1), Files(tmp_path), None)


@pytest.mark.influx
def test_the_command_does_it_and_shows_no_secret(new_influxd: Callable[[], Any], canhbao: Run, tmp_path: Path) -> None:
    url = new_influxd().url

    first = canhbao("archive", "init", CANHBAO_INFLUX__URL=url, CANHBAO_INFLUX__KEEP_DAYS="2")
    second = canhbao("archive", "init", "--json", CANHBAO_INFLUX__URL=url, CANHBAO_INFLUX__KEEP_DAYS="2")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "which was empty" in first.stdout
    assert "keeps readings 2 days" in first.stdout
    told = json.loads(second.stdout)
    assert (told["bucket"], told["keeps_seconds"], told["onboarded"]) == ("kept", 172_800, False)
    secrets = [text.strip() for text, _ in contents(tmp_path / "data").values()]
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret in first.stdout + first.stderr + second.stdout + second.stderr]


def test_the_command_says_what_is_missing(canhbao: Run, tmp_path: Path, free_port: Callable[[], int]) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    unnamed, away = canhbao("archive", "init"), canhbao("archive", "init", CANHBAO_INFLUX__URL=url)
    no_file = canhbao("archive", "init", "--operator-token-file", "nowhere", CANHBAO_INFLUX__URL=url)

    assert (unnamed.returncode, away.returncode, no_file.returncode) == (78, 69, 2)
    assert "set CANHBAO_INFLUX__URL" in unnamed.stderr
    assert "does not answer" in away.stderr
    assert "nowhere cannot be read" in no_file.stderr
    assert not [told for told in (unnamed, away, no_file) if "Traceback" in told.stderr]
