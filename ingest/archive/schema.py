"""
From a path to a connection of the store, for its one writer or for any reader; and the tables in it.

Rule 1: readings, the newest of each series, refused lines and the cursor are written in one transaction, so after a crash they agree.
Rule 2: the writer commits without waiting for the disk (synchronous=NORMAL): a power cut may take the last commits, but takes the
        cursor with them, and the spool gives the same batches again. What the spool may forget is therefore told by a second
        number, which moves only when the disk has answered.
Rule 3: a reader opens, asks once and closes; an open read transaction would keep the log from being folded into the file.
Rule 4: a store of version 1 had no history: all of its hours are touched, so its next is made of what it holds.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from devices.instants import HOUR, Instant

VERSION = 2
BEFORE_ALL: Instant = -(2**62)
SMALL = 2_000
"""KiB of the file that a connection keeps, as SQLite has it."""
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    station TEXT NOT NULL,
    quantity TEXT NOT NULL,
    device TEXT NOT NULL,
    whole_at INTEGER NOT NULL DEFAULT {BEFORE_ALL},  -- readings observed before it may be gone: the history answers for them
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
CREATE TABLE IF NOT EXISTS hourly (  -- the history, for ever
    series INTEGER NOT NULL,
    hour_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    low REAL NOT NULL,
    mean REAL NOT NULL,
    high REAL NOT NULL,
    quality INTEGER NOT NULL,      -- the worst flag
    received_at INTEGER NOT NULL,  -- the last
    PRIMARY KEY (series, hour_at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS touched (  -- hours with readings that a history does not have yet
    series INTEGER NOT NULL,
    hour_at INTEGER NOT NULL,
    name TEXT NOT NULL,         -- of the history
    ordinal INTEGER NOT NULL,   -- of the newest batch with such readings
    PRIMARY KEY (series, hour_at, name)
) WITHOUT ROWID;
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
_FROM_1 = f"""
BEGIN IMMEDIATE;
ALTER TABLE series ADD COLUMN whole_at INTEGER NOT NULL DEFAULT {BEFORE_ALL};
CREATE TABLE touched (
    series INTEGER NOT NULL, hour_at INTEGER NOT NULL, name TEXT NOT NULL, ordinal INTEGER NOT NULL, PRIMARY KEY (series, hour_at, name)
) WITHOUT ROWID;
INSERT INTO touched SELECT DISTINCT series, observed_at - (observed_at % {HOUR} + {HOUR}) % {HOUR}, 'store', 0 FROM reading;
PRAGMA user_version = {VERSION};
COMMIT;
"""  # noqa: S608 - numbers of ours


class StoreVersionError(Exception):
    """The file was written by another version of this program."""


def open_writer(path: Path, cache: int = SMALL) -> sqlite3.Connection:
    """
    Open the store for its one writer, and make it where there is none.

    Args:
        path: of the file.
        cache: KiB of it that the connection keeps.

    Raises:
        StoreVersionError: the file has tables of a version that is not known here; older ones are brought up to date.
    """
    store = sqlite3.connect(path, isolation_level=None, timeout=30)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=NORMAL")
    store.execute("PRAGMA wal_autocheckpoint=0")  # it keeps its errors to itself; see Store.fold
    store.execute("PRAGMA secure_delete=OFF")  # Debian builds SQLite with it on
    store.execute(f"PRAGMA cache_size=-{cache}")
    if _version(store, path) == 1:
        store.executescript(_FROM_1)
    store.executescript(_SCHEMA)
    return store


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the store for reading; raises `sqlite3.OperationalError` where there is none."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5)


def _version(store: sqlite3.Connection, path: Path) -> int:
    (version,) = store.execute("PRAGMA user_version").fetchone()
    if version not in range(VERSION + 1):
        store.close()
        raise StoreVersionError(
            f"{path} has version {version} of the tables, this program knows {VERSION}: start the version that wrote it"
        )
    return int(version)
