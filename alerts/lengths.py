"""
A short text -> whether it goes into one SMS, and what it reads like without diacritics.

An SMS holds 70 units of UCS-2, or 160 septets of the GSM 7-bit default alphabet (3GPP TS 23.038, 6.2.1), which has hardly a Vietnamese letter.
"""

from __future__ import annotations

import unicodedata

UCS2_ROOM = 70
GSM7_ROOM = 160
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_STROKES = str.maketrans({"đ": "d", "Đ": "D", "–": "-", "−": "-", "’": "'"})


def ucs2_units(text: str) -> int:
    """Count the 16-bit units of a text."""
    return len(text.encode("utf-16-be")) // 2


def gsm7_septets(text: str) -> int | None:
    """Count the septets of a text in the GSM 7-bit alphabet; None if it has a letter that is not in it."""
    if not _BASIC.union(_EXTENDED).issuperset(text):
        return None
    return sum(2 if letter in _EXTENDED else 1 for letter in text)


def is_one_sms(text: str) -> bool:
    """Tell whether a text goes into one SMS in either alphabet."""
    septets = gsm7_septets(text)
    return ucs2_units(text) <= UCS2_ROOM or (septets is not None and septets <= GSM7_ROOM)


def without_diacritics(text: str) -> str:
    """Give a Vietnamese text in plain Latin letters: `Lũ sông Hương` becomes `Lu song Huong`."""
    letters = unicodedata.normalize("NFD", text.translate(_STROKES))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
