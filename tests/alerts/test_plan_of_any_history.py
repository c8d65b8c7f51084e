"""
Any history of a place, revised by late readings, read in any batches, with a restart or a lost step anywhere: people end up believing what stands.

The world here is small and its own: levels of readings in order, late ones put in their place, changes folded anew each time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path

import pytest
from desk_town import INTERVAL, NOW, OPERATORS, RESIDENTS, RULE, Place, Reported, Town, standing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.desk import step
from alerts.ledger import reading
from alerts.ledger.migrating import migrate
from alerts.ledger.opening import ledger_url, open_ledger
from alerts.model import Audience, Notice, NoticeKind
from alerts.plan import OF_THE_PRESENT
from devices.instants import Instant
from rules.changes import Change, Kind, Phase, Said, Standing, Verb, change_id

FROM = {OPERATORS: 1, RESIDENTS: 2}
ENDS = {NoticeKind.ALL_CLEAR, NoticeKind.CORRECTION, NoticeKind.CLOSED}


@dataclass
class World:
    """One gauge: its readings as levels, and the changes that follow from them."""

    levels: dict[Instant, int] = field(default_factory=dict)
    standing_set: dict[str, Change] = field(default_factory=dict)
    received_at: Instant = NOW
    phase: Phase = Phase.FRESH

    def read(self, at: Instant, level: int, received_at: Instant) -> list[Said]:
        """Take a reading, late or not, and say what it changes."""
        self.levels[at] = level
        self.received_at, self.phase = received_at, Phase.FRESH
        after = {each.id: each for each in folded(self.levels)}
        gone = [Said(Verb.WITHDRAWN, each) for key, each in self.standing_set.items() if key not in after]
        new = [Said(Verb.ISSUED, each) for key, each in after.items() if key not in self.standing_set]
        self.standing_set = after
        return gone + new

    @property
    def stands(self) -> Standing:
        ordered = sorted(self.standing_set.values(), key=lambda each: each.at)
        last = ordered[-1] if ordered else None
        begun = next((each for each in reversed(ordered) if each.kind is Kind.RAISE), None)
        newest = max(self.levels)
        level = last.level if last else 0
        return standing(
            level,
            at=newest,
            received_at=self.received_at,
            opened_at=begun.at if begun and level else None,
            opened_id=begun.id if begun and level else None,
            level_id=last.id if last else None,
            level_at=last.at if last else None,
            phase=self.phase,
            phase_at=self.received_at,
        )


def folded(levels: dict[Instant, int]) -> Iterator[Change]:
    """Every step between two readings in order is a change."""
    ordered = [(min(levels) - INTERVAL, 0), *sorted(levels.items())]
    for (_, was), (at, level) in pairwise(ordered):
        if level != was:
            kind = Kind.CLEAR if not level else Kind.RAISE if not was else Kind.STEP_UP if level > was else Kind.STEP_DOWN
            yield Change(
                change_id(RULE, "bridge", "water_level", kind, level, at),
                RULE,
                "bridge",
                "water_level",
                "wl-bridge",
                kind,
                level,
                was,
                at,
                0.0,
                0.0,
            )


@dataclass(frozen=True)
class Event:
    level: int
    age: int
    """Intervals since it was observed, when it is received."""
    wait: int
    """Intervals of silence before it."""
    cut: bool
    """A step ends here."""
    lost: bool
    """That step is made twice, the first time without a commit."""
    restart: bool


events = st.lists(
    st.builds(
        Event,
        level=st.integers(0, 3),
        age=st.sampled_from([0, 0, 0, 0, 1, 2, 3, 6, 12]),
        wait=st.sampled_from([0, 0, 0, 0, 1, 5, 40]),
        cut=st.booleans(),
        lost=st.booleans(),
        restart=st.booleans(),
    ),
    min_size=1,
    max_size=18,
)


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a ledger with nothing in it, to copy: migrations take longer than a whole history."""
    path = tmp_path_factory.mktemp("blank") / "ledger.db"
    engine = open_ledger(ledger_url(path))
    migrate(engine)
    engine.dispose()
    return path


numbers = count()


def fresh_town(blank: Path) -> Town:
    path = blank.with_name(f"{next(numbers)}.db")
    shutil.copy(blank, path)
    return Town(path)


@dataclass(frozen=True)
class Moment:
    """What was so when a step was made."""

    notices: tuple[Notice, ...]
    level: int
    age: Instant
    """Of the newest reading."""


def play(town: Town, world: World, history: Sequence[Event]) -> tuple[Instant, list[Moment]]:
    """Let a history happen; give the instant at which it ends, and its steps."""
    now, waiting, moments = NOW, [], []
    for event in history:
        now += (1 + event.wait) * INTERVAL
        if event.wait > 2 and world.levels:
            world.phase = Phase.STALE
            moments.append(take(town, world, waiting, now - INTERVAL, event))
            waiting = []
        waiting += world.read(now - event.age * INTERVAL, event.level, now)
        if event.cut:
            moments.append(take(town, world, waiting, now, event))
            waiting = []
    moments.append(take(town, world, waiting, now, history[-1]))
    return now, moments


def take(town: Town, world: World, said: list[Said], now: Instant, event: Event) -> Moment:
    if event.lost:
        with town.engine.connect() as connection:
            news = Reported(Place("spool", town.ordinal + 1), [(1, each) for each in said], [world.stands])
            step(connection, news, town.desk, now=now, hears=True)
    if event.restart:
        town.reopen()
    done = town.step(world.stands, said=said, now=now)
    return Moment(done.notices, world.stands.level, now - max(world.levels))


def told(town: Town) -> dict[tuple[str, Audience], list[Notice]]:
    with town.engine.connect() as connection:
        found = reading.recent_notices(connection, most=1000)
    by: dict[tuple[str, Audience], list[Notice]] = {}
    for each in sorted(found, key=lambda each: each.sequence):
        by.setdefault((each.alarm, each.audience), []).append(each)
    return by


def beliefs(town: Town, audience: Audience) -> list[int]:
    """Give the levels above 0 that an audience believes to stand."""
    return [said[-1].level for (_, who), said in told(town).items() if who is audience and said[-1].level]


def settle(town: Town, world: World, level: int, now: Instant) -> Instant:
    """Let two current readings arrive."""
    for _ in range(2):
        now += INTERVAL
        town.step(said=world.read(now, level, now), now=now)
        town.step(world.stands, now=now)
    return now


ANY_HISTORY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@ANY_HISTORY
@given(history=events, last=st.integers(0, 3))
def test_once_readings_are_current_everybody_believes_what_stands(blank: Path, history: list[Event], last: int) -> None:
    town, world = fresh_town(blank), World()
    now, _ = play(town, world, history)

    settle(town, world, last, now)

    for audience, enough in FROM.items():
        believed = beliefs(town, audience)
        assert len(believed) <= 1
        assert believed == [last] if last >= enough else believed in ([], [last])


@ANY_HISTORY
@given(history=events)
def test_everybody_who_was_warned_hears_exactly_one_end(blank: Path, history: list[Event]) -> None:
    town, world = fresh_town(blank), World()
    now, _ = play(town, world, history)

    settle(town, world, 0, now)

    for said in told(town).values():
        ends = [each for each in said if each.level == 0]
        begun = [each for each in said if each.kind in {NoticeKind.WARNING, NoticeKind.WARNING_AGAIN}]
        assert said[-1].level == 0
        assert len(ends) == len(begun)
        assert all(each.kind in ENDS for each in ends)


@ANY_HISTORY
@given(history=events)
def test_no_notice_is_repeated_and_each_goes_on_from_the_one_before(blank: Path, history: list[Event]) -> None:
    town, world = fresh_town(blank), World()

    settle(town, world, 0, play(town, world, history)[0])

    for said in told(town).values():
        assert [each.sequence for each in said] == list(range(1, len(said) + 1))
        assert said[0].was == 0
        for before, after in pairwise(said):
            assert after.was == before.level
            assert after.level != before.level or (after.kind is not before.kind and after.kind in {NoticeKind.LOST, NoticeKind.FOUND})


@ANY_HISTORY
@given(history=events)
def test_steps_lost_and_restarts_change_nothing_that_is_told(blank: Path, history: list[Event]) -> None:
    plain = [Event(each.level, each.age, each.wait, each.cut, lost=False, restart=False) for each in history]
    towns = []
    for each in (history, plain):
        town = fresh_town(blank)
        play(town, World(), each)
        towns.append({key: [(one.kind, one.was, one.level, one.issued_at) for one in said] for key, said in told(town).items()})

    assert towns[0] == towns[1]


@ANY_HISTORY
@given(history=events)
def test_residents_are_first_told_of_their_own_level(blank: Path, history: list[Event]) -> None:
    town, world = fresh_town(blank), World()

    play(town, world, history)

    with town.engine.connect() as connection:
        alarms = {each.id for each in reading.recent_alarms(connection, 0, 1000)}
    for (alarm, audience), said in told(town).items():
        assert alarm in alarms
        if audience is RESIDENTS:
            assert said[0].level >= FROM[RESIDENTS]


@ANY_HISTORY
@given(history=events)
def test_no_end_is_told_while_a_level_stands_and_no_level_that_does_not(blank: Path, history: list[Event]) -> None:
    town, world = fresh_town(blank), World()

    _, moments = play(town, world, history)

    for moment in moments:
        assert all(each.level == moment.level for each in moment.notices if each.kind not in {NoticeKind.LOST, NoticeKind.FOUND})


@ANY_HISTORY
@given(history=events)
def test_residents_hear_only_of_the_present(blank: Path, history: list[Event]) -> None:
    town, world = fresh_town(blank), World()

    _, moments = play(town, world, history)

    for moment in moments:
        said = [each for each in moment.notices if each.audience is RESIDENTS and each.kind in OF_THE_PRESENT]
        assert not said or moment.age <= 2 * INTERVAL
