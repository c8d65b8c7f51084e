"""
An error -> what to do about the disk, where the disk is the cause; settings -> how much of the disk the spool may hold.

Rule 1: a program changes one file of the data folder alone (docs/architecture.md), so its name says which file could not be written.
Rule 2: nothing is tried again here: a program ends at such an error and is started again, and what was not acknowledged comes again.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator

from service.settings import Settings

FILES = {"ingest": "spool.db", "archive": "store.db", "serve": "ledger.db"}
"""Program -> what it writes."""
FULL = "free space on the disk of the data folder; everything goes on by itself then, and nothing acknowledged is lost"
BROKEN = "check the disk of the data folder and the rights to it; if it is broken, stop, copy the folder to another disk and start there"


MOST_OF_A_SPOOL = 20 * 2**30
"""Bytes; days of a large city."""


def budget_of(settings: Settings) -> int:
    """Give the bytes that the spool may hold: as set, or a quarter of the disk, at most MOST_OF_A_SPOOL; store and ledger need room too."""
    folder = next(each for each in (settings.data, *settings.data.absolute().parents) if each.exists())
    return settings.spool.budget_bytes or min(MOST_OF_A_SPOOL, shutil.disk_usage(folder).total // 4)


def advice(error: BaseException | None) -> dict[str, str]:
    """Give `fix` where the disk is the cause of an error, or of what it was raised from; else nothing."""
    for each in _causes(error):
        if isinstance(each, sqlite3.OperationalError):
            code = getattr(each, "sqlite_errorcode", 0) & 0xFF  # the low byte of an extended code is its kind
            if code == sqlite3.SQLITE_FULL:
                return {"fix": FULL}
            if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
                return {"fix": BROKEN}
        elif isinstance(each, OSError) and each.errno in {errno.ENOSPC, errno.EDQUOT}:
            return {"fix": FULL}
        elif isinstance(each, OSError) and each.errno in {errno.EIO, errno.EROFS}:
            return {"fix": BROKEN}
    return {}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
