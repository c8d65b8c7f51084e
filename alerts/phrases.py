"""
One fact -> the words for it in one language: the filters that the templates of a city use.

Rule 1: templates come from a file that operators edit: they run in a sandbox, and a name that is not a fact is an error, never a blank.
Rule 2: a filter knows no language; the words are phrases of the language's file, which are templates too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, Template, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alerts.wording import LevelWords, Wording
from devices.instants import Instant, to_datetime
from devices.stations import Words

Fact = Mapping[str, Any]
FILTERS = (
    *("measure", "compared", "trended", "clock", "clock_short"),
    *("word", "place", "water", "areas"),
    *("name", "crossed", "meaning", "act", "brief"),
)
"""What templates may use beside the filters of Jinja; each is a method of `Phrasing`."""


def plain_environment() -> ImmutableSandboxedEnvironment:
    """Build an environment that can read templates, but has no words for what they say."""
    # Plain text for phones and mail, never HTML: who shows it on a page escapes it there.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.filters.update(dict.fromkeys(FILTERS, str))
    return environment


def environment_of(wording: Wording) -> ImmutableSandboxedEnvironment:
    """Build the environment in which the templates of a language are compiled."""
    environment = plain_environment()
    environment.filters.update(Phrasing(wording, environment.from_string).filters())
    return environment


class Phrasing:
    """The filters of one language. Those that need other facts (zone, unit, decimals) take them from the context of the template."""

    def __init__(self, wording: Wording, compiled: Callable[[str], Template]) -> None:
        self._wording = wording
        self._unknown = wording.phrases.unknown
        self._phrases = {name: compiled(text) for name, text in wording.phrases}
        self._trends = {name: compiled(text) for name, text in wording.trends}

    def filters(self) -> dict[str, Callable[..., str]]:
        """Give the filters by the names that templates use."""
        return {name: getattr(self, name) for name in FILTERS}

    def word(self, words: Words) -> str:
        """`{vi: Kim Long, en: Kim Long}` -> `Kim Long`; English, then any language, where this one is missing."""
        return words.get(self._wording.language) or words.get("en") or next(iter(words.values()))

    @pass_context
    def measure(self, context: Context, value: float | None) -> str:
        """3.617 -> `3,62 m`."""
        if value is None:
            return self._unknown
        number = f"{value:.{context['decimals']}f}".replace(".", self._wording.decimal_mark)
        return f"{number} {context['unit']}"

    @pass_context
    def compared(self, context: Context, difference: Fact) -> str:
        """Give a difference as people say it: `trên báo động 3 (3,50 m) 0,12 m`."""
        level = difference["level"]
        by, at = self.measure(context, difference["by"]), self.measure(context, level["value"])
        return self._phrases[difference["sense"]].render(level=self.name(level), at=at, by=by)

    @pass_context
    def trended(self, context: Context, trend: Fact) -> str:
        """Give a trend as a sentence, such as "Nước đang lên 0,11 m mỗi giờ"."""
        return self._trends[trend["word"]].render(rate=self.measure(context, trend["per_hour"]))

    @pass_context
    def clock(self, context: Context, at: Instant | None) -> str:
        """Give an instant in the city's zone, with its date: `07:20 ngày 27/10/2025`."""
        return self._clock("clock", context, at)

    @pass_context
    def clock_short(self, context: Context, at: Instant | None) -> str:
        """Give an instant for an SMS: `07:20 27/10`."""
        return self._clock("clock_short", context, at)

    def place(self, station: Fact) -> str:
        """Give where a station is: `sông Hương tại Kim Long`."""
        name = self.word(station["name"])
        if not station["river"]:
            return self._phrases["place"].render(station=name)
        return self._phrases["place_river"].render(river=self.word(station["river"]), station=name)

    def water(self, station: Fact) -> str:
        """Give the river alone, for an SMS; the place where there is no river."""
        return self._phrases["water"].render(river=self.word(station["river"])) if station["river"] else self.place(station)

    def areas(self, wards: list[Fact]) -> str:
        """Give the names of wards: `P. Kim Long, P. Phú Xuân`."""
        return ", ".join(self.word(ward["name"]) for ward in wards)

    def name(self, level: Fact | None) -> str:
        """Give a level its name: `báo động 3`."""
        if level is None:
            return self._unknown
        known = self._wording.levels.get(level["code"])
        return known.name if known else self._phrases["level"].render(number=level["number"])

    @pass_context
    def crossed(self, context: Context, level: Fact | None) -> str:
        """Say that a level is passed, or reached exactly: `vượt báo động 3`, `đạt báo động 3`."""
        return self._phrases["reached" if context["exactly"] else "passed"].render(level=self.name(level))

    def meaning(self, level: Fact | None) -> str:
        """Give what a level means: `mức lũ lớn`."""
        return self._words(level).meaning

    def act(self, level: Fact | None) -> str:
        """Give the one thing to do at a level."""
        return self._words(level).act

    def brief(self, level: Fact | None) -> str:
        """Give the same in a few words."""
        return self._words(level).brief

    def _words(self, level: Fact | None) -> LevelWords:
        return self._wording.levels.get(level["code"] if level else "", self._wording.other_level)

    def _clock(self, phrase: str, context: Context, at: Instant | None) -> str:
        if at is None:
            return self._unknown
        moment = to_datetime(at).astimezone(ZoneInfo(context["time_zone"]))
        parts = {part: moment.strftime(form) for part, form in (("time", "%H:%M"), ("day", "%d"), ("month", "%m"), ("year", "%Y"))}
        return self._phrases[phrase].render(parts, months=self._wording.months)
