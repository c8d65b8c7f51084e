"""
The batches after a floor, once more -> an intake as it was after the last of them. Hot path: `_lines`, one turn a reading.

Rule 1: nothing is stored by it. What it says is held against the changes that are stored.
Rule 2: a sensor whose row of the checkpoint is newer than the floor joins where that row was written: what came before is in the row.
Rule 3: whose silence was told, and in which batch, is read from the stored changes: how soon somebody came to look is nothing that a
        replay could know.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, TypeAlias

from devices.instants import MILLISECOND
from ingest.accept import Intake, Known, as_of, topic_of
from ingest.archive.points import Refusal, point_of, series_of
from ingest.engine import Said
from ingest.floor import Floor
from ingest.leaps import heard_over

Triple: TypeAlias = tuple[str, str, str]
"""(station, quantity, device)."""
_Stored: TypeAlias = tuple[str, str, Triple]
"""What was said: (verb, id, sensor)."""

_SILENCE = ("stale", "lost")


class Replay:
    """Runs an intake over what the spool holds after a floor."""

    def __init__(self, spool: sqlite3.Connection, intake: Intake, floor: Floor) -> None:
        """
        Make a replay that has not begun.

        Args:
            spool: to read from.
            intake: stands at the floor, as far as the rows of the checkpoint go that are not newer.
            floor: where it begins.
        """
        self.differences: dict[Triple, str] = {}
        """What a sensor says otherwise than it was stored."""
        self._spool, self._intake, self._floor = spool, intake, floor
        self._joins: dict[str, int] = {}
        self._rows: dict[int, list[int]] = defaultdict(list)
        for row, key, ordinal in spool.execute("SELECT rowid, key, ordinal FROM checkpoint WHERE ordinal > ?", (floor.ordinal,)):
            self._joins[key] = ordinal
            self._rows[ordinal].append(row)
        self._stored, self._silent = _stored(spool, floor.ordinal)
        self._known: dict[str, tuple[Known | None, int]] = {}
        """By the head of a line: the sensor, and the ordinal up to which its readings are in its row."""

    def run(self) -> None:
        """Let it happen again."""
        intake, floor = self._intake, self._floor
        intake.now, intake.hearing = floor.at, floor.hearing
        batches = "SELECT ordinal, received_at, body, ranks, hearing FROM batch WHERE ordinal > ? ORDER BY ordinal"
        for ordinal, received_at, body, ranks, hearing in self._spool.execute(batches, (floor.ordinal,)):
            heard = [(at, hears) for at, hears in json.loads(hearing)]
            said = heard_over(intake.engine, intake.now, heard)
            intake.hearing = heard[-1] if heard else intake.hearing
            said += self._lines(ordinal, body.decode(), array("q", ranks))
            said += intake.engine.again(received_at, self._silent.get(ordinal, ()))
            intake.now = received_at
            self._compare(ordinal, said)
            for row in self._rows.get(ordinal, ()):
                intake.engine.restore(*self._spool.execute("SELECT key, state FROM checkpoint WHERE rowid = ?", (row,)).fetchone())

    def _lines(self, ordinal: int, body: str, ranks: Iterable[int]) -> list[Said]:
        engine, said, now = self._intake.engine, list[Said](), -1
        for line, rank in zip(body.splitlines(), ranks, strict=True):
            point = point_of(line)
            if isinstance(point, Refusal):
                raise ValueError(f"batch {ordinal} holds a line that is {point}: {line!r}")
            head, observed_at, value, _, received_at = point
            if received_at != now:
                said += engine.again(received_at, ())
                now = received_at
            known, joins = self._known.get(head) or self._learn(head)
            if joins >= ordinal:
                continue
            if known is None or not known.valid_from <= observed_at // MILLISECOND < known.valid_to:
                known = as_of(known, observed_at // MILLISECOND)
            if known is not None and (outcome := known.memory.observe(observed_at, value, rank, received_at)) is not None:
                said += outcome.said
        return said

    def _learn(self, head: str) -> tuple[Known | None, int]:
        series = series_of(head)
        source = self._intake.sources.get(topic_of(series.device))
        joins = self._joins.get(key_of(series.station, series.quantity, series.device), 0)
        found = self._known[head] = (source.sensors.get(series.quantity) if source else None), joins
        return found

    def _compare(self, ordinal: int, said: Iterable[Said]) -> None:
        replayed = Counter((str(one.verb), str(one.change.id), sensor_of(one.change)) for one in said)
        stored = self._stored.get(ordinal, Counter())
        for verb, number, sensor in [*(replayed - stored), *(stored - replayed)] if replayed != stored else ():
            if self._joins.get(key_of(*sensor), 0) < ordinal:
                self.differences.setdefault(sensor, f"{verb} {number} in batch {ordinal}")


def key_of(station: str, quantity: str, device: str) -> str:
    """Give the key under which an engine gives the state of a sensor."""
    return f"{station}/{quantity}/{device}"


def sensor_of(what: Any) -> Triple:
    """Give the sensor that a change or a standing is about."""
    return what.station, what.quantity, what.device


def _stored(spool: sqlite3.Connection, floor: int) -> tuple[dict[int, Counter[_Stored]], dict[int, list[str]]]:
    """Give what was said in each batch after a floor, and the keys of the sensors that were found silent in it."""
    stored: dict[int, Counter[_Stored]] = defaultdict(Counter)
    silent: dict[int, list[str]] = defaultdict(list)
    rows = "SELECT ordinal, verb, id, station, quantity, device, kind FROM change WHERE ordinal > ? ORDER BY seq"
    for ordinal, verb, number, station, quantity, device, kind in spool.execute(rows, (floor,)):
        stored[ordinal][verb, number, (station, quantity, device)] += 1
        if kind in _SILENCE:
            silent[ordinal].append(key_of(station, quantity, device))
    return stored, silent
