"""A copy of a service in use, put back elsewhere: it fits together, it is held, and it tells what differs instead of what is old."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from river import KIM_LONG, Arrival, River, local, river_city

from alerts.ledger import acting, holding
from alerts.model import Audience
from devices.instants import MINUTE, SECOND
from ingest.archive.batches import SpoolFile
from ingest.archive.forward import Forwarder
from ingest.archive.store import Store
from ingest.inbox import Heard
from service.backups import backup
from service.clock import anchor
from service.exits import CommandError
from service.restoring import restore
from service.settings import Settings, load_settings

START = local("2025-11-17 06:00")


@contextmanager
def town_in(folder: Path, hue: Path, start_at: int = START) -> Iterator[River]:
    """A river whose files lie in a folder, which may be restored."""
    folder.mkdir(exist_ok=True)
    town = River(folder, lambda *edited: river_city(hue, *(edited or (KIM_LONG,))), start_at)
    try:
        yield town
    finally:
        town.stop()


def settings_of(folder: Path) -> Settings:
    return load_settings(data=folder)


def fill(town: River) -> None:
    """A warning is told, and read on by the archive."""
    rise(town, 2.4)
    with SpoolFile(town.folder / "spool.db") as spool, Store(town.folder / "store.db") as store:
        Forwarder(spool, store).turn(town.clock_at)
    (town.folder / "operator.token").write_text("a token of the operators")


def rise(town: River, value: float, minutes_ago: tuple[int, ...] = (10, 0)) -> None:
    now = town.clock_at
    town.arrive(Arrival(now, "kim-long", tuple((now - ago * MINUTE, value) for ago in minutes_ago)))
    town.look()


def asked(file: Path, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as db:
        return db.execute(question).fetchall()


# ---- the copy


def test_a_backup_holds_secrets_and_is_for_its_owner_alone(tmp_path: Path, hue: Path) -> None:
    with town_in(tmp_path / "data", hue) as town:
        fill(town)

        manifest = backup(settings_of(town.folder), tmp_path / "copy")

    assert sorted(manifest.files) == ["ledger.db", "operator.token", "spool.db", "store.db"]
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "copy").iterdir()} == {0o600}


def test_copies_of_files_in_use_fit_together_every_time(tmp_path: Path, hue: Path) -> None:
    copies = []
    with town_in(tmp_path / "data", hue) as town, working(town):
        for number in range(8):
            copies.append(tmp_path / f"copy-{number}")
            manifest = backup(settings_of(town.folder), copies[-1])
            assert set(manifest.cursors) == {"store", "ledger"}
            assert max(manifest.cursors.values()) <= manifest.ordinal
    assert len({(copy / "spool.db").read_bytes() for copy in copies}) > len(copies) // 2, "nothing moved meanwhile: this proves nothing"

    for copy in copies:
        restore(copy, copy.with_suffix(".data"))
        with SpoolFile(copy.with_suffix(".data") / "spool.db") as spool, Store(copy.with_suffix(".data") / "store.db") as store:
            turn = Forwarder(spool, store).turn(START)
        assert turn.start is None, "the cursor fits the restored spool"


def test_a_reader_that_the_spool_did_not_wait_for_hinders_no_backup_and_the_store_does(tmp_path: Path, hue: Path) -> None:
    with town_in(tmp_path / "data", hue) as town:
        fill(town)
        rise(town, 2.5)
        with closing(sqlite3.connect(town.folder / "spool.db")) as db, db:
            db.execute("DELETE FROM batch WHERE ordinal = (SELECT min(ordinal) FROM batch)")
            first = db.execute("SELECT min(ordinal) FROM batch").fetchone()[0]
        move = "INSERT OR REPLACE INTO cursor SELECT ?1, spool, ?2, ?2 FROM cursor WHERE name = 'store'"
        with closing(sqlite3.connect(town.folder / "store.db")) as db, db:
            db.execute(move, ("influx", first - 2))

        backup(settings_of(town.folder), tmp_path / "copy")

        with closing(sqlite3.connect(town.folder / "store.db")) as db, db:
            db.execute(move, ("store", first - 2))
        with pytest.raises(CommandError, match="store stands at"):
            backup(settings_of(town.folder), tmp_path / "another")


def has_cursor(file: Path) -> bool:
    try:
        return file.exists() and bool(asked(file, "SELECT * FROM cursor"))
    except sqlite3.OperationalError:  # its tables are not there yet
        return False


@contextmanager
def working(town: River) -> Iterator[None]:
    """Readings arrive, are told and archived, as fast as it goes."""
    stopping, failed = threading.Event(), []

    def work() -> None:
        try:
            with SpoolFile(town.folder / "spool.db") as spool, Store(town.folder / "store.db") as store:
                for number in count():
                    if stopping.is_set():
                        return
                    town.clock_at += MINUTE
                    rise(town, 0.5 + number % 30 / 10, (0,))
                    Forwarder(spool, store).turn(town.clock_at)
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 20
    while not (has_cursor(town.folder / "store.db") and has_cursor(town.folder / "ledger.db")):
        assert time.monotonic() < deadline, failed
        time.sleep(0.05)
    try:
        yield
    finally:
        stopping.set()
        thread.join()
    assert not failed


def test_a_backup_needs_a_service_and_a_new_name(tmp_path: Path, hue: Path) -> None:
    (tmp_path / "there").mkdir()

    with pytest.raises(CommandError, match="is there already"):
        backup(settings_of(tmp_path), tmp_path / "there")
    with pytest.raises(CommandError, match="has not run on this data folder"):
        backup(settings_of(tmp_path), tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))


# ---- putting it back


def test_a_folder_in_which_anything_is_stays_as_it_is(tmp_path: Path, hue: Path) -> None:
    with town_in(tmp_path / "data", hue) as town:
        fill(town)
        backup(settings_of(town.folder), tmp_path / "copy")
        before = {path: path.read_bytes() for path in town.folder.iterdir()}

        with pytest.raises(CommandError, match="is not empty, and nothing in it is touched"):
            restore(tmp_path / "copy", town.folder)

        assert {path: path.read_bytes() for path in town.folder.iterdir()} == before


@pytest.mark.parametrize("file", ["spool.db", "ledger.db", "operator.token"])
def test_a_spoilt_backup_is_refused_before_anything_is_written(tmp_path: Path, hue: Path, file: str) -> None:
    with town_in(tmp_path / "data", hue) as town:
        fill(town)
        backup(settings_of(town.folder), tmp_path / "copy")
    spoilt = bytearray((tmp_path / "copy" / file).read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    (tmp_path / "copy" / file).write_bytes(spoilt)

    with pytest.raises(CommandError, match="is not what was copied"):
        restore(tmp_path / "copy", tmp_path / "new")

    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("file", "table"), [("spool.db", "meta"), ("ledger.db", "alembic_version")])
def test_a_backup_of_a_newer_version_is_refused_with_the_version_that_made_it(tmp_path: Path, hue: Path, file: str, table: str) -> None:
    with town_in(tmp_path / "data", hue) as town:
        fill(town)
        column, condition = ("value", "WHERE key = 'schema'") if table == "meta" else ("version_num", "")
        with closing(sqlite3.connect(town.folder / file, isolation_level=None)) as db:
            db.execute(f"UPDATE {table} SET {column} = '9999' {condition}")
        manifest = backup(settings_of(town.folder), tmp_path / "copy")

    with pytest.raises(CommandError, match=f"restore it with canhbao {manifest.canhbao}"):
        restore(tmp_path / "copy", tmp_path / "new")

    assert not list((tmp_path / "new").glob("*")), "another backup can be restored there"


def test_a_restored_spool_is_another_spool_in_every_cursor(tmp_path: Path, hue: Path) -> None:
    with town_in(tmp_path / "data", hue) as town:
        fill(town)
        manifest = backup(settings_of(town.folder), tmp_path / "copy")

    restore(tmp_path / "copy", tmp_path / "new")

    names = asked(tmp_path / "new" / "spool.db", "SELECT value FROM meta WHERE key = 'spool'")
    names += asked(tmp_path / "new" / "store.db", "SELECT spool FROM cursor")
    names += asked(tmp_path / "new" / "ledger.db", "SELECT spool FROM cursor")
    assert len(names) == 3
    assert len(set(names)) == 1
    assert names[0][0] != manifest.spool


def test_warnings_that_were_on_their_way_are_closed_and_ends_stay_owed(tmp_path: Path, hue: Path) -> None:
    with town_in(tmp_path / "data", hue) as town:
        fill(town)
        town.clock_at += 2 * MINUTE
        for _ in range(3):
            town.clock_at += MINUTE
            rise(town, 0.4, (0,))
        backup(settings_of(town.folder), tmp_path / "copy")
    asked_for = "SELECT n.kind, d.state FROM delivery d JOIN notice n ON n.id = d.notice"
    before = asked(tmp_path / "copy" / "ledger.db", asked_for)
    assert ("all_clear", "waiting") in before

    restored = restore(tmp_path / "copy", tmp_path / "new")

    states = set(asked(tmp_path / "new" / "ledger.db", asked_for))
    assert restored.closed == sum(kind != "all_clear" and state == "waiting" for kind, state in before)
    assert ("all_clear", "waiting") in states
    assert not [each for each in states if each[0] != "all_clear" and each[1] in {"waiting", "retrying"}]


def test_where_nothing_was_told_yet_a_held_ledger_is_made(tmp_path: Path, hue: Path) -> None:
    with town_in(tmp_path / "data", hue) as town:
        fill(town)
        town.ledger.dispose()
        for file in town.folder.glob("ledger.db*"):
            file.unlink()
        backup(settings_of(town.folder), tmp_path / "copy")

    restore(tmp_path / "copy", tmp_path / "new")

    assert asked(tmp_path / "new" / "ledger.db", "SELECT kind FROM incident WHERE ended_at IS NULL") == [(holding.HELD,)]


# ---- what a hold means for what happens in it


def held_town(tmp_path: Path, hue: Path) -> River:
    """A service that was backed up before the flood, restored a day later."""
    with town_in(tmp_path / "data", hue) as town:
        rise(town, 0.4)
        backup(settings_of(town.folder), tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "new")
    return River(tmp_path / "new", lambda *edited: river_city(hue, *(edited or (KIM_LONG,))), START + 24 * 60 * MINUTE)


def told(town: River) -> list[tuple[str, int]]:
    return [(notice.kind.value, notice.level) for notice in town.notices(Audience.RESIDENTS)]


def test_what_still_stands_at_the_release_is_told_then_and_once(tmp_path: Path, hue: Path) -> None:
    town = held_town(tmp_path, hue)
    rise(town, 2.4)
    town.clock_at += MINUTE
    rise(town, 3.9, (1, 0))
    assert told(town) == []

    assert town.act(acting.release, "ca trực", town.clock_at)
    town.look()
    town.look()

    assert told(town) == [("warning", 3)]
    town.stop()


def test_a_flood_that_came_and_went_in_a_hold_is_historic(tmp_path: Path, hue: Path) -> None:
    town = held_town(tmp_path, hue)
    rise(town, 2.4)
    town.clock_at += 3 * MINUTE
    rise(town, 0.4, (2, 1, 0))

    assert town.act(acting.release, "ca trực", town.clock_at)
    town.look()

    assert told(town) == []
    assert {(each.audience, each.reason.value) for each in town.withheld()} >= {(each, "historic") for each in Audience}
    town.stop()


# ---- the restored service


@dataclass
class Served:
    """`canhbao serve` on the files of a town."""

    town: River
    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        with (self.town.folder / "serve.log").open("ab") as log:
            command = [sys.executable, "-m", "service.cli", "serve", "--data", str(self.town.folder)]
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "CANHBAO_OPERATORS__PORT": str(self.port), "CANHBAO_LOG__FORMAT": "json"}

    def say(self, *words: str) -> str:
        command = [sys.executable, "-m", "service.cli", *words, "--data", str(self.town.folder)]
        told = subprocess.run(command, check=False, env=self.environment, capture_output=True, text=True, timeout=30)
        return told.stdout + told.stderr

    def told(self) -> list[tuple[str, str, int]]:
        path = self.town.folder / "notices-exercise.jsonl"
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
        return sorted((each["audience"], each["kind"], each["level"]) for each in lines)

    def until(self, holds: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + 40
        while not holds():
            log = (self.town.folder / "serve.log").read_text()[-2000:]
            assert self.process.poll() is None, f"serve ended with {self.process.returncode}: {log}"
            assert time.monotonic() < deadline, f"no {what}: {log}"
            time.sleep(0.05)


@contextmanager
def served_in(folder: Path, hue: Path, port: int, at: int = START + SECOND) -> Iterator[Served]:
    with town_in(folder, hue, at) as town:
        town.ledger.dispose()
        town.step = lambda **_: None  # type: ignore[method-assign]  # the desk is in the process
        town.handle(Heard(at))
        one = Served(town, port)
        one.start()
        try:
            yield one
        finally:
            one.process.kill()
            one.process.wait()


@pytest.mark.slow
def test_a_service_restored_in_the_middle_of_a_flood_tells_nothing_old_and_then_what_differs(
    tmp_path: Path, hue: Path, free_port: Callable[[], int]
) -> None:
    (tmp_path / "data").mkdir()
    anchor(tmp_path / "data", START, 1.0)
    with served_in(tmp_path / "data", hue, free_port()) as first:
        rise(first.town, 2.4)
        first.until(lambda: len(first.told()) == 2, "warning of both audiences")
        said = first.say("backup", str(tmp_path / "copy"))  # in the middle of the warning, and everything runs
        assert "up to batch" in said
        first.town.clock_at += 2 * MINUTE
        rise(first.town, 3.9, (1, 0))
        first.until(lambda: len(first.told()) == 4, "worse")
        first.town.clock_at += 3 * MINUTE
        rise(first.town, 0.4, (2, 1, 0))
        first.until(lambda: len(first.told()) == 6, "the end")
        at = first.town.clock_at

    said = first.say("restore", str(tmp_path / "copy"))
    assert "is not empty" in said
    restore(tmp_path / "copy", tmp_path / "new")

    with served_in(tmp_path / "new", hue, free_port(), at + MINUTE) as second:
        rise(second.town, 0.4, (2, 1, 0))
        second.until(lambda: withheld(second.town.folder) == {("operators", "all_clear"), ("residents", "all_clear")}, "withheld ends")
        assert second.told() == [], "it is held"
        assert "nothing is sent to anybody: restored from a backup of" in second.say("status")

        second.process.kill()  # a hold outlives its program
        second.process.wait()
        second.start()
        second.until(lambda: "released" in second.say("release", "--by", "ca trực"), "release")
        second.until(lambda: len(second.told()) == 2, "the end")
        time.sleep(1.5)  # two of its looks

        assert second.told() == [("operators", "all_clear", 0), ("residents", "all_clear", 0)]
        assert asked(second.town.folder / "ledger.db", "SELECT by, verb FROM action") == [("ca trực", "release")]
        assert second.say("release").strip() == "was not held"


def withheld(folder: Path) -> set[tuple[str, str]]:
    return set(asked(folder / "ledger.db", "SELECT audience, kind FROM withheld WHERE reason = 'held'"))
