"""The reading: one value of one sensor at one instant, and the flag that says how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from devices.instants import Instant


class Quality(IntEnum):
    """Flags of the QARTOD manuals (U.S. IOOS, real-time quality control, water level v2.1, 2021)."""

    PASS = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    """Suspect, or of high interest: never a reason to keep a flood from anybody."""
    FAIL = 4
    MISSING = 9


@dataclass(frozen=True, slots=True)
class Reading:
    """One value as it was accepted. The hot path goes from payload to line without building this."""

    station: str
    device: str
    quantity: str
    value: float
    """In the unit of the quantity."""
    quality: Quality
    observed_at: Instant
    """By the device's clock; whole milliseconds. For thresholds."""
    received_at: Instant
    """By our clock; whole milliseconds. For silence."""
