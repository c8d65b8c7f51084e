"""
The port through which pages, rules and dashboards read the archive; the SQLite store and InfluxDB answer the same way.

Rule 1: a gap stays a gap; nothing is interpolated.
Rule 2: no reading has no `received_at`: age and delay can always be shown.
Rule 3: where readings are older than they are kept, the hours of the history stand for them, each at its beginning: as a reading that
        has the mean, the worst flag and the last receipt; in a bucket with its least, greatest and count; and as a time without a gap.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from devices.instants import HOUR, MILLISECOND, Instant, Span
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


def gaps_between(
    instants: Iterable[Instant], from_at: Instant, to_at: Instant, longer_than: Span, hours: Collection[Instant] = ()
) -> list[Gap]:
    """Give the gaps between instants, which are in order and inside the span, and its ends; `hours` begin where there is no gap for an hour."""
    if hours:
        instants = sorted({*instants, *hours, *(min(hour_at + HOUR - MILLISECOND, to_at) for hour_at in hours)})
    edges = [from_at, *instants, max(from_at, to_at)]
    return [Gap(earlier, later) for earlier, later in pairwise(edges) if later - earlier > longer_than and earlier not in hours]


def joined(buckets: Iterable[Bucket]) -> list[Bucket]:
    """Make one bucket of those that start together; gives them in order."""
    found: dict[Instant, Bucket] = {}
    for each in buckets:
        other = found.get(each.start_at)
        found[each.start_at] = each if other is None else _one(other, each)
    return [found[start_at] for start_at in sorted(found)]


def _one(bucket: Bucket, other: Bucket) -> Bucket:
    count, low, high = bucket.count + other.count, min(bucket.low, other.low), max(bucket.high, other.high)
    mean = (bucket.mean * bucket.count + other.mean * other.count) / count
    return Bucket(bucket.start_at, count, low, min(max(mean, low), high), high)
