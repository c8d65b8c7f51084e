"""Where a replay begins: the place in the spool up to which the checkpoint holds everything."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass

from devices.instants import Instant
from ingest.spool import meta, set_meta


@dataclass(frozen=True, slots=True)
class Floor:
    """Sensors whose row of the checkpoint is newer join the replay where their row was written; for all others it begins here."""

    ordinal: int
    """Batches up to it need no replay."""
    at: Instant
    """The world's time at the end of that batch."""
    hearing: tuple[Instant, bool]
    """Since when we heard the broker at that time, or did not."""


def read_floor(spool: sqlite3.Connection) -> Floor:
    """Give the floor; that of a new spool comes before everything."""
    text = meta(spool, "floor")
    if text is None:
        return Floor(0, 0, (0, True))
    found = json.loads(text)
    return Floor(found["ordinal"], found["at"], (found["hearing"][0], found["hearing"][1]))


def write_floor(spool: sqlite3.Connection, floor: Floor) -> None:
    """Note the floor, within the transaction of the caller."""
    set_meta(spool, "floor", json.dumps(asdict(floor)))


def last_hearing(spool: sqlite3.Connection, floor: Floor) -> tuple[Instant, bool]:
    """Give since when we heard the broker, or did not, at the end of the spool: a floor knows only what was before it."""
    turns = "SELECT hearing FROM batch WHERE ordinal > ? AND hearing != '[]' ORDER BY ordinal DESC LIMIT 1"
    row = spool.execute(turns, (floor.ordinal,)).fetchone()
    if row is None:
        return floor.hearing
    at, hears = json.loads(row[0])[-1]
    return at, hears
