"""
The file of the spool: what ingest writes in one transaction a group, and every other program reads.

Rule 1: one writer, `canhbao ingest`; every commit is on the disk when it returns (WAL, synchronous=FULL).
Rule 2: an ordinal is never used twice, so a cursor (spool, ordinal) means one place for ever.
Rule 3: the identity of a spool is made with it; a cursor of another spool fits nowhere.
Rule 4: instants are microseconds UTC, except inside a batch's lines.
"""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

SCHEMA = 1
BUSY = 30.0
"""Seconds to wait for another connection of ours."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE batch (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT, received_at INTEGER NOT NULL, readings INTEGER NOT NULL, revision TEXT NOT NULL,
    body BLOB NOT NULL,    -- lines, joined by newlines
    ranks BLOB NOT NULL,   -- array('q'), one a line
    hearing TEXT NOT NULL  -- JSON: [[at, hears], ...], what happened before these lines
);
CREATE TABLE change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, ordinal INTEGER NOT NULL, verb TEXT NOT NULL,
    id TEXT NOT NULL,      -- not unique: issued, withdrawn, issued again
    rule TEXT NOT NULL, station TEXT NOT NULL, quantity TEXT NOT NULL, device TEXT NOT NULL,
    kind TEXT NOT NULL, level INTEGER NOT NULL, was INTEGER NOT NULL, at INTEGER NOT NULL, value REAL, peak REAL
);
CREATE INDEX change_ordinal ON change (ordinal);
CREATE TABLE standing (
    station TEXT NOT NULL, quantity TEXT NOT NULL, device TEXT NOT NULL, ordinal INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (station, quantity, device)
) WITHOUT ROWID;
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, ordinal INTEGER NOT NULL, received_at INTEGER NOT NULL, topic BLOB NOT NULL,
    payload BLOB,          -- NULL: emptied to keep the bound
    reason TEXT NOT NULL, readings INTEGER NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE counter (name TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE configuration (
    revision TEXT PRIMARY KEY, ordinal INTEGER NOT NULL, applied_at INTEGER NOT NULL, documents TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE checkpoint (key TEXT PRIMARY KEY, ordinal INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE incident (
    id INTEGER PRIMARY KEY AUTOINCREMENT, ordinal INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    real_at INTEGER NOT NULL,           -- by the machine's clock
    clock_at INTEGER NOT NULL,          -- by the world's, which is a rehearsal's or the same
    turned_at INTEGER NOT NULL,         -- when the session's loop last went round, by the machine's clock
    connected INTEGER NOT NULL, hearing INTEGER NOT NULL, hearing_since_at INTEGER NOT NULL,
    waiting_bytes INTEGER NOT NULL,     -- of payload, handed over and not settled
    waiting_readings INTEGER NOT NULL,  -- taken and not committed
    generation INTEGER NOT NULL, pid INTEGER NOT NULL
);
CREATE TABLE first_receipt (
    device TEXT NOT NULL, rank INTEGER NOT NULL, received_at INTEGER NOT NULL, PRIMARY KEY (device, rank)
) WITHOUT ROWID;
CREATE TABLE suspect (digest BLOB PRIMARY KEY, times INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
"""


class SpoolError(Exception):
    """The spool cannot be used; the text says why and what to do."""


def open_spool(path: Path) -> sqlite3.Connection:
    """
    Open the spool for writing, from one thread; make it where there is none.

    Raises:
        SpoolError: for a file of another version.
    """
    if not path.exists() or path.stat().st_size == 0:  # an empty file holds nothing that could be lost
        _make(path)
    spool = sqlite3.connect(path, isolation_level=None, timeout=BUSY)
    spool.execute("PRAGMA journal_mode=WAL")
    spool.execute("PRAGMA synchronous=FULL")
    spool.execute("PRAGMA secure_delete=OFF")  # Debian builds SQLite with it on
    spool.execute("PRAGMA wal_autocheckpoint=4000")  # 16 MB: only where `move_log` does not come to it, since a commit waits for it
    version = meta(spool, "schema")
    if version != str(SCHEMA):
        spool.close()
        raise SpoolError(f"{path} is a spool of version {version}, this program writes version {SCHEMA}; run the program that made it")
    return spool


def _make(path: Path) -> None:
    """Make a spool beside its place and put it there complete: nobody meets half of one."""
    draft = path.with_name(f"{path.name}.new")
    for left in (draft, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        left.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft, isolation_level=None)) as spool:
        spool.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        spool.execute("INSERT INTO meta VALUES ('schema', ?), ('spool', ?)", (str(SCHEMA), str(uuid.uuid4())))
    draft.replace(path)


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the spool to read from it; raises sqlite3.OperationalError where there is none. Keep no transaction open."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=BUSY)


class Reader:
    """Reads whichever spool lies at a path: one that was exchanged is opened anew. For one thread; keep no transaction open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spool: sqlite3.Connection | None = None
        self.place = -1, -1
        """Device and number of the file that was opened last."""

    def opened(self) -> sqlite3.Connection:
        """Give a connection to the file that is there now; raises FileNotFoundError or sqlite3.OperationalError where there is none."""
        found = self._path.stat()
        if self._spool is None or self.place != (found.st_dev, found.st_ino):
            self.close()
            self.place = found.st_dev, found.st_ino
            self._spool = open_reader(self._path)
        return self._spool

    def close(self) -> None:
        """Let go of the file; it can be opened again."""
        if self._spool is not None:
            self._spool.close()
        self._spool = None


def meta(spool: sqlite3.Connection, key: str) -> str | None:
    """Give a fact about the spool."""
    row = spool.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def set_meta(spool: sqlite3.Connection, key: str, value: str) -> None:
    """Set a fact about the spool, within the caller's transaction."""
    spool.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))


def last_ordinal(spool: sqlite3.Connection) -> int:
    """Give the ordinal of the newest batch there ever was, 0 for none."""
    row = spool.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batch'").fetchone()
    return 0 if row is None else int(row[0])


def move_log(spool: sqlite3.Connection) -> None:
    """Move the log into the file, on a connection beside the committer's, which else stops for it now and then."""
    spool.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def suspect(path: Path, digest: bytes, at: int) -> None:
    """Count one more time that reading a message ended the process."""
    with closing(open_spool(path)) as spool:
        spool.execute("INSERT INTO suspect VALUES (?, 1, ?) ON CONFLICT (digest) DO UPDATE SET times = times + 1", (digest, at))
