"""What pydantic complains of -> a sentence that says what is wrong and the fix."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Location: TypeAlias = tuple[str | int, ...]
"""The way from the top of a document to a value: names of fields and positions in lists."""


def correction(detail: ErrorDetails, kind: Any) -> str:
    """
    Say what is wrong, and the fix.

    Args:
        detail: one error of a ValidationError.
        kind: the type that was validated, for the names of its fields.
    """
    given, message = detail["input"], detail["msg"]
    match detail["type"]:
        case "extra_forbidden":
            said = _unknown(detail["loc"], kind)
        case "missing":
            said = f"the field {detail['loc'][-1]!r} is missing; add it"
        case "string_type" if isinstance(given, int | float):
            said = f'needs text, is {given!r}; write it in quotes: "{given}"'
        case "literal_error" | "enum":
            said = _choice(given, str(detail["ctx"]["expected"]))
        case "value_error":
            said = str(detail["ctx"]["error"])
        case _:
            said = f"{message[:1].lower()}{message[1:]}, but it is {_short(given)}; change it"
    return said


def _unknown(location: Location, kind: Any) -> str:
    name, known = str(location[-1]), sorted(_fields(kind, location[:-1]))
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"there is no field {name!r} here; did you mean {near[0]!r}?"
    return f"there is no field {name!r} here; remove it, or use one of: {', '.join(known)}"


def _choice(given: object, expected: str) -> str:
    near = difflib.get_close_matches(str(given), re.findall(r"'([^']*)'", expected), n=1)
    return f"{_short(given)} is not known here; " + (f"did you mean {near[0]!r}?" if near else f"write {expected}")


def _short(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields(kind: Any, location: Location) -> set[str]:
    """Give the names of the fields that a type has at a location."""
    kinds = list(_parts(kind))
    for part in location:
        kinds = [inner for found in kinds for inner in _inside(found, part)] or kinds  # a tag of a union is no step into the text
    return {name for found in kinds if _is_model(found) for name in found.model_fields}


def _parts(kind: Any) -> Iterator[Any]:
    """Give the alternatives of a type, without annotations."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _parts(get_args(kind)[0])
    elif origin in {Union, types.UnionType}:
        for part in get_args(kind):
            yield from _parts(part)
    else:
        yield kind


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    if _is_model(kind):
        if part in kind.model_fields:
            yield from _parts(kind.model_fields[str(part)].annotation)
    elif isinstance(part, int) and get_origin(kind) in {list, tuple}:
        yield from _parts(get_args(kind)[0])
    elif get_origin(kind) in {dict, Mapping} and len(get_args(kind)) == 2:
        yield from _parts(get_args(kind)[1])


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
