"""How numbers, instants and spans are written, and that both languages say the same things."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from devices.instants import DAY, HOUR, MINUTE, SECOND, parse_instant
from web.languages import LANGUAGES

VI, EN = LANGUAGES["vi"], LANGUAGES["en"]
HUE = ZoneInfo("Asia/Ho_Chi_Minh")


@pytest.mark.parametrize("part", ["page", "lists", "operators"])
def test_every_text_is_made_of_the_same_parts_in_every_language(part: str) -> None:
    one, other = getattr(VI, part), getattr(EN, part)

    for field in fields(one):
        assert _braces(getattr(one, field.name)) == _braces(getattr(other, field.name)), field.name


def _braces(text: Any) -> Any:
    return set(text) if isinstance(text, dict) else set(re.findall(r"{(\w+)}", text))


@pytest.mark.parametrize(
    ("value", "vi", "en"),
    [(3.617, "3,62\u00a0m", "3.62\u00a0m"), (-0.004, "0,00\u00a0m", "0.00\u00a0m"), (60.59, "60,59\u00a0m", "60.59\u00a0m")],
)
def test_a_level_has_two_decimals_and_never_parts_from_its_unit(value: float, vi: str, en: str) -> None:
    assert (VI.measure(value, "water_level"), EN.measure(value, "water_level")) == (vi, en)


@pytest.mark.parametrize(("value", "text"), [(0.12, "+0,12\u00a0m"), (-0.58, "\u22120,58\u00a0m"), (0.0, "±0,00\u00a0m")])
def test_a_difference_carries_its_sign(value: float, text: str) -> None:
    assert VI.signed(value, "water_level") == text


def test_a_count_is_grouped_as_the_language_does() -> None:
    assert (VI.number(1284306, 0), EN.number(1284306, 0)) == ("1.284.306", "1,284,306")


def test_an_instant_is_said_in_the_zone_of_the_city_with_its_date() -> None:
    at = parse_instant("2025-10-27T00:20:00Z")

    assert VI.clock(at, HUE) == "07:20 ngày 27/10/2025"
    assert EN.clock(at, HUE) == "07:20 on 27 Oct 2025"
    assert VI.short_clock(at, HUE) == "07:20 ngày 27/10"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (-SECOND, "vừa xong"),
        (59 * SECOND, "vừa xong"),
        (4 * MINUTE, "4 phút trước"),
        (HOUR, "1 giờ trước"),
        (2 * HOUR + 14 * MINUTE, "2 giờ 14 phút trước"),
        (47 * HOUR, "47 giờ trước"),
        (3 * DAY, "3 ngày trước"),
    ],
)
def test_an_age_is_said_as_people_say_it(span: int, text: str) -> None:
    assert VI.ago(span) == text
