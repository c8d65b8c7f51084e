"""
Turn a native JSON payload into samples: an object, an array of objects, or an object with a `series`. Hot path: `decode`, `_usual`, `_series`.

Rule 1: one bad part does not cost the others; each leaves a fault with its reason.
Rule 2: what is not JSON is refused whole, and so is an object in which a field stands twice: nobody knows which of the two was meant.
        NaN and Infinity are not JSON. More than 200 levels, or MOST_PARTS arrays and objects, are not read: 256 KB
        hold 131,000, for which the parser alone takes 50 ms.
Rule 3: unknown fields are counted, never a fault.
Rule 4: values are given as they stand; they are judged one by one, against their sensor.
Rule 5: of an array longer than MOST_READINGS no part is read: 256 KB hold 131,000 of them, and all would be refused anyhow.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, TypeAlias

from pydantic_core import from_json

from devices.instants import MILLISECOND, parse_instant

VERSION = 1
MOST_READINGS = 1_000
"""In one message."""
TOO_MANY = f"at most {MOST_READINGS} readings in a message"
MOST_PARTS = 20 * MOST_READINGS
"""Arrays and objects in one message, unknown fields included."""
_FIELDS = frozenset(("v", "boot", "seq", "at", "m", "series"))


class Reason(StrEnum):
    """Why something is in quarantine."""

    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_QUANTITY = "unknown_quantity"
    """The device has no sensor for it, or had none at that time."""
    JSON = "json"
    SHAPE = "shape"
    """JSON, but not of the form that devices send."""
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    NO_TIME = "no_time"
    FUTURE = "future"
    NOT_A_NUMBER = "not_a_number"
    RANGE = "range"
    CONFLICT = "conflict"
    """Another value stands for the same sensor and instant."""
    POISON = "poison"
    """Reading it ended the process more than once."""


Sample: TypeAlias = tuple[int | None, int, dict[str, Any]]
"""
(at, rank, values) of one instant. `at`: milliseconds UTC, None where the device gives no time. `rank`: (boot, seq) as
boot * 2**32 + seq, -1 where it does not give both. Plain tuples here and below: named ones cost as much as all the reading.
"""

Fault: TypeAlias = tuple[Reason, int, str]
"""(reason, number of readings, what is wrong)."""

Decoded: TypeAlias = tuple[list[Sample], list[Fault], int]
"""What a payload holds: samples, faults, and the number of fields that nobody knows."""


_Into: TypeAlias = tuple[list[Sample], list[Fault]]


class _Twin(Exception):  # noqa: N818 - it says what is so
    """A field stands twice."""


def decode(payload: bytes) -> Decoded:
    """Read the samples of a payload, and give a fault for each part that could not be read."""
    if len(payload) > MOST_PARTS and payload.count(b"[") + payload.count(b"{") > MOST_PARTS:
        return [], [(Reason.JSON, 1, f"more than {MOST_PARTS} arrays and objects")], 0
    try:
        found = from_json(payload, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        return [], [(Reason.JSON, 1, str(error))], 0
    if type(found) is dict and (usual := _usual(payload, found)) is not None:
        return usual
    samples: list[Sample] = []
    faults: list[Fault] = []
    into = samples, faults
    if type(found) is list:
        if len(found) > MOST_READINGS:
            return [], [(Reason.TOO_MANY, len(found), TOO_MANY)], 0
        counts = [_message(part, into) for part in found]
        fields, unknown = sum([count[0] for count in counts]), sum([count[1] for count in counts])
        if not found:
            into[1].append((Reason.SHAPE, 1, "an empty array"))
    else:
        fields, unknown = _message(found, into)
    if payload.count(b":") != fields or b"\\" in payload:  # else no field can stand twice: every colon is that of a known field
        twin = _twin(payload)
        if twin:
            return [], [(Reason.JSON, 1, twin)], 0
    return samples, faults, unknown


def _usual(payload: bytes, found: dict[str, Any]) -> Decoded | None:
    """Read what a device usually sends, one sample with milliseconds and no field that we do not know; None for anything else."""
    if type(at := found.get("at")) is not int or type(values := found.get("m")) is not dict or not values:
        return None
    if type(version := found.get("v")) is not int or version != VERSION or payload.count(b":") != len(found) + len(values):
        return None  # the last: a field may stand twice, as then a colon is left over
    if len(found) == 3:
        return [(at, -1, values)], [], 0
    if len(found) != 5 or (rank := _rank(found)) < 0:
        return None
    return [(at, rank, values)], [], 0


def _message(part: Any, into: _Into) -> tuple[int, int]:
    """Read one object of the native form; give the number of colons accounted for, and of unknown fields."""
    if type(part) is not dict:
        into[1].append((Reason.SHAPE, 1, "not an object"))
        return 0, 0
    version = part.get("v")
    if type(version) is not int or version != VERSION:
        into[1].append((Reason.SHAPE, 1, f"`v` is not {VERSION}"))
        return 0, 0
    if "series" not in part:
        return _sample(part, _rank(part), into)
    if "m" in part:
        into[1].append((Reason.SHAPE, 1, "`m` beside `series`"))
    unknown = len(part.keys() - _FIELDS)
    series = part["series"]
    if type(series) is not list or not series:
        into[1].append((Reason.SHAPE, 1, "`series` is not an array of samples"))
        return 0, unknown
    if len(series) > MOST_READINGS:
        into[1].append((Reason.TOO_MANY, len(series), TOO_MANY))
        return 0, unknown
    colons, more = _series(series, _rank(part), into)
    return len(part) + colons, unknown + more


def _series(series: list[Any], rank: int, into: _Into) -> tuple[int, int]:
    """Read the samples of a message; give the number of colons accounted for, and of unknown fields."""
    colons = unknown = 0
    for sample in series:
        if (
            type(sample) is dict
            and len(sample) == 2
            and type(at := sample.get("at")) is int
            and type(values := sample.get("m")) is dict
            and values
        ):
            into[0].append((at, rank, values))
            colons += 2 + len(values)
        else:
            more, extra = _sample(sample, _rank_within(sample, rank), into)
            colons += more
            unknown += extra
    return colons, unknown


def _sample(part: Any, rank: int, into: _Into) -> tuple[int, int]:
    """Read one sample; give the number of colons accounted for, and of unknown fields."""
    values = part.get("m") if type(part) is dict else None
    if type(values) is not dict or not values:
        into[1].append((Reason.SHAPE, 1, "no values in `m`"))
        return 0, 0
    at = part.get("at")
    colons = len(part) + len(values)
    if type(at) is str:
        colons += at.count(":")
        try:
            at = parse_instant(at) // MILLISECOND
        except ValueError:
            into[1].append((Reason.NO_TIME, len(values), "`at` is neither RFC 3339 with an offset nor milliseconds since 1970"))
            return 0, 0
    elif at is not None and type(at) is not int:
        into[1].append((Reason.NO_TIME, len(values), "`at` is neither RFC 3339 with an offset nor milliseconds since 1970"))
        return 0, 0
    into[0].append((at, rank, values))
    return colons, 0 if (len(part) == 2 and at is not None) or part.keys() <= _FIELDS else len(part.keys() - _FIELDS)


def _rank(part: dict[str, Any]) -> int:
    boot, seq = part.get("boot"), part.get("seq")
    if type(boot) is int and type(seq) is int and 0 <= boot < 1 << 31 and 0 <= seq < 1 << 32:
        return boot << 32 | seq
    return -1


def _rank_within(sample: Any, rank: int) -> int:
    """Give the rank of a sample in a series: its own; without one that of the message, which can tell no time, as others share it."""
    if type(sample) is not dict:
        return -1
    own = _rank(sample)
    return own if own >= 0 or sample.get("at") is None else rank


def _twin(payload: bytes) -> str:
    """Say which field stands twice, or nothing."""
    try:
        json.loads(payload.decode(), object_pairs_hook=_once)
    except _Twin as twin:
        return f"the field {str(twin)[:40]!r} stands twice"
    except (ValueError, RecursionError) as error:
        return str(error)
    return ""


def _once(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise _Twin(name)
        names.add(name)
