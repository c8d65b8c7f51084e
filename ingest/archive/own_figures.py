"""
Figures about ourselves -> lines of InfluxDB, beside the readings and never among them.

Rule 1: no field is called `value`, `quality` or `received_at`, and no series has the tags of a reading alone: whoever asks for readings finds none here.
Rule 2: a figure that nobody knows is absent, never zero.
Rule 3: these lines are in no book and no balance; one that is lost is lost, the next comes soon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TypeAlias

from devices.instants import MILLISECOND, Instant

PREFIX = "canhbao_"
"""Of the measurements; no quantity begins so."""
OF_READINGS = frozenset({"value", "quality", "received_at"})
Number: TypeAlias = int | float

_SPECIAL = re.compile(r"[,= ]")


@dataclass(frozen=True, slots=True)
class Figure:
    """Some numbers that belong together."""

    name: str
    """Of the measurement, without the prefix."""
    numbers: Mapping[str, Number | None]
    """None where nobody knows. A number that may have decimals is always a float: InfluxDB refuses a field that changes its kind."""
    tags: Mapping[str, str] = field(default_factory=dict)


def lines_of(figures: Iterable[Figure], at: Instant) -> Iterator[str]:
    """
    Write figures as lines, their instant in milliseconds.

    Raises:
        ValueError: a number has a name that belongs to readings.
    """
    for figure in figures:
        if clash := OF_READINGS & figure.numbers.keys():
            raise ValueError(f"a figure must not be called {', '.join(clash)}: it would pass for a reading; give it another name")
        numbers = [f"{name}={_number(number)}" for name, number in figure.numbers.items() if number is not None and isfinite(number)]
        if numbers:
            tags = "".join(f",{name}={_escaped(text)}" for name, text in sorted(figure.tags.items()) if text)
            yield f"{PREFIX}{figure.name}{tags} {','.join(numbers)} {at // MILLISECOND}"


def _number(number: Number) -> str:
    return repr(number) if isinstance(number, float) else f"{int(number)}i"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text.replace("\n", " ").rstrip("\\"))
