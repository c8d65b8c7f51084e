"""
Levels and values -> one scale, which the staff gauge, the bar and the chart of a gauge share. Pure.

Rule 1: each gauge has its own scale: levels of two gauges never share an axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10

from devices.stations import LegalLevel
from web.public.gauges import severity_of

ROOM = 0.1
"""Of the height, above the highest level or value."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From the lowest to the highest value that is drawn."""

    low: float
    high: float

    def part(self, value: float) -> float:
        """Give where a value lies: 0 at the bottom, 1 at the top, never outside."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


@dataclass(frozen=True, slots=True)
class Band:
    """The part of a scale between two levels."""

    severity: int
    from_part: float
    to_part: float


def scale_of(levels: Sequence[LegalLevel], values: Sequence[float]) -> Scale:
    """Choose a scale: from zero where the levels lie near it, else from as far below the first as they lie apart."""
    shown = [level.value for level in levels] + list(values)
    if not shown:
        return Scale(0.0, 1.0)
    low = min(_floor([level.value for level in levels]), *shown) if levels else _around(values)
    high = max(shown)
    return Scale(low, high + max(ROOM * (high - low), 0.05))


def bands_of(levels: Sequence[LegalLevel], scale: Scale) -> list[Band]:
    """Cut a scale at its levels, from the bottom."""
    if not levels:
        return []
    edges = [0.0, *(scale.part(level.value) for level in levels), 1.0]
    severities = [0, *(severity_of(level) for level in levels)]
    return [Band(severity, one, other) for severity, (one, other) in zip(severities, pairwise(edges), strict=True)]


def ticks_of(scale: Scale, most: int = 8) -> list[float]:
    """Give round values on a scale, at most so many: steps of 1, 2 or 5 times a power of ten."""
    step = step_of(scale, most)
    first = ceil(scale.low / step - 1e-9)
    return [round(index * step, 6) for index in range(first, floor(scale.high / step + 1e-9) + 1)]


def step_of(scale: Scale, most: int) -> float:
    """Give the smallest round step that cuts a scale into at most so many parts."""
    rough = (scale.high - scale.low) / most
    power = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough - 1e-9)


def _floor(levels: Sequence[float]) -> float:
    span = levels[-1] - levels[0] if len(levels) > 1 else levels[0]
    return 0.0 if levels[0] <= 2 * span else levels[0] - 1.5 * span


def _around(values: Sequence[float]) -> float:
    return min(0.0, *values) if min(values) < 5 else floor(min(values) - 1)
