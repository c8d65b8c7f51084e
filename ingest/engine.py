"""
The port through which ingest drives the rules. `rules.engine.Engine` fits it; ingest imports no other room than devices.

Rule 1: one thread calls all of this, so there are no locks.
Rule 2: all instants are arguments. Before readings received at R are observed, `tick(R)` has been called: so the freshness
        history of a replay is that of the first time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from devices.instants import Instant
from devices.registry import Sensor
from devices.verdicts import Verdict


class Said(Protocol):
    """A change joins (`issued`) or leaves (`withdrawn`) the standing set; see rules/changes.py."""

    @property
    def verb(self) -> Any: ...  # noqa: D102
    @property
    def change(self) -> Any: ...  # noqa: D102


class Outcome(Protocol):
    """What one reading did."""

    @property
    def verdict(self) -> Verdict: ...  # noqa: D102
    @property
    def said(self) -> Sequence[Said]: ...  # noqa: D102
    @property
    def other(self) -> float | None:
        """The known value that a WON_CONFLICT replaced, or that a LOST_CONFLICT lost to."""


class Memory(Protocol):
    """What is known of one sensor: its kept readings (the memory of identities), and what the rules make of them."""

    newest: Instant
    """`observed_at` of the newest accepted reading; a very small number before the first."""

    def observe(self, observed_at: Instant, value: float, rank: int, received_at: Instant) -> Outcome | None:
        """
        Take one accepted reading, in any order. None is the usual answer: new, and nothing changed.

        Args:
            observed_at: microseconds, whole milliseconds.
            value: in the unit of the quantity, finite.
            rank: (boot, seq) as one number, boot * 2**32 + seq; -1 where the device gives none. The higher wins a conflict.
            received_at: microseconds.
        """


class Engine(Protocol):
    """All rule state of a city."""

    def memory(self, sensor: Sensor) -> Memory:
        """Give what is known of a sensor of the registry; made empty at the first call."""

    def tick(self, now: Instant) -> Sequence[Said]:
        """
        Let time pass: sensors that have been silent too long become stale, then lost. Instants before an earlier one do nothing.

        Only so many are looked at in one call, the rest at the next ones, or when they are heard, or when hearing turns: what is said of
        a sensor, its instants included, does not depend on when.
        """

    def again(self, now: Instant, silent: Iterable[str]) -> Sequence[Said]:
        """
        Let time pass in a replay.

        Args:
            now: as of `tick`.
            silent: keys of sensors whose silence was told the first time, up to then. No other is looked at.
        """

    def hearing(self, at: Instant, hears: bool) -> Sequence[Said]:
        """Note that we cannot hear the broker (False), or can again with nothing waiting (True): silence is not judged meanwhile."""

    def rewind(self, at: Instant, latest: Instant) -> None:
        """
        Go back to an earlier instant, because the clock was wrong.

        Args:
            at: what was received after it counts as received then.
            latest: readings observed after it cannot be; they are not remembered any more. Levels stay as they are.
        """

    def dirty(self, most: int = 0) -> Iterable[Any]:
        """
        Give the Standing of each sensor of which something was said since the last call, or that was restored.

        Args:
            most: give so many more, at most, of sensors with a level whose values moved; in turn, so that none is forgotten.
        """

    def told(self) -> None:
        """Note that the Standings of all that was restored are known."""

    def snapshots(self, most: int) -> Iterable[tuple[str, bytes]]:
        """
        Give up to `most` (key, state) of sensors whose state moved since it was last given (or never was), the longest waiting first.

        The key is `station/quantity/device`. Fewer than `most`: now all is given.
        """

    def restore(self, key: str, state: bytes) -> None:
        """Bring one sensor to a state that `snapshots` gave. Unknown keys (a sensor that is gone) are ignored."""
