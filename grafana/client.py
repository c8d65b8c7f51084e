"""
A path of Grafana's documented interface and a document -> its answer, or a GrafanaError that says what to do; and the few calls that we need, as values.

The only user of grafana-api. Of it we take the transport (its raw verbs reach every path, with token and session) and none of its named calls: those know the
Grafana of 2020, ask by number where 13 wants a uid, and have faults of their own.

Rule 1: what grafana-api reads wrongly is put right before it sees it: an answer without a body (204) made it raise, and so did an error whose body is a
        page of a proxy.
Rule 2: no call lasts: silence ends it after the time of the settings, an answer that comes drop by drop after at most twice that.
Rule 3: a redirect is an error: requests would turn a POST into a GET, and it would look as if all went well.
Rule 4: nothing is taken from the environment (proxies, netrc, certificates): the settings say all.
Rule 5: every request has a connection of its own: one that was closed while it rested would look like a Grafana that is away.
Rule 6: nothing is tried again here; whoever calls compares what should stand with what stands, and does it later.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import requests
import urllib3
from grafana_api.grafana_api import GrafanaAPI, GrafanaException
from pydantic import TypeAdapter, ValidationError

from devices.instants import MILLISECOND, Instant
from grafana.annotations import Held, Region

MOST_ANSWER = 32 * 1024 * 1024
"""Bytes of one answer."""
MOST_ANNOTATIONS = 5_000
"""Of one question; Grafana alone would give 100."""
_PIECE = 64 * 1024
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Server:
    """Where Grafana is."""

    url: str
    ca: Path | None = None
    verify: bool = True
    timeout: float = 10.0


class GrafanaError(Exception):
    """Grafana did not do it; the text says why, and what to do."""

    def __init__(self, message: str, status: int | None = None, kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        """Of HTTP; None where nobody answered."""
        self.kind = kind
        """Grafana's own word, for example `version-mismatch`."""

    @property
    def is_away(self) -> bool:
        """Tell whether no other call will go better now: nobody answers, it is overloaded or broken, or does not know the token."""
        return self.status is None or self.status in {401, 429} or self.status >= 500

    @property
    def is_missing(self) -> bool:
        """Tell whether what was asked for is not there."""
        return self.status == 404

    @property
    def is_conflict(self) -> bool:
        """Tell whether somebody else changed or made it."""
        return self.status in {409, 412}


class Client:
    """Grafana, as far as we need it; for one thread at a time."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self._api = GrafanaAPI(token, verify=str(server.ca) if server.ca and server.verify else server.verify, timeout=server.timeout)
        self._api.url = server.url.rstrip("/")  # it would put together another one, wrongly for a path below a host
        self._api.s = _Session(server.timeout)

    def ask(self, verb: str, path: str, document: object = None) -> Any:
        """
        Send one request.

        Args:
            verb: GET, POST, PUT, PATCH or DELETE.
            path: from the root: `/api/health`.
            document: to be sent as JSON.

        Returns:
            The document of the answer; None where it has none.

        Raises:
            GrafanaError: no answer, not in time, or one that says no.
        """
        try:
            return getattr(self._api, verb)(path, json=document)
        except GrafanaException as error:
            raise _said_no(self.server, verb, path, error) from error
        except requests.exceptions.TooManyRedirects as error:
            to = error.response.headers.get("Location", "elsewhere") if error.response is not None else "elsewhere"
            raise GrafanaError(f"{self.server.url} sends us on to {to}; set grafana.url to the address at which Grafana answers") from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _no_answer(self.server, error) from error

    # ---- annotations

    def annotations(self, tags: Collection[str], between: tuple[Instant, Instant] | None = None) -> list[Held]:
        """Give the annotations that carry all of these tags, at most 5,000, and touch a span of time."""
        span = {"from": between[0] // MILLISECOND, "to": between[1] // MILLISECOND} if between else {}
        question = urlencode({"type": "annotation", "limit": MOST_ANNOTATIONS, **span, "tags": sorted(tags)}, doseq=True)
        return [_held(each) for each in self._read(list[_Annotation], "GET", f"/api/annotations?{question}")]

    def add_annotation(self, region: Region) -> None:
        """Add an annotation of the organisation."""
        self.ask("POST", "/api/annotations", _document(region))

    def amend_annotation(self, identity: int, region: Region) -> None:
        """Change all that an annotation shows."""
        self.ask("PATCH", f"/api/annotations/{identity}", _document(region))

    def remove_annotation(self, identity: int) -> None:
        """Remove an annotation."""
        self.ask("DELETE", f"/api/annotations/{identity}")

    # ---- what is read of the rest

    def version(self) -> str:
        """Give Grafana's version, or a dash where it keeps that to itself."""
        return self._read(_Health, "GET", "/api/health").version or "-"

    def find(self, path: str) -> dict[str, Any] | None:
        """Give an object by its path; None where there is none."""
        try:
            return self._read(dict[str, Any], "GET", path)
        except GrafanaError as error:
            if error.is_missing:
                return None
            raise

    def _read(self, kind: type[_Read], verb: str, path: str) -> _Read:
        answer = self.ask(verb, path)
        try:
            return TypeAdapter(kind).validate_python(answer)
        except ValidationError as error:
            raise GrafanaError(f"{self.server.url}{path.partition('?')[0]} answers what no Grafana would; is grafana.url right?") from error


def path_of(*parts: str) -> str:
    """Give a path of parts, each of which may hold any character."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


# ---- shapes of answers


@dataclass(frozen=True)
class _Annotation:
    id: int
    time: int
    timeEnd: int = 0  # noqa: N815 - Grafana's name
    text: str = ""
    tags: list[str] | None = None


@dataclass(frozen=True)
class _Health:
    database: str
    version: str = ""


def _held(found: _Annotation) -> Held:
    to = max(found.time, found.timeEnd)
    return Held(found.id, Region(found.time * MILLISECOND, to * MILLISECOND, found.text, frozenset(found.tags or ())))


def _document(region: Region) -> dict[str, Any]:
    times = {"time": region.from_at // MILLISECOND, "timeEnd": region.to_at // MILLISECOND}
    return {**times, "text": region.text, "tags": sorted(region.tags)}


# ---- the wire


class _Session(requests.Session):
    """A session that keeps the rules of this file."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = 0
        self.headers.update({"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"})
        self._seconds = seconds

    def send(self, request: requests.PreparedRequest, **given: Any) -> requests.Response:
        """Send, and read the whole answer within the time."""
        ends = time.monotonic() + self._seconds
        try:
            response = super().send(request, **{**given, "stream": True})
            response.raw = io.BytesIO(_readable(response.status_code, _whole(response.raw, ends)))
        finally:
            self.close()  # not for ever: the next request opens a connection again
        return response


def _whole(raw: urllib3.BaseHTTPResponse, ends: float) -> bytes:
    body = bytearray()
    with raw:
        while piece := raw.read1(_PIECE):
            body += piece
            if time.monotonic() > ends:
                raise requests.exceptions.ReadTimeout("the answer takes too long")
            if len(body) > MOST_ANSWER:
                raise requests.exceptions.ContentDecodingError(f"the answer has more than {MOST_ANSWER} bytes")
    return bytes(body)


def _readable(status: int, body: bytes) -> bytes:
    """Give a body that grafana-api reads without fault: JSON, and for an error an object with a message that is a text."""
    if status < 400:
        return body or b"null"
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    told: Mapping[str, Any] = found if isinstance(found, dict) else {}
    message = told.get("message") or " ".join(body.decode(errors="replace").split())[:200]
    return json.dumps({**told, "message": str(message)}).encode()


# ---- words for what went wrong


def _said_no(server: Server, verb: str, path: str, error: GrafanaException) -> GrafanaError:
    status, answer = error.status_code, error.response
    what = f"Grafana answers {status} to {verb} {path.partition('?')[0]}" + (f" ({answer['message']})" if answer["message"] else "")
    return GrafanaError(f"{what}; {_fix(status, server)}", status, str(answer.get("status") or ""))


def _fix(status: int, server: Server) -> str:
    if status == 401:
        return "give the token of a service account with the role Editor as CANHBAO_GRAFANA__TOKEN_FILE"
    if status == 403:
        return "give the service account of the token the role Editor, or the missing permission"
    if status == 404:
        return f"it is not there, or {server.url} is not the address of a Grafana (grafana.url)"
    if status in {409, 412}:
        return "somebody else made or changed it; look at it in Grafana, then try again"
    if status == 429 or status >= 500:
        return "look at the log of Grafana, and of the proxy before it"
    return "look at the log of Grafana; this version of it may be unknown to us"


def _no_answer(server: Server, error: Exception) -> GrafanaError:
    if isinstance(error, requests.exceptions.SSLError):
        return GrafanaError(f"the certificate of {server.url} is not trusted; give the file of its authority as grafana.ca")
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return GrafanaError(
            f"{server.url} does not answer within {server.timeout:g} s; look whether Grafana is well, or raise grafana.timeout"
        )
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return GrafanaError(f"{server.url} answers with something that is not JSON; is grafana.url the address of a Grafana?")
    if isinstance(error, requests.exceptions.ConnectionError | urllib3.exceptions.HTTPError):
        return GrafanaError(f"there is no answer from {server.url}; start Grafana, or set grafana.url")
    return GrafanaError(f"{server.url} cannot be asked ({type(error).__name__}: {error}); look at grafana.url, grafana.ca and the token")
