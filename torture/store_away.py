"""
The archive stopped or frozen for a while under a steady flow -> whether ingest notices, and how fast the archive comes back.

What measures it serves for whatever else may be away: see `influx_away`.

Rule 1: the time of a reading runs from its publisher's socket to the moment at which another connection sees its batch, and so its
        changes, committed; before and while the archive is away by the same clock and the same eyes.
Rule 2: catching up is timed from the order to start, the start of the program included.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.brokers import mosquitto_in
from rig.city import device_of, write_city
from rig.picture import faults
from rig.processes import child
from rig.report import Result, timed
from rig.town import Town, town_in
from torture.flow import Sent, Task
from torture.watch import Watch, watching

GAUGES = 400
SLOWER, LATEST_MS = 1.2, 20.0
"""p99 may be so many times that of before, or so many milliseconds, whichever is more."""
FASTER = 3.0
"""Catching up, in live rates."""
NEARLY = 20
"""Batches behind which the archive counts as caught up: new ones come all the time."""


@dataclass(frozen=True, slots=True)
class Away:
    """How long, and under what."""

    rate: float = 2_000
    """Readings a second."""
    warm: float = 5.0
    calm: float = 20.0
    away: float = 60.0
    """Seconds."""


LONG = Away()
SHORT = Away(rate=500, warm=2.0, calm=3.0, away=5.0)


@dataclass(frozen=True, slots=True)
class Absentee:
    """What goes away and comes back."""

    name: str
    leave: Callable[[], None]
    come_back: Callable[[], None]
    """Returns at once: what a start costs is part of catching up."""
    reached: Callable[[], int]
    """Ordinal of the last batch that it has."""


def run(scale: Away = LONG, *, frozen: bool = False, judge_speed: bool = True) -> Result:
    """Do a run; without `judge_speed` times are figures and no claim, for a machine that does other things too."""
    how = "frozen (SIGSTOP)" if frozen else "stopped (SIGTERM)"
    title = f"archive {how} for {scale.away:g} s at {scale.rate:,.0f} readings/s"
    return timed(title, lambda result: _run(result, scale, frozen, judge_speed))


def _run(result: Result, scale: Away, frozen: bool, judge_speed: bool) -> None:
    with TemporaryDirectory(prefix="canhbao-away-") as name:
        folder = Path(name)
        city = write_city(folder / "city", GAUGES)
        with mosquitto_in(folder, eager=False) as broker, town_in(folder, city, broker) as town:
            town.start()
            town.ready()
            with watching(town) as watch:
                sent, marks = phases(result, scale, town, _archive(town, frozen), judge_speed)
                town.until(lambda: town.settled(len(sent)), "everything to be in the store")
                watch.catch_up()
                judge_changes(result, watch, sent, marks, judge_speed)
            judge_loss(result, town, sent)


def _archive(town: Town, frozen: bool) -> Absentee:
    def reached() -> int:
        return int(town.one("store.db", "SELECT reached FROM cursor WHERE name = 'store'") or 0)

    if not frozen:
        return Absentee("archive", lambda: town.stop("archive"), lambda: town.start("archive"), reached)
    return Absentee("archive", lambda: town.freeze("archive"), lambda: town.thaw("archive"), reached)


def phases(result: Result, scale: Away, town: Town, absentee: Absentee, judge_speed: bool) -> tuple[list[Sent], list[float]]:
    """Publish through calm, absence and return; gives what was sent, and when each began."""
    task = Task("good", town.broker.port, town.broker.publisher, scale.rate, (0, GAUGES))
    with child("torture.flow", asdict(task)) as flow:
        time.sleep(scale.warm)  # the publisher has come up, and what a beginning costs is over
        marks = [time.monotonic()]
        time.sleep(scale.calm)
        marks.append(time.monotonic())
        absentee.leave()
        time.sleep(scale.away)
        marks.append(time.monotonic())
        _come_back(result, scale, town, absentee, judge_speed)
        output, _ = flow.communicate()
    sent = [(gauge, at, left) for gauge, at, left in json.loads(output)]
    absent = sum(marks[1] <= left < marks[2] for _, _, left in sent) / (marks[2] - marks[1])
    result.figures["while away, readings/s"] = round(absent)
    if judge_speed:
        result.claim("the rate was held", absent >= 0.95 * scale.rate, f"{absent:,.0f}/s while it was away")
    return sent, marks


def _come_back(result: Result, scale: Away, town: Town, absentee: Absentee, judge_speed: bool) -> None:
    behind, archived, start = _behind(town, absentee), town.books()["archived"], time.monotonic()
    absentee.come_back()
    town.until(lambda: absentee.reached() >= town.last_batch() - NEARLY, f"{absentee.name} to catch up", 60 + scale.away)
    seconds = time.monotonic() - start
    speed = round((behind + town.books()["archived"] - archived - _behind(town, absentee)) / seconds)
    result.figures |= {"behind, readings": behind, "caught up after, s": round(seconds, 2), "caught up at, readings/s": speed}
    result.claim("it was away", behind >= 0.8 * scale.rate, f"{behind:,} readings waited")
    if judge_speed:
        result.claim(f"it catches up at {FASTER:g} times the live rate or more", speed >= FASTER * scale.rate, f"{speed:,}/s")


def _behind(town: Town, absentee: Absentee) -> int:
    return int(town.one("spool.db", f"SELECT sum(readings) FROM batch WHERE ordinal > {absentee.reached()}") or 0)


def judge_changes(result: Result, watch: Watch, sent: list[Sent], marks: list[float], judge: bool) -> None:
    """Claim that changes came as soon as before; without `judge` it is only told."""
    p99 = []
    for name, start, end in (("before", marks[0], marks[1]), ("away", marks[1], marks[2])):
        took = sorted(watch.seen[device_of(gauge), at] - left for gauge, at, left in sent if start <= left < end)
        found = [round(took[int(len(took) * part)] * 1e3, 1) for part in (0.5, 0.99)]
        result.figures |= {f"{name}: p50, ms": found[0], f"{name}: p99, ms": found[1], f"{name}: longest, ms": round(took[-1] * 1e3, 1)}
        p99.append(found[1])
    if judge:
        bound = max(SLOWER * p99[0], LATEST_MS)
        result.claim(f"p99 from reading to committed change, it being away: at most {bound:.1f} ms", p99[1] <= bound, f"{p99[1]} ms")


def judge_loss(result: Result, town: Town, sent: list[Sent]) -> None:
    """Claim that the store has what was sent, once."""
    kept = "SELECT s.device, r.observed_at / 1000 FROM reading r JOIN series s ON s.id = r.series"
    stored, wanted = Counter(town.rows("store.db", kept)), Counter((device_of(gauge), at) for gauge, at, _ in sent)
    result.figures["readings"] = len(sent)
    result.claim(
        "every reading is in the store, once, and nothing else", stored == wanted, f"{len(sent):,} sent, {stored.total():,} stored"
    )
    found = faults(town)
    result.claim("books, files and alarms are in order", not found, "; ".join(found))
    result.claim("no program ended", not town.fallen(), "; ".join(town.fallen()))
