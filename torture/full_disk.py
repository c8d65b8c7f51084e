"""
A small disk filled up again and again under a flow of readings and `canhbao run` -> what is lost, what is broken, how soon all works again.

Rule 1: everything of ours lies on the small disk, the broker's files beside it: the broker is the one that keeps what we do not take.
Rule 2: the supervisor is ours and real, with its pauses; it must not end, whatever its children do.
Rule 3: the same messages then go to a town that has room, and both must have come to the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.brokers import mosquitto_in, until_listening
from rig.city import write_city
from rig.flow import Flow
from rig.picture import faults, picture_of
from rig.receiver import Receiver
from rig.report import Result, timed
from rig.town import Town, town_in
from torture.twin import judge_against_twin
from torture.waves import waves

MEGABYTES = 64
GAUGES = 100
STEP = 200
"""Milliseconds between two readings of a gauge."""
WITHIN = 30.0
"""Seconds after which everything works again once there is space."""
PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class Filling:
    """How often, and for how long."""

    times: int = 10
    full: tuple[float, ...] = (3.0, 6.0, 12.0, 24.0)
    """Seconds for which the disk stays full, in turn."""
    calm: float = 3.0
    rate: float = 500.0
    """Readings a second."""


LONG = Filling()
SHORT = Filling(times=2, full=(4.0,), calm=1.5, rate=300.0)


def lacking() -> str:
    """Say why it cannot be tried here; nothing where it can."""
    return "" if os.geteuid() == 0 else "mounting a small disk needs root"


def run(scale: Filling = LONG) -> Result:
    """Do a run."""
    return timed(f"a disk of {MEGABYTES} MB filled up {scale.times} times", lambda result: _run(result, scale))


def _run(result: Result, scale: Filling) -> None:
    with TemporaryDirectory(prefix="canhbao-full-") as name, Receiver() as receiver:
        folder = Path(name)
        city = write_city(folder / "city", GAUGES, receiver.url)
        base = time.time_ns() // 1_000_000 - 3_000
        with small_disk(folder / "small") as disk, mosquitto_in(folder) as broker, town_in(folder, city, broker, "small") as town:
            town.start("run")
            town.until(lambda: _hears(town), "ingest to hear the broker")
            with Flow(broker, waves(GAUGES, base, STEP), scale.rate) as flow:
                took = [_cycle(result, town, disk, scale.calm, scale.full[n % len(scale.full)]) for n in range(scale.times)]
                time.sleep(scale.calm)
                sent = flow.end()
            town.until(lambda: town.settled(sent, unlike=sent), "everything to be settled")
            result.figures |= {
                "readings": sent,
                "works again after, s, longest": max(took),
                "each": ", ".join(f"{each:.1f}" for each in took),
            }
            result.claim(f"it works again within {WITHIN:g} s of space, each time", max(took) <= WITHIN, f"{max(took)} s")
            _judge_words(result, town)
            result.claim("books, files, alarms and notices are in order", not (found := faults(town, receiver.arrivals)), "; ".join(found))
            result.claim("the supervisor did not end", not town.fallen(), "; ".join(town.fallen()))
            picture = picture_of(town, base)
        judge_against_twin(result, picture, city, islice(waves(GAUGES, base, STEP), sent), base)


@contextmanager
def small_disk(place: Path, megabytes: int = MEGABYTES) -> Iterator[Path]:
    """Mount a disk in memory; it is gone afterwards, also where something still runs on it."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "canhbao-torture", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that is left; gives the file that holds it."""
    ballast, size = disk / "ballast", 1 << 20
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    while size:
        try:
            os.write(descriptor, b"b" * size)
        except OSError:
            size //= 2
    os.close(descriptor)
    return ballast


def _cycle(result: Result, town: Town, disk: Path, calm: float, full: float) -> float:
    """Fill the disk for some seconds; gives how long it took from space to everything at work."""
    time.sleep(calm)
    restarts, ballast = _restarts(town), fill(disk)
    time.sleep(full)
    felt = _restarts(town) - restarts
    result.figures["restarts while full"] = int(result.figures.get("restarts while full", 0)) + felt
    result.claim("the programs felt it", felt > 0, f"{felt} restarts within {full:g} s")
    ballast.unlink()
    marks = _marks(town)
    return round(town.until(lambda: _works(town, marks), "everything to work again", PATIENCE), 1)


def _marks(town: Town) -> tuple[int, ...]:
    """Give how far everybody is: readings in the books, batches in the store, batches in the ledger."""
    return (
        town.books().get("received", 0),
        town.one("store.db", "SELECT max(reached) FROM cursor") or 0,
        town.one("ledger.db", "SELECT ordinal FROM cursor WHERE name = 'changes'") or 0,
    )


def _works(town: Town, marks: tuple[int, ...]) -> bool:
    """Tell whether everybody has gone on, ingest hears, and the pages answer."""
    now = _marks(town)
    if not all(here > before for here, before in zip(now, marks, strict=True)) or not _hears(town) or town.fallen():
        return False
    try:
        until_listening(town.ports["web"], 0)
        until_listening(town.ports["operators"], 0)
    except AssertionError:
        return False
    return True


def _hears(town: Town) -> bool:
    """Tell whether the ingest that runs now hears; a heartbeat of the last one is of no use."""
    beat = town.rows("spool.db", "SELECT hearing, pid FROM heartbeat")
    return bool(beat) and bool(beat[0][0]) and Path(f"/proc/{beat[0][1]}").exists()


def _lines(town: Town) -> list[dict[str, object]]:
    """Give what was logged so far; a line that is not finished is left out."""
    found = []
    for line in town.log("run").read_text(errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _restarts(town: Town) -> int:
    return sum(line.get("event") == "program ended and is started again" for line in _lines(town))


def _judge_words(result: Result, town: Town) -> None:
    """Whoever ended must have said which file it was about, and what to do."""
    lines = _lines(town)
    ended = Counter(str(line.get("name")) for line in lines if line.get("event") == "program ended and is started again")
    told = Counter(str(line.get("program")) for line in lines if line.get("level") == "error" and line.get("file") and line.get("fix"))
    silent = {name: (count, told[name]) for name, count in ended.items() if told[name] < count}
    result.figures |= {f"restarts of {name}": count for name, count in sorted(ended.items())}
    result.claim("each end was said, with the file and what to do", not silent, f"ended, said: {silent}" if silent else "")
