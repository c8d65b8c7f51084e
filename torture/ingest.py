"""
kill -9 of `ingest` at random points of a stream -> the same store, changes, alarms and notices as without, and books that balance.

Rule 1: an upsert could hide what was taken twice, so the books are compared too: archived is the number of different readings, whatever
        was delivered again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from rig.brokers import mosquitto_program
from rig.report import Result, timed
from rig.town import Town
from torture.kills import Kills, judge, killing, left, points, publishing, stage, tell, unkilled
from torture.story import Size, play, story

LONG = {"mosquitto": (Size(500, 50), 2_500.0, 20), "embedded": (Size(100, 25), 250.0, 20)}
SHORT = (Size(50, 10), 500.0, 3)
"""Size, messages a second, kills."""


def runs(short: bool) -> Iterable[Callable[[], Result]]:
    """Kill ingest on each broker that is there."""
    for kind in ["mosquitto"] * (mosquitto_program() is not None) + ["embedded"]:
        size, rate, count = SHORT if short else LONG[kind]
        title = f"ingest killed {count} times in {size.readings:,} readings, {kind}"
        yield partial(timed, title, partial(killed, kind, size, rate, count))


def killed(kind: str, size: Size, rate: float, count: int, result: Result) -> None:
    """Kill ingest as often as is said; some of the times once more while it starts."""
    alone = unkilled(size)
    told = story(size)
    with stage(kind, size) as here, publishing(here.broker) as publisher:
        town, starting = here.town, Starting(here.town)
        kills = Kills(
            starting.kill, lambda: town.start("ingest"), starting.taken, starting.taken, points(told.last.published, count, seed=4)
        )
        play(town, told, publisher, rate, killing(kills))
        tell(result, kills, count)
        result.figures["killed while starting"] = starting.again
        judge(result, told, alone, left(town, told, here.receiver), publisher)


@dataclass(slots=True)
class Starting:
    """Kills ingest, and each third time once more, between its first line of code and the end of its replay."""

    town: Town
    kills: int = 0
    again: int = 0
    chance: Random = field(default_factory=lambda: Random(4))

    def kill(self) -> None:
        """Kill -9."""
        self.town.kill("ingest")
        self.kills += 1
        if self.kills % 3 == 0:
            self.town.start("ingest")
            time.sleep(self.chance.uniform(0.2, 1.2))
            self.town.kill("ingest")
            self.again += 1

    def taken(self) -> int:
        """Give the number of readings in the books."""
        return self.town.books().get("received", 0)
