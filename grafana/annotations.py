"""
The warnings that residents were told, and what a Grafana shows of them -> what to add, amend and remove there.

Rule 1: the plan is level-triggered: it compares what should stand with what stands; nothing is remembered of what was sent. So a crash, an answer that was
        lost, a day without Grafana, or its database put back by a week end in the same annotations.
Rule 2: an annotation is ours, and of which alarm, by one tag alone: `alarm:<id>`, in an exercise `drill:<id>`. One without such a tag is never touched.
Rule 3: an alarm has one annotation. Where two are found (an answer came too late, and it was sent again), the older stays and the others go.
Rule 4: an alarm that stands reaches to the end of the present five minutes, and is moved on; one that ended reaches to its end.
Rule 5: Grafana knows milliseconds and takes texts for HTML: both are done here, so that what comes back is what was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias
from zoneinfo import ZoneInfo

from devices.instants import MILLISECOND, MINUTE, Instant, Span, to_datetime
from grafana.shipped import TAG

EXERCISE = ("exercise", "diễn tập")
"""On every annotation of an exercise."""
STEP: Span = 5 * MINUTE
"""An annotation of an alarm that stands is moved on so often."""
LANGUAGES = ("vi", "en")
MOST_TEXT = 4_000
"""Characters of a text."""


@dataclass(frozen=True, slots=True)
class Region:
    """What an annotation shows."""

    from_at: Instant
    to_at: Instant
    text: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Held:
    """An annotation that stands in Grafana."""

    id: int
    region: Region


@dataclass(frozen=True, slots=True)
class Said:
    """A notice as residents were told it."""

    at: Instant
    texts: Mapping[str, Mapping[str, str]]
    """By language: title and body."""


@dataclass(frozen=True, slots=True)
class Episode:
    """An alarm of which residents were told."""

    name: str
    """The tag by which its annotation is found again."""
    from_at: Instant
    to_at: Instant | None
    """None while it stands."""
    text: str
    tags: frozenset[str]
    """With the name."""

    def region(self, now: Instant) -> Region:
        """Give what its annotation shows at an instant."""
        from_at = _whole(self.from_at, MILLISECOND)
        reach = _whole(now, STEP) + STEP if self.to_at is None else _whole(self.to_at, MILLISECOND)
        return Region(from_at, max(from_at, reach), self.text, self.tags)


@dataclass(frozen=True, slots=True)
class Add:
    """It is not there, as far as is known: to be looked for by its name, then added."""

    name: str
    region: Region


@dataclass(frozen=True, slots=True)
class Amend:
    """It is there and shows something else."""

    id: int
    region: Region


@dataclass(frozen=True, slots=True)
class Remove:
    """It is there twice."""

    id: int


Verb: TypeAlias = Add | Amend | Remove


def plan(episodes: Sequence[Episode], held: Iterable[Held], now: Instant) -> list[Verb]:
    """
    Compare what should stand with what stands.

    Args:
        episodes: the alarms of which residents were told, in the order in which they are to be shown.
        held: the annotations of Grafana; those of other alarms, and of other people, are let be.
        now: the present instant, to which an alarm reaches that stands.

    Returns:
        The verbs, in the order of the alarms. Done, they leave nothing to do at the same instant.
    """
    names = {episode.name for episode in episodes}
    standing: dict[str, list[Held]] = {}
    for each in sorted(held, key=lambda one: one.id):
        if mine := names & each.region.tags:
            standing.setdefault(min(mine), []).append(each)
    return [verb for episode in episodes for verb in _verbs(episode, standing.get(episode.name, []), now)]


def name_of(alarm: str, *, is_exercise: bool) -> str:
    """Give the tag of an alarm. An exercise that replays a flood has the alarm ids of the real one, so its tags differ."""
    return f"{'drill' if is_exercise else 'alarm'}:{alarm}"


def tags_of(name: str, station: str, level: str | None, *, is_exercise: bool) -> frozenset[str]:
    """Give all tags of an annotation; the level is the highest that residents were told, where its code is known."""
    return frozenset((TAG, name, station, *((level,) if level else ()), *(EXERCISE if is_exercise else ())))


def text_of(said: Sequence[Said], time_zone: str) -> str:
    """Put what residents were told into one text: the newest notice in each language, then the titles of the earlier ones, the newest first."""
    newest, *earlier = sorted(said, key=lambda each: -each.at)
    whole = [f"{words['title']}\n{words['body']}" for language in LANGUAGES if (words := newest.texts.get(language))]
    zone = ZoneInfo(time_zone)
    lines = [f"{to_datetime(each.at).astimezone(zone):%H:%M %d/%m}  {_titles(each)}" for each in earlier]
    text = "\n\n".join([*whole, *(["\n".join(lines)] if lines else [])])
    return escape(text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…", quote=False)


def _titles(said: Said) -> str:
    return " / ".join(said.texts[language]["title"] for language in LANGUAGES if language in said.texts)


def _verbs(episode: Episode, standing: Sequence[Held], now: Instant) -> list[Verb]:
    wanted = episode.region(now)
    if not standing:
        return [Add(episode.name, wanted)]
    first, *others = standing
    amended: list[Verb] = [] if first.region == wanted else [Amend(first.id, wanted)]
    return [*amended, *(Remove(each.id) for each in others)]


def _whole(at: Instant, span: Span) -> Instant:
    return at // span * span
