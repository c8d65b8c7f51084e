"""
Settings -> the server of InfluxDB, its tokens, and what is said of it.

Rule 1: a token that is given wins over the file that `canhbao archive init` made. The file is read each time anew, so a rotation needs no start.
Rule 2: a missing token is not an error here: the archive waits for it and says so, and the store goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from devices.instants import DAY
from ingest.archive.influx import Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.influx_setup import Files, Report, SetupFailed, keep, kept_by, version_of
from ingest.archive.query import ArchiveAway
from service.settings import Settings
from service.tables import table


@dataclass(frozen=True, slots=True)
class Apart(Files):
    """The two tokens in a folder of their own, so that whoever is given that folder sees neither the operator's token nor the password."""

    tokens: Path

    @property
    def write(self) -> Path:
        """Give the file of the token that may only write the bucket."""
        return Files(self.tokens).write

    @property
    def read(self) -> Path:
        """Give the file of the token that may only read the bucket."""
        return Files(self.tokens).read


def server_of(settings: Settings) -> Server | None:
    """Give the server of the settings, or None where they name none."""
    influx = settings.influx
    if influx.url is None:
        return None
    return Server(influx.url, influx.org, influx.bucket, influx.ca, influx.verify, influx.timeout)


def files_of(settings: Settings) -> Files:
    """Give the files of the tokens."""
    tokens = settings.influx.token_folder
    return Files(settings.data) if tokens is None else Apart(settings.data, tokens)


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
    return InfluxArchive(server, token, None if settings.influx.keep_days is None else settings.influx.keep_days * DAY)


def check_version(settings: Settings) -> None:
    """Raise ArchiveAway where the server of the settings is none of InfluxDB 2: others take lines too, and answer differently."""
    server = server_of(settings)
    if server is not None:
        try:
            version_of(server)
        except SetupFailed as failed:
            raise ArchiveAway(str(failed)) from failed


def see_to_retention(settings: Settings) -> None:
    """
    Let the bucket keep readings as long as the settings say.

    Raises:
        ArchiveAway: it does not, and only somebody else may change it; or the server cannot be asked.
    """
    server, files = server_of(settings), files_of(settings)
    token = _token(settings.influx.read_token, files.read)
    if server is None or token is None:
        return
    wanted = (settings.influx.keep_days or 0) * 86_400
    try:
        kept = kept_by(server, token)
        if kept == wanted or keep(server, files, wanted):
            return
    except SetupFailed as failed:
        raise ArchiveAway(str(failed)) from failed
    raise ArchiveAway(
        f"the bucket keeps readings {_days(kept)}, the setting influx.keep_days says {_days(wanted)}; run `canhbao archive init`, or change it"
    )


def told(report: Report, server: Server, files: Files) -> dict[str, Any]:
    """Give what was done as plain values; no secret is among them."""
    return {
        **asdict(report),
        "server": {"url": server.url, "org": server.org, "bucket": server.bucket},
        "files": {"write": str(files.write), "read": str(files.read)},
    }


def described(report: Report, server: Server, files: Files) -> str:
    """Give what was done as people read it."""
    rows = [
        ("organisation", server.org, report.org, ""),
        ("bucket", server.bucket, report.bucket, f"keeps readings {_days(report.keeps_seconds)}"),
        ("bucket of the history", server.hourly.bucket, report.hourly, "keeps hours for ever"),
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


def _days(seconds: int) -> str:
    return f"{seconds / 86_400:g} days" if seconds else "for ever"


def _token(given: SecretStr | None, file: Path) -> str | None:
    if given is not None:
        return given.get_secret_value()
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
