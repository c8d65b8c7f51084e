"""
What the rules say: changes, and what stands.

Rule 1: a change is identified by what it says and when it happened, never by when we learned of it.
Rule 2: the standing set, issued minus withdrawn, is a function of the accepted readings alone, whatever their order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from devices.instants import Instant

FRESHNESS = "freshness"
"""The name of the rule that judges silence; every other name comes from a rule file."""


class Kind(StrEnum):
    """What a change says."""

    RAISE = "raise"
    """From no level to a level."""
    STEP_UP = "step_up"
    STEP_DOWN = "step_down"
    """To a lower level that still is one."""
    CLEAR = "clear"
    """To no level."""
    STALE = "stale"
    """Nothing current has been received for k intervals."""
    LOST = "lost"
    """Still nothing after many more."""
    FRESH = "fresh"
    """Current readings are received again (or for the first time)."""


class Verb(StrEnum):
    """Whether a change joins or leaves the standing set."""

    ISSUED = "issued"
    WITHDRAWN = "withdrawn"


class Phase(StrEnum):
    """How current a sensor is."""

    NEVER_SEEN = "never_seen"
    FRESH = "fresh"
    STALE = "stale"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Change:
    """One transition at one sensor."""

    id: str
    rule: str
    station: str
    quantity: str
    device: str
    kind: Kind
    level: int
    """Number of the legal level that stands after it, 0 for none. For freshness: the level that stood."""
    was: int
    at: Instant
    """Event instant: `observed_at` of the deciding reading, or the deadline that passed for STALE and LOST (FRESH: `received_at`)."""
    value: float | None
    """Of the deciding reading; for STALE and LOST the last known one, None where nothing was ever received."""
    peak: float | None
    """Highest value since the raise, this reading included."""


@dataclass(frozen=True, slots=True)
class Said:
    """A change joins or leaves the standing set."""

    verb: Verb
    change: Change


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at one sensor now: the level-triggered face of the rules, from which notices are planned."""

    rule: str
    """The rule that judges its levels; empty where none does (the sensor is watched for silence only)."""
    station: str
    quantity: str
    device: str
    primary: bool
    level: int
    opened_id: str | None
    """Id of the RAISE that opened the present episode; None at level 0."""
    opened_at: Instant | None
    level_id: str | None
    """Id of the change by which the present level was reached; after an end, the CLEAR; None if there never was one."""
    level_at: Instant | None
    peak: float | None
    """Highest value since the raise."""
    peak_at: Instant | None
    value: float | None
    """Of the newest accepted reading by `observed_at`."""
    observed_at: Instant | None
    received_at: Instant | None
    """Newest instant of receipt of an accepted reading (of any age)."""
    trend: float | None
    """Units per hour over about the last hour of kept readings; None where they do not say."""
    phase: Phase
    phase_at: Instant
    interval: int
    """Expected span between two readings (microseconds)."""


def change_id(rule: str, station: str, quantity: str, kind: Kind, level: int, at: Instant) -> str:
    """Give the id of a change: 16 hexadecimal digits that depend on nothing but these."""
    said = f"{rule}\n{station}\n{quantity}\n{kind}\n{level}\n{at}"
    return blake2b(said.encode(), digest_size=8).hexdigest()


def said_of(verb: str, fields: Mapping[str, Any]) -> Said:
    """Build what was said from the plain values of a stored row."""
    return Said(Verb(verb), Change(**{**fields, "kind": Kind(fields["kind"])}))


def standing_of(fields: Mapping[str, Any]) -> Standing:
    """Build a standing from the plain values of a stored row."""
    return Standing(**{**fields, "phase": Phase(fields["phase"])})
