"""
Settings -> the server of InfluxDB, its tokens, and what is said of it.

Rule 1: a token that is given wins over the file that `canhbao archive init` made.
Rule 2: a missing token is not an error here: the archive waits for it and says so, and the store goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ingest.archive.influx import Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.influx_setup import Files, Report
from ingest.archive.query import ArchiveAway
from service.settings import Settings
from service.tables import table


def server_of(settings: Settings) -> Server | None:
    """Give the server of the settings, or None where they name none."""
    influx = settings.influx
    if influx.url is None:
        return None
    return Server(influx.url, influx.org, influx.bucket, influx.ca, influx.verify, influx.timeout)


def files_of(settings: Settings) -> Files:
    """Give the files of the tokens."""
    return Files(settings.data)


def write_token(settings: Settings) -> Callable[[], str | None]:
    """Give what gives the token that may write, each time anew."""
    return lambda: _token(settings.influx.token, files_of(settings).write)


def influx_archive(settings: Settings) -> InfluxArchive | None:
    """Give the archive to ask, or None where the settings name no server; raises ArchiveAway where there is no token."""
    server = server_of(settings)
    if server is None:
        return None
    token = _token(settings.influx.read_token, files_of(settings).read)
    if token is None:
        raise ArchiveAway("there is no token to read InfluxDB; run `canhbao archive init`, or give CANHBAO_INFLUX__READ_TOKEN_FILE")
    return InfluxArchive(server, token)


def told(report: Report, server: Server, files: Files) -> dict[str, Any]:
    """Give what was done as plain values; no secret is among them."""
    return {
        **asdict(report),
        "server": {"url": server.url, "org": server.org, "bucket": server.bucket},
        "files": {"write": str(files.write), "read": str(files.read)},
    }


def described(report: Report, server: Server, files: Files) -> str:
    """Give what was done as people read it."""
    keeps = f"keeps readings {report.keeps_seconds / 86_400:g} days" if report.keeps_seconds else "keeps readings for ever"
    rows = [
        ("organisation", server.org, report.org, ""),
        ("bucket", server.bucket, report.bucket, keeps),
        ("token that may only write", files.write, report.write, "canhbao archive"),
        ("token that may only read", files.read, report.read, "Grafana, pages"),
    ]
    first = f"InfluxDB {report.version} at {server.url}" + (", which was empty" if report.onboarded else "")
    last = (
        f"\n\nThe server's first user and its token are in {files.password} and {files.operator}; keep them elsewhere."
        if report.onboarded
        else ""
    )
    return f"{first}\n\n{table([('what', 'name', 'was', 'for'), *rows])}{last}"


def _token(given: SecretStr | None, file: Path) -> str | None:
    if given is not None:
        return given.get_secret_value()
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
