"""
A folder -> a real server of InfluxDB 2 on a free port, that may be killed, frozen and started again with what it kept.

Rule 1: it is gone when its `with` ends, however it was treated.
Rule 2: it is looked for in the variable INFLUXD, then where the tests' tools are built (CANHBAO_TOOLS), then on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from rig.brokers import free_port
from rig.serving import Serving

PATIENCE = 60.0
"""Seconds; a start on a busy machine, with a log to replay, takes a while."""
BUILT = "influxd-2.7.12"
FIX = "name the binary `influxd` in the variable INFLUXD, or put it on PATH"


@dataclass
class Influxd(Serving):
    """A server as a child of ours."""

    program: str
    folder: Path
    port: int
    org: str = "canhbao"
    token: str = "operator-token-of-the-rig"
    """May do everything."""
    buckets: int = 0

    @property
    def url(self) -> str:
        """Give its address."""
        return f"http://127.0.0.1:{self.port}"

    def command_line(self) -> list[str]:
        """Give what starts it."""
        places = [f"--{name}-path={self.folder / name}" for name in ("bolt", "sqlite", "engine")]
        return [self.program, *places, f"--http-bind-address=127.0.0.1:{self.port}", "--reporting-disabled", "--log-level=error"]

    def start(self, patience: float = PATIENCE) -> None:
        """Start it, and wait until it is ready."""
        super().start(patience)

    def is_ready(self) -> bool:
        """Tell whether it answers and can work."""
        with suppress(OSError, ValueError):
            return bool(self.ask("GET", "/health", within=2)["status"] == "pass")
        return False

    def set_up(self) -> None:
        """Make an empty server's first user, organisation and token."""
        names = {"username": "canhbao", "password": "password-of-the-rig", "org": self.org, "bucket": "first", "token": self.token}
        self.ask("POST", "/api/v2/setup", names)

    def new_bucket(self, name: str = "") -> str:
        """Make an empty bucket, of this name or a new one, and give the name."""
        self.buckets += not name
        name = name or f"bucket-{self.buckets}"
        (org,) = self.ask("GET", f"/api/v2/orgs?org={self.org}")["orgs"]
        self.ask("POST", "/api/v2/buckets", {"orgID": org["id"], "name": name, "retentionRules": []})
        return name

    def write(self, bucket: str, lines: str) -> None:
        """Write lines as somebody else might; their instants are in milliseconds."""
        self._send("POST", f"/api/v2/write?org={self.org}&bucket={bucket}&precision=ms", lines.encode())

    def query(self, bucket: str, statement: str) -> list[dict[str, Any]]:
        """Ask a bucket by InfluxQL, instants in microseconds; gives the series of the answer. Raises OSError, and ValueError for an error in it."""
        where = urlencode({"db": bucket, "epoch": "u", "q": statement})
        result: dict[str, Any] = self.ask("POST", f"/query?{where}", within=60)["results"][0]
        if "error" in result:
            raise ValueError(f"InfluxDB cannot answer {statement}: {result['error']}")
        return list(result.get("series", ()))

    def ask(self, method: str, path: str, document: Any = None, within: float = 20) -> Any:
        """Ask its interface; raises OSError where it does not answer, or answers with an error."""
        body = self._send(method, path, None if document is None else json.dumps(document).encode(), within)
        return json.loads(body) if body else None

    def _send(self, method: str, path: str, body: bytes | None, within: float = 20) -> bytes:
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=within) as answer:
            return bytes(answer.read())


def influxd_program() -> str | None:
    """Give the path of InfluxDB's server, if there is one."""
    if "INFLUXD" in os.environ:
        return shutil.which(os.environ["INFLUXD"])
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "canhbao"
    return shutil.which(Path(os.environ.get("CANHBAO_TOOLS", cache)) / BUILT) or shutil.which("influxd")


def new_influxd(folder: Path) -> Influxd:
    """Give a server that does not run yet, with its data in a folder."""
    program = influxd_program()
    assert program is not None, f"there is no influxd on this machine; {FIX}"
    folder.mkdir(parents=True, exist_ok=True)
    return Influxd(program, folder, free_port())


@contextmanager
def influxd_in(folder: Path) -> Iterator[Influxd]:
    """Run a server that is empty and ready."""
    server = new_influxd(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
