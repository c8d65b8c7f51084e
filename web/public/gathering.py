"""
Spool, store and ledger -> the situation of now.

Rule 1: what cannot be read is None in the situation; the page says so, and the next look tries again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from alerts.model import Status
from devices.instants import Instant
from devices.readings import Reading
from ingest.archive.query import Archive, ArchiveAway, Bucket
from web.public.ports import Spool, Tells
from web.public.situation import City, Ledger, Situation
from web.public.view import HISTORY, POINTS, history_span


class LedgerReader(Protocol):
    """The ledger, as the page needs it."""

    def now(self, now: Instant) -> Ledger | None:
        """Give what stands; None where it cannot be read."""


class Gathering:
    """Looks at everything that the page shows. For one thread at a time."""

    def __init__(
        self, spool: Spool, archive: Archive, ledger: LedgerReader, clock: Tells, real_clock: Tells, status: Status, speed: float
    ) -> None:
        self._spool, self._archive, self._ledger = spool, archive, ledger
        self._clock, self._real_clock = clock, real_clock
        self._status, self._speed = status, speed

    def look(self) -> Situation | None:
        """Give the situation without the last 48 hours; None before any city was applied."""
        city = self._spool.city()
        if city is None:
            return None
        now, spool = self._clock(), self._spool.now()
        ledger = self._ledger.now(now)
        return Situation(
            now=now,
            real_now=self._real_clock(),
            status=self._status,
            speed=self._speed,
            city=city,
            heartbeat=spool.heartbeat if spool else None,
            latest=self._latest(),
            standings=tuple(spool.standings) if spool else (),
            ledger=ledger,
            undecided_since_at=self._spool.undecided_since(ledger.reached) if ledger and ledger.reached else None,
        )

    def with_history(self, situation: Situation, place: tuple[str, str]) -> Situation:
        """Add the last 48 hours of a station and quantity: of the gauge that the page is about."""
        return replace(situation, series={place: self._series(situation.city, *place, situation.now)})

    def _latest(self) -> tuple[Reading, ...] | None:
        try:
            return tuple(self._archive.latest())
        except ArchiveAway:
            return None

    def _series(self, city: City, station: str, quantity: str, now: Instant) -> tuple[Bucket, ...]:
        sensor = city.registry.primary(station, quantity, now)
        device = sensor.device if sensor else None
        span = history_span(now)
        try:
            if sensor is not None and HISTORY // sensor.interval <= POINTS:  # each reading keeps its own instant
                return tuple(as_bucket(each) for each in self._archive.series(station, quantity, *span, device))
            return tuple(self._archive.downsampled(station, quantity, *span, POINTS, device))
        except ArchiveAway:
            return ()


def as_bucket(reading: Reading) -> Bucket:
    """Give one reading as a span of its own."""
    return Bucket(reading.observed_at, 1, reading.value, reading.value, reading.value)
