"""
A column and the values that it may have -> the condition, which is made once, and the values, in one of few numbers of them.

Rule 1: a statement with so many values is another text for each number of them, and each connection keeps the texts that it was asked: with hundreds of
        alarms, tens of megabytes. So the last value is repeated up to a power of two.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Column, ColumnElement, bindparam

_AMONG = "among"


def is_among(column: Column[Any]) -> ColumnElement[bool]:
    """Select where a column has one of the values that a statement is executed with; nothing where there are none."""
    return column.in_(bindparam(_AMONG, expanding=True))


def among(values: Collection[str]) -> dict[str, list[str]]:
    """Give values to execute such a statement with."""
    wanted = list(values)
    return {_AMONG: wanted + wanted[-1:] * ((1 << (len(wanted) - 1).bit_length()) - len(wanted)) if wanted else []}
