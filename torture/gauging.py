"""
Running programs and a data folder -> samples of memory, descriptors, threads and files, and how they move.

Rule 1: what happened before the warm-up was over is left out of every slope.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from itertools import combinations
from statistics import fmean, linear_regression, median

from rig.footprint import Sample, sample_of, sizes
from rig.town import Town

HOUR = 3_600.0


class Gauging:
    """Takes samples in a thread of its own, for as long as `with` lasts."""

    def __init__(self, town: Town, every: float) -> None:
        self._town, self._every = town, every
        self._pids = {name: process.pid for name, process in town.running.items()}
        self._over, self._start = threading.Event(), time.monotonic()
        self.samples: dict[str, list[Sample]] = {name: [] for name in self._pids}
        self.files: list[tuple[float, dict[str, int]]] = []
        """(seconds since the beginning, name -> bytes)"""
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Gauging:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(self._every):
            at = time.monotonic() - self._start
            for name, pid in self._pids.items():
                if (sample := sample_of(pid, at)) is not None:
                    self.samples[name].append(sample)
            self.files.append((at, sizes(self._town.data)))


def after(samples: list[Sample], warm: float) -> list[Sample]:
    """Leave out the warm-up."""
    return [sample for sample in samples if sample.at >= warm]


def slope(samples: list[Sample]) -> float:
    """
    Give by which part of itself memory grows in an hour; 0 where there are too few samples.

    The median of the slopes between each two samples (Theil 1950, Sen 1968): a straight line through all would call it growth where a cache was empty
    for some minutes early on, or where one burst came late; what grows on and on is in most of the pairs.
    """
    if len(samples) < 3:
        return 0.0
    slopes = ((later.memory - earlier.memory) / (later.at - earlier.at) for earlier, later in combinations(samples, 2))
    return median(slopes) * HOUR / fmean(sample.memory for sample in samples)


def line(samples: list[Sample]) -> float:
    """Give the same by a straight line through all samples, in which each burst and each cache that was emptied counts."""
    if len(samples) < 3:
        return 0.0
    fitted = linear_regression([sample.at for sample in samples], [sample.memory for sample in samples])
    return fitted.slope * HOUR / fmean(sample.memory for sample in samples)


def more(counts: list[int]) -> float:
    """Give by how much the last quarter of some counts lies above the first, by their medians."""
    quarter = max(1, len(counts) // 4)
    return median(counts[-quarter:]) - median(counts[:quarter]) if counts else 0.0


def growth(files: list[tuple[float, dict[str, int]]], warm: float) -> Mapping[str, int]:
    """Give by how many bytes each file grew after the warm-up, the largest later size counted."""
    later = [found for at, found in files if at >= warm]
    return {name: max(found.get(name, 0) for found in later) - size for name, size in later[0].items()} if later else {}
