"""
The document map.json of a city -> the shapes of its map.

Rule 1: shapes say where wards lie and nothing else: who is warned stands in the registry.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from devices.documents import Documents, Form, validated
from devices.stations import Words

Point = tuple[float, float]
PathText = Annotated[str, Field(pattern=r"^[MmLlHhVvZz0-9 .,\-]*$")]
"""SVG path data, and nothing that could be markup."""


class Projection(Form):
    """Equirectangular: `x = (longitude - west) * across`, `y = (north - latitude) * down`."""

    west: float
    north: float
    across: float
    down: float


class River(Form):
    """A river to be drawn, with its name."""

    id: str
    name: Words
    path: PathText
    label: Point


class Sea(Form):
    """A name on open water."""

    name: Words
    label: Point


class Frame(Form):
    """One view."""

    width: float
    height: float
    projection: Projection | None = None
    wards: dict[str, PathText]
    """By code."""
    labels: dict[str, tuple[float, float, float]] = Field(default_factory=dict)
    """Where a name has room: x, y and how far from the border."""
    stations: dict[str, Point] = Field(default_factory=dict)
    rivers: list[River] = Field(default_factory=list)
    seas: list[Sea] = Field(default_factory=list)
    frame: tuple[float, float, float, float] | None = None
    """The other view inside this one: x, y, width, height."""


class Views(Form):
    """The part near the river, and the whole city."""

    river: Frame
    city: Frame


class Shapes(Form):
    """The map of a city."""

    about: str = ""
    views: Views


def shapes_of(documents: Documents) -> Shapes:
    """Read map.json; raises ConfigurationError."""
    return validated(Shapes, documents["map.json"])
