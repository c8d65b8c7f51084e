"""
A column and the values that it may have -> the condition, made once, and the values, as one text.

Rule 1: a statement that names each value is another text for each number of them, and each connection keeps the texts that it was asked: with hundreds of
        alarms, tens of megabytes. So the values come in one JSON array, which the database takes apart.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import Column, ColumnElement, String, bindparam, column, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_AMONG = "among"


class _Each(FunctionElement[str]):
    """The texts of a JSON array, as rows."""

    name = "each_text"
    inherit_cache = True


@compiles(_Each)
def _each(element: _Each, compiler: SQLCompiler, **how: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **how)})"


@compiles(_Each, "postgresql")
def _each_in_postgresql(element: _Each, compiler: SQLCompiler, **how: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **how)} AS JSON))"


def is_among(asked: Column[Any]) -> ColumnElement[bool]:
    """Select where a column has one of the values that a statement is executed with; nothing where there are none."""
    each = _Each(bindparam(_AMONG, type_=String)).table_valued(column("value", String))
    return asked.in_(select(each.c.value))


def among(values: Collection[str]) -> dict[str, str]:
    """Give values to execute such a statement with."""
    return {_AMONG: json.dumps(list(values))}
