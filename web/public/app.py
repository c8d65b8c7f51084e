"""
Editions, archive and figures -> the public side as an application.

Rule 1: pages and streams are answered before this application (`web.public.front`); here is what may cost more.
Rule 2: everything here can only be read: GET and HEAD.
Rule 3: an error is short: JSON for programs, a plain page in every language for people.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from ingest.archive.query import Archive
from web.guarding import Guard
from web.languages import LANGUAGES, Language
from web.public.api import routes
from web.public.editions import Editions
from web.public.events import MOST_LISTENERS, Events
from web.public.front import METHODS, Front
from web.public.metrics import metrics
from web.public.page import Renderer, address
from web.public.ports import Counting
from web.public.readiness import readiness

OPEN_DATA = ("/api/", "/openapi.json")


def create_app(
    editions: Editions, renderer: Renderer, archive: Archive, counting: Counting, most_listeners: int = MOST_LISTENERS
) -> ASGIApp:
    """
    Build the application.

    Args:
        editions: what pages and interface are served from; an Editor publishes to it.
        renderer: for pages of errors, and for the policy of the pages.
        archive: for readings.
        counting: for metrics.
        most_listeners: open pages that are told of changes; more are refused.

    Returns:
        An ASGI application.
    """
    app = FastAPI(
        title="Canhbao",
        version="1",
        description="Water levels, warnings and notices of a city. Times in the city's zone; values in the units that they name.",
        docs_url=None,  # those pages load scripts of another host
        redoc_url=None,
    )
    app.include_router(routes(editions, archive))
    for language in LANGUAGES.values():
        _add_page(app, renderer, language)
    _add_watching(app, editions, counting)
    _add_errors(app, renderer)
    app.add_middleware(Guard, methods=METHODS)
    return Front(app, Events(editions, most_listeners), editions, renderer.assets.policy)


def _add_page(app: FastAPI, renderer: Renderer, language: Language) -> None:
    """What stands at a page's address before there is an edition; afterwards the front answers."""
    not_ready = renderer.plain("cannot")
    headers = {"Content-Security-Policy": renderer.assets.policy, "Cache-Control": "no-cache", "Retry-After": "5"}

    @app.api_route(address(language), methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> Response:
        return Response(not_ready, 503, headers, "text/html; charset=utf-8")


def _add_watching(app: FastAPI, editions: Editions, counting: Counting) -> None:
    @app.get("/healthz", tags=["watching"])
    async def healthz() -> dict[str, str]:
        """Whether the process is alive."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["watching"])
    async def readyz() -> JSONResponse:
        """Whether ingest gives signs of life, and store and ledger can be read."""
        is_ready, checks = readiness(editions.situation)
        return JSONResponse({"ready": is_ready, "checks": checks}, 200 if is_ready else 503, {"Cache-Control": "no-store"})

    @app.get("/metrics", tags=["watching"], response_class=PlainTextResponse)
    def measured() -> Response:
        """Balance of readings, lags, deliveries and heartbeat, for Prometheus."""
        text = metrics(counting.figures(), editions.situation, len(editions.waiting))
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_errors(app: FastAPI, renderer: Renderer) -> None:
    missing, broken = renderer.plain("not_found"), renderer.plain("cannot")
    policy = {"Content-Security-Policy": renderer.assets.policy}

    def said(request: Request, status: int, detail: Any, headers: Any = None) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(OPEN_DATA)
        if not wants_page:
            return JSONResponse({"detail": detail}, status, headers)
        return Response(missing if status == 404 else broken, status, policy, "text/html; charset=utf-8")

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return said(request, error.status_code, error.detail, error.headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        problems = (f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in error.errors())
        return said(request, 400, "; ".join(problems))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the server logs it
        return said(request, 500, "a fault of ours; it was logged")
