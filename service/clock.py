"""
The clocks of the programs: real time, or a rehearsal's.

Rule 1: whatever belongs to the world (observed_at, received_at, ticks, expiry, schedules) uses a Clock.
Rule 2: whatever belongs to machines (keepalive, time-outs, leases, retries) uses `time.monotonic` or `time.time` and never a Clock.
Rule 3: a rehearsal's clock is one anchor in a file of the data directory, so that it survives restarts and all programs agree.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Protocol

from devices.instants import SECOND, Instant, Span

ANCHOR = "rehearsal.json"
HELD: Instant = 1 << 60
"""Where a rehearsal is anchored that has not begun: some 36,000 years from now."""


class Clock(Protocol):
    """Tells the instant; `speed` says how many of its seconds pass in a real one."""

    @property
    def speed(self) -> float: ...  # noqa: D102

    def __call__(self) -> Instant: ...  # noqa: D102

    def real_at(self, at: Instant) -> Instant: ...  # noqa: D102

    def world_at(self, real_at: Instant) -> Instant: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class RealClock:
    """The time of the machine."""

    speed: float = 1.0

    def __call__(self) -> Instant:
        """Give the present instant."""
        return time.time_ns() // 1000

    def real_at(self, at: Instant) -> Instant:
        """Give what the machine's clock says at an instant."""
        return at

    def world_at(self, real_at: Instant) -> Instant:
        """Give the instant at which the machine's clock says so."""
        return real_at


@dataclass(frozen=True, slots=True)
class RehearsalClock:
    """A world that starts at `start_at` when the machine's clock says `anchored_at`, and runs `speed` times as fast; before that, it stands."""

    start_at: Instant
    anchored_at: Instant
    speed: float

    def __call__(self) -> Instant:
        """Give the present instant of the rehearsal."""
        return self.world_at(time.time_ns() // 1000)

    def real_at(self, at: Instant) -> Instant:
        """Give what the machine's clock says when the rehearsal has surely reached an instant (up to 2 us after it)."""
        return self.anchored_at + ceil((at - self.start_at) / self.speed) + 1

    def world_at(self, real_at: Instant) -> Instant:
        """Give the instant of the rehearsal at which the machine's clock says so."""
        return self.start_at + int(max(0, real_at - self.anchored_at) * self.speed)


class HeldClock:
    """A rehearsal that stands at its start until it is let go (a new anchor is written); from then on, that rehearsal's clock."""

    def __init__(self, data: Path) -> None:
        self._path = data / ANCHOR
        self._clock = _read(self._path)

    @property
    def speed(self) -> float:
        """Give how many of its seconds pass in a real one, once it goes."""
        return self._clock.speed

    @property
    def stands(self) -> bool:
        """Tell whether it has not been let go."""
        return self._let_go().anchored_at == HELD

    def __call__(self) -> Instant:
        """Give the present instant of the rehearsal."""
        return self._let_go()()

    def real_at(self, at: Instant) -> Instant:
        """Give what the machine's clock says at an instant; far in the future while it stands."""
        return self._let_go().real_at(at)

    def world_at(self, real_at: Instant) -> Instant:
        """Give the instant at which the machine's clock says so."""
        return self._let_go().world_at(real_at)

    def _let_go(self) -> RehearsalClock:
        if self._clock.anchored_at == HELD:
            self._clock = _read(self._path)
        return self._clock


def hold(data: Path, start_at: Instant, speed: float) -> None:
    """Prepare a rehearsal: its clock stands at the start until `anchor`, so that nothing happens before its programs are there."""
    _write(data, RehearsalClock(start_at, HELD, speed))


def anchor(data: Path, start_at: Instant, speed: float) -> RehearsalClock:
    """Start a rehearsal now: write its anchor into the data directory, and give its clock."""
    clock = RehearsalClock(start_at, time.time_ns() // 1000, speed)
    _write(data, clock)
    return clock


def clock_of(data: Path) -> Clock:
    """Give the clock of a data directory: the rehearsal's where there is an anchor, else the real one."""
    path = data / ANCHOR
    if not path.exists():
        return RealClock()
    clock = _read(path)
    return HeldClock(data) if clock.anchored_at == HELD else clock


def _write(data: Path, clock: RehearsalClock) -> None:
    draft = data / f"{ANCHOR}.new"
    draft.write_text(json.dumps(asdict(clock)))
    draft.replace(data / ANCHOR)


def _read(path: Path) -> RehearsalClock:
    return RehearsalClock(**json.loads(path.read_text()))


def slack_of(clock: Clock) -> Span:
    """
    Give what is added to patience and currency: half a second of the machine, in the world's time, where the world runs faster.

    Two intervals of ten minutes pass in a third of a second at 3,600 times the pace; a machine that stalls for so long is no silent gauge.
    In real time it is 0.
    """
    return int((clock.speed - 1) * SECOND / 2)
