"""
A flood into InfluxDB while programs or the server are killed, frozen, away, or given lines that they refuse -> the points of a calm run.

Rule 1: all points are compared with all fields: with the store of the same run, and with the points of a run in which nothing was killed.
Rule 2: the server is killed and frozen while lines are on their way to it and not yet answered; how often that was so is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.brokers import mosquitto_program
from rig.bucket import Bucket, apart, bucket_in, since, stored
from rig.influxd import FIX, influxd_program
from rig.picture import Rows
from rig.publisher import Publisher
from rig.report import Result, timed
from torture import influx_away, influx_poison
from torture.disk import not_tried
from torture.ingest import Starting
from torture.kills import FAST, Kills, Left, Stage, judge, killing, left, points, publishing, stage, tell
from torture.story import Size, Story, play, story

LONG, SHORT = Size(500, 50), Size(50, 10)


@dataclass(frozen=True, slots=True)
class Trial:
    """What is done to whom while a story is told."""

    size: Size
    rate: float
    """Messages a second."""
    times: int
    frozen: float = 30.0
    """Seconds, where it is not killed."""
    timeout: float = 10.0
    """Seconds that the archive gives the server for an answer."""


KILLED = {False: Trial(LONG, 2_500, 20), True: Trial(SHORT, 500, 3)}
SERVER_KILLED = {False: Trial(LONG, 2_500, 10), True: Trial(SHORT, 1_000, 3)}
SERVER_FROZEN = {False: Trial(LONG, 2_500, 2), True: Trial(SHORT, 1_000, 1, frozen=5.0, timeout=2.0)}
"""By whether it is the short form."""


def runs(short: bool) -> Iterable[Callable[[], Result]]:
    """Give the runs that can be tried here."""
    if lacking() is not None:
        yield partial(not_tried, "InfluxDB killed, frozen, away, and given what it refuses", str(lacking()))
        return
    for name in ("ingest", "archive"):
        yield run_of(f"{name} killed {KILLED[short].times} times, into InfluxDB", KILLED[short], name)
    yield run_of(f"influxd killed {SERVER_KILLED[short].times} times in mid-write", SERVER_KILLED[short], "influxd")
    yield run_of(f"influxd frozen for {SERVER_FROZEN[short].frozen:g} s in mid-write", SERVER_FROZEN[short], "frozen influxd")
    yield partial(influx_away.run, influx_away.SHORT if short else influx_away.LONG, judge_speed=not short)
    yield partial(influx_poison.run, influx_poison.SHORT if short else influx_poison.LONG)
    yield partial(influx_poison.by_hand, 10_000 if short else 100_000)


def lacking() -> str | None:
    """Say what this machine has not; None where all is there."""
    if influxd_program() is None:
        return f"there is no influxd; {FIX}"
    return "there is no mosquitto; install it from the distribution" if mosquitto_program() is None else None


def run_of(title: str, trial: Trial, whom: str) -> Callable[[], Result]:
    """Give a run."""
    return partial(timed, title, partial(disturbed, trial, whom))


# ---- a story told into InfluxDB


@dataclass(frozen=True, slots=True)
class Scene:
    """A stage with its server."""

    stage: Stage
    bucket: Bucket


@contextmanager
def scene(size: Size, timeout: float = 10.0) -> Iterator[Scene]:
    """Set a city up on Mosquitto, with all programs at work and InfluxDB beside the store."""
    with (
        TemporaryDirectory(prefix="canhbao-influx-") as name,
        bucket_in(Path(name)) as bucket,
        stage("mosquitto", size, bucket.settings(TIMEOUT=f"{timeout:g}")) as here,
    ):
        yield Scene(here, bucket)


@cache
def calm(size: Size) -> tuple[Left, Rows]:
    """Tell the story to a city that is left alone; gives what it has left, and its points."""
    told = story(size)
    with scene(size) as here, publishing(here.stage.broker) as publisher:
        play(here.stage.town, told, publisher, FAST)
        return left(here.stage.town, told, here.stage.receiver), since(here.bucket.points(), told.base)


def disturbed(trial: Trial, whom: str, result: Result) -> None:
    """Tell the story while somebody is killed, or the server frozen."""
    alone, wanted = calm(trial.size)
    told = story(trial.size)
    with scene(trial.size, trial.timeout) as here, publishing(here.stage.broker) as publisher:
        town = here.stage.town
        kills = kills_of(trial, whom, here, told, publisher)
        play(town, told, publisher, trial.rate, killing(kills))
        tell(result, kills, trial.times, "first work", whom)
        judge(result, told, alone, left(town, told, here.stage.receiver), publisher)
        found = here.bucket.points()
        judge_points(result, stored(town), found, wanted, told)
        if here.bucket.in_flight:
            hit = sum(here.bucket.in_flight)
            result.figures["in mid-write"] = hit
            result.claim("lines were on their way to the server, most times", 2 * hit > trial.times, f"{hit} of {trial.times}")


def judge_points(result: Result, kept: Rows, found: Rows, wanted: Rows, told: Story) -> None:
    """Claim that InfluxDB has every point with its fields, and none besides."""
    result.figures["points"] = found.total()
    result.claim("InfluxDB has as many points as there are readings", found.total() == told.last.stored, f"{found.total():,}")
    result.claim("its points are the rows of the store, receipt included", found == kept, apart(kept, found))
    here = since(found, told.base)
    result.claim("its points are those of a run that was left alone", here == wanted, apart(wanted, here))


def kills_of(trial: Trial, whom: str, here: Scene, told: Story, publisher: Publisher) -> Kills:
    """Give what kills or freezes, and what tells that it works again."""
    town, bucket = here.stage.town, here.bucket
    where = points(told.last.published, trial.times, seed=len(whom))

    def acknowledged() -> int:
        return publisher.acknowledged

    def reached() -> int:
        return int(town.one("store.db", "SELECT reached FROM cursor WHERE name = 'influx'") or 0)

    if whom == "ingest":
        starting = Starting(town)
        return Kills(starting.kill, partial(town.start, whom), starting.taken, starting.taken, where)
    if whom == "archive":
        return Kills(partial(town.kill, whom), partial(town.start, whom), acknowledged, reached, where)

    def strike() -> None:
        bucket.until_lines_are_on_their_way()
        if whom == "influxd":
            bucket.influxd.kill()
        else:
            bucket.influxd.freeze()
            time.sleep(trial.frozen)

    return Kills(strike, bucket.influxd.start if whom == "influxd" else bucket.influxd.thaw, acknowledged, reached, where)
