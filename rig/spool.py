"""Lines -> a spool as ingest leaves it, so many lines a batch, for whoever moves them on."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path

from ingest.spool import open_spool, set_meta

_INSERT = "INSERT INTO batch (received_at, readings, revision, body, ranks, hearing) VALUES (?, ?, ?, ?, ?, ?)"


def write_spool(path: Path, lines: Iterable[str], of_a_batch: int) -> None:
    """Write a spool that was not there; its identity is the name of the file."""
    left = iter(lines)
    with closing(open_spool(path)) as spool:
        set_meta(spool, "spool", path.stem)
        while texts := list(islice(left, of_a_batch)):
            spool.execute(_INSERT, (time.time_ns() // 1_000, len(texts), "r1", "\n".join(texts).encode(), b"", "[]"))
