"""
From what a server of InfluxDB answered, or did not, to what a writer does about it.

Rule 1: nothing that is said of a request as a whole costs a reading: only an answer that is about lines makes a line suspect.
Rule 2: no answer is no answer: the lines may have been written or not, so the same bytes go again.
Rule 3: what only a person can mend carries the fix in words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from urllib3.exceptions import SSLError

T = TypeVar("T")

LONGEST_REST = 300.0
"""Seconds; what a server asks for beyond it is not believed."""
_UNREADABLE = "unable to parse '"
_DROPPED = re.compile(r"dropped=([0-9]+)")


class Course(StrEnum):
    """What to do about an answer."""

    SPLIT = "split"
    """Some line is bad: write the others, and put it aside."""
    HALVE = "halve"
    """Too many bytes at once."""
    WAIT = "wait"
    """Send the same bytes again, later."""
    MEND = "mend"
    """Send the same bytes again, later; until then somebody has to mend something."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why lines were not written."""

    course: Course
    what: str
    fix: str = "nothing needs to be done: it goes on by itself when the server answers"
    rest: float = 0.0
    """Seconds of rest that the server asks for."""
    is_unknown: bool = False
    """Whether the lines may have been written all the same, even later than now."""


_TOKEN = "run `canhbao archive init`, or give a token that may write the bucket as CANHBAO_INFLUX__TOKEN_FILE"  # noqa: S105 - a sentence
_MENDS = {
    401: _TOKEN,
    403: _TOKEN,
    404: "set CANHBAO_INFLUX__ORG and CANHBAO_INFLUX__BUCKET to what is there, or run `canhbao archive init`, which makes them",
}
_URL = "CANHBAO_INFLUX__URL must be the address of a server of InfluxDB 2, for example http://127.0.0.1:8086"
NO_TOKEN = Failure(Course.MEND, "there is no token for InfluxDB", _TOKEN)


def failure_of(status: int, message: str, retry_after: str | None = None) -> Failure:
    """
    Judge an answer that is not 2xx.

    Args:
        status: of HTTP; 0 where the connection could not be made safe (TLS).
        message: what the server said.
        retry_after: its header `Retry-After`; only seconds are understood.
    """
    what = f"InfluxDB answers {status}: {message.strip() or 'without a reason'}"
    if status == 422 or (status == 400 and _UNREADABLE in message):
        return Failure(Course.SPLIT, message.strip())
    if status == 413:
        return Failure(Course.HALVE, what, "raise the largest body that the server, or a proxy before it, takes")
    if status in {408, 429} or status >= 500:
        return Failure(Course.WAIT, what, rest=_seconds(retry_after), is_unknown=status >= 500)
    if status == 0:
        return Failure(
            Course.MEND, f"InfluxDB cannot be trusted: {message}", "set CANHBAO_INFLUX__CA to the certificates that sign its own"
        )
    return Failure(Course.MEND, what, _MENDS.get(status, _URL))


def unanswered(error: Exception) -> Failure:
    """Judge a connection that was refused, timed out, was cut, or could not be made safe."""
    if isinstance(error, SSLError):
        return failure_of(0, str(error))
    return Failure(
        Course.WAIT,
        f"InfluxDB does not answer: {error}",
        "see whether it runs, and whether CANHBAO_INFLUX__URL is its address",
        is_unknown=True,
    )


def all_are_refused(failure: Failure, lines: int) -> bool:
    """Tell whether an answer of the course SPLIT is about each of so many lines."""
    dropped = _DROPPED.search(failure.what)
    return lines == 1 or (dropped is not None and int(dropped[1]) == lines)


def parts_of(lines: Sequence[T], texts: Sequence[bytes], failure: Failure) -> list[Sequence[T]]:
    """
    Divide lines that were not written, in their order except for those that the server names as unreadable: these come last, each alone.

    Args:
        lines: two or more.
        texts: of these lines.
        failure: of the course SPLIT or HALVE.
    """
    named = _named(failure.what) if failure.course is Course.SPLIT else frozenset()
    suspects = [line for line, text in zip(lines, texts, strict=True) if text.strip() in named]
    if suspects:
        others = [line for line, text in zip(lines, texts, strict=True) if text.strip() not in named]
        return [part for part in (others, *([each] for each in suspects)) if part]
    half = len(lines) // 2
    return [lines[:half], lines[half:]]


def _named(message: str) -> frozenset[bytes]:
    """Give the lines that an answer 400 quotes; one that has a quotation mark in it may be missing, and is found by halving."""
    return frozenset(part.partition("': ")[0].encode() for part in message.split(_UNREADABLE)[1:])


def _seconds(retry_after: str | None) -> float:
    return min(float(retry_after), LONGEST_REST) if retry_after is not None and retry_after.strip().isdecimal() else 0.0
