"""
What can go wrong with a disk, and with who takes the readings off it -> the runs of the family `disk`.

Rule 1: what this machine cannot try is said in the report under its name; it is no claim that anything holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from rig.report import Result
from torture import faulty_disk, full_disk, store_away


def runs(short: bool) -> Iterator[Callable[[], Result]]:
    """Give the runs that can be tried here."""
    away = store_away.SHORT if short else store_away.LONG
    yield partial(store_away.run, away, judge_speed=not short)
    yield partial(store_away.run, away, frozen=True, judge_speed=not short)
    yield _possible(full_disk.lacking(), "a full disk", partial(full_disk.run, full_disk.SHORT if short else full_disk.LONG))
    cases = faulty_disk.SHORT if short else faulty_disk.LONG
    yield _possible(faulty_disk.lacking(), "errors of writing and of fsync", partial(faulty_disk.run, cases))


def _possible(lacking: str, title: str, run: Callable[[], Result]) -> Callable[[], Result]:
    return partial(not_tried, title, lacking) if lacking else run


def not_tried(title: str, why: str) -> Result:
    """Say that something was not tried."""
    result = Result(f"NOT TRIED: {title}")
    result.claim(f"nothing is claimed here: {why}", ok=True)
    return result
