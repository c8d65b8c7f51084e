"""
The text of a configuration file -> plain values that know their lines -> checked values, or problems that say how to mend them.

Rule 1: a file holds text, whole numbers, decimal numbers, true, false and null. Nothing is read into a plain word: 08:00 is text,
        2025-10-27 is text, yes and no are text. Names of fields are always text.
Rule 2: nothing is dropped silently: a field given twice, a field that nobody knows and an alias are problems.
Rule 3: all problems of a document are told at once, each with file, line, what is wrong, and the fix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from devices.corrections import Location, correction
from devices.instants import parse_instant, parse_span

T = TypeVar("T")
MOST_DEPTH = 40
_INTEGER = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same language, ten times as fast where libyaml was built in


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend in a configuration file."""

    file: str
    line: int | None
    """From 1; None where the text is not at hand."""
    where: str
    """For example `stations[2].thresholds[0].levels`."""
    message: str
    """What is wrong, and the fix."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.where}: {self.message}" if self.where else f"{place}: {self.message}"


class ConfigurationError(Exception):
    """A configuration that cannot be used; carries every problem that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Document:
    """The content of one file, as plain values."""

    name: str
    """Relative to the folder of the city: `stations.yaml`, `rules/river-levels.yaml`."""
    content: Any
    lines: Mapping[Location, int] = field(default_factory=dict)
    """Location -> line from 1; empty where unknown."""

    def line(self, location: Iterable[str | int]) -> int | None:
        """Give the line of the innermost part of a location that stands in the text."""
        found: Location = ()
        for part in location:
            if (*found, part) in self.lines:
                found = (*found, part)
        return self.lines.get(found)

    def problem(self, location: Iterable[str | int], message: str) -> Problem:
        """Give a problem at a location of this document; the message says what is wrong and the fix."""
        parts = tuple(location)
        return Problem(self.name, self.line(parts), written(parts), message)


Documents: TypeAlias = Mapping[str, Document]
"""By file name."""


class Form(BaseModel):
    """A part of a configuration file: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _span(value: object) -> object:
    return parse_span(value) if isinstance(value, str) else _refuse(value, "a span of time with its unit, for example '10 min' or '6 h'")


def _instant(value: object) -> object:
    return parse_instant(value) if isinstance(value, str) else _refuse(value, "an instant such as 2025-10-26T06:00:00+07:00, in quotes")


def _refuse(value: object, wanted: str) -> object:
    raise ValueError(f"is {value!r}; write {wanted}")


SpanText = Annotated[int, BeforeValidator(_span)]
"""A field written as `10 min`, held as microseconds."""
InstantText = Annotated[int, BeforeValidator(_instant)]
"""A field written as RFC 3339 with an offset, held as microseconds since 1970 UTC."""


def written(location: Iterable[str | int]) -> str:
    """Give a location as people write it: `stations[2].name.vi`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


# ---- text -> plain values


def read_yaml(name: str, text: str) -> Document:
    """
    Read a YAML text.

    Args:
        name: of the file, for messages.
        text: a single document.

    Returns:
        The plain values, with the line of each.

    Raises:
        ConfigurationError: for a syntax error, a field given twice, an alias, a foreign tag, or more than 40 levels.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        what = f"{error.problem or error.context}; check indentation, colons and quotes on this line and the one before"
        raise ConfigurationError([Problem(name, line, "", f"this is not YAML: {what}")]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError([Problem(name, None, "", f"this is not YAML: {error}; save the file as plain UTF-8 text")]) from error
    reading = _Reading(name)
    content = None if root is None else reading.value(root, ())
    if reading.problems:
        raise ConfigurationError(reading.problems)
    return Document(name, content, reading.lines)


class _Reading:
    """Turns the nodes of one YAML document into plain values, and notes lines and problems on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Location, int] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, location: Location) -> Any:
        self.lines.setdefault(location, node.start_mark.line + 1)
        if id(node) in self._seen:
            return self._refuse(node, location, "an alias (*name) is not read here; write the value out again")
        if len(location) > MOST_DEPTH:
            return self._refuse(node, location, f"more than {MOST_DEPTH} levels of nesting; make the file flatter")
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith("tag:yaml.org,2002:python"):
            return self._refuse(node, location, f"the tag {node.tag} is not read here; remove it")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(key, location, "a field needs a plain name before its colon")
                continue
            place = (*location, key.value)
            if key.value in found:
                first = self.lines[place]
                self._refuse(key, place, f"the field {key.value!r} is given twice (first in line {first}); keep one of them")
                continue
            self.lines[place] = key.start_mark.line + 1
            found[key.value] = self.value(value, place)
        return found

    def _refuse(self, node: yaml.Node, location: Location, message: str) -> None:
        self.problems.append(Problem(self.name, node.start_mark.line + 1, written(location), message))


def _scalar(node: yaml.Node) -> str | int | float | bool | None:
    text: str = node.value
    if getattr(node, "style", None):
        return text
    if text.lower() in _WORDS and text in {text.lower(), text.upper(), text.capitalize()}:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text) and len(text) < 1000:
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def read_json(name: str, text: str) -> Document:
    """Read a JSON text with the same rules; raises ConfigurationError. Lines are not known."""
    try:
        return Document(name, json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise ConfigurationError([Problem(name, line, "", f"this is not JSON as it is read here: {error}")]) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the field {twice!r} is given twice; keep one of them")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number; write null or leave the field out")


# ---- plain values -> checked values


def validated(model: type[T] | TypeAdapter[T], document: Document) -> T:
    """
    Check a document against a model.

    Args:
        model: a pydantic model, or an adapter of any type.
        document: as read.

    Returns:
        The checked value.

    Raises:
        ConfigurationError: with one problem for each thing that does not fit.
    """
    adapter = model if isinstance(model, TypeAdapter) else TypeAdapter(model)
    if document.content is None:
        raise ConfigurationError([document.problem((), "the file is empty; write its fields, or remove the file")])
    try:
        return adapter.validate_python(document.content)
    except ValidationError as error:
        problems = [_problem(document, detail, adapter) for detail in error.errors(include_url=False)]
        raise ConfigurationError(dict.fromkeys(problems)) from error


def _problem(document: Document, detail: ErrorDetails, adapter: TypeAdapter[Any]) -> Problem:
    return document.problem(detail["loc"], correction(detail, adapter._type))
