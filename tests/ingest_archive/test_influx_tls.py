"""A server that speaks TLS with a certificate of its own: trusted when it is named, and else refused with what to do."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import InsecureRequestWarning

from ingest.archive.books import Books
from ingest.archive.forward import Cursor, Start
from ingest.archive.influx import Influx, Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.influx_setup import Files, SetupFailed, set_up
from ingest.archive.query import ArchiveAway
from ingest.archive.schema import open_writer
from rig.influxd import influxd_program

pytestmark = pytest.mark.influx


@pytest.fixture
def server(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Server]:
    """Give an empty server whose certificate nobody has signed but itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", *names]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    port = free_port()
    places = [f"--{name}-path={tmp_path / name}" for name in ("bolt", "sqlite", "engine")]
    secure = [f"--tls-cert={certificate}", f"--tls-key={key}", f"--http-bind-address=127.0.0.1:{port}", "--reporting-disabled"]
    with subprocess.Popen([str(influxd_program()), *places, *secure], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield Server(f"https://127.0.0.1:{port}", "canhbao", "canhbao", ca=certificate, timeout=5)
        process.kill()


def ready(server: Server, files: Files) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(SetupFailed):
            set_up(server, files, None)
            return
        time.sleep(0.1)


def test_readings_go_and_come_by_tls_and_an_unknown_certificate_is_refused(
    server: Server, tmp_path: Path, reading: Any, batch: Any
) -> None:
    files = Files(tmp_path / "data")
    ready(server, files)
    write, read = files.write.read_text().strip(), files.read.read_text().strip()
    stranger = replace(server, ca=None)

    def once(_: float) -> None:
        raise TimeoutError

    with closing(open_writer(tmp_path / "store.db")) as db:
        books = Books(db, "influx")
        books.start(Start(Cursor("spool-1", 0)), now=0)
        with pytest.raises(TimeoutError):
            Influx(stranger, lambda: write, books, lambda: 0, once).write("spool-1", [batch(1, [reading()])])
        why = books.why_away()
        Influx(server, lambda: write, books, lambda: 0, time.sleep).write("spool-1", [batch(1, [reading()])])

    assert why is not None
    assert "certificate" in why.what.lower()
    assert "CANHBAO_INFLUX__CA" in why.fix
    assert list(InfluxArchive(server, read).latest()) == [reading()]
    with pytest.warns(InsecureRequestWarning):
        assert list(InfluxArchive(replace(stranger, verify=False), read).latest()) == [reading()]
    with pytest.raises(ArchiveAway, match=r"certificate.*CANHBAO_INFLUX__CA"):
        InfluxArchive(stranger, read).latest()
    with pytest.raises(SetupFailed, match=r"certificate.*CANHBAO_INFLUX__CA"):
        set_up(stranger, files, None)
