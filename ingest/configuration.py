"""
A city that is to be applied, as ingest needs it; and the snapshot of it that the spool keeps for everybody.

Rule 1: a revision is applied whole, and before anything that it judges; a replay never crosses a revision.
Rule 2: ingest knows nothing of what the documents say: rooms turn them into values, and service hands those over.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devices.instants import Instant
from devices.registry import Registry
from ingest.engine import Engine


@dataclass(frozen=True, slots=True)
class Configuration:
    """A city, ready to be applied."""

    revision: str
    documents: str
    """The content of its files by name, as JSON: the other programs build the city from it."""
    registry: Registry
    engine: Callable[[Instant], Engine]
    """Makes an engine with its rules, which has seen nothing yet and watches from an instant on."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A revision as the spool keeps it."""

    revision: str
    applied_at: Instant
    documents: dict[str, Any]


def read_snapshot(spool: sqlite3.Connection) -> Snapshot | None:
    """Give the revision in force, or None in a new spool."""
    row = spool.execute("SELECT revision, applied_at, documents FROM configuration ORDER BY ordinal DESC LIMIT 1").fetchone()
    return None if row is None else Snapshot(row[0], row[1], json.loads(row[2]))
