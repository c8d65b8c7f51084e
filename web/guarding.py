"""
Every answer of our pages -> the same answer with the headers that keep browsers careful; and requests that no page makes -> a refusal.

Rule 1: no page of ours loads, frames or runs anything of another host.
Rule 2: what a page sets itself is not overwritten.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_QUERY = 1_000
"""Bytes of a query."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
}


def careful(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Give headers as a server takes them, with the careful ones that are not among them; for answers that pass no Guard."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in {**_HEADERS, **headers}.items()]


class Guard:
    """An application behind another one."""

    def __init__(self, app: ASGIApp, methods: Collection[str], headers: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._methods = frozenset(methods)
        self._headers = {**_HEADERS, **(headers or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        if scope["method"] not in self._methods:
            allowed = ", ".join(sorted(self._methods))
            return JSONResponse({"detail": f"only {allowed} here"}, 405, {"Allow": allowed})
        if len(scope["query_string"]) > LONGEST_QUERY:
            return JSONResponse({"detail": f"the query is longer than {LONGEST_QUERY} bytes"}, 414)
        return None
