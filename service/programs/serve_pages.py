"""
The ledger -> the operators' pages and the acting interface, in a thread of `canhbao serve`.

Rule 1: the address is taken before the thread starts; a taken one is said, and ends the program.
Rule 2: what is only read is read beside the one writer, never through it.
"""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine

from alerts.ledger.opening import ledger_url, open_ledger_to_read
from alerts.model import Status
from ingest.feed import Feed, NoSpool
from rules.changes import Said, Standing
from service.clock import Clock, RealClock
from service.exits import CommandError, Exit
from service.programs.web import SpoolReader
from service.settings import Settings
from web.operators.app import create_app
from web.operators.ledger import LedgerActing, LedgerBoards
from web.serving import listener_on

LEAVE = 0.3
"""Seconds that the server may take to end."""

log = structlog.get_logger(__name__)


class SpoolCounters:
    """The counters of the spool; fits `web.operators.ledger.Counters`."""

    def __init__(self, feed: Feed[Said, Standing]) -> None:
        self._feed = feed

    def counters(self) -> Mapping[str, int] | None:
        """Give them; None where they cannot be read."""
        try:
            return self._feed.counters()
        except (NoSpool, sqlite3.DatabaseError):
            return None


class Pages:
    """The pages, served in a thread of their own."""

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._listener = listener
        self._ending = False
        self._thread = threading.Thread(target=self._serve, name="pages", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Let the server end."""
        self._ending = True
        self._server.should_exit = True
        self._thread.join(LEAVE)

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        except BaseException:
            log.exception("the pages ended by an error; the process ends and is started again")
            end_process()
        if not self._ending:
            log.error("the pages ended; the process ends and is started again")
            end_process()


def start_pages(
    settings: Settings, clock: Clock, engine: Engine, feed: Feed[Said, Standing], token: str, acted: Callable[[], None]
) -> Pages:
    """
    Serve the operators' pages.

    Args:
        settings: of the machine.
        clock: of the city.
        engine: of the ledger, for actions.
        feed: of the spool.
        token: of the operators.
        acted: called after each action, from any thread.

    Raises:
        CommandError: where the address is taken.
    """
    status = Status.ACTUAL if isinstance(clock, RealClock) else Status.EXERCISE
    reader = open_ledger_to_read(ledger_url(settings.ledger_file))
    boards = LedgerBoards(reader, SpoolReader(settings.spool_file), SpoolCounters(feed), clock, real_clock, status, clock.speed)
    app = create_app(boards, LedgerActing(engine, clock, acted), token, real_clock)
    try:
        listener = listener_on(settings.operators.host, settings.operators.port)
    except OSError as error:
        where = f"{settings.operators.host}:{settings.operators.port}"
        message = f"cannot listen on {where} ({error.strerror}); end what uses it, or set operators.host and operators.port"
        raise CommandError(message, Exit.UNAVAILABLE) from error
    pages = Pages(app, listener)
    pages.start()
    return pages


def token_of(path: Path) -> str:
    """Give the token by which operators act; made at the first start, whole, and readable for this user alone."""
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{secrets.token_urlsafe(32)}\n")
    draft.replace(path)
    return path.read_text(encoding="ascii").strip()


def real_clock() -> int:
    """Give the machine's time in microseconds UTC."""
    return time.time_ns() // 1000


def end_process() -> None:
    """End a process that lost a thread; it is started again."""
    sys.stderr.flush()
    os._exit(Exit.FAULT)
