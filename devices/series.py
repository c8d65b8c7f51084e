"""
A description of how a quantity runs -> its value at any instant, and how far that value is known.

Rule 1: a curve through published points meets each of them exactly, and never leaves the span of the two points around it.
Rule 2: every value carries its origin; a value between two points is interpolated only if both are published, else synthetic.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

from devices.instants import DAY, HOUR, Instant, Span


class Origin(StrEnum):
    """Where a simulated value comes from."""

    PUBLISHED = "published"
    """Figure of a bulletin, at its own time."""
    INTERPOLATED = "interpolated"
    """Between two published figures."""
    RECORDED = "recorded"
    """Reading of a real gauge."""
    SYNTHETIC = "synthetic"
    """Made up."""
    FAULT = "fault"
    """Made up, and wrong on purpose."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value, its origin, and how far noise may move it."""

    value: float
    origin: Origin
    low: float = -math.inf
    high: float = math.inf


class Series(Protocol):
    """How a quantity runs."""

    def at(self, instant: Instant) -> Value | None:
        """Give the value at an instant; None where the series has none."""


@dataclass(frozen=True, slots=True)
class Point:
    """A known value of a curve."""

    at: Instant
    value: float
    published: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """A monotone cubic through points (Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5, 1984; the slopes of PCHIP)."""

    points: tuple[Point, ...]
    slopes: tuple[float, ...]
    """Units per hour at each point."""

    def at(self, instant: Instant) -> Value | None:
        """Give the value; None before the first point and after the last."""
        right = bisect_right(self.points, instant, key=lambda point: point.at)
        if right == 0 or (right == len(self.points) and instant > self.points[-1].at):
            return None
        here = self.points[right - 1]
        if here.at == instant:
            return Value(here.value, Origin.PUBLISHED if here.published else Origin.SYNTHETIC, here.value, here.value)
        after = self.points[right]
        value = _cubic(here, after, self.slopes[right - 1], self.slopes[right], instant)
        known = Origin.INTERPOLATED if here.published and after.published else Origin.SYNTHETIC
        return Value(value, known, min(here.value, after.value), max(here.value, after.value))


def curve(points: Sequence[Point]) -> Curve:
    """Lay a monotone curve through at least two points, in the order of their instants."""
    widths = [(after.at - here.at) / HOUR for here, after in pairwise(points)]
    secants = [(after.value - here.value) / width for (here, after), width in zip(pairwise(points), widths, strict=True)]
    inner = [_slope(*widths[index : index + 2], *secants[index : index + 2]) for index in range(len(secants) - 1)]
    return Curve(tuple(points), (secants[0] if len(secants) == 1 else 0.0, *inner, secants[-1] if len(secants) == 1 else 0.0))


def _slope(width: float, next_width: float, secant: float, next_secant: float) -> float:
    """Give the weighted harmonic mean of two secants; flat at a crest or a trough."""
    if secant * next_secant <= 0:
        return 0.0
    one, other = 2 * next_width + width, next_width + 2 * width
    return (one + other) / (one / secant + other / next_secant)


def _cubic(here: Point, after: Point, slope: float, next_slope: float, instant: Instant) -> float:
    width = (after.at - here.at) / HOUR
    t = (instant - here.at) / (after.at - here.at)
    return (
        here.value * (1 + 2 * t) * (1 - t) ** 2
        + slope * width * t * (1 - t) ** 2
        + after.value * t * t * (3 - 2 * t)
        + next_slope * width * t * t * (t - 1)
    )


@dataclass(frozen=True, slots=True)
class Crest:
    """One wave of a synthetic flood."""

    at: Instant
    height: float
    """Above the low water."""
    rise: Span
    fall: Span


@dataclass(frozen=True, slots=True)
class Hydrograph:
    """Synthetic water: waves over low water, each rising along half a cosine and falling along another, slower one."""

    low: float
    crests: tuple[Crest, ...]

    def at(self, instant: Instant) -> Value | None:
        """Give the value; waves do not add up, the highest shows."""
        return Value(self.low + max((_wave(crest, instant) for crest in self.crests), default=0.0), Origin.SYNTHETIC)


def _wave(crest: Crest, instant: Instant) -> float:
    away = (instant - crest.at) / (crest.rise if instant < crest.at else crest.fall)
    return crest.height * (1 + math.cos(math.pi * away)) / 2 if abs(away) < 1 else 0.0


@dataclass(frozen=True, slots=True)
class Daily:
    """A mean, a swing through the day, and a drift: air, temperature, a battery."""

    mean: float
    swing: float
    highest_at: Instant
    """An instant at which the day's swing is highest; the drift starts here as well."""
    drift: float
    """Units a day."""
    low: float
    high: float

    def at(self, instant: Instant) -> Value | None:
        """Give the value, kept between `low` and `high`."""
        days = (instant - self.highest_at) / DAY
        value = self.mean + self.swing * math.cos(2 * math.pi * days) + self.drift * days
        return Value(min(self.high, max(self.low, value)), Origin.SYNTHETIC, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Real readings, given at their own instants and no other."""

    readings: dict[Instant, float]

    def at(self, instant: Instant) -> Value | None:
        """Give the reading of exactly this instant."""
        value = self.readings.get(instant)
        return None if value is None else Value(value, Origin.RECORDED, value, value)
