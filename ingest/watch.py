"""
Whether a spool has moved since the last look, for a hundredth of what reading it takes.

Rule 1: it may say so where nothing is new; it never says the spool stands still where something is.
Rule 2: for one thread, as its connection is.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ingest.spool import Reader


class Watch:
    """Looks at one spool; one that was exchanged, or is gone, has moved."""

    def __init__(self, path: Path) -> None:
        self._reader = Reader(path)
        self._seen: tuple[tuple[int, int], int] | None = None

    def moved(self) -> bool:
        """Tell whether anything was committed since the last call, or may have been."""
        try:
            (version,) = self._reader.opened().execute("PRAGMA data_version").fetchone()
        except (OSError, sqlite3.Error):
            self.close()
            return True
        before, self._seen = self._seen, (self._reader.place, version)
        return self._seen != before

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        self._reader.close()
        self._seen = None
