"""
Sensors that moved -> whom to tell, and what to keep.

Rule 1: a key waits in the place of its first move since it was taken, so the longest waiting comes first.
Rule 2: sensors between which a level has passed are kept together, before all others: no checkpoint knows one of them without the other.
"""

from __future__ import annotations

from itertools import islice


class Moves:
    """Keys of sensors that moved."""

    def __init__(self) -> None:
        self._to_keep: dict[str, None] = {}
        self._to_tell: dict[str, None] = {}
        self._together: dict[str, None] = {}

    def moved(self, key: str) -> None:
        """Note that the state of a sensor is not on the disk as it is."""
        self._to_keep[key] = None

    def moved_together(self, *keys: str) -> None:
        """Note that the states of these sensors must be kept at once."""
        self._together |= dict.fromkeys(keys)

    def is_kept(self, key: str) -> None:
        """Note that it is."""
        self._to_keep.pop(key, None)

    def told_of(self, key: str) -> None:
        """Note that what stands at a sensor is to be told."""
        self._to_tell[key] = None

    def take_to_keep(self, most: int) -> list[str]:
        """Give up to `most` keys of states to keep; more where more must be kept together."""
        keys = [*self._together, *islice((key for key in self._to_keep if key not in self._together), max(0, most - len(self._together)))]
        for key in keys:
            self._to_keep.pop(key, None)
        self._together.clear()
        return keys

    def take_to_tell(self) -> list[str]:
        """Give the keys of all sensors to tell of."""
        keys, self._to_tell = list(self._to_tell), {}
        return keys
