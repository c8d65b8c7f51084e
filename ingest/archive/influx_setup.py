"""
From a server of InfluxDB 2, empty or in use, to an organisation, two buckets, and two tokens in files: one that may only write them, one that may only read them.

Rule 1: done twice is done once: what is there and works is kept.
Rule 2: a secret is in its file, which its owner alone may read, before the server hears of it where that can be; a server shows a token once.
Rule 3: the bucket of readings keeps as long as the settings say, also when they change; that of the history keeps for ever.
Rule 4: no token is removed: somebody may still use it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from ingest.archive.influx import Server
from ingest.archive.influx_errors import unanswered
from ingest.archive.influx_query import pool_of

_DAY = 86_400
USER = "canhbao"
"""Of the first user of an empty server; its password is in a file beside the tokens."""


class SetupFailed(Exception):  # noqa: N818 - it says what is so
    """It cannot go on; the text says why, and what to do."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """Of HTTP, where the server answered."""


class Done(StrEnum):
    """What became of a thing."""

    MADE = "made"
    KEPT = "kept"
    CHANGED = "changed"
    """A bucket that kept longer or shorter than it was to."""
    REPLACED = "replaced"
    """A token that did not work any more."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where secrets are kept, each in a file of mode 0600."""

    folder: Path

    @property
    def operator(self) -> Path:
        """Give the file of the token that may do everything; made with an empty server."""
        return self.folder / "influx.operator.token"

    @property
    def password(self) -> Path:
        """Give the file of the first user's password, for the server's own pages."""
        return self.folder / "influx.password"

    @property
    def write(self) -> Path:
        """Give the file of the token that may only write the bucket."""
        return self.folder / "influx.write.token"

    @property
    def read(self) -> Path:
        """Give the file of the token that may only read the bucket."""
        return self.folder / "influx.read.token"


@dataclass(frozen=True, slots=True)
class Report:
    """What was done."""

    version: str
    onboarded: bool
    """Whether the server was empty."""
    org: Done
    bucket: Done
    keeps_seconds: int
    """How long the bucket keeps readings, by the time of observation; 0 for ever."""
    hourly: Done
    """The bucket of the history."""
    write: Done
    read: Done


def set_up(server: Server, files: Files, operator: str | None, keep_seconds: int = 0) -> Report:
    """
    Make what is missing.

    Args:
        server: where, and the names of organisation and bucket.
        files: where secrets go.
        operator: a token that may make buckets and tokens; without one, the file of a former run is used, or the server must be empty.
        keep_seconds: how long the bucket of readings is to keep them; 0 for ever.

    Raises:
        SetupFailed: the server cannot be used, or the token may not do it.
    """
    files.folder.mkdir(parents=True, exist_ok=True)
    version = version_of(server)
    onboarded = bool(_Asking(server, None).get("/api/v2/setup", {}).get("allowed"))
    if onboarded:
        _onboard(server, files, operator, keep_seconds)
    asking = _Asking(server, operator or _operator(files))
    org, org_done = _org(asking, server.org)
    bucket, bucket_done = _bucket(asking, org, server.bucket, keep_seconds)
    hourly, hourly_done = _bucket(asking, org, server.hourly.bucket, 0)
    buckets = [str(bucket["id"]), str(hourly["id"])]
    return Report(
        version,
        onboarded,
        Done.MADE if onboarded else org_done,
        Done.MADE if onboarded else bucket_done,
        keeps(bucket),
        hourly_done,
        _token(asking, server, org, buckets, "write", files.write),
        _token(asking, server, org, buckets, "read", files.read),
    )


def may(server: Server, action: str, token: str) -> bool:
    """Tell whether a token may write or read both buckets, without writing anything; raises SetupFailed where nobody answers."""
    return all(_may(_Asking(server, token), each, action) for each in (server, server.hourly))


def _may(asking: _Asking, server: Server, action: str) -> bool:
    if action == "write":
        return asking.answer("POST", "/api/v2/write", {"org": server.org, "bucket": server.bucket, "precision": "ms"}).status == 204
    found = asking.answer("GET", "/query", {"db": server.bucket, "q": "SELECT count(value) FROM canhbao WHERE time < 0"})
    return found.status == 200 and b'"error"' not in found.data


def kept_by(server: Server, token: str) -> int:
    """Give how many seconds the bucket keeps readings, 0 for ever; the token may read it. Raises SetupFailed."""
    found = _found(_Asking(server, token), "buckets", {"org": server.org, "name": server.bucket})
    if found is None:
        raise SetupFailed(f"there is no bucket {server.bucket}; run `canhbao archive init`, which makes it")
    return keeps(found)


def keep(server: Server, files: Files, keep_seconds: int) -> bool:
    """Let the bucket keep so many seconds, by the operator's token of a former `set_up`; False where there is none. Raises SetupFailed."""
    operator = _secret(files.operator)
    if operator is None:
        return False
    asking = _Asking(server, operator)
    _bucket(asking, _org(asking, server.org)[0], server.bucket, keep_seconds)
    return True


def keeps(bucket: Mapping[str, Any]) -> int:
    """Give how many seconds a bucket keeps readings; 0 for ever."""
    return int(sum(rule["everySeconds"] for rule in bucket["retentionRules"]))


class _Asking:
    """Asks a server with one token; every answer that is not 2xx is SetupFailed."""

    def __init__(self, server: Server, token: str | None) -> None:
        self._url = server.url.rstrip("/")
        self._pool = pool_of(server)
        self._headers = {} if token is None else {"Authorization": f"Token {token}"}

    def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        return self._document(self.answer("GET", path, query))

    def post(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        return self._document(self.answer("POST", path, {}, json.dumps(document).encode()))

    def patch(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        return self._document(self.answer("PATCH", path, {}, json.dumps(document).encode()))

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes | None = None) -> urllib3.BaseHTTPResponse:
        url = self._url + path + (f"?{urlencode(query)}" if query else "")
        try:
            return self._pool.request(method, url, body=body, headers=self._headers | {"Content-Type": "application/json"})
        except urllib3.exceptions.HTTPError as error:
            failure = unanswered(error)
            raise SetupFailed(f"{self._url}: {failure.what}; {failure.fix}") from error

    def _document(self, answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
        found: Any = {}
        with suppress(ValueError):
            found = json.loads(answer.data or b"{}")
        if not 200 <= answer.status < 300 or not isinstance(found, dict):
            said = found.get("message") if isinstance(found, dict) else None
            raise SetupFailed(
                f"InfluxDB answers {answer.status}: {said or 'nothing that can be read'}; {_fix(answer.status)}", answer.status
            )
        return found


def _fix(status: int) -> str:
    if status in {401, 403}:
        return "give a token that may make buckets and tokens with --operator-token-file"
    return "look at CANHBAO_INFLUX__URL and at the log of InfluxDB"


def version_of(server: Server) -> str:
    """Give the version of the server; raises SetupFailed where it does not answer, or is no InfluxDB 2."""
    answer = _Asking(server, None).answer("GET", "/ping", {})
    version = answer.headers.get("X-Influxdb-Version", "")
    if not version.removeprefix("v").startswith("2."):
        found = f"version {version}" if version else "no InfluxDB, as it seems"
        raise SetupFailed(f"at {server.url} is {found}; CANHBAO_INFLUX__URL must be the address of a server of InfluxDB 2")
    return version


def _onboard(server: Server, files: Files, operator: str | None, keep_seconds: int) -> None:
    # A secret that is there is used again: it may be the only copy of one that another server knows.
    token = operator or _secret(files.operator) or secrets.token_urlsafe(48)
    password = _secret(files.password) or secrets.token_urlsafe(24)
    _keep_secret(files.operator, token)
    _keep_secret(files.password, password)
    names = {"username": USER, "password": password, "token": token, "org": server.org, "bucket": server.bucket}
    _Asking(server, None).post("/api/v2/setup", {**names, "retentionPeriodSeconds": keep_seconds})


def _operator(files: Files) -> str:
    found = _secret(files.operator)
    if found is None:
        raise SetupFailed(f"the server was set up by others, and there is no {files.operator}; {_fix(403)}")
    return found


def _org(asking: _Asking, name: str) -> tuple[str, Done]:
    found = _found(asking, "orgs", {"org": name})
    made = asking.post("/api/v2/orgs", {"name": name}) if found is None else found
    return str(made["id"]), Done.MADE if found is None else Done.KEPT


def _bucket(asking: _Asking, org: str, name: str, keep_seconds: int) -> tuple[dict[str, Any], Done]:
    found = _found(asking, "buckets", {"orgID": org, "name": name})
    rules = _rules(keep_seconds)
    if found is None:
        return asking.post("/api/v2/buckets", {"orgID": org, "name": name, "retentionRules": rules}), Done.MADE
    if keeps(found) == keep_seconds:
        return found, Done.KEPT
    return asking.patch(f"/api/v2/buckets/{found['id']}", {"retentionRules": rules}), Done.CHANGED


def _rules(keep_seconds: int) -> list[dict[str, Any]]:
    """Give how a bucket forgets. It forgets whole parts, as wide as the server would choose; without that it refuses to keep less than one."""
    width = 3_600 if 0 < keep_seconds < 2 * _DAY else _DAY if 0 < keep_seconds < 180 * _DAY else 7 * _DAY
    return [{"type": "expire", "everySeconds": keep_seconds, "shardGroupDurationSeconds": width}]


def _found(asking: _Asking, kind: str, query: Mapping[str, str]) -> dict[str, Any] | None:
    """Give the one that is asked for; a server says that it has none by an empty list or by 404."""
    try:
        found: list[dict[str, Any]] = asking.get(f"/api/v2/{kind}", query)[kind]
    except SetupFailed as failed:
        if failed.status != 404:
            raise
        return None
    return found[0] if found else None


def _token(asking: _Asking, server: Server, org: str, buckets: Sequence[str], action: str, file: Path) -> Done:
    """Keep the token in a file if it may do what it is for, else make another."""
    before = _secret(file)
    if before is not None and may(server, action, before):
        return Done.KEPT
    permissions = [{"action": action, "resource": {"type": "buckets", "id": bucket, "orgID": org}} for bucket in buckets]
    purpose = f"canhbao: {action} buckets {server.bucket} and {server.hourly.bucket}"
    made = asking.post("/api/v2/authorizations", {"orgID": org, "description": purpose, "permissions": permissions})
    _keep_secret(file, str(made["token"]))
    return Done.MADE if before is None else Done.REPLACED


def _secret(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def _keep_secret(file: Path, secret: str) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(secret + "\n")
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
