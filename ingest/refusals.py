"""
What is wrong with a reading or a message -> a fault with its reason, and from faults what the quarantine keeps. Pure, and rare.

Rule 1: a text shows at most the beginning of what a device sent, safe to print.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from devices.instants import MILLISECOND, format_instant
from devices.registry import Sensor
from ingest.decode import Fault, Reason
from ingest.quality import instrument_range
from ingest.taken import Rejection


def unfit(sensor: Sensor | None, quantity: str, value: Any) -> Fault | None:
    """Tell why a value cannot be a reading of its sensor (None: there is none), if it cannot."""
    if sensor is None:
        return Reason.UNKNOWN_QUANTITY, 1, f"{quantity[:40]!r}"
    if type(value) is not float and type(value) is not int:
        return Reason.NOT_A_NUMBER, 1, f"{quantity}: {_shown(value)}"
    low, high = instrument_range(sensor)
    if low <= value <= high:
        return None
    if type(value) is float and not isfinite(value):
        return Reason.NOT_A_NUMBER, 1, f"{quantity}: {value}"
    return Reason.RANGE, 1, f"{quantity}: {str(value)[:40]} is not in {low:g} to {high:g}"


def lost(sensor: Sensor, at: int, value: float, other: float | None) -> Fault:
    """Tell that another value stands for the instant of a reading."""
    return Reason.CONFLICT, 1, f"{sensor.quantity} {value!r} at {format_instant(at * MILLISECOND)}: {other!r} stands"


def replaced(topic: bytes, sensor: Sensor, at: int, value: float, other: float | None) -> Rejection:
    """Give what is kept of a reading that was archived and has lost its place; its message is not at hand any more."""
    payload = f'{{"v":1,"at":{at},"m":{{"{sensor.quantity}":{other!r}}}}}'
    detail = f"{sensor.quantity} {other!r} at {format_instant(at * MILLISECOND)}: replaced by {value!r}"
    return Rejection(topic, payload.encode(), Reason.CONFLICT, 1, detail)


def rejections(topic: bytes, payload: bytes, faults: Iterable[Fault]) -> list[Rejection]:
    """Keep a message once for each reason."""
    counts: dict[Reason, tuple[int, str]] = {}
    for reason, readings, detail in faults:
        before, first = counts.get(reason, (0, detail))
        counts[reason] = before + readings, first
    return [Rejection(topic, payload, reason, readings, detail) for reason, (readings, detail) in counts.items()]


def _shown(value: Any) -> str:
    """Give the beginning of what is no number, safe to print; arrays and objects only by name, since to write out a large one takes long."""
    if type(value) is list or type(value) is dict:
        return "an array" if type(value) is list else "an object"
    return repr(value[:40] if type(value) is str else value)
