"""
Our clock stepped while readings flow and levels rise and end -> whether anything is missed or doubled.

Rule 1: our clock is stepped under running programs (rig/stepping.py); readings keep the true time, and the story is told by their order alone,
        so a run with steps and one without must leave the same levels, alarms and notices about levels.
Rule 2: what may differ is freshness while the clock is wrong; how it may is claimed by itself.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest.inbox import Trouble
from rig.brokers import mosquitto_in
from rig.city import station_of, topic_of, write_city
from rig.picture import Picture, differences, faults, picture_of
from rig.publisher import Message, Publisher
from rig.receiver import Receiver
from rig.report import Result, timed
from rig.stepping import SteppedClock
from rig.town import Town, town_in
from torture.device_clocks import run_devices

PROGRAMS = ("ingest", "archive", "serve")
HOUR, DAY = 3_600, 86_400
LOW, HIGH = 0.3, 2.5
CURRENT = 600
"""Seconds for which a reading speaks of the present: two intervals."""
WITHIN = 3
"""The gauge whose flood rises and ends while the clock is wrong."""
ABOUT_LEVELS = ("warning", "warning_again", "worse", "easing", "all_clear", "correction", "closed")


def runs(short: bool) -> Iterable[Callable[[], Result]]:
    """Give all runs; the steps need a C compiler, and say so where there is none."""
    story = SHORT if short else LONG
    steps = [HOUR, -HOUR] if short else [HOUR, -HOUR, DAY, -DAY, -5, 30 * DAY]
    yield run_devices
    for seconds in steps:
        yield partial(run_step, seconds, story)


# ---- our clock


@dataclass(frozen=True, slots=True)
class Story:
    """Readings of some gauges, in order."""

    gauges: int = 24
    rounds: int = 90
    every: float = 0.1
    """Seconds between two rounds."""
    step_at: int = 30
    """Round at which the clock is stepped."""
    back_at: int = 60
    """Round at which it is right again."""

    def value(self, gauge: int, turn: int) -> float:
        """Give what a gauge says: the first six rise and end before, across, in, and after the steps; the others are low."""
        early, middle, late = self.step_at // 2, (self.step_at + self.back_at) // 2, (self.back_at + self.rounds) // 2
        floods = ((5, early), (early, middle), (early, late), (middle - 8, middle), (middle, late), (late - 8, late))
        begins, ends = floods[gauge] if gauge < len(floods) else (0, 0)
        return HIGH if begins <= turn < ends else LOW


SHORT, LONG = Story(), Story(rounds=600, step_at=200, back_at=400)


def run_step(seconds: int, story: Story = SHORT) -> Result:
    """Step our clock, and back, while readings flow."""
    return timed(f"our clock stepped by {_told(seconds)} and back", partial(_run_step, seconds, story))


def _run_step(seconds: int, story: Story, result: Result) -> None:
    with TemporaryDirectory(prefix="canhbao-clocks-") as folder, Receiver() as receiver:
        calm, _ = _told_story(Path(folder) / "calm", story, 0, receiver)
        before = len(receiver.arrivals)
        stepped, more = _told_story(Path(folder) / "stepped", story, seconds, receiver)
        _judge_step(result, story, seconds, calm, stepped, more)
        result.figures["notices received"] = before
        result.figures["notices received with the step"] = len(receiver.arrivals) - before


@dataclass(frozen=True, slots=True)
class Told:
    """What else a run with steps has left."""

    wrong: list[str]
    fallen: list[str]
    incidents: Counter[str]
    freshness: Counter[str]
    phases: Counter[str]
    quarantine: Counter[str]


def _told_story(folder: Path, story: Story, seconds: int, receiver: Receiver) -> tuple[Picture, Told]:
    """Tell a story to a town whose clock is stepped by so many seconds in the middle; gives what it has left."""
    begun = len(receiver.arrivals)
    city = write_city(folder / "city", story.gauges, receiver.url)
    (folder / "broker").mkdir()
    clock = SteppedClock(folder)
    with mosquitto_in(folder / "broker", durable=False) as broker, town_in(folder, city, broker, more=clock.environment()) as town:
        town.start(*PROGRAMS)
        town.ready(*PROGRAMS)
        base = time.time_ns() // 1_000_000
        with Publisher(broker) as publisher:
            publisher.publish(_readings(story, base, clock, seconds), story.gauges / story.every)
        town.until(lambda: town.settled(story.gauges * story.rounds), "the story to be told to its end")
        arrivals = receiver.arrivals[begun:]
        judged = [replace(arrival, genuine=True) for arrival in arrivals] if seconds else arrivals  # a signature has the time in it
        told = _left(town, [*faults(town, judged), *_silent_for_ever(town)])
        return picture_of(town, base * 1_000, arrivals), told


def _readings(story: Story, base: int, clock: SteppedClock, seconds: int) -> Iterator[Message]:
    """Give the readings when they are due, and step the clock in their midst."""
    start = time.monotonic()
    for turn in range(story.rounds):
        while time.monotonic() - start < turn * story.every:
            time.sleep(0.001)
        if seconds and turn in (story.step_at, story.back_at):
            clock.set(seconds if turn == story.step_at else 0)
        at = base + round(turn * story.every * 1_000)
        for gauge in range(story.gauges):
            yield topic_of(gauge), b'{"v":1,"boot":1,"seq":%d,"at":%d,"m":{"water_level":%g}}' % (turn, at, story.value(gauge, turn))


def _left(town: Town, wrong: list[str]) -> Told:
    phases = town.rows("spool.db", "SELECT json_extract(body, '$.phase') FROM standing")
    return Told(
        wrong,
        town.fallen(),
        Counter(kind for (kind,) in town.rows("spool.db", "SELECT kind FROM incident")),
        Counter(kind for (kind,) in town.rows("spool.db", "SELECT kind FROM change WHERE kind IN ('stale', 'lost', 'fresh')")),
        Counter(phase for (phase,) in phases),
        Counter(reason for (reason,) in town.rows("spool.db", "SELECT reason FROM quarantine")),
    )


def _silent_for_ever(town: Town) -> list[str]:
    """Tell whose silence could not be noticed for long: the clock is right again, and they were last heard in the future."""
    now, said = time.time_ns() // 1000, []
    for device, at in town.rows("spool.db", "SELECT device, json_extract(body, '$.received_at') FROM standing"):
        if at is not None and at > now + 60_000_000:
            said.append(f"{device} was last received {(at - now) / 1e6:.0f} s from now")
    return said


def _judge_step(result: Result, story: Story, seconds: int, calm: Picture, stepped: Picture, more: Told) -> None:
    found = differences(_of_levels(calm, seconds), _of_levels(stepped, seconds))
    floods = sum(story.value(gauge, turn) == HIGH for gauge in range(story.gauges) for turn in (0, *range(story.rounds)))
    result.figures |= {
        "readings": calm.store.total(),
        "high": floods,
        "changes of level": calm.changes.total(),
        "alarms": calm.alarms.total(),
    }
    result.figures |= {f"incident {kind}": count for kind, count in more.incidents.items()}
    result.figures |= {kind: count for kind, count in more.freshness.items() if kind != "fresh"}
    result.claim("levels, alarms, and notices about them are those of a run without a step", not found, found)
    result.claim("something happened", calm.changes.total() >= 12 and calm.received.total() >= 12, calm.changes.total())
    result.claim("nobody is called silent who was heard", not more.freshness["stale"] and not more.freshness["lost"], dict(more.freshness))
    result.claim("everybody is fresh at the end", more.phases.keys() <= {"fresh"}, dict(more.phases))
    result.claim("nothing is refused", not more.quarantine, dict(more.quarantine))
    result.claim("what was wrong is said", more.incidents[Trouble.CLOCK_WENT_BACK] >= 1, dict(more.incidents))
    result.claim("books, twins, files, times of receipt: nothing is wrong", not more.wrong, "; ".join(more.wrong[:5]))
    result.claim("no program ended", not more.fallen, more.fallen)


def _of_levels(picture: Picture, seconds: int) -> Picture:
    """
    Leave out what is said of freshness; and, where our clock is far ahead, what people are told of a flood that rises and ends meanwhile.

    By such a clock all of it is long past: it is written, and nobody is told (docs/known-limits.md).
    """
    untold = station_of(WITHIN) if seconds > CURRENT else ""
    notices = Counter({row: count for row, count in picture.notices.items() if row[2] in ABOUT_LEVELS and row[0] != untold})
    received = Counter({row: count for row, count in picture.received.items() if row[2] in ABOUT_LEVELS and row[0] != untold})
    return Picture(picture.store, picture.changes, picture.ledger, picture.alarms, notices, received, picture.quarantine)


def _told(seconds: int) -> str:
    for name, size in (("years", 365 * DAY), ("days", DAY), ("h", HOUR)):
        if seconds % size == 0:
            return f"{seconds // size:+d} {name}"
    return f"{seconds:+d} s"
