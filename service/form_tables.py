"""
A form of a configuration file -> a section of Markdown with a table of its fields, for the generated reference.

Rule 1: the texts are those of the code: a field's description, or the text that stands below it in the source.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import pairwise
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from devices.documents import InstantText, SpanText
from devices.instants import DAY, HOUR, MINUTE, SECOND
from rules.definition import InIntervals

_SPANS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))
_TYPES = (("span", SpanText), ("instant", InstantText), ("number of intervals", InIntervals))
"""Types that are more than the plain one that they are held as."""
_NAMES = {"str": "text", "float": "number", "int": "whole number", "bool": "true or false"}


def form_section(title: str, form: type[BaseModel], depth: int = 2) -> str:
    """Give a heading, the form's text, the table of its fields, and a section for each form inside it, below."""
    rows = [("field", "value", "default", "meaning")]
    written = _written(form)
    for name, field in form.model_fields.items():
        if get_origin(field.annotation) is not Literal or name != "kind":
            rows.append((f"`{field.alias or name}`", type_of(field), default_of(field), sentence_of(field) or written.get(name, "")))
    text = " ".join((form.__doc__ or "").split())
    nested = [form_section(f"`{name}`", inner, min(depth + 1, 5)) for name, inner in _inner(form)]
    return "\n\n".join([f"{'#' * depth} {title}\n\n{text}\n\n{table_of(rows)}", *nested])


def kind_of(form: type[BaseModel]) -> str:
    """Give the word by which a form of several is chosen: the literal of its field `kind`."""
    return str(get_args(form.model_fields["kind"].annotation)[0])


def parts_of(kind: Any) -> Iterator[Any]:
    """Give the types that a type is made of, in order: those of a union, of a list's items, of a dict's values."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from parts_of(get_args(kind)[0])
    elif origin in {Union, types.UnionType, list, tuple, dict}:
        for part in get_args(kind):
            yield from parts_of(part)
    else:
        yield kind


def type_of(field: FieldInfo) -> str:
    """Give the type of a field as a reader of YAML knows it."""
    return _named(field.metadata) or _type(field.annotation)


def default_of(field: FieldInfo) -> str:
    """Give what a field is without being written."""
    value = field.default if field.default_factory is None else None
    kind = type_of(field)
    if field.is_required():
        return "required"
    if value is None or isinstance(value, BaseModel) or value in ({}, (), []) or (kind == "instant" and not value):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{_span(value) if kind == 'span' else value.value if isinstance(value, Enum) else value}`"


def sentence_of(field: FieldInfo) -> str:
    """Give the description of a field on one line."""
    return " ".join((field.description or "").split())


def table_of(rows: Iterable[tuple[str, ...]]) -> str:
    """Give rows, the first of them the head, as a table of Markdown."""
    head, *rest = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, tuple("---" for _ in head), *rest])


def _written(form: type[BaseModel]) -> dict[str, str]:
    """Give the texts that stand below the fields of a form in its source."""
    found: dict[str, str] = {}
    for parent in reversed([each for each in form.__mro__ if issubclass(each, BaseModel) and each is not BaseModel]):
        body = ast.parse(textwrap.dedent(inspect.getsource(parent))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in pairwise(body.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    found[name] = " ".join(said.split())
    return found


def _inner(form: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Give the forms inside a form, with the field that they stand under; those of a choice with their kind."""
    for name, field in form.model_fields.items():
        if _named(field.metadata):
            continue
        forms = [part for part in parts_of(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
        for part in forms:
            yield (f"{name}, kind: {kind_of(part)}" if len(forms) > 1 and "kind" in part.model_fields else name), part


def _type(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Annotated:
        return _named(kind.__metadata__) or _type(get_args(kind)[0])
    if origin is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        return " or ".join(f"`{getattr(choice, 'value', choice)}`" for choice in get_args(kind) or kind)
    if origin is tuple and Ellipsis not in get_args(kind):
        return f"[{', '.join(_type(part) for part in get_args(kind))}]"
    if origin in {list, tuple, dict}:
        inner = _type(get_args(kind)[1 if origin is dict else 0])
        return f"by name: {inner}" if origin is dict else f"list of {inner}"
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(_type(part) for part in get_args(kind) if part is not types.NoneType))
    return _NAMES.get(getattr(kind, "__name__", ""), "fields, see below")


def _named(metadata: Iterable[Any]) -> str | None:
    marks = list(metadata)
    return next((name for name, form in _TYPES if any(each in marks for each in get_args(form)[1:])), None)


def _span(span: int) -> str:
    return next((f"{span // size} {unit}" for size, unit in _SPANS if span and span % size == 0), f"{span / SECOND:g} s")
