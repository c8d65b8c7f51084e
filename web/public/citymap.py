"""
Shapes, wards and gauges -> what is drawn on the map, and where its names have room. Pure.

Rule 1: a ward for which a silent gauge speaks is hatched over its level, or in grey; it is never drawn as one without a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from devices.stations import LegalLevel, Words
from web.languages import Language
from web.public.shapes import Frame, Point
from web.public.state import Gauge, PageState, WardState

INSET = (100.0, 68.0)
"""Of the small frame."""
ROOM_FOR_NAME = 15.0
"""How far from its border a name must stand to be drawn, in units of the map; wards under a warning are always named."""
LETTER = 0.56
"""Width of a letter, in heights of the type."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One ward as it is drawn."""

    path: str
    look: str
    """Class: `l1` to `l4`, with `st` where its gauge is silent; `st` alone; or nothing."""


@dataclass(frozen=True, slots=True)
class Label:
    """A name on the map."""

    text: str
    x: float
    y: float
    look: str


@dataclass(frozen=True, slots=True)
class Pin:
    """A gauge on the map."""

    x: float
    y: float
    is_heard: bool
    label: Label | None


@dataclass(frozen=True, slots=True)
class Key:
    """A line of the legend: a level, whether its gauges are heard."""

    level: LegalLevel
    severity: int
    is_known: bool


@dataclass(frozen=True, slots=True)
class MapDrawing:
    """One view of the map."""

    patches: list[Patch]
    labels: list[Label]
    pins: list[Pin]


@dataclass(frozen=True, slots=True)
class Inset:
    """How the whole city fits into the small frame."""

    x: float
    y: float
    scale: float


def draw(frame: Frame, state: PageState, language: Language, texts: dict[str, str]) -> MapDrawing:
    """
    Draw one view.

    Args:
        frame: its shapes.
        state: of the page.
        language: of the names.
        texts: by station, what stands beside its point; a station without one has a point only.
    """
    labels = [*_water_labels(frame, language), *_ward_labels(frame, state, language)]
    return MapDrawing(patches(frame, state), labels, _pins(frame, [*state.gauges, *state.streets], texts, labels))


def patches(frame: Frame, state: PageState) -> list[Patch]:
    """Give the wards, those with a look of their own last, so that their borders lie above the others."""
    found = [Patch(path, look_of(state.wards[code])) for code, path in frame.wards.items() if code in state.wards]
    return sorted(found, key=lambda patch: (bool(patch.look), patch.look != "st", patch.look))


def look_of(ward: WardState) -> str:
    """Give the class of a ward."""
    level = f"l{ward.severity}" if ward.severity else ""
    return level if ward.is_known else f"{level} st".strip()


def keys_of(wards: Iterable[WardState]) -> list[Key]:
    """Give the lines of the legend for wards under a warning, the highest first."""
    found = {(ward.severity, ward.is_known): Key(ward.level, ward.severity, ward.is_known) for ward in wards if ward.level}
    return [found[key] for key in sorted(found, key=lambda key: (-key[0], not key[1]))]


def inset_of(frame: Frame) -> Inset:
    """Fit the view of the whole city into the small frame."""
    width, height = INSET
    scale = min((width - 8) / frame.width, (height - 8) / frame.height)
    return Inset(round((width - frame.width * scale) / 2, 1), round((height - frame.height * scale) / 2, 1), round(scale, 4))


def _water_labels(frame: Frame, language: Language) -> Iterator[Label]:
    yield from (Label(language.word(river.name), *river.label, "rn") for river in frame.rivers)
    yield from (Label(language.word(sea.name), *sea.label, "rn sea") for sea in frame.seas)


def _ward_labels(frame: Frame, state: PageState, language: Language) -> Iterator[Label]:
    for code, (x, y, room) in frame.labels.items():
        ward = state.wards.get(code)
        if ward is None or (room < ROOM_FOR_NAME and not ward.severity):
            continue
        names: Words = ward.ward.short or ward.ward.name
        yield _moved(Label(language.word(names), x, y, f"on {look_of(ward)}" if ward.severity else ""), frame)


def _moved(label: Label, frame: Frame) -> Label:
    """Move a name sideways into the frame, and off the points of gauges."""
    half = (_box(label)[2] - _box(label)[0]) / 2
    x = max(half + 3, min(label.x, frame.width - half - 3))
    for px, py in frame.stations.values():
        if abs(py - label.y + 4) < 14 and abs(px - x) < half + 10:
            x = px - half - 10 if x < px else px + half + 10
    return replace(label, x=round(x, 1))


def _pins(frame: Frame, gauges: Sequence[Gauge], texts: dict[str, str], labels: Sequence[Label]) -> list[Pin]:
    taken = [_box(label) for label in labels]
    points = {gauge.station.id: frame.stations[gauge.station.id] for gauge in gauges if gauge.station.id in frame.stations}
    taken += [(x - 8, y - 8, x + 8, y + 8) for x, y in points.values()]
    taken.append((6, frame.height - 74, 6 + INSET[0], frame.height - 6))
    pins = []
    for gauge in gauges:
        if gauge.station.id in points:
            label = _placed(texts.get(gauge.station.id, ""), points[gauge.station.id], taken, frame)
            taken += [_box(label, middle=False)] if label else []
            pins.append(Pin(*points[gauge.station.id], gauge.is_heard, label))
    return pins


def _placed(text: str, point: Point, taken: Sequence[tuple[float, float, float, float]], frame: Frame) -> Label | None:
    """Put a text beside its point where it hides nothing: right, left, above, below; the least bad where everything is taken."""
    if not text:
        return None
    (x, y), width = point, _width(text, 12)
    places = [(x + 11, y + 4), (x - 11 - width, y + 4), (x - width / 2, y - 13), (x - width / 2, y + 22), (x + 6, y - 12), (x + 6, y + 21)]
    inside = [(max(4.0, min(px, frame.width - width - 4)), py) for px, py in places]
    labels = [Label(text, round(px, 1), round(py, 1), "sn") for px, py in inside]
    return min(labels, key=lambda label: sum(_overlap(_box(label, middle=False), box) for box in taken))


def _box(label: Label, *, middle: bool = True) -> tuple[float, float, float, float]:
    size = 13 if "on" in label.look else 12 if "sn" in label.look else 11
    width = _width(label.text, size)
    left = label.x - width / 2 if middle else label.x
    return left, label.y - size * 0.8, left + width, label.y + size * 0.25


def _width(text: str, size: float) -> float:
    return LETTER * size * len(text)


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across * down if across > 0 and down > 0 else 0.0
