"""
The address of a ledger -> an engine whose transactions can be relied on.

Rule 1: SQLite: write-ahead log, every commit on the disk when it returns, but those that may be lost; a transaction that may write holds the lock from its beginning,
        so it never fails half-way because another one wrote.
Rule 2: the threads of one process take turns by a lock of ours: SQLite's own waiting sleeps for up to 0.1 s after the other has ended.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

BUSY = 30.0
"""Seconds to wait for another transaction of ours."""
_WRITES = "BEGIN IMMEDIATE"
_SMALL = "PRAGMA cache_size=-256"
"""KiB that a connection keeps of the file, of which the system keeps all anyway: a program has up to ten connections."""
_TURN = "turn"
_MAY_BE_LOST = "may_be_lost"
_SYNCHRONOUS = {False: "PRAGMA synchronous=FULL", True: "PRAGMA synchronous=NORMAL"}


def ledger_url(path: Path) -> str:
    """Give the address of a ledger in a file."""
    return f"sqlite:///{path.absolute()}"


def open_ledger(url: str) -> Engine:
    """
    Open a ledger to write to.

    Args:
        url: of SQLAlchemy: `sqlite:///...` or `postgresql+...://...`.

    Returns:
        The engine. On SQLite `engine.begin()` takes the write lock at once.
    """
    return _engine(url, _WRITES, ("PRAGMA journal_mode=WAL", _SMALL))


def open_ledger_to_read(url: str) -> Engine:
    """Open a ledger that another process writes, to read alone; the first use raises OperationalError where there is none."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        file = f"file:{address.database}"
        url = address.set(database=file, query={"mode": "ro", "uri": "true"}).render_as_string(hide_password=False)
    return _engine(url, "BEGIN", (_SMALL,))


def may_be_lost(engine: Engine) -> Engine:
    """
    Give the same ledger for transactions that a loss of power may take back, which saves each a wait for the disk.

    The next other transaction brings them to the disk; the death of the process takes nothing back.
    """
    return engine.execution_options(**{_MAY_BE_LOST: True})


def _engine(url: str, begin: str, pragmas: tuple[str, ...]) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": BUSY})
    turn = threading.Lock()

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        for pragma in pragmas:
            connection.execute(pragma).close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if begin == _WRITES:
            if turn.acquire(timeout=BUSY):  # else SQLite says that it is busy
                connection.info[_TURN] = True
            connection.exec_driver_sql(_SYNCHRONOUS[connection.get_execution_options().get(_MAY_BE_LOST, False)])
        connection.exec_driver_sql(begin)

    @event.listens_for(engine, "checkin")
    def _end(_: object, record: Any) -> None:
        if record.info.pop(_TURN, False):
            turn.release()

    return engine
