"""
A ledger -> the same with all tables that this program knows.

Rule 1: tables are made and changed by migrations alone, at the start of `canhbao serve`; who only reads loads nothing of this.
"""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

_MIGRATIONS = Path(__file__).with_name("migrations")


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
