"""
Boards, actions and a token -> the operators' side as an application.

Rule 1: nothing is shown and nothing is done without the token; only /healthz answers everybody.
Rule 2: every action is a form that works without a script: a post with the proof of its session, then back to the table.
Rule 3: a page of another host cannot act here: the cookie is SameSite=Strict, and a foreign Origin is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException

from alerts.ledger.acting import ActionRefused
from devices.instants import HOUR
from web.guarding import Guard
from web.languages import DEFAULT, LANGUAGES
from web.operators.interface import routes
from web.operators.page import Pages
from web.operators.ports import Acting, Boards
from web.operators.sessions import COOKIE, LASTS, LONGEST_NAME, Session, Sessions
from web.public.ports import Tells

LONGEST_REASON = 1_000
Text = Annotated[str, Form(max_length=LONGEST_REASON)]
Short = Annotated[str, Form(max_length=200)]


class _Outside(Exception):  # noqa: N818 - it says where somebody is
    """Nobody is logged in."""


def create_app(boards: Boards, acting: Acting, token: str, real_clock: Tells) -> FastAPI:
    """
    Build the application.

    Args:
        boards: what is shown.
        acting: what is done.
        token: of the operators.
        real_clock: for the ends of sessions.

    Returns:
        An ASGI application.

    Raises:
        ValueError: for a token of less than 16 characters.
    """
    pages, sessions = Pages(), Sessions(token)
    app = FastAPI(title="Canhbao, operators", version="1", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(routes(acting, boards, sessions))
    desk = _Desk(boards, acting, sessions, pages, real_clock)
    desk.add_to(app)
    _add_errors(app, pages)
    headers = {
        "Content-Security-Policy": pages.policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",  # with no-referrer a browser hides the Origin of our own forms, too
    }
    app.add_middleware(Guard, methods=("GET", "HEAD", "POST"), headers=headers)
    return app


class _Desk:
    """The pages of somebody who is logged in."""

    def __init__(self, boards: Boards, acting: Acting, sessions: Sessions, pages: Pages, real_clock: Tells) -> None:
        self._boards, self._acting = boards, acting
        self._sessions, self._pages, self._real_clock = sessions, pages, real_clock

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.get("/healthz")(self.healthz)
        for code in LANGUAGES:
            app.get("/" if code == DEFAULT else f"/{code}")(self._table(code))
        app.get("/version")(self.version)
        app.post("/login")(self.login)
        app.post("/logout")(self.logout)
        app.post("/do/{verb}")(self.do)

    async def healthz(self) -> dict[str, str]:
        """Tell that the process is alive."""
        return {"status": "alive"}

    def version(self, request: Request) -> Response:
        """Give what changes when the table does."""
        if self._session(request) is None:
            return PlainTextResponse("", 401)
        return PlainTextResponse(self._pages.version(self._boards.board()))

    def login(self, request: Request, token: Short = "", by: Short = "", language: Short = DEFAULT) -> Response:
        """Open a session."""
        _from_here(request)
        name = by.strip()[:LONGEST_NAME]
        if not self._sessions.is_token(token) or not name:
            return HTMLResponse(self._pages.login(LANGUAGES.get(language, LANGUAGES[DEFAULT]), is_wrong=True), 401)
        session = self._sessions.open(name, self._real_clock())
        answer = _back(language)
        is_safe = request.url.scheme == "https"
        answer.set_cookie(COOKIE, session.value, max_age=LASTS // 1_000_000, httponly=True, samesite="strict", secure=is_safe)
        return answer

    def logout(self, request: Request, proof: Short = "", language: Short = DEFAULT) -> Response:
        """Forget the session."""
        self._proven(request, proof)
        answer = _back(language)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    def do(
        self,
        request: Request,
        verb: str,
        proof: Short = "",
        alarm: Short = "",
        reason: Text = "",
        place: Short = "",
        hours: Annotated[int, Form(ge=1, le=24)] = 1,
        silence: Annotated[int, Form()] = 0,
        language: Short = DEFAULT,
    ) -> Response:
        """Act as a form says."""
        by = self._proven(request, proof).by
        match verb:
            case "acknowledge":
                self._acting.acknowledge(alarm, by)
            case "close":
                self._acting.close(alarm, by, reason)
            case "silence":
                self._silence(place, hours, by, reason)
            case "lift":
                self._acting.lift(silence, by)
            case _:
                raise HTTPException(404, f"there is no action {verb!r}")
        return _back(language, done=verb)

    def _table(self, code: str) -> Any:
        def table(request: Request, done: str = "") -> Response:
            language, session = LANGUAGES[code], self._session(request)
            if session is None:
                return HTMLResponse(self._pages.login(language, is_wrong=False))
            board = self._boards.board()
            if board is None:
                return HTMLResponse(self._pages.not_ready(language), 503)
            return HTMLResponse(self._pages.table(board, session, language, done))

        return table

    def _silence(self, place: str, hours: int, by: str, reason: str) -> None:
        board = self._boards.board()
        if board is None:
            raise ActionRefused("no city was applied yet; try again when the service is ready")
        station, _, quantity = place.partition("/")
        self._acting.silence(station or None, quantity or None, board.now + hours * HOUR, by, reason)

    def _session(self, request: Request) -> Session | None:
        return self._sessions.read(request.cookies.get(COOKIE), self._real_clock())

    def _proven(self, request: Request, proof: str) -> Session:
        _from_here(request)
        session = self._session(request)
        if session is None:
            raise _Outside
        if not self._sessions.is_proof(session, proof):
            raise HTTPException(403, "this form is not of this session; reload the page")
        return session


def _from_here(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise HTTPException(403, "this form came from another host")


def _back(language: str, **query: str) -> RedirectResponse:
    path = f"/{language}" if language in LANGUAGES and language != DEFAULT else "/"
    text = "&".join(f"{name}={value}" for name, value in query.items())
    return RedirectResponse(f"{path}?{text}" if text else path, 303)


def _add_errors(app: FastAPI, pages: Pages) -> None:
    def said(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
        if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/act/"):
            return HTMLResponse(pages.refused(detail), status)
        return JSONResponse({"detail": detail}, status, headers)

    @app.exception_handler(ActionRefused)
    async def refused(request: Request, error: ActionRefused) -> Response:
        return said(request, 409, str(error))

    @app.exception_handler(_Outside)
    async def outside(request: Request, _error: _Outside) -> Response:
        return said(request, 401, "log in first")

    @app.exception_handler(HTTPException)
    async def failed(request: Request, error: HTTPException) -> Response:
        return said(request, error.status_code, error.detail, error.headers)
