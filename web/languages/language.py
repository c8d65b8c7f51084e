"""
What a page can say in one language, and how a number, an instant and a span are written in it.

Rule 1: a number and its unit never break apart: a no-break space stands between them.
Rule 2: a sign says more or less, a true minus, never a hyphen.
Rule 3: a text is a plain format string; what it is made of stands in braces, and every language has the same braces (a test compares).
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from devices.instants import DAY, HOUR, MINUTE, Instant, Span, to_datetime
from devices.quantities import QUANTITIES
from devices.stations import Words
from web.languages.words import ListWords, OperatorWords, PageWords

NBSP = "\u00a0"
MINUS = "\u2212"


@dataclass(frozen=True, slots=True)
class Language:
    """One language of the pages."""

    code: str
    name: str
    """In itself: `Tiếng Việt`."""
    decimal_mark: str
    thousands_mark: str
    months: tuple[str, ...]
    clock_form: str
    """From `time`, `day`, `month`, `year`."""
    short_clock_form: str
    ago_minutes: str
    ago_hours: str
    ago_hours_minutes: str
    ago_days: str
    ago_now: str
    short_levels: dict[str, str]
    """By code, on drawings: `BĐ3`. A code that is not here is called by its name in the texts of the city."""
    list_levels: dict[str, str]
    """The same for lists, where a name stands in a sentence: `Trên BĐ3 0,12 m`."""
    quantities: dict[str, str]
    page: PageWords
    lists: ListWords
    operators: OperatorWords

    def word(self, words: Words) -> str:
        """`{vi: Kim Long, en: Kim Long}` -> `Kim Long`; English, then any language, where this one is missing."""
        return words.get(self.code) or words.get("en") or next(iter(words.values()))

    def number(self, value: float, decimals: int) -> str:
        """3.617, 2 -> `3,62`; -0.001 -> `0,00`."""
        rounded = round(value, decimals) or 0.0
        text = f"{abs(rounded):,.{decimals}f}".replace(",", "\0").replace(".", self.decimal_mark).replace("\0", self.thousands_mark)
        return f"{MINUS}{text}" if rounded < 0 else text

    def measure(self, value: float, quantity: str) -> str:
        """3.617 of a water level -> `3,62 m`."""
        known = QUANTITIES[quantity]
        return f"{self.number(value, known.decimals)}{NBSP}{known.unit}"

    def signed(self, value: float, quantity: str) -> str:
        """0.12 -> `+0,12 m`; zero is `±0,00 m`."""
        text = self.measure(value, quantity)
        rounded = round(value, QUANTITIES[quantity].decimals)
        return f"+{text}" if rounded > 0 else text if rounded < 0 else f"±{text}"

    def clock(self, at: Instant, zone: ZoneInfo) -> str:
        """Give an instant with its whole date: `07:20 ngày 27/10/2025`."""
        return self._clock(self.clock_form, at, zone)

    def short_clock(self, at: Instant, zone: ZoneInfo) -> str:
        """Give an instant without its year, for lists beside the whole date: `07:20 ngày 27/10`."""
        return self._clock(self.short_clock_form, at, zone)

    def ago(self, span: Span) -> str:
        """Give an age: `4 phút trước`, `2 giờ 14 phút trước`; days from two days on."""
        minutes = max(0, span) // MINUTE
        hours, left = divmod(minutes, HOUR // MINUTE)
        if minutes < 1:
            return self.ago_now
        if hours >= 48:
            return self.ago_days.format(days=span // DAY)
        form = self.ago_minutes if not hours else self.ago_hours_minutes if left else self.ago_hours
        return form.format(hours=hours, minutes=left)

    def _clock(self, form: str, at: Instant, zone: ZoneInfo) -> str:
        moment = to_datetime(at).astimezone(zone)
        return form.format(
            time=f"{moment:%H:%M}", day=moment.day, day2=f"{moment:%d}", month=self.months[moment.month - 1], year=moment.year
        )
