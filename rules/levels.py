"""
Turn the readings of one gauge into changes of alarm level.

Rule 1: no clock and no I/O; time arrives with the reading.
Rule 2: `step` is the whole meaning of the rule. Everything else only decides when to call it.
Rule 3: each level is a small machine of its own: on from `confirm` readings in a row at or above it, until `hold` readings in a row
        below its margin. What is announced is the highest that is on.
Rule 4: a state names the band of values that cannot change it, so that the usual reading costs one comparison.
Rule 5: where no levels are in force nothing is judged, and what stands is left alone: an end is said by readings only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import inf
from typing import TypeAlias

from devices.instants import Instant, Span
from rules.changes import Change, Kind, change_id

Band: TypeAlias = tuple[float, float]
"""An open interval of values."""
Previous: TypeAlias = tuple[Instant, float] | None
"""The accepted reading before, by `observed_at`."""
EMPTY: Band = (inf, -inf)
WHOLE: Band = (-inf, inf)


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
    codes: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", tuple(level.code for level in self.levels))


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


BEGINNING = State()
"""Where every gauge begins."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose level it is; goes into every change."""

    rule: str
    station: str
    quantity: str
    device: str


def step(place: Place, ladder: Ladder, state: State, previous: Previous, at: Instant, value: float) -> tuple[State, Change | None]:
    """
    Fold one reading, in order of observation, onto the state.

    Args:
        place: for the change.
        ladder: the levels in force at `at`.
        state: after the reading before; of this ladder or of an earlier one.
        previous: the accepted reading before, whether or not it changed anything.
        at: `observed_at` of the reading.
        value: finite.

    Returns:
        The state after it (the same object where nothing moved), and the change of the announced level, if any.
    """
    if not ladder.levels:
        return state, None
    state = align(ladder, state)
    on, counts = _turn(ladder, state, previous, at, value)
    level = _highest(on)
    if level != state.level:
        return _move(place, state, (ladder.codes, on, counts), level, at, value)
    peak, peak_at = state.peak, state.peak_at
    if level and (peak is None or value > peak):
        peak, peak_at = value, at
    elif counts == state.counts and on == state.on:
        return state, None
    ids = state.opened_id, state.opened_at, state.level_id, state.level_at
    return State(level, ladder.codes, on, counts, *ids, peak, peak_at), None


def quiet_band(ladder: Ladder, state: State) -> Band:
    """Give the open interval of values that leave `state` as it is, whenever they come and whatever came before them."""
    if not ladder.levels:
        return WHOLE
    state = align(ladder, state)
    if any(state.counts) or state.level != _highest(state.on):
        return EMPTY
    low, high = WHOLE
    for level, is_on in zip(ladder.levels, state.on, strict=True):
        if is_on:
            low = max(low, level.clear_below)
        else:
            high = min(high, level.raise_at)
    return low, high if state.peak is None else min(high, state.peak)


def align(ladder: Ladder, state: State) -> State:
    """
    Carry a state over to levels that have changed: a level keeps its state by its code, and one that is new is off.

    The announced level keeps its code too, so its number may change. Where it is gone its old number stays, and the levels up to it are
    on: what stood is left as any level is, by readings below its margin.
    """
    codes = ladder.codes
    if state.codes == codes or not codes:
        return state
    if state is BEGINNING:
        return _begun(codes)
    kept = dict(zip(state.codes, zip(state.on, state.counts, strict=True), strict=True))
    pairs = [kept.get(code, (False, 0)) for code in codes]
    announced = state.codes[state.level - 1] if 0 < state.level <= len(state.codes) else None
    is_kept = announced is None or announced in codes
    level = codes.index(announced) + 1 if announced in codes else state.level
    on = tuple(was or (not is_kept and number <= level) for number, (was, _) in enumerate(pairs, start=1))
    return replace(state, level=level, codes=codes, on=on, counts=tuple(count for _, count in pairs))


@lru_cache(maxsize=1 << 10)
def _begun(codes: tuple[str, ...]) -> State:
    return State(0, codes, (False,) * len(codes), (0,) * len(codes))


def afresh(state: State) -> State:
    """Forget what was waiting to change the state."""
    return replace(state, counts=(0,) * len(state.counts))


def _turn(ladder: Ladder, state: State, previous: Previous, at: Instant, value: float) -> tuple[tuple[bool, ...], tuple[int, ...]]:
    """Give which levels are on after a reading, and their counts."""
    in_a_row = previous is not None and at - previous[0] <= ladder.max_gap
    on, counts = list(state.on), list(state.counts)
    for index, level in enumerate(ladder.levels):
        was = on[index]
        if not (value < level.clear_below if was else value >= level.raise_at):
            counts[index] = 0
            continue
        count = counts[index] + 1 if in_a_row else 1
        if count >= (level.hold if was else level.confirm) or (not was and _at_once(ladder.at_once, index + 1, previous, at, value)):
            on[index], count = not was, 0
        counts[index] = count
    return tuple(on), tuple(counts)


def _at_once(rule: AtOnce | None, number: int, previous: Previous, at: Instant, value: float) -> bool:
    """Tell whether one reading is enough for the level of this number."""
    if rule is None or rule.level != number or previous is None or value < rule.value:
        return False
    return previous[1] >= rule.if_previous and at - previous[0] <= rule.within


def _highest(on: tuple[bool, ...]) -> int:
    number = len(on)
    while number and not on[number - 1]:
        number -= 1
    return number


def _move(
    place: Place, state: State, machines: tuple[tuple[str, ...], tuple[bool, ...], tuple[int, ...]], level: int, at: Instant, value: float
) -> tuple[State, Change]:
    """Announce another level."""
    kind = _kind(state.level, level)
    peak, peak_at = (value, at) if state.peak is None or value > state.peak else (state.peak, state.peak_at)
    number = change_id(place.rule, place.station, place.quantity, kind, level, at)
    change = Change(number, place.rule, place.station, place.quantity, place.device, kind, level, state.level, at, value, peak)
    if kind is Kind.CLEAR:
        return State(level, *machines, level_id=number, level_at=at), change
    opened = (number, at) if kind is Kind.RAISE else (state.opened_id, state.opened_at)
    return State(level, *machines, *opened, number, at, peak, peak_at), change


def _kind(was: int, level: int) -> Kind:
    if not was:
        return Kind.RAISE
    if not level:
        return Kind.CLEAR
    return Kind.STEP_UP if level > was else Kind.STEP_DOWN
