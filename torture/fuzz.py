"""
A number of cases and a seed -> how many of them went wrong, which, and how long the slowest took. `trials.py` says what a case is.

Rule 1: the same seed gives the same cases, by however many processes: cases come in chunks, each with its own chance and its own small city.
Rule 2: an exception is a failure, and so is an answer that takes longer than its limit three times in a row; once or twice, the machine paused.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate
from multiprocessing import get_context
from random import Random
from typing import Any

from rig.report import Result, timed
from torture.trials import Trial, trials

LIMIT = 0.050
"""Seconds for a case, where nothing else is said."""
CHUNK = 5_000
PROCESSES = 2
Chunk = tuple[int, int, int, float]
"""Seed, number of the chunk, cases, seconds for a case."""
SHOWN = 20
"""Failures that are told in full."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that went wrong."""

    kind: str
    seed: int
    chunk: int
    number: int
    """In its chunk."""
    what: str
    given: str
    """The beginning of it."""

    def __str__(self) -> str:
        return f"{self.kind}, seed {self.seed}, chunk {self.chunk}, case {self.number}: {self.what}; given {self.given}"


@dataclass(slots=True)
class Tally:
    """What became of some cases."""

    cases: Counter[str] = field(default_factory=Counter)
    """By kind."""
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    """The first of them."""
    slowest: dict[str, float] = field(default_factory=dict)
    """Seconds, by kind; the best of three where the first was above the limit."""
    seconds: float = 0.0
    """That all of it took."""

    def add(self, other: Tally) -> None:
        """Take in what another one counted."""
        self.cases += other.cases
        self.failed += other.failed
        self.failures = [*self.failures, *other.failures][:SHOWN]
        self.slowest = {kind: max(self.slowest.get(kind, 0.0), other.slowest.get(kind, 0.0)) for kind in {*self.slowest, *other.slowest}}


def fuzz(cases: int, seed: int = 1, processes: int = PROCESSES, limit: float = LIMIT) -> Tally:
    """Try so many cases, in whole chunks (a single smaller one where fewer are asked for)."""
    chunks = [(seed, number, min(CHUNK, cases), limit) for number in range(max(1, cases // CHUNK))]
    start, total = time.monotonic(), Tally()
    for tally in _counted(chunks, processes):
        total.add(tally)
    total.seconds = time.monotonic() - start
    return total


def _counted(chunks: list[Chunk], processes: int) -> Iterator[Tally]:
    if processes == 1:
        yield from map(count_chunk, chunks)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(count_chunk, chunks)


def count_chunk(given: Chunk) -> Tally:
    """Try the cases of a chunk."""
    seed, number, cases, limit = given
    chance, kinds, tally = Random(f"{seed} {number}"), trials(), Tally()
    bounds = [*accumulate(kind.share for kind in kinds)]
    for case in range(cases):
        drawn = chance.random()
        kind = next((kind for kind, bound in zip(kinds, bounds, strict=True) if drawn < bound), kinds[-1])
        made = kind.make(chance)
        took, what = tried(kind, made, limit)
        tally.cases[kind.name] += 1
        tally.slowest[kind.name] = max(took, tally.slowest.get(kind.name, 0.0))
        if what:
            tally.failed += 1
            tally.failures.append(Failure(kind.name, seed, number, case, what, repr(made)[:300]))
    tally.failures = tally.failures[:SHOWN]
    return tally


def tried(kind: Trial, made: Any, limit: float = LIMIT) -> tuple[float, str]:
    """Try a case: seconds of the processor, for others may have it meanwhile, and what is wrong with it."""
    try:
        took, found = _once(kind, made)
        what = kind.judge(made, found)
        if took > limit:
            took = min(took, *(_once(kind, made)[0] for _ in range(2)))
    except Exception as error:
        cause = error.__cause__ or error
        return 0.0, f"{type(error).__name__}, {type(cause).__name__}: {cause}"
    return took, what or ("" if took <= limit else f"takes {took * 1e3:.0f} ms")


def _once(kind: Trial, made: Any) -> tuple[float, Any]:
    start = time.thread_time()
    found = kind.act(made)
    return time.thread_time() - start, found


def run(cases: int = 2_000_000, seed: int = 1, processes: int = PROCESSES, limit: float = LIMIT) -> Result:
    """Try so many cases, and claim that none went wrong, nor took longer than `limit` in seconds."""
    title = f"fuzzing of decode, take, frames and lines, seed {seed}"
    return timed(title, lambda result: _claimed(result, fuzz(cases, seed, processes, limit), cases, limit))


def _claimed(result: Result, tally: Tally, wanted: int, limit: float) -> None:
    done = tally.cases.total()
    result.claim("every case was tried", done >= wanted - CHUNK, f"{done:,} of {wanted:,}")
    result.claim(f"no case went wrong or took longer than {limit * 1e3:g} ms", tally.failed == 0, _told(tally.failed, tally.failures))
    result.figures["cases"] = done
    result.figures["cases/s"] = round(done / tally.seconds)
    result.figures["failures"] = tally.failed
    result.figures |= {f"{kind}: cases": cases for kind, cases in sorted(tally.cases.items())}
    result.figures |= {f"{kind}: slowest, ms": round(seconds * 1e3, 2) for kind, seconds in sorted(tally.slowest.items())}


def _told(failed: int, failures: Iterable[Failure]) -> str:
    return f"{failed} failed" + "".join(f"\n  {failure}" for failure in failures)
