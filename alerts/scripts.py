"""The wording of a language -> compiled templates, found by what a notice is about, what it says, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from jinja2 import Template

from alerts.model import Audience
from alerts.phrases import environment_of
from alerts.wording import NoticeWording, Wording

Place: TypeAlias = tuple[str | int, ...]
"""Where in the file a text stands."""


@dataclass(frozen=True, slots=True)
class Script:
    """The templates of one kind of notice to one audience."""

    title: Template
    body: tuple[Template, ...]
    short: tuple[Template, ...]
    """From the fullest to the shortest."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language, ready to speak."""

    wording: Wording
    scripts: Mapping[tuple[str, str, str], Script]
    """By family, kind and audience."""


@dataclass(frozen=True, slots=True)
class Texts:
    """All languages of a city, by code; the first is the one that the others are held against."""

    languages: Mapping[str, Language]


def language_of(wording: Wording) -> Language:
    """Compile the templates of a language."""
    compiled = cache(environment_of(wording).from_string)
    sentences = {name: compiled(text) for name, text in wording.sentences.items()}
    scripts: dict[tuple[str, str, str], Script] = {
        (family, kind.value, audience.value): _script(notice, audience, sentences, compiled)
        for family, kinds in wording.notices.items()
        for kind, notice in kinds.items()
        for audience in Audience
    }
    return Language(wording, scripts)


def _script(notice: NoticeWording, audience: Audience, sentences: Mapping[str, Template], compiled: Callable[[str], Template]) -> Script:
    own = notice.operators if audience is Audience.OPERATORS else None
    title = (own.title if own else None) or notice.title
    body = (own.body if own else None) or notice.body
    short = (own.short if own else None) or notice.short
    return Script(compiled(title), tuple(sentences[name] for name in body), tuple(compiled(text) for text in short))


def templates_of(wording: Wording) -> Iterator[tuple[Place, str]]:
    """Give every template of a file, with its place."""
    for part in ("phrases", "trends"):
        yield from (((part, name), text) for name, text in getattr(wording, part))
    yield from ((("sentences", name), text) for name, text in wording.sentences.items())
    for place, notice in notices_of(wording):
        yield (*place, "title"), notice.title
        yield from (((*place, "short", index), text) for index, text in enumerate(notice.short))
        if notice.operators.title:
            yield (*place, "operators", "title"), notice.operators.title
        yield from (((*place, "operators", "short", index), text) for index, text in enumerate(notice.operators.short or ()))


def bodies_of(wording: Wording) -> Iterator[tuple[Place, list[str]]]:
    """Give every list of sentences of a file, with its place."""
    for place, notice in notices_of(wording):
        yield (*place, "body"), notice.body
        if notice.operators.body:
            yield (*place, "operators", "body"), notice.operators.body


def notices_of(wording: Wording) -> Iterator[tuple[Place, NoticeWording]]:
    """Give every kind of notice of a file, with its place."""
    for family, kinds in wording.notices.items():
        yield from ((("notices", family, kind.value), notice) for kind, notice in kinds.items())
