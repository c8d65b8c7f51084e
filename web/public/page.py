"""
What the residents' page shows -> its bytes in each language, ready to be sent.

Rule 1: a page is one request: style, script, icons, map and chart stand in it.
Rule 2: style and script are allowed by their hashes, so no attribute or foreign text can style or run.
Rule 3: every text goes through the escaping of the templates; only our own files are put in as they are.
"""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from devices.instants import MILLISECOND
from web.languages import DEFAULT, LANGUAGES, Language
from web.public import citymap, drawing
from web.public.chart_text import chart_text, value_text
from web.public.gauges import RIVER
from web.public.shapes import Shapes
from web.public.situation import City
from web.public.state import Head, PageState
from web.public.writing import Writing

TEMPLATES = Path(__file__).with_name("templates")
SPREAD_MILLISECONDS = 1000
"""Over which open pages spread their asking for a new version."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One page in one language."""

    body: bytes
    packed: bytes
    """The same, gzip."""
    etag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """Style and script as they stand in the page, and the policy that allows them."""

    css: Markup
    script: Markup
    policy: str
    look: str
    """Changes with them: an open page of another look loads itself anew."""


class Draw:
    """The drawings that templates ask for."""

    staff = staticmethod(drawing.staff_of)
    bar = staticmethod(drawing.bar_of)
    rows = staticmethod(drawing.rows_of)

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def chart(self, history: Any) -> drawing.Chart:
        """Draw the chart with times of the city's zone."""
        return drawing.chart_of(history, self._zone)


class Renderer:
    """Renders pages; its templates are compiled once."""

    def __init__(self) -> None:
        self.assets = _assets()
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._page = environment.get_template("page.html")
        self._plain = environment.get_template("plain.html")

    def render(self, state: PageState, city: City, version: str) -> dict[str, Rendered]:
        """Render a page in every language."""
        return {code: self._rendered(state, city, version, language) for code, language in LANGUAGES.items()}

    def plain(self, heading: str) -> bytes:
        """Render a page of one heading in every language, for errors; `heading` names it among the words of a page."""
        parts = [(language, getattr(language.page, heading), address(language)) for language in LANGUAGES.values()]
        return self._plain.render(parts=parts, css=self.assets.css).encode()

    def _rendered(self, state: PageState, city: City, version: str, language: Language) -> Rendered:
        zone = ZoneInfo(state.time_zone)
        writing = Writing(language, city.texts.languages[language.code].wording, zone, state.now)
        context = {
            "state": state,
            "version": version,
            "p": writing,
            "w": language.page,
            "l": language.lists,
            "language": language,
            "languages": list(LANGUAGES.values()),
            "address": address,
            "draw": Draw(zone),
            "css": self.assets.css,
            "script": self.assets.script,
            "look": self.assets.look,
            "spread": SPREAD_MILLISECONDS,
            "now_ms": state.now // MILLISECOND,
            "value_text": value_text,
            **_head_context(state, writing),
            **_map_context(state, city.shapes, writing),
        }
        return packed(_tight(self._page.render(context)).encode())


def packed(body: bytes) -> Rendered:
    """Compress a body once, and name it by its content."""
    return Rendered(body, gzip.compress(body, 9, mtime=0), f'"{blake2b(body, digest_size=12).hexdigest()}"')


def address(language: Language) -> str:
    """Give where a language stands."""
    return "/" if language.code == DEFAULT else f"/{language.code}"


def _head_context(state: PageState, p: Writing) -> dict[str, Any]:
    w, lists = p.language.page, p.language.lists
    name = w.title.format(city=p.word(state.city))
    total, label = len(state.gauges), p.wording.exercise.label
    some = lists.gauges_all if state.reporting == total and total else lists.gauges_some
    return {
        "title": f"{label}: {name}" if state.is_exercise else f"{_short_title(state, p)}{name}",
        "label": label,
        "pace": w.exercise_real_time if state.speed == 1 else w.exercise_speed.format(speed=f"{state.speed:g}"),
        "reporting": f"{lists.unheard}." if state.deaf else some.format(count=state.reporting, total=total),
        "everywhere": _everywhere(state, p),
        "nearest": _nearest(state, p),
        "chart_text": chart_text(state.history, p) if state.history else "",
    }


def _short_title(state: PageState, p: Writing) -> str:
    if state.head is not Head.IN_FORCE:
        return ""
    first = state.in_force[0]
    return f"{p.capital(p.level(first.level))}, {p.word(first.gauge.station.name)} | "


def _everywhere(state: PageState, p: Writing) -> str:
    """All wards are named only where every gauge reports; else those are named for which nobody speaks."""
    unknown = [ward.ward for ward in state.wards.values() if not ward.is_known]
    if unknown:
        return p.language.page.unknown_areas.format(wards=p.wards(unknown))
    return p.language.page.everywhere.format(count=len(state.wards), city=p.word(state.city))


def _nearest(state: PageState, p: Writing) -> str:
    gauge, w = state.nearest, p.language.page
    if gauge is None or gauge.value is None or gauge.observed_at is None:
        return w.none_nearby
    against = p.chip(gauge.against, gauge.quantity) if gauge.against else p.language.lists.no_levels
    trend = p.trend(gauge, in_list=True)
    said = f"{against[:1].lower()}{against[1:]}" + (f", {trend[1]}" if trend else "")
    value = p.measure(gauge.value, gauge.quantity)
    return w.nearest_value.format(station=p.word(gauge.station.name), value=value, against=said, at=p.plain_clock(gauge.observed_at))


def _map_context(state: PageState, shapes: Shapes, p: Writing) -> dict[str, Any]:
    river, city = shapes.views.river, shapes.views.city
    gauges = [*state.gauges, *state.streets]
    texts = {gauge.station.id: p.pin(gauge) for gauge in gauges if gauge.quantity == RIVER or gauge.severity}
    unknown = [ward.ward for ward in state.wards.values() if not ward.is_known]
    return {
        "river_frame": river,
        "drawing": citymap.draw(river, state, p.language, texts),
        "city_patches": citymap.patches(city, state),
        "city_frame": city.frame,
        "inset": citymap.inset_of(city),
        "keys": citymap.keys_of(state.wards.values()),
        "unknown": unknown,
        "has_lost": any(not gauge.is_heard for gauge in gauges),
        "described": _described(state, p, unknown),
    }


def _described(state: PageState, p: Writing, unknown: list[Any]) -> str:
    lists = p.language.lists
    warned = p.wards(ward.ward for ward in state.wards.values() if ward.severity)
    said = [lists.map_some.format(wards=warned)] if warned else [lists.map_none] if state.is_ledger_known else []
    if unknown:
        said.append(lists.map_unknown.format(wards=p.wards(unknown)))
    return " ".join([*said, lists.map_frame.format(count=len(state.wards))])


def _assets() -> Assets:
    css = Markup(_tight_css((TEMPLATES / "page.css").read_text(encoding="utf-8")))  # noqa: S704 - our own file
    script = Markup((TEMPLATES / "page.js").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    policy = "; ".join(
        (
            "default-src 'self'",
            f"style-src {_hash(css)}",
            f"script-src {_hash(script)}",
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return Assets(css, script, policy, sha256(f"{css}{script}".encode()).hexdigest()[:12])


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _tight_css(text: str) -> str:
    return re.sub(r"\s*\n\s*", "", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))


def _tight(html: str) -> str:
    """Leave out the line ends between tags that templates leave behind."""
    return re.sub(r">\n\s*<", "><", html)
