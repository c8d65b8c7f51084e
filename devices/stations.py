"""
Stations and their legal levels, which are data with a time of validity and a source, never constants.

A level that nobody has published stays unknown: it is absent, and no rule invents it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from devices.instants import Instant

Words: TypeAlias = dict[str, str]
"""A text by language code: {"vi": ..., "en": ...}."""


@dataclass(frozen=True, slots=True)
class LegalLevel:
    """One alarm level of a station."""

    number: int
    """1, 2, 3 ... from the lowest; `Threshold.levels` is ordered by it."""
    code: str
    """For example `bd1`, `bd2`, `bd3`, `historic`; rules and texts refer to it."""
    value: float
    """Reached when a reading is at or above it, in the unit of the quantity (equality counts, as official practice has it)."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The levels of one quantity at one station during a time of validity."""

    quantity: str
    levels: tuple[LegalLevel, ...]
    valid_from: Instant
    valid_to: Instant | None
    """Exclusive; None while in force."""
    source: str
    """The legal source, as it is cited to operators."""


@dataclass(frozen=True, slots=True)
class Station:
    """A place with thresholds."""

    id: str
    name: Words
    river: Words | None
    latitude: float
    longitude: float
    """Degrees, WGS 84. For the map only: who is warned is said by `wards`, never by a point."""
    wards: tuple[str, ...]
    """Codes of the wards that are warned for this station: an explicit, reviewed table."""
    thresholds: tuple[Thresholds, ...]
    example: bool = False
    """True for a station that shows what is possible and does not exist."""
    code: str | None = None
    """Of the national service, where one is known."""
    datum: str | None = None
    """What its zero is, as far as it is known. Levels of two stations never share an axis."""
    note: str | None = None
    """For operators: what is uncertain about it."""

    def thresholds_at(self, quantity: str, observed_at: Instant) -> Thresholds | None:
        """Give the thresholds in force at an instant, or None where no level is known."""
        for thresholds in self.thresholds:
            begun = thresholds.quantity == quantity and thresholds.valid_from <= observed_at
            if begun and (thresholds.valid_to is None or observed_at < thresholds.valid_to):
                return thresholds
        return None


@dataclass(frozen=True, slots=True)
class Ward:
    """The smallest area that is warned."""

    code: str
    """Five digits, as the statistics office has it."""
    name: Words
    """With its kind, as a text names it: `P. Kim Long`, `Kim Long ward`."""
    short: Words = field(default_factory=dict)
    """Without its kind, for a map: `Kim Long`."""
