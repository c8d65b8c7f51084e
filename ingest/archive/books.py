"""
What a sink has to remember -> its rows in the file of the store: cursor, refused lines, incidents, and why it waits.

Rule 1: a sink's rows change in one transaction: what it refused is there before the cursor passes it.
Rule 2: the cursor has two numbers. `reached` says where to go on; `ordinal`, what the spool may forget, follows when the disk has it.
Rule 3: a connection belongs to one thread; a transaction is a matter of milliseconds, for the store writes to the same file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from devices.instants import Instant
from ingest.archive.forward import Cursor, Start
from ingest.archive.history import Key, touch


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that a sink does not take."""

    ordinal: int
    place: int
    """Of the line in its batch, from 0."""
    line: bytes
    reason: str
    at: Instant
    """When its batch was received."""


@dataclass(frozen=True, slots=True)
class Away:
    """Why a sink waits."""

    since_at: Instant
    what: str
    fix: str


class Books:
    """The rows of one sink, for one thread."""

    def __init__(self, db: sqlite3.Connection, name: str) -> None:
        self.name = name
        self._db = db

    def of(self, name: str) -> Books:
        """Give the rows of another, by the same connection."""
        return Books(self._db, name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside. There is no rollback: after an exception the process ends, and the file is as before."""
        self._db.execute("BEGIN IMMEDIATE")
        yield
        self._db.execute("COMMIT")

    def cursor(self) -> Cursor | None:
        """Give the last batch that was written, or None before the first start."""
        row = self._db.execute("SELECT spool, reached FROM cursor WHERE name = ?", (self.name,)).fetchone()
        return None if row is None else Cursor(*row)

    def start(self, start: Start, now: Instant) -> None:
        """Begin after an ordinal of a spool; what is wrong with that is kept as an incident, in the same transaction."""
        spool, ordinal = start.cursor.spool, start.cursor.ordinal
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?)", (self.name, spool, ordinal, ordinal))
            self._db.execute("UPDATE touched SET ordinal = 0 WHERE name = ?", (self.name,))  # of another spool, perhaps
            if start.trouble is not None:
                self._db.execute("INSERT INTO incident (at, kind, detail) VALUES (?, ?, ?)", (now, start.trouble, start.detail))

    def reached(self, spool: str) -> int:
        """Give the last batch of a spool that was written; raises LookupError where the sink was not started on it."""
        cursor = self.cursor()
        if cursor is None or cursor.spool != spool:
            raise LookupError(f"the {self.name} was not started on spool {spool}; its cursor is {cursor}")
        return cursor.ordinal

    def advance(self, ordinal: int) -> None:
        """Move the cursor; inside a transaction."""
        self._db.execute("UPDATE cursor SET reached = ? WHERE name = ?", (ordinal, self.name))

    def touch(self, hours: Iterable[Key]) -> None:
        """Note that hours have other readings than the history of this sink knows."""
        with self.transaction():
            touch(self._db, [self.name], hours, 0)

    def refuse(self, spool: str, refused: Iterable[Refused]) -> None:
        """Put lines aside; inside a transaction. The same line again is the same row."""
        rows = ((self.name, spool, each.ordinal, each.place, each.line, each.reason, each.at) for each in refused)
        self._db.executemany("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def away(self, away: Away | None) -> None:
        """Keep why the sink waits; None when it goes on."""
        with self.transaction():
            self._db.execute("DELETE FROM away WHERE name = ?", (self.name,))
            if away is not None:
                self._db.execute("INSERT INTO away VALUES (?, ?, ?, ?)", (self.name, away.since_at, away.what, away.fix))

    def why_away(self) -> Away | None:
        """Give why the sink waits."""
        row = self._db.execute("SELECT since, what, fix FROM away WHERE name = ?", (self.name,)).fetchone()
        return None if row is None else Away(*row)

    def incident(self, kind: str, detail: str, now: Instant) -> None:
        """Keep what somebody should know later."""
        with self.transaction():
            self._db.execute("INSERT INTO incident (at, kind, detail) VALUES (?, ?, ?)", (now, kind, detail))

    def sync(self) -> None:
        """Put everything written to the file so far on the disk, by any sink, and say so: the spool may forget it."""
        self._db.execute("PRAGMA synchronous=FULL")  # this commit waits for the disk, and the log before it is there too
        with self.transaction():
            self._db.execute("UPDATE cursor SET ordinal = reached WHERE ordinal <> reached")
        self._db.execute("PRAGMA synchronous=NORMAL")

    def retire_others(self, names: Collection[str], now: Instant) -> list[str]:
        """
        Forget the cursors of sinks that are no longer used: the spool keeps what a cursor has not passed, for ever.

        Args:
            names: of the sinks that are used.
            now: for the incident that each of them leaves.

        Returns:
            The names that went.
        """
        found = self._db.execute("SELECT name, reached FROM cursor").fetchall()
        gone = [(name, reached) for name, reached in found if name not in names]
        with self.transaction():
            for name, reached in gone:
                self._db.execute("DELETE FROM cursor WHERE name = ?", (name,))
                self._db.execute("DELETE FROM away WHERE name = ? OR name LIKE ? || ' %'", (name, name))  # and what is looked after for it
                self._db.execute("DELETE FROM touched WHERE name = ?", (name,))
                detail = f"{name} is no longer in the settings; its cursor stood at {reached}"
                self._db.execute("INSERT INTO incident (at, kind, detail) VALUES (?, 'sink_retired', ?)", (now, detail))
        return [name for name, _ in gone]
