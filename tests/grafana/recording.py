"""
A server that answers as Grafana's documented interface does, keeps what it is told in memory, and writes down every request.

Rule 1: what a Grafana does is done here whole; a fault decides only what the client sees of it, and whether it was done before.
Rule 2: without the token of a service account there is 401; without the right there is 403.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "glsa_of_the_tests"
ROOT = "/monitoring"
"""It stands below a path, as behind a proxy."""
Answer = tuple[int, Any]


@dataclass(frozen=True)
class Asked:
    """A request."""

    verb: str
    path: str
    question: dict[str, list[str]]
    document: Any


@dataclass(frozen=True)
class Fault:
    """What a client sees instead of the answer."""

    status: int = 0
    body: bytes = b""
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    done: bool = False
    """Whether what was asked is done all the same."""
    cut: bool = False
    """The connection ends in the midst of the answer."""
    wait: float = 0.0
    """Seconds before anything is said, or until it is no longer of use."""
    drop: float = 0.0
    """Seconds between two bytes of a body."""


def message(text: str, **more: Any) -> bytes:
    return json.dumps({"message": text, **more}).encode()


@dataclass
class Grafana:
    """One organisation, and one person who may also change things: `edit`."""

    url: str = ""
    rights: set[str] = field(default_factory=lambda: {"annotations:read", "annotations:write", "dashboards", "folders", "playlists"})
    annotations: dict[int, dict[str, Any]] = field(default_factory=dict)
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    playlists: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    faults: list[tuple[str, str, Fault]] = field(default_factory=list)
    numbers: int = 0
    gone: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, verb: str, path: str, fault: Fault, times: int = 1) -> None:
        """Let the next requests of a verb whose path begins so meet a fault."""
        self.faults += [(verb, path, fault)] * times

    def writes(self) -> list[tuple[str, str]]:
        """Give all requests that change something."""
        return [(each.verb, each.path) for each in self.asked if each.verb != "GET"]

    def edit(self, uid: str, **changed: Any) -> None:
        """Change a dashboard as a person does in the browser."""
        stored = self.dashboards[uid]
        stored["dashboard"] = {**stored["dashboard"], **changed, "version": stored["dashboard"]["version"] + 1}
        stored["versions"].append({"version": stored["dashboard"]["version"], "message": ""})

    def shown(self) -> list[tuple[int, int, str, frozenset[str]]]:
        """Give all annotations, without their numbers."""
        return sorted((each["time"], each["timeEnd"], each["text"], frozenset(each["tags"])) for each in self.annotations.values())

    # ---- the interface

    def answer(self, asked: Asked) -> Answer:
        parts = asked.path.strip("/").split("/")
        right = f"annotations:{'read' if asked.verb == 'GET' else 'write'}" if parts[1] == "annotations" else parts[1]
        if right not in self.rights and parts[1] not in {"health", "datasources"}:
            return 403, {
                "message": f"You'll need additional permissions to perform this action. Permissions needed: {right}",
                "title": "Access denied",
            }
        match asked.verb, parts[1:]:
            case "GET", ["health"]:
                return 200, {"database": "ok", "version": "13.3.0", "commit": "0"}
            case "GET", ["datasources", "uid", uid, "health"]:
                return self.sources.get(uid, (404, {"message": "Data source not found"}))
            case _, ["annotations", *rest]:
                return self._annotation(asked, rest)
            case _, ["folders", *rest]:
                return self._folder(asked, rest)
            case _, ["dashboards", *rest]:
                return self._dashboard(asked, rest)
            case _, ["playlists", *rest]:
                return self._playlist(asked, rest)
        return 404, {"message": "Not found"}

    def _annotation(self, asked: Asked, rest: list[str]) -> Answer:
        if asked.verb == "GET":
            return 200, self._found(asked.question)
        if asked.verb == "POST":
            if not asked.document.get("text"):
                return 400, {"message": "Failed to save annotation", "error": "text field should not be empty"}
            self.numbers += 1
            self.annotations[self.numbers] = {"id": self.numbers, "timeEnd": asked.document["time"], **asked.document}
            return 200, {"message": "Annotation added", "id": self.numbers}
        number = int(rest[0])
        if number not in self.annotations:
            return 404, {"message": "Annotation not found"}
        if asked.verb == "PATCH":
            self.annotations[number] |= asked.document
            return 200, {"message": "Annotation patched"}
        del self.annotations[number]
        return 200, {"message": "Annotation deleted"}

    def _found(self, question: dict[str, list[str]]) -> list[dict[str, Any]]:
        tags = set(question.get("tags", []))
        begins, ends = (int(question[name][0]) if name in question else 0 for name in ("from", "to"))
        found = [
            each
            for each in self.annotations.values()
            if tags <= set(each["tags"]) and not (begins and ends and (each["time"] > ends or each["timeEnd"] < begins))
        ]
        found.sort(key=lambda each: (-each["timeEnd"], -each["time"]))
        return found[: int(question.get("limit", ["100"])[0])]

    def _folder(self, asked: Asked, rest: list[str]) -> Answer:
        if asked.verb == "GET":
            return (200, self.folders[rest[0]]) if rest[0] in self.folders else (404, {"message": "folder not found"})
        if asked.document["uid"] in self.folders:
            return 409, {"message": "a folder with the same name already exists in the current location"}
        self.folders[asked.document["uid"]] = asked.document
        return 200, asked.document

    def _dashboard(self, asked: Asked, rest: list[str]) -> Answer:
        match asked.verb, rest:
            case "GET", ["uid", uid, "versions"] if uid in self.dashboards:
                return 200, {"continueToken": "", "versions": self.dashboards[uid]["versions"][::-1]}
            case "GET", ["uid", uid] if uid in self.dashboards:
                stored = self.dashboards[uid]
                return 200, {
                    "dashboard": stored["dashboard"],
                    "meta": {"folderUid": stored["folder"], "provisioned": stored["provisioned"]},
                }
            case "POST", ["db"]:
                return self._saved(asked.document)
        return 404, {"message": "Dashboard not found"}

    def _saved(self, document: dict[str, Any]) -> Answer:
        wanted, uid, place = document["dashboard"], document["dashboard"]["uid"], document["folderUid"]
        if place not in self.folders:
            return 400, {"message": "folder not found"}
        stored = self.dashboards.get(uid)
        if stored is not None and stored["provisioned"]:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if any(
            each["folder"] == place and each["dashboard"]["title"] == wanted["title"] and name != uid
            for name, each in self.dashboards.items()
        ):
            return 412, {"message": "A dashboard with the same name in the folder already exists", "status": "name-exists"}
        version = stored["dashboard"]["version"] if stored else 0
        if stored and version != wanted["version"] and not document["overwrite"]:
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        versions = [*(stored["versions"] if stored else []), {"version": version + 1, "message": document["message"]}]
        kept = {**wanted, "id": 7, "version": version + 1, "preload": False}
        self.dashboards[uid] = {"dashboard": kept, "folder": place, "provisioned": False, "versions": versions}
        return 200, {"uid": uid, "status": "success", "version": version + 1}

    def _playlist(self, asked: Asked, rest: list[str]) -> Answer:
        if asked.verb == "GET" and not rest:
            return 200, [{"uid": uid, "name": each["name"]} for uid, each in self.playlists.items()]
        if asked.verb == "POST":
            rest = [f"p{len(self.playlists) + 1}"]
        elif rest[0] not in self.playlists:
            return 404, {"message": "Playlist not found"}
        if asked.verb != "GET":
            self.playlists[rest[0]] = {**asked.document, "uid": rest[0]}
        return 200, self.playlists[rest[0]]


@contextmanager
def recording_grafana() -> Iterator[Grafana]:
    """Give a running server."""
    grafana = Grafana()

    class Handler(_Handler):
        told = grafana

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    grafana.url = f"http://127.0.0.1:{server.server_address[1]}{ROOT}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield grafana
    grafana.gone.set()
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: Grafana

    def _any(self) -> None:
        split = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(split.path).removeprefix(ROOT)
        asked = Asked(self.command, path, parse_qs(split.query), json.loads(body) if body and body != b"null" else None)
        with self.told.lock:
            self.told.asked.append(asked)
            fault = self._fault(asked)
            answer = (404, {"message": "Not found"}) if not split.path.startswith(ROOT) else (401, {"message": "Invalid API key"})
            if split.path.startswith(ROOT) and self.headers.get("Authorization") == f"Bearer {TOKEN}" and (fault is None or fault.done):
                answer = self.told.answer(asked)
        if fault is None:
            self._say(answer[0], json.dumps(answer[1]).encode(), "application/json")
        else:
            self._fail(fault, json.dumps(answer[1]).encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 - the names that the library calls

    def _fault(self, asked: Asked) -> Fault | None:
        for place, (verb, path, fault) in enumerate(self.told.faults):
            if asked.verb == verb and asked.path.startswith(path):
                del self.told.faults[place]
                return fault
        return None

    def _fail(self, fault: Fault, answer: bytes) -> None:
        self.told.gone.wait(fault.wait)
        self.close_connection = True
        if fault.cut:
            self._say(200, answer, "application/json", sent=len(answer) // 2)
        elif fault.drop:
            self._say(200, answer, "application/json", drop=fault.drop)
        elif fault.status:
            self._say(fault.status, fault.body, fault.kind, fault.headers)

    def _say(
        self, status: int, body: bytes, kind: str, headers: tuple[tuple[str, str], ...] = (), sent: int | None = None, drop: float = 0.0
    ) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), *headers):
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for piece in [body[:sent]] if not drop else [body[place : place + 1] for place in range(len(body))]:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(drop)
        except OSError:
            pass  # the client has had enough

    def log_message(self, *_: object) -> None:
        """Say nothing."""
