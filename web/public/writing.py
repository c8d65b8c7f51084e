"""
Values of the page -> how one language says them: what the templates call.

Rule 1: names, meanings and instructions of levels are the city's (its texts); the sentences around them are the language's.
Rule 2: every instant is said in the city's zone, with its date, and carries its machine form.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from markupsafe import Markup

from alerts.facts import STEADY
from alerts.model import End
from alerts.wording import Wording
from devices.instants import MILLISECOND, Instant, to_datetime
from devices.quantities import QUANTITIES
from devices.stations import LegalLevel, Station, Ward
from ingest.archive.query import Bucket
from web.languages import Language
from web.public.gauges import RIVER, against_of
from web.public.state import Against, Ended, Gauge, InForce, Sense, Signal


@dataclass(frozen=True, slots=True)
class Writing:
    """One language, the city's words in it, its zone, and the instant from which ages count."""

    language: Language
    wording: Wording
    zone: ZoneInfo
    now: Instant

    # ---- places and levels

    def word(self, words: dict[str, str]) -> str:
        """Give a name in this language."""
        return self.language.word(words)

    def place(self, station: Station) -> str:
        """Give where a station is: `sông Hương tại Kim Long`."""
        form = self.language.page.place_river if station.river else self.language.page.place
        return form.format(river=self.word(station.river or {"en": ""}), station=self.word(station.name))

    def capital_place(self, station: Station) -> str:
        """Give the same at the beginning of a line."""
        return capital(self.place(station))

    def capital(self, text: str) -> str:
        """Begin a sentence with a capital letter."""
        return capital(text)

    def wards(self, wards: Iterable[Ward]) -> str:
        """Give names of wards: `P. Kim Long, P. Phú Xuân`."""
        return ", ".join(self.word(ward.name) for ward in wards)

    def level(self, level: LegalLevel) -> str:
        """Give the name of a level: `báo động 3`."""
        known = self.wording.levels.get(level.code)
        return known.name if known else f"{self.wording.other_level.name} {level.number}"

    def short_level(self, level: LegalLevel) -> str:
        """Give the name of a level on a drawing: `BĐ3`."""
        return self.language.short_levels.get(level.code) or self.level(level)

    def meaning(self, level: LegalLevel) -> str:
        """Give what a level means: `mức lũ lớn`."""
        return self.wording.levels.get(level.code, self.wording.other_level).meaning

    def instruction(self, level: LegalLevel) -> str:
        """Give the one thing to do, as a sentence."""
        return f"{capital(self.wording.levels.get(level.code, self.wording.other_level).act)}."

    # ---- numbers

    def number(self, value: float, quantity: str) -> str:
        """Give a number without its unit."""
        return self.language.number(value, QUANTITIES[quantity].decimals)

    def measure(self, value: float, quantity: str) -> str:
        """Give a number with its unit."""
        return self.language.measure(value, quantity)

    def unit(self, quantity: str) -> str:
        """Give a unit."""
        return QUANTITIES[quantity].unit.value

    def against(self, against: Against, quantity: str) -> str:
        """Give a signed difference: `+0,12 m so với báo động 3 (3,50 m)`."""
        form = self.language.page.against
        at = self.measure(against.level.value, quantity)
        return form.format(difference=self.language.signed(against.signed, quantity), level=self.level(against.level), at=at)

    def chip(self, against: Against, quantity: str) -> str:
        """Give a difference as lists say it: `Trên BĐ3 0,12 m`."""
        lists = self.language.lists
        forms = {Sense.ABOVE: lists.above_level, Sense.AT: lists.at_level, Sense.NEAR: lists.near_level, Sense.BELOW: lists.below_level}
        level = self.language.list_levels.get(against.level.code) or self.level(against.level)
        return forms[against.sense].format(level=level, by=self.measure(against.by, quantity))

    def row_chip(self, bucket: Bucket, gauge: Gauge) -> str:
        """Give the difference of a past reading, against the levels of the gauge."""
        against = against_of(bucket.mean, gauge.levels, gauge.quantity)
        return self.chip(against, gauge.quantity) if against else self.language.lists.no_levels

    def trend(self, gauge: Gauge, *, in_list: bool = False) -> tuple[str, str] | None:
        """Give icon and words of a trend; None where nobody knows."""
        if gauge.trend is None:
            return None
        words = self.language.lists if in_list else self.language.page
        rate = self.measure(abs(gauge.trend), gauge.quantity)
        if abs(gauge.trend) < STEADY:
            return "fl", words.steady
        return ("up", words.rising.format(rate=rate)) if gauge.trend > 0 else ("dn", words.falling.format(rate=rate))

    # ---- instants

    def clock(self, at: Instant) -> Markup:
        """Give an instant with its whole date."""
        return self._time(at, self.language.clock(at, self.zone))

    def short_clock(self, at: Instant) -> Markup:
        """Give an instant without its year."""
        return self._time(at, self.language.short_clock(at, self.zone))

    def ago(self, at: Instant) -> Markup:
        """Give the age of an instant; the page's script keeps it right."""
        return Markup('<span data-at="{}">{}</span>').format(at // MILLISECOND, self.language.ago(self.now - at))

    def plain_clock(self, at: Instant) -> str:
        """Give an instant with its whole date, without markup."""
        return self.language.clock(at, self.zone)

    def plain_short_clock(self, at: Instant) -> str:
        """Give an instant without its year and markup, for drawings."""
        return self.language.short_clock(at, self.zone)

    def hour(self, at: Instant) -> str:
        """Give the time of day."""
        return f"{to_datetime(at).astimezone(self.zone):%H:%M}"

    def day(self, at: Instant) -> str:
        """Give day and month: what a short clock says after the time."""
        moment = to_datetime(at).astimezone(self.zone)
        return f"{moment:%d/%m}" if self.language.months[0] == "01" else f"{moment.day} {self.language.months[moment.month - 1]}"

    # ---- sentences

    def title(self, each: InForce) -> str:
        """Give the sentence that a warning is: `Lũ sông Hương tại Kim Long vượt báo động 3, mức lũ lớn`."""
        page, is_river = self.language.page, each.gauge.quantity == RIVER
        exactly = each.against is not None and each.against.sense is Sense.AT and each.against.level == each.level
        if is_river:
            form = page.river_title_at if exactly else page.river_title
        else:
            form = page.street_title_at if exactly else page.street_title
        return capital(form.format(place=self.place(each.gauge.station), level=self.level(each.level), meaning=self.meaning(each.level)))

    def silent_title(self, each: InForce) -> str:
        """Give the sentence of a warning whose water is not known now, and whose fault that is."""
        page = self.language.page
        form = page.deaf_title if each.gauge.signal is Signal.UNHEARD else page.lost_title
        station = each.gauge.station
        return form.format(place=self.place(station), station=self.word(station.name), level=self.level(each.level))

    def ended_title(self, ended: Ended) -> str:
        """Give the sentence of an end, which says what kind of end it is."""
        page, is_river = self.language.page, ended.gauge.quantity == RIVER
        forms = {
            End.CLEARED: (page.over_river_title, page.over_street_title),
            End.CLOSED: (page.closed_river_title, page.closed_street_title),
            End.WITHDRAWN: (page.corrected_river_title, page.corrected_street_title),
        }
        form = forms[ended.end][0 if is_river else 1]
        return capital(form.format(place=self.place(ended.gauge.station), level=self.level(ended.highest)))

    def ended_state(self, ended: Ended) -> str:
        """Give the line above it, with its time."""
        page = self.language.page
        forms = {End.CLEARED: page.over_since, End.CLOSED: page.closed_since, End.WITHDRAWN: page.corrected_since}
        return forms[ended.end].format(at=self.plain_clock(ended.told_at))

    def ended_act(self, ended: Ended) -> str:
        """Give the first safe step after an end."""
        page, is_river = self.language.page, ended.gauge.quantity == RIVER
        cleared = page.over_river_act if is_river else page.over_street_act
        return {End.CLEARED: cleared, End.CLOSED: page.closed_act, End.WITHDRAWN: page.corrected_act}[ended.end]

    def official(self) -> str:
        """Give the city's own words on who issues bulletins; they are a template, and one that needs facts is not used here."""
        text = self.wording.sentences.get("official", "")
        return text if text and "{" not in text else self.language.page.official

    def pin(self, gauge: Gauge) -> str:
        """Give what stands beside a gauge on the map: its name and value, or that it is not heard."""
        name, lists = self.word(gauge.station.name), self.language.lists
        if gauge.is_heard and gauge.value is not None:
            value = self.measure(gauge.value, gauge.quantity)
            return f"{name} {value}" if gauge.quantity == RIVER else value
        return f"{name}: {(lists.legend_unheard if gauge.signal is Signal.UNHEARD else self.signal(gauge)).lower()}"

    def signal(self, gauge: Gauge) -> str:
        """Give why a value is not that of now."""
        lists = self.language.lists
        return {Signal.UNHEARD: lists.unheard, Signal.NEVER: lists.never}.get(gauge.signal, lists.lost)

    def _time(self, at: Instant, text: str) -> Markup:
        machine = to_datetime(at).astimezone(self.zone).isoformat(timespec="minutes")
        return Markup('<time datetime="{}">{}</time>').format(machine, text)


def capital(text: str) -> str:
    """Begin a sentence with a capital letter and leave the rest alone."""
    return text[:1].upper() + text[1:]
