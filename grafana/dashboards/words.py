"""
A language -> which of two texts is taken. Vietnamese is written first, English says the same.

The words of levels are those of the residents' page and the operators' pages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Tongue: TypeAlias = Callable[[str, str], str]
"""Gives one of (Vietnamese, English)."""
LANGUAGES = ("vi", "en")


def tongue(language: str) -> Tongue:
    """Give what chooses the texts of a language."""
    return (lambda vi, _en: vi) if language == "vi" else (lambda _vi, en: en)


LEVEL_CODES = {
    "bd1": ("BĐ1", "BĐ1"),
    "bd2": ("BĐ2", "BĐ2"),
    "bd3": ("BĐ3", "BĐ3"),
    "historic": ("Lũ lịch sử", "Record flood"),
    "d1": ("Ngập mức 1", "Depth level 1"),
    "d2": ("Ngập mức 2", "Depth level 2"),
}
"""Code of a legal level -> its name. One that is not here is called by its code."""
LEVELS = (
    ("Dưới mức 1", "Below level 1"),
    ("Trên mức 1", "Above level 1"),
    ("Trên mức 2", "Above level 2"),
    ("Trên mức 3", "Above level 3"),
    ("Trên lũ lịch sử", "Above the record flood"),
)
"""By number."""
PHASES = (("Đúng hạn", "On time"), ("Trễ", "Late"), ("Mất tín hiệu", "Silent"), ("Chưa từng báo", "Never heard"))
"""By number, as `service.own_figures` writes them."""
HANDLINGS = (("Chưa ai nhận", "Nobody has taken it"), ("Đã nhận", "Taken"), ("Đã đóng", "Closed"))
"""By number, as `service.own_figures` writes them."""
TOLD = (("Chưa được báo", "Not told"), *LEVELS[1:])
"""What residents believe, by the number of the level that they were told."""
WATERS = {"water_level": ("Mực nước", "Water level"), "water_depth": ("Độ sâu ngập", "Depth of water")}
"""By quantity."""
QUALITIES = {
    1: ("Tốt", "Good"),
    2: ("Chưa đánh giá", "Not evaluated"),
    3: ("Nghi ngờ", "Suspect"),
    4: ("Không đạt", "Failed"),
    9: ("Thiếu", "Missing"),
}
"""By flag of QARTOD."""
AIR = (
    ("Tốt", "Good"),
    ("Trung bình", "Moderate"),
    ("Kém", "Poor"),
    ("Xấu", "Bad"),
    ("Rất xấu", "Very bad"),
    ("Nguy hại", "Hazardous"),
)
"""The categories of VN_AQI; the English ones are ours, the decision is in Vietnamese alone."""


def level_name(code: str, t: Tongue) -> str:
    """Give the name of a legal level by its code."""
    return t(*LEVEL_CODES.get(code, (code, code)))
