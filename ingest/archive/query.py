"""
The port through which pages, rules and dashboards read the archive; the SQLite store and InfluxDB answer the same way.

Rule 1: a gap stays a gap; nothing is interpolated.
Rule 2: no reading has no `received_at`: age and delay can always be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from devices.instants import MILLISECOND, Instant, Span
from devices.readings import Reading


@dataclass(frozen=True, slots=True)
class Bucket:
    """The readings of one span of time, downsampled."""

    start_at: Instant
    count: int
    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without readings that is longer than asked for."""

    from_at: Instant
    """`observed_at` of the last reading before it, or the start of the span asked for."""
    to_at: Instant
    """`observed_at` of the first reading after it, or the end of the span asked for."""


class ArchiveAway(Exception):  # noqa: N818 - it says what is so; nobody made an error
    """The archive cannot be asked now: not made yet, locked, or its server does not answer. Not the same as having no readings."""


class Archive(Protocol):
    """
    Read access. All spans are [from_at, to_at); all answers are in order of `observed_at`, those of one instant in order of device.

    Every method raises ArchiveAway where the archive cannot be asked. Safe to call from several threads.
    """

    def latest(self, quantity: str | None = None) -> Sequence[Reading]:
        """Give the newest reading (by `observed_at`) of every station, device and quantity."""

    def series(self, station: str, quantity: str, from_at: Instant, to_at: Instant, device: str | None = None) -> Sequence[Reading]:
        """Give the readings of a station, of one device or of all of them."""

    def downsampled(
        self, station: str, quantity: str, from_at: Instant, to_at: Instant, points: int, device: str | None = None
    ) -> Sequence[Bucket]:
        """Give at most `points` buckets as wide as `bucket_width` says, the first from `from_at` on; empty ones are left out."""

    def gaps(
        self, station: str, quantity: str, from_at: Instant, to_at: Instant, longer_than: Span, device: str | None = None
    ) -> Sequence[Gap]:
        """Give the gaps between readings that are longer than `longer_than`, open ones at both ends included."""

    def count(self, from_at: Instant, to_at: Instant) -> int:
        """Give the number of readings observed in a span."""


def bucket_width(from_at: Instant, to_at: Instant, points: int) -> Span:
    """Give the width of the buckets that `downsampled` uses, in whole milliseconds; raises ValueError below one point."""
    if points < 1:
        raise ValueError(f"a series is downsampled to 1 point or more, not to {points}")
    return max(1, -(-(to_at - from_at) // (points * MILLISECOND))) * MILLISECOND


def gaps_between(instants: Iterable[Instant], from_at: Instant, to_at: Instant, longer_than: Span) -> list[Gap]:
    """Give the gaps between instants, which are in order and inside the span, and between them and its ends."""
    edges = [from_at, *instants, max(from_at, to_at)]
    return [Gap(earlier, later) for earlier, later in pairwise(edges) if later - earlier > longer_than]
