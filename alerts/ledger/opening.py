"""
The address of a ledger -> an engine whose transactions can be relied on, with all tables in it.

Rule 1: SQLite: write-ahead log, every commit on the disk when it returns; a transaction that may write holds the lock from its beginning,
        so it never fails half-way because another one wrote.
Rule 2: tables are made and changed by migrations alone, at the start of `canhbao serve`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

BUSY = 30.0
"""Seconds to wait for another transaction of ours."""
_MIGRATIONS = Path(__file__).with_name("migrations")


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
    return _engine(url, "BEGIN IMMEDIATE", ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"))


def open_ledger_to_read(url: str) -> Engine:
    """Open a ledger that another process writes, to read alone; the first use raises OperationalError where there is none."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        file = f"file:{address.database}"
        url = address.set(database=file, query={"mode": "ro", "uri": "true"}).render_as_string(hide_password=False)
    return _engine(url, "BEGIN", ())


def migrate(engine: Engine) -> None:
    """Bring the tables of a ledger to the form that this program knows; nothing happens where they have it."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells at each start that it has plugins
    with engine.begin() as connection:
        command.upgrade(migrations(connection), "head")


def migrations(connection: Connection) -> Config:
    """Give the configuration of alembic for an open transaction."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _engine(url: str, begin: str, pragmas: tuple[str, ...]) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": BUSY})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        for pragma in pragmas:
            connection.execute(pragma).close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
