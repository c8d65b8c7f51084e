"""
The shapes of the files of a city: city.yaml, wards.yaml, stations.yaml, devices.yaml.

Rule 1: what one field can say about itself is checked here; what fields say about each other is checked in city_checks.py.
"""

from __future__ import annotations

import difflib
import re
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, FiniteFloat

from devices.documents import Form, InstantText, SpanText
from devices.instants import Instant
from devices.quantities import QUANTITIES

_ID = re.compile(r"[a-z0-9-]{1,32}")
_LEVEL = re.compile(r"[a-z][a-z0-9_]{0,15}")
_WARD = re.compile(r"[0-9]{5}")


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(f"{text!r} is no id; use 1 to 32 small letters a-z, digits and hyphens, for example 'kim-long'")
    return text


def _level(text: str) -> str:
    if not _LEVEL.fullmatch(text):
        raise ValueError(f"{text!r} is no code of a level; use a small letter and up to 15 small letters, digits or _, for example 'bd1'")
    return text


def _ward(text: str) -> str:
    if not _WARD.fullmatch(text):
        raise ValueError(f'{text!r} is no code of a ward; write its five digits in quotes, for example "19774"')
    return text


def _quantity(text: str) -> str:
    if text not in QUANTITIES:
        near = difflib.get_close_matches(text, QUANTITIES, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(sorted(QUANTITIES))}"
        raise ValueError(f"nobody knows the quantity {text!r}; {fix}")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"there is no time zone {text!r}; write an IANA name such as Asia/Ho_Chi_Minh") from error
    return text


def _positive(span: int) -> int:
    if span <= 0:
        raise ValueError("an interval of 0 means nothing; write the time between two readings, for example '10 min'")
    return span


def _named(words: dict[str, str]) -> dict[str, str]:
    if not words or not all(text.strip() for text in words.values()):
        raise ValueError("a name is empty; give it for each language, for example {vi: Kim Long, en: Kim Long}")
    return words


Id: TypeAlias = Annotated[str, AfterValidator(_id)]
LevelCode: TypeAlias = Annotated[str, AfterValidator(_level)]
WardCode: TypeAlias = Annotated[str, AfterValidator(_ward)]
QuantityName: TypeAlias = Annotated[str, AfterValidator(_quantity)]
Named: TypeAlias = Annotated[dict[str, str], AfterValidator(_named)]
Interval: TypeAlias = Annotated[SpanText, AfterValidator(_positive)]
Pair: TypeAlias = tuple[FiniteFloat, FiniteFloat]


class CityForm(Form):
    """city.yaml."""

    name: Named
    time_zone: Annotated[str, AfterValidator(_zone)]
    hotline: str
    emergency: Annotated[dict[str, str], Field(default_factory=dict)]


class WardForm(Form):
    """One ward."""

    code: WardCode
    kind: str
    name: Named


class WardsForm(Form):
    """wards.yaml."""

    kinds: dict[str, dict[str, str]]
    """How a text names a ward of a kind: `{phuong: {vi: "P. {name}", en: "{name} ward"}}`."""
    wards: list[WardForm]


class LevelForm(Form):
    """One alarm level."""

    code: LevelCode
    value: FiniteFloat


class ThresholdsForm(Form):
    """The levels of one quantity during a time of validity."""

    quantity: QuantityName
    valid_from: InstantText
    valid_to: InstantText | None = None
    source: Annotated[str, Field(min_length=1)]
    levels: Annotated[list[LevelForm], Field(min_length=1)]


class StationForm(Form):
    """One place."""

    id: Id
    name: Named
    river: Named | None = None
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    wards: list[WardCode]
    thresholds: Annotated[list[ThresholdsForm], Field(default_factory=list)]
    example: bool = False
    code: str | None = None
    datum: str | None = None
    note: str | None = None


class StationsForm(Form):
    """stations.yaml."""

    stations: list[StationForm]


class SensorForm(Form):
    """One quantity of a device."""

    quantity: QuantityName
    station: Id
    primary: bool = False
    interval: Interval
    range: Pair | None = None
    """What the instrument can report; without it, what any sensor of the quantity can."""
    plausible: Pair | None = None
    mount_height: FiniteFloat | None = None
    valid_from: InstantText = 0
    valid_to: InstantText | None = None

    @property
    def limits(self) -> Pair:
        """Give the range that holds."""
        known = QUANTITIES[self.quantity]
        return self.range or (known.low, known.high)


class DeviceForm(Form):
    """One piece of hardware."""

    id: Id
    model: Annotated[str, Field(min_length=1)]
    sensors: Annotated[list[SensorForm], Field(min_length=1)]
    example: bool = False
    note: str | None = None


class DevicesForm(Form):
    """devices.yaml."""

    devices: list[DeviceForm]


def overlap(one: tuple[Instant, Instant | None], other: tuple[Instant, Instant | None]) -> bool:
    """Tell whether two times of validity (start, exclusive end or None) have an instant in common."""
    return (other[1] is None or one[0] < other[1]) and (one[1] is None or other[0] < one[1])
