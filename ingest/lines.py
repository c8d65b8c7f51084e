"""
Turn readings into InfluxDB line protocol and back. Hot path: accepting puts `series`, value, `stamp` and instant together.

Rule 1: `parse(encode(reading)) == reading`, to the last bit of the value.
Rule 2: nothing is escaped, because `series` refuses names that would need it.
Rule 3: a line's identity is its series and its time. Writing it twice is writing it once.
Rule 4: instants are milliseconds here and nowhere else.
"""

from __future__ import annotations

import re
from math import isfinite

from devices.instants import MILLISECOND
from devices.readings import Quality, Reading

_QUANTITY = re.compile(r"[a-z0-9_]{1,32}")
_ID = re.compile(r"[a-z0-9-]{1,32}")
_LINE = re.compile(
    rf"({_QUANTITY.pattern}),device=({_ID.pattern}),station=({_ID.pattern})"
    r" value=(-?[0-9.]+(?:e[+-][0-9]+)?),quality=([0-9])i,received_at=(-?[0-9]+)i (-?[0-9]+)"
)


def series(quantity: str, station: str, device: str) -> str:
    """Give the part of the line that never changes for a sensor, made once; raises ValueError for a name that is none."""
    for name, form in ((quantity, _QUANTITY), (station, _ID), (device, _ID)):
        if not form.fullmatch(name):
            raise ValueError(f"not a name: {name!r}")
    return f"{quantity},device={device},station={station} value="


def stamp(quality: int, received_at: int) -> str:
    """Give what stands between value and `observed_at`: the same for all readings of a hand-over that have one quality, so made once."""
    return f",quality={quality}i,received_at={received_at}i "


def encode(series: str, value: float, quality: int, received_at: int, observed_at: int) -> str:
    """Give the line of one reading; both instants in milliseconds UTC, the value finite."""
    return f"{series}{value!r}{stamp(quality, received_at)}{observed_at}"


def parse(line: str) -> Reading:
    """Read back a line that `encode` wrote; its instants become microseconds. Raises ValueError for any other text."""
    if (found := _LINE.fullmatch(line)) is None or not isfinite(float(found[4])):
        raise ValueError(f"not a line of a reading: {line!r}")
    quantity, device, station, value, quality, received_at, observed_at = found.groups()
    instants = int(observed_at) * MILLISECOND, int(received_at) * MILLISECOND
    return Reading(station, device, quantity, float(value), Quality(int(quality)), *instants)
