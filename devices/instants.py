"""
Instants and spans of time as integers, and the way to and from the forms that people and devices use.

Rule 1: an instant is an integer of microseconds since 1970-01-01 UTC, everywhere inside and in every file; its name ends in `_at`.
Rule 2: a span is an integer of microseconds too: `3 * MINUTE`.
Rule 3: nothing here reads a clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

Instant: TypeAlias = int
"""Microseconds since 1970-01-01T00:00:00Z."""
Span: TypeAlias = int
"""Microseconds."""

MILLISECOND: Span = 1_000
SECOND: Span = 1_000_000
MINUTE: Span = 60 * SECOND
HOUR: Span = 60 * MINUTE
DAY: Span = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SPAN = re.compile(r"(?P<count>\d+(?:\.\d+)?) ?(?P<unit>ms|s|min|h|d)")
_UNITS = {"ms": MILLISECOND, "s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}


def to_datetime(at: Instant) -> datetime:
    """Give an instant as an aware datetime in UTC."""
    return _EPOCH + at * _MICROSECOND


def from_datetime(moment: datetime) -> Instant:
    """Give an aware datetime as an instant; a naive one is refused with a ValueError."""
    if moment.tzinfo is None:
        raise ValueError(f"an instant needs an offset from UTC: {moment.isoformat()}")
    span = moment - _EPOCH
    return (span.days * 86_400 + span.seconds) * SECOND + span.microseconds  # dividing one timedelta by another takes ten times as long


def parse_instant(text: str) -> Instant:
    """Read RFC 3339 with an offset; raises ValueError otherwise."""
    return from_datetime(datetime.fromisoformat(text))


def format_instant(at: Instant, zone: ZoneInfo | None = None) -> str:
    """Give RFC 3339, in UTC (`...Z`) or in the given zone (`...+07:00`), with as many decimals as needed."""
    moment = to_datetime(at)
    return moment.astimezone(zone).isoformat() if zone else moment.isoformat().replace("+00:00", "Z")


def parse_span(text: str) -> Span:
    """Read a span such as `10 min`, `1.5 h`, `45 s`, `250 ms`, `2 d`; raises ValueError otherwise."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"not a span of time: {text!r}; write for example '10 min', '6 h', '45 s' or '2 d'")
    return round(float(found["count"]) * _UNITS[found["unit"]])
