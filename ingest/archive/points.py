"""
From a line of a batch to a point of the store, or to the reason why it is none. Hot path: one call a reading.

Rule 1: a line that cannot be read is answered with a reason, never with an exception: it harms no other line.
Rule 2: the head of the line, which names its series, is taken as it stands; `series_of` takes it apart once a series.
Rule 3: what this reads is what `ingest.lines.parse` reads, for a third of its price; and it reads nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TypeAlias

from devices.instants import MILLISECOND, Instant

Point: TypeAlias = tuple[str, Instant, float, int, Instant]
"""The head of the line; `observed_at`, value, quality, `received_at`."""

# The digits are bounded so that microseconds fit into the 64 bits of an SQLite integer.
_LINE = re.compile(
    r"([a-z0-9_]{1,32},device=[a-z0-9-]{1,32},station=[a-z0-9-]{1,32})"
    r" value=(-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]{1,3})?),quality=([12349])i,received_at=(-?[0-9]{1,15})i"
    r" (-?[0-9]{1,15})"
)


class Refusal(StrEnum):
    """Why a line is not in the store."""

    UNREADABLE = "unreadable"
    """Not of the form that ingest writes."""
    NOT_FINITE = "not_finite"
    """Its value is beyond what a float holds."""


@dataclass(frozen=True, slots=True)
class Series:
    """What a head names."""

    station: str
    quantity: str
    device: str


def point_of(line: str) -> Point | Refusal:
    """Read a line. Its milliseconds become microseconds here."""
    found = _LINE.fullmatch(line)
    if found is None:
        return Refusal.UNREADABLE
    head, digits, quality, received_at, observed_at = found.groups()
    value = float(digits)
    if not isfinite(value):
        return Refusal.NOT_FINITE
    return head, int(observed_at) * MILLISECOND, value, int(quality), int(received_at) * MILLISECOND


def series_of(head: str) -> Series:
    """Take apart the head of a line that `point_of` has read."""
    quantity, device, station = head.split(",")
    return Series(station.removeprefix("station="), quantity, device.removeprefix("device="))
