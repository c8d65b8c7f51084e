"""
Ward polygons (GeoJSON, one file a ward) and the stations of a city -> map.json, the shapes of the residents' page.

Rule 1: a border between two wards is simplified once and used by both, so that neighbours never part.
Rule 2: the rivers are those ward borders that run along them, and a few points of our own where none does: a sketch, not a survey.

Usage: python tools/make_map.py POLYGONS CITY, for example: python tools/make_map.py ../shared/data/geo-hue/wards config/hue
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

from devices.city import registry_of
from devices.documents import read_yaml
from devices.registry import Registry

Point: TypeAlias = tuple[float, float]
Line: TypeAlias = tuple[Point, ...]
Edge: TypeAlias = frozenset[Point]

PARALLEL = math.radians(16.4)
"""Where the equirectangular projection is true."""
MARGIN = 6.0
"""How far a cut shape reaches beyond the frame, so that no cut edge is seen."""
FILES = ("city.yaml", "wards.yaml", "stations.yaml", "devices.yaml")

HUONG = (
    ("19774", "19813"), ("19774", "19789"), ("19753", "19789"), ("19753", "19777"),
    ("19753", "19930"), ("19753", "19909"), ("20014", "19909"), ("20014", "19900"),
)  # fmt: skip
BO = (("19996", "19858"), ("19996", "19885"), ("20017", "19885"), ("20017", "19867"))
"""The pairs of wards whose common border is the river."""
BO_MOUTH = ((167.0, 86.5), (178.0, 85.0), (191.0, 91.0))
"""The last reach of the Bồ runs through one ward: sketched, in units of the view."""


@dataclass(frozen=True, slots=True)
class View:
    """A frame of the map: north-west corner in degrees, units for one degree of latitude, size and detail in units."""

    west: float
    north: float
    scale: float
    width: float
    height: float
    detail: float
    """Douglas-Peucker tolerance."""

    def point(self, position: Sequence[float]) -> Point:
        """Project longitude and latitude."""
        return (position[0] - self.west) * self.across, (self.north - position[1]) * self.scale

    @property
    def across(self) -> float:
        """Give the units for one degree of longitude."""
        return self.scale * math.cos(PARALLEL)


RIVER = View(west=107.447, north=16.582, scale=1668.0, width=360.0, height=357.0, detail=0.7)
CITY = View(west=107.028, north=16.750, scale=340.0, width=388.0, height=260.0, detail=0.75)


# ---- borders


def rings_of(folder: Path) -> dict[str, list[Line]]:
    """Read the rings of each ward by code."""
    found: dict[str, list[Line]] = {}
    for path in sorted(folder.glob("*.geojson")):
        feature = json.loads(path.read_text(encoding="utf-8"))["features"][0]
        polygons = feature["geometry"]["coordinates"]
        found[feature["properties"]["code"]] = [tuple((x, y) for x, y in ring) for polygon in polygons for ring in polygon]
    return found


def arcs_of(rings: dict[str, list[Line]]) -> tuple[dict[str, list[list[Line]]], dict[Line, frozenset[str]]]:
    """Cut rings where the owners of a border change: rings as lists of arcs, and who owns each arc (in its canonical direction)."""
    owners: dict[Edge, set[str]] = defaultdict(set)
    beside: dict[Point, set[Point]] = defaultdict(set)
    for code, lines in rings.items():
        for one, other in (pair for line in lines for pair in pairwise(line)):
            owners[frozenset((one, other))].add(code)
            beside[one].add(other)
            beside[other].add(one)
    ends = {
        point for point, others in beside.items() if len(others) != 2 or len({frozenset(owners[frozenset((point, o))]) for o in others}) > 1
    }
    cut = {code: [list(_cut(line, ends)) for line in lines] for code, lines in rings.items()}
    owned = {canonical(arc): frozenset(owners[frozenset(arc[:2])]) for lines in cut.values() for arcs in lines for arc in arcs}
    return cut, owned


def _cut(ring: Line, ends: set[Point]) -> Iterator[Line]:
    first = next((index for index, point in enumerate(ring) if point in ends), 0)
    turned = (*ring[first:-1], *ring[: first + 1])
    start = 0
    for index in range(1, len(turned)):
        if turned[index] in ends or index == len(turned) - 1:
            yield turned[start : index + 1]
            start = index


def canonical(arc: Line) -> Line:
    """Give an arc in the direction that both its owners agree on."""
    return min(arc, arc[::-1])


def simplified(line: Line, tolerance: float) -> Line:
    """Leave out points that lie within a tolerance of the line without them (Douglas and Peucker, 1973)."""
    if len(line) < 3:
        return line
    first, last = line[0], line[-1]
    split, away = max(((index, distance(point, first, last)) for index, point in enumerate(line[1:-1], 1)), key=lambda found: found[1])
    if away <= tolerance:
        return first, last
    return simplified(line[: split + 1], tolerance)[:-1] + simplified(line[split:], tolerance)


def distance(point: Point, one: Point, other: Point) -> float:
    """Give the distance of a point from a straight piece of line."""
    (x, y), (x1, y1), (x2, y2) = point, one, other
    dx, dy = x2 - x1, y2 - y1
    along = ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy) if dx or dy else 0.0
    along = min(1.0, max(0.0, along))
    return math.hypot(x - x1 - along * dx, y - y1 - along * dy)


class Shapes:
    """The borders as one view shows them; each arc is projected and simplified once."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._made: dict[Line, Line] = {}

    def arc(self, arc: Line) -> Line:
        """Give an arc as the view shows it, in the direction that was asked for."""
        key = canonical(arc)
        if key not in self._made:
            self._made[key] = simplified(tuple(self.view.point(point) for point in key), self.view.detail)
        made = self._made[key]
        return made if key == arc else made[::-1]

    def ring(self, arcs: Iterable[Line]) -> Line:
        """Give a ring, without its first point repeated."""
        return tuple(point for arc in arcs for point in self.arc(arc)[:-1])


# ---- shapes to text


def clipped(ring: Line, view: View) -> Line:
    """Cut a ring to the frame and its margin (Sutherland and Hodgman, 1974)."""
    low, right, bottom = -MARGIN, view.width + MARGIN, view.height + MARGIN
    for axis, bound, sign in ((0, low, 1), (0, right, -1), (1, low, 1), (1, bottom, -1)):
        ring = tuple(_kept(ring, axis, bound, sign))
    return ring


def _kept(ring: Line, axis: int, bound: float, sign: int) -> Iterator[Point]:
    for one, other in zip(ring, (*ring[1:], *ring[:1]), strict=True):
        here, there = sign * (one[axis] - bound), sign * (other[axis] - bound)
        if here >= 0:
            yield one
        if (here >= 0) != (there >= 0):
            part = here / (here - there)
            yield one[0] + part * (other[0] - one[0]), one[1] + part * (other[1] - one[1])


def path_of(lines: Iterable[Line], *, closed: bool = True) -> str:
    """Write lines as an SVG path on a grid of a tenth of a unit, relative to save bytes."""
    return "".join(_path(line, closed) for line in lines)


def _path(line: Line, closed: bool) -> str:
    points: list[tuple[int, int]] = []
    for point in ((round(10 * x), round(10 * y)) for x, y in line):
        if points[-2:-1] == [point]:
            points.pop()  # there and back again: slivers of the source, too small for the grid
        elif points[-1:] != [point]:
            points.append(point)
    if closed and points[0] == points[-1]:
        points.pop()
    if len(points) < (3 if closed else 2):
        return ""
    steps = "".join(f"l{_number(x2 - x1)}{_second(y2 - y1)}" for (x1, y1), (x2, y2) in pairwise(points))
    return f"M{_number(points[0][0])}{_second(points[0][1])}{steps}{'z' if closed else ''}"


def _number(tenths: int) -> str:
    text = f"{abs(tenths) / 10:.1f}".removesuffix(".0").removeprefix("0") or "0"
    return f"-{text}" if tenths < 0 else text


def _second(tenths: int) -> str:
    text = _number(tenths)
    return text if text.startswith("-") else f" {text}"


# ---- labels and rivers


def label_of(rings: Sequence[Line], view: View) -> tuple[float, float, float] | None:
    """Give the point of a shape that lies farthest from its border and from the frame, and how far: room for a name."""
    largest = max(rings, key=lambda ring: abs(area(ring)))
    step = 2.0
    best = (0.0, 0.0, 0.0)
    for x in _steps([x for x, _ in largest], view.width, step):
        for y in _steps([y for _, y in largest], view.height, step):
            room = min(x, y, view.width - x, view.height - y)
            if room > best[2] and inside((x, y), largest):
                room = min(room, *(distance((x, y), one, other) for one, other in zip(largest, (*largest[1:], largest[0]), strict=True)))
                best = max(best, (x, y, room), key=lambda found: found[2])
    return best if best[2] > 0 else None


def _steps(ends: Sequence[float], length: float, step: float) -> list[float]:
    return [step * index for index in range(1, int(length / step)) if min(ends) < step * index < max(ends)]


def area(ring: Line) -> float:
    """Give the signed area of a ring."""
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, (*ring[1:], *ring[:1]), strict=True)) / 2


def inside(point: Point, ring: Line) -> bool:
    """Tell whether a ring encloses a point."""
    x, y = point
    crossings = 0
    for (x1, y1), (x2, y2) in zip(ring, (*ring[1:], *ring[:1]), strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            crossings += 1
    return crossings % 2 == 1


def rivers_of(owned: dict[Line, frozenset[str]], shapes: Shapes) -> tuple[Line, Line]:
    """Give the Hương down to its mouth, where the border leaves it for the lagoon, and the Bồ down to the Hương."""
    south = _border(HUONG, owned, shapes)
    south = south if south[0][1] > south[-1][1] else south[::-1]
    mouth = max(range(len(south)), key=lambda index: south[index][0])
    huong = south[: mouth + 1]
    west = _border(BO, owned, shapes)
    west = west if west[0][0] < west[-1][0] else west[::-1]
    meeting = min(huong, key=lambda point: math.dist(point, BO_MOUTH[-1]))
    inflow = max((index for index, point in enumerate(west) if point[0] < -MARGIN), default=0)
    return huong, (*west[inflow:], *BO_MOUTH, meeting)


def _border(pairs: Iterable[tuple[str, str]], owned: dict[Line, frozenset[str]], shapes: Shapes) -> Line:
    """Give the longest line that the borders between pairs of wards make where they meet end to end."""
    lines: list[Line] = []
    for pair in pairs:
        for piece in (shapes.arc(arc) for arc, codes in owned.items() if codes == frozenset(pair)):
            lines = _joined(lines, piece)
    return max(lines, key=len)


def _joined(lines: list[Line], piece: Line) -> list[Line]:
    for line in lines:
        for one in (line, line[::-1]):
            for other in (piece, piece[::-1]):
                if one[-1] == other[0]:
                    return _joined([each for each in lines if each is not line], one + other[1:])
    return [*lines, piece]


# ---- the file


def view_of(view: View, rings: dict[str, list[Line]], registry: Registry) -> dict[str, Any]:
    """Give all that one view shows, but its rivers."""
    cut, _ = arcs_of(rings)
    shapes = Shapes(view)
    shown: dict[str, list[Line]] = {}
    for code, lines in cut.items():
        kept = [ring for ring in (clipped(shapes.ring(arcs), view) for arcs in lines) if len(ring) > 2 and abs(area(ring)) > 4]
        if any(_seen(ring, view) for ring in kept):
            shown[code] = kept
    labels = {code: label_of(kept, view) for code, kept in shown.items()}
    stations = {station.id: view.point((station.longitude, station.latitude)) for station in registry.stations.values()}
    return {
        "width": view.width,
        "height": view.height,
        "projection": {"west": view.west, "north": view.north, "across": round(view.across, 3), "down": view.scale},
        "wards": {code: path_of(kept) for code, kept in shown.items()},
        "labels": {code: [round(number, 1) for number in label] for code, label in labels.items() if label},
        "stations": {key: _rounded(at) for key, at in stations.items() if 0 <= at[0] <= view.width and 0 <= at[1] <= view.height},
    }


def _seen(ring: Line, view: View) -> bool:
    return any(0 < x < view.width and 0 < y < view.height for x, y in ring)


def _rounded(point: Point) -> list[float]:
    return [round(point[0], 1), round(point[1], 1)]


def map_of(rings: dict[str, list[Line]], registry: Registry) -> dict[str, Any]:
    """Give the whole map."""
    _, owned = arcs_of(rings)
    huong, bo = (path_of([line], closed=False) for line in rivers_of(owned, Shapes(RIVER)))
    corner, far = CITY.point((RIVER.west, RIVER.north)), CITY.scale / RIVER.scale
    rivers = [
        {"id": "huong", "name": {"vi": "sông Hương", "en": "Hương River"}, "path": huong, "label": [262, 42]},
        {"id": "bo", "name": {"vi": "sông Bồ", "en": "Bồ River"}, "path": bo, "label": [84, 82]},
    ]
    frame = [*_rounded(corner), round(RIVER.width * far, 1), round(RIVER.height * far, 1)]
    return {
        "about": "Made by tools/make_map.py; see README.md beside this file. Wards: MIT, see NOTICE. Rivers: a sketch along ward borders.",
        "views": {
            "river": {
                **view_of(RIVER, rings, registry),
                "rivers": rivers,
                "seas": [{"name": {"vi": "Biển Đông", "en": "East Sea"}, "label": [322, 20]}],
            },
            "city": {**view_of(CITY, rings, registry), "frame": frame},
        },
    }


def main(polygons: Path, city: Path) -> None:
    """Write map.json into the folder of a city."""
    registry = registry_of({name: read_yaml(name, (city / name).read_text(encoding="utf-8")) for name in FILES})
    text = json.dumps(map_of(rings_of(polygons), registry), ensure_ascii=False, separators=(",", ":"))
    (city / "map.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
