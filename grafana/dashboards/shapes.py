"""
`map.json` of a city -> the same shapes as GeoJSON, for the map of Grafana.

The drawing of the residents' page is taken back to degrees: simplified shapes of the wards, no survey. See `config/hue/README.md` for their source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from devices.registry import Registry

Ring: TypeAlias = list[list[float]]
VIEW = "city"
DECIMALS = 4
"""About ten metres, finer than the drawing."""
_COMMAND = re.compile(r"([Mlz])([^Mlz]*)")
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")


def shapes_of(shapes: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """Give a collection with a feature a ward, by code and name."""
    view = shapes["views"][VIEW]
    features = [
        {
            "type": "Feature",
            "properties": {"code": code, "name": registry.wards[code].name["vi"] if code in registry.wards else code},
            "geometry": {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings_of(path, view["projection"])]},
        }
        for code, path in sorted(view["wards"].items())
    ]
    return {"type": "FeatureCollection", "features": features}


def rings_of(path: str, projection: dict[str, float]) -> Iterator[Ring]:
    """Take an SVG path (M, l and z alone) back to closed rings of longitude and latitude."""
    x = y = 0.0
    ring: Ring = []
    for command, arguments in _COMMAND.findall(path):
        if command == "z":
            yield [*ring, ring[0]]
            continue
        numbers = [float(number) for number in _NUMBER.findall(arguments)]
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = (dx, dy) if command == "M" else (x + dx, y + dy)
            ring = [_degrees(x, y, projection)] if command == "M" else [*ring, _degrees(x, y, projection)]


def _degrees(x: float, y: float, projection: dict[str, float]) -> list[float]:
    longitude, latitude = projection["west"] + x / projection["across"], projection["north"] - y / projection["down"]
    return [round(longitude, DECIMALS), round(latitude, DECIMALS)]
