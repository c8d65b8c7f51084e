"""
A value held against its sensor -> whether it is accepted, and with which flag. Only tests that need no other reading.

Rule 1: what the instrument cannot report is refused (`range`); what is merely implausible is flagged, kept and judged by the rules.
Rule 2: tests that need an order (spike, rate, flat line) are not here: an answer must not depend on what arrived first.

Source: QARTOD, Manual for Real-Time Quality Control of Water Level Data v2.1 (U.S. IOOS, 2021), test 4 "gross range".
"""

from __future__ import annotations

from math import inf

from devices.readings import Quality
from devices.registry import Sensor


def instrument_range(sensor: Sensor) -> tuple[float, float]:
    """Give the lowest and highest value that the instrument can report, both included."""
    return sensor.low, sensor.high


def user_range(sensor: Sensor) -> tuple[float, float]:
    """Give the lowest and highest plausible value, both included; infinite where the city says nothing."""
    low, high = sensor.user_low, sensor.user_high
    return -inf if low is None else low, inf if high is None else high


def gross_range(value: float, low: float, high: float) -> Quality:
    """Flag a value that the instrument can report: SUSPECT outside of what is plausible, else PASS."""
    return Quality.PASS if low <= value <= high else Quality.SUSPECT
