"""
Requests for the page or for its stream -> bytes that were made with the edition, or the stream; all others -> the application behind.

Rule 1: a request for the page costs a look-up: headers and bodies are put together once an edition. It renders nothing and opens no file.
Rule 2: an address is answered here only where the answer is certain: GET or HEAD, an edition is there, the query is not too long.
        All else, refusals too, is the business of the application behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.guarding import LONGEST_QUERY, careful
from web.languages import LANGUAGES
from web.public.editions import Edition, Editions
from web.public.page import Rendered, address

METHODS = frozenset({"GET", "HEAD"})
EVENTS = "/events"
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answers:
    """What one page can be answered with: the messages that the server sends."""

    etag: bytes
    packed: tuple[Message, Message]
    plain: tuple[Message, Message]
    unchanged: tuple[Message, Message]


class Front:
    """The addresses of the page and of its stream, before an application."""

    def __init__(self, app: ASGIApp, events: ASGIApp, editions: Editions, policy: str) -> None:
        self._app, self._events, self._editions, self._policy = app, events, editions, policy
        self._made: tuple[Edition | None, Mapping[str, Answers]] = (None, {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from memory, or pass on."""
        if scope["type"] != "http" or scope["method"] not in METHODS or len(scope["query_string"]) > LONGEST_QUERY:
            await self._app(scope, receive, send)
        elif answers := self._answers().get(scope["path"]):
            start, body = chosen(answers, scope["headers"])
            await send(start)
            await send(body)
        else:
            await (self._events if scope["path"] == EVENTS else self._app)(scope, receive, send)

    def _answers(self) -> Mapping[str, Answers]:
        edition = self._editions.edition
        if edition is None:
            return {}
        if self._made[0] is not edition:
            pages = edition.pages
            self._made = edition, {address(each): answers_of(pages[code], code, self._policy) for code, each in LANGUAGES.items()}
        return self._made[1]


def answers_of(rendered: Rendered, language: str, policy: str) -> Answers:
    """Put together every answer of a page."""
    fixed = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "Content-Language": language,
        "ETag": rendered.etag,
    }
    kind = {"Content-Type": "text/html; charset=utf-8"}
    return Answers(
        rendered.etag.encode(),
        _messages(200, {**fixed, **kind, "Content-Encoding": "gzip"}, rendered.packed),
        _messages(200, {**fixed, **kind}, rendered.body),
        _messages(304, fixed, b""),
    )


def chosen(answers: Answers, headers: Headers) -> tuple[Message, Message]:
    """Choose the answer to a request with these headers (names in small letters)."""
    takes_gzip = False
    for name, value in headers:
        if name == b"accept-encoding":
            takes_gzip = takes_gzip or b"gzip" in value
        elif name == b"if-none-match" and is_known(answers.etag, value):
            return answers.unchanged
    return answers.packed if takes_gzip else answers.plain


def is_known(etag: bytes, listed: bytes) -> bool:
    """Tell whether a browser that lists these tags has the page already."""
    known = [tag.strip().removeprefix(b"W/") for tag in listed.split(b",")]
    return etag in known or b"*" in known


def _messages(status: int, headers: Mapping[str, str], body: bytes) -> tuple[Message, Message]:
    sized = {**headers, "Content-Length": str(len(body))} if status == 200 else headers
    return {"type": "http.response.start", "status": status, "headers": careful(sized)}, {"type": "http.response.body", "body": body}
