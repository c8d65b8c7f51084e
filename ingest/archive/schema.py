"""
From a path to a connection of the store, for its one writer or for any reader; and the tables in it.

Rule 1: readings, the newest of each series, refused lines and the cursor are written in one transaction, so after a crash they agree.
Rule 2: the writer commits without waiting for the disk (synchronous=NORMAL): a power cut may take the last commits, but takes the
        cursor with them, and the spool gives the same batches again. What the spool may forget is therefore told by a second
        number, which moves only when the disk has answered.
Rule 3: a reader opens, asks once and closes; an open read transaction would keep the log from being folded into the file.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

VERSION = 1
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    station TEXT NOT NULL,
    quantity TEXT NOT NULL,
    device TEXT NOT NULL,
    UNIQUE (station, quantity, device)
);
CREATE TABLE IF NOT EXISTS reading (
    series INTEGER NOT NULL,
    observed_at INTEGER NOT NULL,
    value REAL NOT NULL,
    quality INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (series, observed_at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest (  -- outlives its reading: a gauge that is long dead keeps its last word
    series INTEGER PRIMARY KEY,
    observed_at INTEGER NOT NULL,
    value REAL NOT NULL,
    quality INTEGER NOT NULL,
    received_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS cursor (
    name TEXT PRIMARY KEY,
    spool TEXT NOT NULL,
    reached INTEGER NOT NULL,  -- moves with the readings: the next batch to write is the one after it
    ordinal INTEGER NOT NULL   -- batches up to it survive a power cut: the spool may forget them
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (
    name TEXT NOT NULL,        -- of the cursor
    spool TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    place INTEGER NOT NULL,    -- of the line in its batch, from 0
    line BLOB NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (name, spool, ordinal, place)
);
CREATE TABLE IF NOT EXISTS away (  -- the sinks that wait for their server, and why
    name TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    what TEXT NOT NULL,
    fix TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS incident (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
);
PRAGMA user_version = {VERSION};
COMMIT;
"""


class StoreVersionError(Exception):
    """The file was written by another version of this program."""


def open_writer(path: Path) -> sqlite3.Connection:
    """
    Open the store for its one writer, and make it where there is none.

    Raises:
        StoreVersionError: the file has tables of another version.
    """
    store = sqlite3.connect(path, isolation_level=None, timeout=30)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=NORMAL")
    store.execute("PRAGMA secure_delete=OFF")  # Debian builds SQLite with it on
    store.execute("PRAGMA cache_size=-32768")  # the last page of each of some thousand series
    _check_version(store, path)
    store.executescript(_SCHEMA)
    return store


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the store for reading; raises `sqlite3.OperationalError` where there is none."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5)


def _check_version(store: sqlite3.Connection, path: Path) -> None:
    (version,) = store.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        store.close()
        raise StoreVersionError(
            f"{path} has version {version} of the tables, this program knows {VERSION}: start the version that wrote it"
        )
