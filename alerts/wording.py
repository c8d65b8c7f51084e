"""The file of one language, as it is written: texts/<language>.yaml -> checked wording. Every text in it is a template of alerts/phrases.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from alerts.model import NoticeKind
from devices.documents import Form

Text = Annotated[str, Field(min_length=1)]


class Labels(Form):
    """What an exercise begins with, everywhere. It is put there by the code, so that no template can forget it."""

    label: Text
    title: Text
    body: Text
    short: Text


class Phrases(Form):
    """Parts of sentences."""

    clock: Text
    """From `time`, `day`, `month`, `year` and the list `months`."""
    clock_short: Text
    place: Text
    """From `station`."""
    place_river: Text
    """From `river` and `station`."""
    water: Text
    """From `river`, for short texts."""
    level: Text
    """From `number`: a level whose code has no name here."""
    unknown: Text
    """Where a fact is missing and no sentence can be left out."""
    passed: Text
    """This and the next from `level`."""
    reached: Text
    above: Text
    """This and the next three from `level`, `at` (its height) and `by`."""
    at: Text
    near: Text
    below: Text


class Trends(Form):
    """Whole sentences, from `rate`."""

    rising_fast: Text
    rising: Text
    steady: Text
    falling: Text


class LevelWords(Form):
    """What is said of one level."""

    name: Text
    meaning: Text
    act: Text
    """The one thing to do now."""
    brief: Text
    """The same in a few words, for an SMS."""


class OperatorsWording(Form):
    """Where operators are told otherwise than residents."""

    title: Text | None = None
    body: list[Text] | None = Field(default=None, min_length=1)
    short: list[Text] | None = Field(default=None, min_length=1)


class NoticeWording(Form):
    """One kind of notice about one family of quantities."""

    title: Text
    body: list[Text] = Field(min_length=1)
    """Names of sentences, in their order; a sentence that renders to nothing is left out."""
    short: list[Text] = Field(min_length=1)
    """From the fullest to the shortest: the first that goes into one SMS is taken."""
    operators: OperatorsWording = OperatorsWording()


class Wording(Form):
    """One language."""

    language: Annotated[str, Field(pattern="^[a-z]{2,3}$")]
    short_alphabet: Literal["ucs2", "gsm7"]
    """ucs2: short texts keep their diacritics, 70 letters. gsm7: they are written without, 160 letters."""
    decimal_mark: Literal[",", "."]
    months: Annotated[list[Text], Field(min_length=12, max_length=12)]
    exercise: Labels
    phrases: Phrases
    trends: Trends
    levels: dict[str, LevelWords]
    other_level: LevelWords
    """Of a level whose code is not among `levels`."""
    sentences: dict[str, Text]
    notices: dict[str, dict[NoticeKind, NoticeWording]]
    """By family of quantities (`FAMILIES` of alerts/facts.py) and kind."""
