"""
What the residents' page shows, without language: numbers, instants, names in all languages.

Rule 1: a value never stands without its instant, its level and whether its gauge is heard.
Rule 2: what residents were told decides what is a warning; the water itself decides only what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alerts.model import Alarm, End, Status
from devices.instants import Instant
from devices.stations import LegalLevel, Station, Ward, Words
from ingest.archive.query import Bucket
from web.public.situation import Deafness


class Signal(StrEnum):
    """Whether a gauge is heard."""

    HEARD = "heard"
    SILENT = "silent"
    """The gauge does not speak."""
    UNHEARD = "unheard"
    """We do not listen; the gauge may be well."""
    NEVER = "never"


class Head(StrEnum):
    """What the head of the page is about."""

    IN_FORCE = "in_force"
    """A warning; whether its gauge is heard says the gauge."""
    ENDED = "ended"
    HIGH_WATER = "high_water"
    """No warning, though a gauge that is heard stands at a level of which the city would warn: nobody has issued it (yet)."""
    NONE = "none"
    """No warning, and gauges that say so."""
    UNKNOWN = "unknown"
    """No warning, and nobody who could say so."""


class Sense(StrEnum):
    """How a value lies to a level."""

    ABOVE = "above"
    AT = "at"
    NEAR = "near"
    """Under it by less than can be read."""
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Against:
    """A value held against the legal level that matters."""

    sense: Sense
    level: LegalLevel
    by: float
    """Never negative, in the unit of the level."""

    @property
    def is_reached(self) -> bool:
        """Tell whether the value is at the level or above it."""
        return self.sense in (Sense.ABOVE, Sense.AT)

    @property
    def signed(self) -> float:
        """Give the difference, negative below the level."""
        return -self.by if self.sense is Sense.BELOW else self.by


@dataclass(frozen=True, slots=True)
class Gauge:
    """One quantity at one station, as far as it is known."""

    station: Station
    quantity: str
    signal: Signal
    value: float | None
    observed_at: Instant | None
    received_at: Instant | None
    trend: float | None
    """Units an hour; None where nobody knows, and always where the gauge is silent."""
    levels: tuple[LegalLevel, ...]
    against: Against | None
    severity: int
    """0 to 4: the colour of the level that the last value reached."""

    @property
    def is_heard(self) -> bool:
        """Tell whether the value is that of now."""
        return self.signal is Signal.HEARD


@dataclass(frozen=True, slots=True)
class InForce:
    """A warning that residents were told and that stands."""

    alarm: Alarm
    gauge: Gauge
    level: LegalLevel
    """The one that residents were told."""
    severity: int
    against: Against | None
    """The newest value against the told level, or a higher one that it has reached."""
    wards: tuple[Ward, ...]
    issued_at: Instant | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A warning whose end residents were told within the last day."""

    alarm: Alarm
    gauge: Gauge
    end: End
    highest: LegalLevel
    """The highest that they were ever told of it."""
    told_at: Instant
    until_at: Instant
    """Until when the page shows it."""
    wards: tuple[Ward, ...]


@dataclass(frozen=True, slots=True)
class WardState:
    """How a ward is drawn."""

    ward: Ward
    severity: int
    """Of the highest warning in force, 0 for none."""
    level: LegalLevel | None
    is_known: bool
    """False where a gauge that speaks for it is silent: then it is hatched, with or without a warning."""


@dataclass(frozen=True, slots=True)
class History:
    """The last 48 hours of a gauge."""

    gauge: Gauge
    from_at: Instant
    to_at: Instant
    buckets: tuple[Bucket, ...]
    gap: int
    """Two readings farther apart than this are not joined."""


@dataclass(frozen=True, slots=True)
class Air:
    """The newest values of one air station."""

    station: Station
    values: tuple[Gauge, ...]
    observed_at: Instant
    is_heard: bool


@dataclass(frozen=True, slots=True)
class PageState:
    """The whole page."""

    now: Instant
    status: Status
    speed: float
    city: Words
    time_zone: str
    hotline: str
    rescue: str | None
    head: Head
    deaf: Deafness | None
    is_ledger_known: bool
    in_force: tuple[InForce, ...]
    """The highest first."""
    ended: tuple[Ended, ...]
    """The newest first."""
    featured: Gauge | None
    """The gauge of the head, and of the chart."""
    nearest: Gauge | None
    """Of the featured gauge when that is silent: the nearest one of the same quantity that is heard."""
    gauges: tuple[Gauge, ...]
    streets: tuple[Gauge, ...]
    air: tuple[Air, ...]
    wards: dict[str, WardState]
    history: History | None

    @property
    def is_exercise(self) -> bool:
        """Tell whether all of this is a rehearsal."""
        return self.status is Status.EXERCISE

    @property
    def reporting(self) -> int:
        """Give how many river gauges are heard."""
        return sum(gauge.is_heard for gauge in self.gauges)

    @property
    def newest_at(self) -> Instant | None:
        """Give the newest instant of a reading of water."""
        return max((gauge.observed_at for gauge in (*self.gauges, *self.streets) if gauge.observed_at is not None), default=None)
