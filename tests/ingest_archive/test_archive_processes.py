"""The archive as a process: killed, stopped, read by others meanwhile."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from devices.instants import HOUR
from devices.readings import Reading
from ingest.archive.batches import SpoolFile
from ingest.archive.forward import Forwarder
from ingest.archive.query import ArchiveAway
from ingest.archive.reader import StoreArchive
from ingest.archive.store import Store

FAR_AHEAD = 4 * 10**15
SIZE = 400
"""Lines of a batch; a turn of the writer below is one batch."""
WRITER = """
import sys
from pathlib import Path
from ingest.archive.batches import SpoolFile
from ingest.archive.forward import Forwarder
from ingest.archive.store import Store
forwarder = Forwarder(SpoolFile(Path(sys.argv[1])), Store(Path(sys.argv[2])), most=1)
while forwarder.turn(now=0).behind:
    print(flush=True)
"""
PROGRAM = """
import sys
from service.clock import RealClock
from service.programs.archive import run
from service.settings import load_settings
sys.exit(run(load_settings(data=sys.argv[1]), RealClock()))
"""


@contextmanager
def child(code: str, *arguments: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def fill(spool: Any, batches: int, reading: Callable[..., Reading], line: Callable[[Reading], str]) -> None:
    """Write batches of new, repeated and unreadable lines."""
    chance = random.Random(20251027)
    for ordinal in range(batches):
        lines = [line(reading(minute=ordinal * SIZE + place, value=chance.random())) for place in range(SIZE - 2)]
        lines.append(line(reading(minute=chance.randrange((ordinal + 1) * SIZE), value=chance.random())))
        lines.append(f"no reading {ordinal}")
        spool.append(lines, received_at=ordinal)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for another process; fails when it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the other process did not get there"
        time.sleep(0.005)


def counted(path: Path) -> int:
    try:
        return StoreArchive(path).count(0, FAR_AHEAD)
    except ArchiveAway:
        return 0


def kept(path: Path) -> int:
    """Count what is kept as it came, and what waits for that."""
    with closing(sqlite3.connect(path)) as store, suppress(sqlite3.OperationalError):
        return int(store.execute("SELECT count(*) FROM reading").fetchone()[0])
    return 0


def test_killed_again_and_again_the_store_ends_as_if_it_never_was(
    tmp_path: Path, new_spool: Any, reading: Any, line: Any, contents: Any
) -> None:
    spool = new_spool(tmp_path / "spool.db")
    fill(spool, batches=60, reading=reading, line=line)
    killed, whole = tmp_path / "killed.db", tmp_path / "whole.db"
    with Store(whole) as store:
        Forwarder(SpoolFile(spool.path), store).turn(now=0)
        Forwarder(SpoolFile(spool.path), store).turn(now=0)

    for turns in (1, 3, 8, 2, 13):
        with child(WRITER, spool.path, killed) as process:
            assert process.stdout is not None
            for _ in range(turns):
                process.stdout.readline()
            process.kill()  # in the midst of the next turn, or close to it
        assert 0 < len(contents(killed)["refused"]) < 60
    with child(WRITER, spool.path, killed) as process:
        _, trouble = process.communicate(timeout=60)

    assert (process.returncode, trouble) == (0, "")
    assert contents(killed) == contents(whole)
    assert len(contents(whole)["refused"]) == 60


def test_others_read_whole_batches_while_one_writes(tmp_path: Path, new_spool: Any, reading: Any, line: Any) -> None:
    spool = new_spool(tmp_path / "spool.db")
    for ordinal in range(80):
        spool.append([line(reading(minute=ordinal * SIZE + place)) for place in range(SIZE)])
    store = tmp_path / "store.db"
    seen: list[int] = []

    with child(WRITER, spool.path, store) as process:
        while not seen or seen[-1] < 80 * SIZE:
            seen.append(counted(store))
            assert process.poll() in (None, 0)
        process.communicate(timeout=20)

    assert seen == sorted(seen)
    assert {count % SIZE for count in seen} == {0}
    assert len(set(seen)) > 5, "nothing was read while the other was writing"


def test_the_program_waits_for_the_spool_forwards_what_comes_and_stops_within_a_second(
    tmp_path: Path, new_spool: Any, reading: Any, line: Any
) -> None:
    with child(PROGRAM, tmp_path) as process:
        until((tmp_path / "store.db").exists)
        spool = new_spool(tmp_path / "spool.db")
        spool.append([line(reading(minute=0))])
        until(lambda: counted(tmp_path / "store.db") == 1)
        spool.append([line(reading(minute=1)), "no reading"])
        until(lambda: counted(tmp_path / "store.db") == 2)

        asked_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
        took = time.monotonic() - asked_at

    assert process.returncode == 0
    assert took < 1.0
    assert "Traceback" not in said
    with closing(sqlite3.connect(tmp_path / "store.db")) as store:
        assert store.execute("SELECT spool, reached, ordinal FROM cursor WHERE name = 'store'").fetchall() == [("spool-1", 2, 2)]


def test_the_program_asked_to_stop_while_it_waits_for_the_spool_stops(tmp_path: Path) -> None:
    with child(PROGRAM, tmp_path) as process:
        until((tmp_path / "store.db").exists)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)

    assert process.returncode == 0


def test_the_program_forgets_what_is_older_than_it_is_told_to_keep(
    tmp_path: Path, new_spool: Any, reading: Any, line: Any, monkeypatch: Any
) -> None:
    now = time.time_ns() // 1_000_000 * 1_000
    old, new = reading(minute=0, station="old"), reading(minute=0, station="new")
    recent = Reading(new.station, new.device, new.quantity, new.value, new.quality, now, now)
    spool = new_spool(tmp_path / "spool.db")
    spool.append([line(old), line(recent)])
    monkeypatch.setenv("CANHBAO_ARCHIVE__KEEP_HOURS", "72")

    with child(PROGRAM, tmp_path):
        until((tmp_path / "store.db").exists)
        until(lambda: counted(tmp_path / "store.db") == 2)
        until(lambda: kept(tmp_path / "store.db") == 1)

    archive = StoreArchive(tmp_path / "store.db")
    assert list(archive.series("new", "water_level", 0, FAR_AHEAD)) == [recent]
    assert [each.observed_at for each in archive.series("old", "water_level", 0, FAR_AHEAD)] == [old.observed_at // HOUR * HOUR]
    assert {each.station for each in archive.latest()} == {"old", "new"}
