"""
From batches of the spool to a server of InfluxDB 2; a sink beside the store.

Rule 1: the bytes of the spool are sent as they are. The server's 204 moves the cursor, which stands in the file of the store.
Rule 2: the same bytes are sent until they are taken, for ever: a point's identity is its series and its time, so twice is once.
Rule 3: a line is put aside only when the server refuses it alone, with the server's reason. Two values for one instant keep their order.
Rule 4: never the client's batching mode, which drops silently, and never its retries, which give up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from devices.instants import Instant
from ingest.archive.books import Away, Books, Refused
from ingest.archive.forward import Batch, Cursor, Start, Written
from ingest.archive.influx_errors import NO_TOKEN, Course, Failure, all_are_refused, failure_of, parts_of, unanswered

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client import InfluxDBClient

MOST = 5_000
"""Readings of one request, about half a megabyte."""
NAME = "influx"
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 15.0
SETTLE = 0.5
"""Seconds after an answer that was missing: a request that the server still has must not overtake a newer value of its instant."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where readings go."""

    url: str
    org: str
    bucket: str
    ca: Path | None = None
    """Certificates to trust (PEM) instead of those of the system."""
    verify: bool = True
    timeout: float = 10.0
    """Seconds for one request, from the connection to the answer."""

    @property
    def hourly(self) -> Server:
        """Give the bucket of the history, on the same server."""
        return replace(self, bucket=f"{self.bucket}_hourly")


@dataclass(frozen=True, slots=True)
class Line:
    """A line and where it comes from."""

    ordinal: int
    place: int
    text: bytes
    at: Instant

    def refused(self, reason: str) -> Refused:
        """Give it as a refused one."""
        return Refused(self.ordinal, self.place, self.text, reason, self.at)


class Influx:
    """
    Writes batches; fits `forward.Sink`. For one thread. A write lasts as long as the server is away.

    Args:
        server: where to.
        token: gives the token, or None where there is none yet; asked again after each failure, so that a new one is found.
        books: cursor, refused lines and state.
        clock: for the state.
        pause: waits some seconds; what it raises ends the write, and nothing is lost by that.
        told: hears why the sink waits, each time that changes, and None when it goes on.
    """

    name = NAME

    def __init__(
        self,
        server: Server,
        token: Callable[[], str | None],
        books: Books,
        clock: Callable[[], Instant],
        pause: Callable[[float], None],
        told: Callable[[Away | None], None] = lambda _: None,
    ) -> None:
        self._server = server
        self._token = token
        self._books = books
        self._clock = clock
        self._pause = pause
        self._told = told
        self._client: InfluxDBClient | None = None
        self._too_large: int | None = None
        self._away = books.why_away()

    def cursor(self) -> Cursor | None:
        """Give the last batch that the server has, or None before the first start."""
        return self._books.cursor()

    def start(self, start: Start, now: Instant) -> None:
        """Begin after an ordinal of a spool."""
        self._books.start(start, now)

    def write(self, spool: str, batches: Sequence[Batch]) -> Written:
        """
        Write batches, which are in order, and then move the cursor to the last of them.

        Raises:
            LookupError: the sink was not started on this spool.
        """
        reached = self._books.reached(spool)
        fresh = [batch for batch in batches if batch.ordinal > reached]
        refused = self._written(fresh)
        with self._books.transaction():
            self._books.refuse(spool, refused)
            if fresh:
                self._books.advance(fresh[-1].ordinal)
        count = sum(batch.body.count(b"\n") + 1 for batch in fresh if batch.body)
        return Written(count - len(refused), len(refused))

    def resend(self, texts: Sequence[bytes]) -> int:
        """Write lines again, whatever the cursor; gives how many are refused, which are not put aside a second time."""
        failure = self._sent(b"\n".join(texts)) if texts else None
        return 0 if failure is None else len(self._divided([Line(0, place, text, 0) for place, text in enumerate(texts)], failure))

    def _written(self, batches: Sequence[Batch]) -> list[Refused]:
        body = b"\n".join(batch.body for batch in batches if batch.body)
        failure = self._sent(body) if body else None
        return [] if failure is None else self._divided(lines_of(batches), failure)

    def _divided(self, lines: Sequence[Line], failure: Failure) -> list[Refused]:
        """Write lines that cannot be written together, in their order; gives those that are refused."""
        if failure.course is Course.SPLIT and all_are_refused(failure, len(lines)):
            return [line.refused(failure.what) for line in lines]
        refused: list[Refused] = []
        for part in parts_of(lines, [line.text for line in lines], failure):
            again = self._sent(b"\n".join(line.text for line in part))
            if again is not None:
                refused += self._divided(part, again)
        return refused

    def _sent(self, body: bytes) -> Failure | None:
        """Send until the server decides: None when it took the lines, else why they must be divided. One line is not halved."""
        wait, is_unknown = _FIRST_WAIT, False
        while (failure := self._posted(body)) is not None:
            if failure.course is Course.SPLIT or (failure.course is Course.HALVE and b"\n" in body):
                break
            is_unknown |= failure.is_unknown
            self._wait(failure, wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        if is_unknown:
            self._pause(SETTLE)
        self._say(None)
        return failure

    def _posted(self, body: bytes) -> Failure | None:
        if self._too_large is not None and len(body) >= self._too_large and b"\n" in body:
            return failure_of(413, "as before")
        from influxdb_client.rest import ApiException

        try:
            status = self._status_of(body)
        except ApiException as error:
            if error.status == 413 and b"\n" in body:
                self._too_large = len(body)
            return failure_of(error.status or 0, _message(error), error.retry_after)
        except (HTTPError, OSError, UnicodeDecodeError) as error:  # of its transport; and it reads answers as UTF-8
            return unanswered(error)
        if status is None:
            return NO_TOKEN
        return None if status == 204 else failure_of(status, "this is not how InfluxDB takes lines")

    def _status_of(self, body: bytes) -> int | None:
        """Send once; gives the status of the answer, or None where there is no token."""
        from influxdb_client.client.write_api import SYNCHRONOUS

        if self._client is None and (token := self._token()) is not None:
            self._client = connected(self._server, token)
        if self._client is None:
            return None
        api = self._client.write_api(SYNCHRONOUS)
        api.write(self._server.bucket, self._server.org, body, "ms")  # type: ignore[arg-type]  # WritePrecision is a class of plain strings
        return int(self._client.api_client.last_response.status)

    def _wait(self, failure: Failure, seconds: float) -> None:
        self._client = None
        since_at = self._away.since_at if self._away else self._clock()
        self._say(Away(since_at, failure.what, failure.fix))
        self._pause(max(seconds, failure.rest))

    def _say(self, away: Away | None) -> None:
        if away != self._away:
            self._away = away
            self._books.away(away)
            self._told(away)


def connected(server: Server, token: str) -> InfluxDBClient:
    """Give a client that neither retries nor follows anybody elsewhere. It connects when it is used."""
    from influxdb_client.client.influxdb_client import InfluxDBClient

    return InfluxDBClient(
        server.url,
        token,
        timeout=round(server.timeout * 1000),
        org=server.org,
        retries=False,
        verify_ssl=server.verify,
        ssl_ca_cert=None if server.ca is None else str(server.ca),
    )


def lines_of(batches: Sequence[Batch]) -> list[Line]:
    """Give the lines of batches, in order."""
    return [
        Line(batch.ordinal, place, text, batch.received_at)
        for batch in batches
        if batch.body
        for place, text in enumerate(batch.body.split(b"\n"))
    ]


def _message(error: Exception) -> str:
    named = ("message", "reason") if getattr(error, "status", 0) else ("reason", "message")  # without an answer, the reason is that of TLS
    message = next((found for name in named if (found := getattr(error, name, None))), "")
    return message if isinstance(message, str) else str(message)
