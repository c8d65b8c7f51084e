"""
Receivers to test against: a web server, a mail server and a channel that really take notices, and can be told to fail.

Rule 1: they stand at the far side of the network; nothing of ours is replaced.
Rule 2: nobody sleeps: `wait_for` returns when enough has arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from alerts.channels.port import DeliveryError, Message, Receipt
from alerts.channels.signature import HEADER, is_genuine
from alerts.model import Audience, Notice, NoticeKind, Status
from alerts.samples import NOW
from devices.instants import HOUR

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds after which waiting is given up."""


class Arrivals(Generic[T]):
    """What has arrived, and a way to wait for it."""

    def __init__(self) -> None:
        self._items: list[T] = []
        self._changed = threading.Condition()

    def add(self, item: T) -> None:
        """Note an arrival."""
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def all(self) -> list[T]:
        """Give what has arrived so far."""
        with self._changed:
            return list(self._items)

    def wait_for(self, count: int) -> list[T]:
        """Wait until so many have arrived; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._items) >= count, PATIENCE):
                raise TimeoutError(f"{len(self._items)} of {count} arrived")
            return list(self._items)


def sample_notice(**changes: Any) -> Notice:
    """Give a notice to residents about level 3, with facts and texts; any field can be given another value."""
    facts = {"station": {"id": "sample"}, "value": 3.62}
    vi = {"title": "Lũ sông Mẫu tại Trạm Mẫu vượt báo động 3, mức lũ lớn", "body": "Mực nước là 3,62 m.", "short": "Vượt báo động 3"}
    en = {"title": "Flood on the Sample River above alarm level 3", "body": "The water level is 3.62 m.", "short": "Above level 3"}
    notice = Notice(
        id="n1",
        alarm="0123456789abcdef",
        audience=Audience.RESIDENTS,
        kind=NoticeKind.WARNING,
        status=Status.ACTUAL,
        level=3,
        was=0,
        sequence=1,
        issued_at=NOW,
        expires_at=NOW + 6 * HOUR,
        facts=facts,
        texts={"vi": vi, "en": en},
    )
    return replace(notice, **changes)


@dataclass
class RecordingChannel:
    """A channel that keeps what it is given."""

    status: Status = Status.ACTUAL
    arrivals: Arrivals[Message] = field(default_factory=Arrivals)
    errors: deque[DeliveryError | None] = field(default_factory=deque)
    """What becomes of the next messages, one each; None is delivered, as is everything after the last."""
    before: Callable[[Message], object] = repr
    """Called with each message before anything else, for example to block."""

    def send(self, message: Message) -> Receipt:
        """Keep a message, or raise the next error."""
        self.before(message)
        error = self.errors.popleft() if self.errors else None
        if error:
            raise error
        self.arrivals.add(message)
        return Receipt(f"recorded {message.key}")

    def keys(self) -> list[str]:
        """Give the keys of what was delivered."""
        return [message.key for message in self.arrivals.all()]


@dataclass(frozen=True, slots=True)
class Request:
    """One request that a webhook receiver was sent."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    genuine: bool
    """Whether its signature was right and fresh."""

    @property
    def key(self) -> str:
        """Give the idempotency key."""
        return self.headers["Idempotency-Key"]

    @property
    def content(self) -> Any:
        """Give the notice."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook receiver answers."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = "{}"
    hangs: bool = False
    """Does not answer before the receiver is closed."""


class WebhookReceiver:
    """A web server on 127.0.0.1 that takes notices; a context manager."""

    def __init__(self, secret: str, answers: Iterable[Answer] = ()) -> None:
        self.requests: Arrivals[Request] = Arrivals()
        self._secret = secret
        self._answers = deque(answers)
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/notices"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, request: Request) -> Answer:
        """Note a request and give the next answer; 200 after the last."""
        self.requests.add(request)
        answer = self._answers.popleft() if self._answers else Answer()
        if answer.hangs:
            self._closing.wait(PATIENCE)
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = PATIENCE

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # a sender may be killed
                    super().handle()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                genuine = is_genuine(receiver._secret, body, self.headers.get(HEADER, ""), int(time.time()))
                answer = receiver.take(Request(self.path, dict(self.headers), body, genuine))
                if answer.hangs:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body.encode())), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the signature of http.server)
                """Say nothing."""

        return Handler


class MailReceiver:
    """A mail server on 127.0.0.1 that takes notices; a context manager. Needs aiosmtpd, which is a package of the tests."""

    def __init__(self, replies: Iterable[str] = ()) -> None:
        self.mails: Arrivals[EmailMessage] = Arrivals()
        self.port = 0
        self._replies = deque(replies)
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(PATIENCE):
            raise TimeoutError("the mail server does not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        from aiosmtpd.smtp import SMTP

        listening = self._loop.create_server(lambda: SMTP(self, hostname="localhost"), "127.0.0.1", 0)
        server = self._loop.run_until_complete(listening)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(server.wait_closed())
        self._loop.close()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: ARG002, N802
        """Answer with the next reply that was asked for (`550 no such person`), else accept. The signature is the server's."""
        reply = self._replies.popleft() if self._replies else "250 OK"
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802  (the signature is the server's)
        """Take a mail."""
        self.mails.add(message_from_bytes(envelope.content, policy=default))
        return "250 taken"
