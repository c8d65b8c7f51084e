"""
A file of SQLite -> a mark that is another one as soon as somebody has written to it: what was read is not read again for nothing.

Rule 1: no transaction stays open: SQLite itself counts the commits of others, which costs some microseconds.
Rule 2: an exchanged file is another file; one that is away or cannot be asked has no mark, and is read as if there were none.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

Mark: TypeAlias = tuple[int, int]
"""Which opening, and what SQLite counted in it."""


class Edits:
    """Watches one file. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None
        self._connection: sqlite3.Connection | None = None
        self._openings = 0

    def mark(self) -> Mark | None:
        """Give the mark of now; equal marks of the same object mean that nothing was written in between."""
        try:
            found = self._path.stat()
            connection = self._connected((found.st_dev, found.st_ino))
            return self._openings, int(connection.execute("PRAGMA data_version").fetchone()[0])
        except (OSError, sqlite3.Error):
            self.close()
            return None

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _connected(self, file: tuple[int, int]) -> sqlite3.Connection:
        if self._connection is None or self._file != file:
            self.close()
            address = f"{self._path.absolute().as_uri()}?mode=ro"
            self._connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=1.0, check_same_thread=False)
            self._file, self._openings = file, self._openings + 1
        return self._connection
