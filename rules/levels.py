"""
Turn the readings of one gauge into changes of alarm level.

Rule 1: no clock and no I/O; time arrives with the reading.
Rule 2: `step` is the whole meaning of the rule. Everything else only decides when to call it.
Rule 3: each level is a small machine of its own: on from `confirm` readings in a row at or above it, until `hold` readings in a row
        below its margin. What is announced is the highest that is on.
Rule 4: a state names the band of values that cannot change it, so that the usual reading costs one comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TypeAlias

from devices.instants import Instant, Span
from rules.changes import Change, Kind, change_id

Band: TypeAlias = tuple[float, float]
"""An open interval of values."""
Previous: TypeAlias = tuple[Instant, float] | None
"""The accepted reading before, by `observed_at`."""
EMPTY: Band = (inf, -inf)


@dataclass(frozen=True, slots=True)
class Level:
    """One level as a rule judges it, in the unit of the quantity."""

    code: str
    raise_at: float
    """Reached at or above this (official practice counts equality)."""
    clear_below: float
    """Left only by values below this."""
    confirm: int
    hold: int


@dataclass(frozen=True, slots=True)
class AtOnce:
    """When a single reading is enough for a level."""

    level: int
    """Number of the level that is raised, from 1."""
    value: float
    """At or above this ..."""
    if_previous: float
    """... where the reading before was at or above this ..."""
    within: Span
    """... and no longer ago than this."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """The levels of a gauge that are in force together, from the lowest."""

    levels: tuple[Level, ...]
    max_gap: Span
    """Two readings farther apart than this are not in a row."""
    at_once: AtOnce | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Where a gauge stands: what is announced, and what is waiting to change it."""

    level: int = 0
    """The announced one, 0 for none."""
    codes: tuple[str, ...] = ()
    on: tuple[bool, ...] = ()
    counts: tuple[int, ...] = ()
    """By level: readings in a row that speak for changing it."""
    opened_id: str | None = None
    opened_at: Instant | None = None
    level_id: str | None = None
    level_at: Instant | None = None
    peak: float | None = None
    """Highest value since the raise; None while no level is announced."""
    peak_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Whose level it is; goes into every change."""

    rule: str
    station: str
    quantity: str
    device: str


def step(place: Place, ladder: Ladder, state: State, previous: Previous, at: Instant, value: float) -> tuple[State, Change | None]:
    """Fold one reading, in order of observation, onto the state."""
    state = align(ladder, state)
    in_a_row = previous is not None and at - previous[0] <= ladder.max_gap
    on, counts = _turn(ladder, state, previous, in_a_row, at, value)
    level = _highest(on)
    peak, peak_at = state.peak, state.peak_at
    if (level or state.level) and (peak is None or value > peak):
        peak, peak_at = value, at
    state = replace(state, on=on, counts=counts, peak=peak if level else None, peak_at=peak_at if level else None)
    if level == state.level:
        return state, None
    return _move(place, state, level, at, value, peak)


def quiet_band(ladder: Ladder, state: State) -> Band:
    """Give the open interval of values that leave `state` as it is."""
    if any(state.counts) or state.codes != _codes(ladder) or _highest(state.on) != state.level:
        return EMPTY
    low = max((level.clear_below for level, on in zip(ladder.levels, state.on, strict=True) if on), default=-inf)
    high = min((level.raise_at for level, on in zip(ladder.levels, state.on, strict=True) if not on), default=inf)
    return low, high if state.peak is None else min(high, state.peak)


def align(ladder: Ladder, state: State) -> State:
    """Carry a state over to levels that have changed: a level keeps its state by its code. What is announced moves with a reading only."""
    codes = _codes(ladder)
    if state.codes == codes:
        return state
    kept = dict(zip(state.codes, zip(state.on, state.counts, strict=True), strict=True))
    pairs = [kept.get(code, (False, 0)) for code in codes]
    return replace(state, codes=codes, on=tuple(on for on, _ in pairs), counts=tuple(count for _, count in pairs))


def _codes(ladder: Ladder) -> tuple[str, ...]:
    return tuple([level.code for level in ladder.levels])


def _turn(
    ladder: Ladder, state: State, previous: Previous, in_a_row: bool, at: Instant, value: float
) -> tuple[tuple[bool, ...], tuple[int, ...]]:
    """Give which levels are on after a reading, and their counts. A level that is on implies those below it."""
    at_once = _at_once(ladder.at_once, previous, at, value)
    on, counts, implied = [], [], False
    for number in range(len(ladder.levels), 0, -1):
        level, was, count = ladder.levels[number - 1], state.on[number - 1], state.counts[number - 1]
        speaks = value < level.clear_below if was else value >= level.raise_at
        count = (count if in_a_row else 0) + 1 if speaks else 0
        flips = count >= (level.hold if was else level.confirm) or (not was and number <= at_once)
        is_on = was != flips or (implied and value >= level.raise_at)
        implied = implied or (is_on and not was)
        on.append(is_on)
        counts.append(0 if is_on != was else count)
    return tuple(reversed(on)), tuple(reversed(counts))


def _at_once(rule: AtOnce | None, previous: Previous, at: Instant, value: float) -> int:
    """Give the number of the level that one reading is enough for, 0 for none."""
    if rule is None or previous is None or value < rule.value:
        return 0
    return rule.level if previous[1] >= rule.if_previous and at - previous[0] <= rule.within else 0


def _highest(on: tuple[bool, ...]) -> int:
    return max((number for number, is_on in enumerate(on, start=1) if is_on), default=0)


def _move(place: Place, state: State, level: int, at: Instant, value: float, peak: float | None) -> tuple[State, Change]:
    """Announce another level."""
    if state.level == 0:
        kind = Kind.RAISE
    elif level == 0:
        kind = Kind.CLEAR
    else:
        kind = Kind.STEP_UP if level > state.level else Kind.STEP_DOWN
    number = change_id(place.rule, place.station, place.quantity, kind, level, at)
    change = Change(number, place.rule, place.station, place.quantity, place.device, kind, level, state.level, at, value, peak)
    opened_id, opened_at = (number, at) if kind is Kind.RAISE else (state.opened_id, state.opened_at)
    if kind is Kind.CLEAR:
        opened_id = opened_at = None
    return replace(state, level=level, level_id=number, level_at=at, opened_id=opened_id, opened_at=opened_at), change
