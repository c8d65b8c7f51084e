"""Rows of values -> aligned text, the same on a terminal and in a file."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any


def table(rows: Sequence[Sequence[Any]]) -> str:
    """Give rows as text; the first is the head. Numbers stand to the right."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(width(row[column]) for row in cells) for column in range(len(cells[0]))]
    right = [all(isinstance(row[column], int | float) for row in rows[1:]) and len(rows) > 1 for column in range(len(widths))]
    lines = ("  ".join(_padded(cell, widths[column], to_right=right[column]) for column, cell in enumerate(row)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def width(text: str) -> int:
    """Give the columns that a text takes on a terminal; marks above and below letters take none."""
    return sum(not unicodedata.combining(character) for character in text)


def _padded(text: str, columns: int, *, to_right: bool) -> str:
    space = " " * (columns - width(text))
    return space + text if to_right else text + space
