"""Whether the spool has moved: never no where something is new."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.spool import open_spool, set_meta
from ingest.watch import Watch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def spool(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_spool(path)) as opened:
        yield opened


@pytest.fixture
def watch(path: Path, spool: sqlite3.Connection) -> Iterator[Watch]:
    with closing(Watch(path)) as watching:
        yield watching


def test_each_commit_is_seen_once(watch: Watch, spool: sqlite3.Connection) -> None:
    assert [watch.moved(), watch.moved()] == [True, False]
    for number in range(3):
        set_meta(spool, "number", str(number))
        assert [watch.moved(), watch.moved()] == [True, False]


def test_what_is_not_committed_is_nothing_new(watch: Watch, spool: sqlite3.Connection) -> None:
    watch.moved()
    spool.execute("BEGIN IMMEDIATE")
    set_meta(spool, "number", "1")
    assert not watch.moved()
    spool.execute("ROLLBACK")
    assert not watch.moved()


def test_it_sees_what_came_after_the_log_was_folded_in(watch: Watch, spool: sqlite3.Connection) -> None:
    watch.moved()
    set_meta(spool, "number", "1")
    spool.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert watch.moved()
    set_meta(spool, "number", "2")
    assert watch.moved()


def test_another_file_in_its_place_has_moved(watch: Watch, path: Path, tmp_path: Path) -> None:
    watch.moved()
    other = tmp_path / "other.db"
    open_spool(other).close()
    other.replace(path)

    assert [watch.moved(), watch.moved()] == [True, False]


def test_one_that_is_gone_has_moved_until_it_is_back(watch: Watch, path: Path) -> None:
    watch.moved()
    path.unlink()
    assert [watch.moved(), watch.moved()] == [True, True]
    open_spool(path).close()
    assert [watch.moved(), watch.moved()] == [True, False]


def test_there_may_be_none_yet(tmp_path: Path) -> None:
    with closing(Watch(tmp_path / "spool.db")) as watch:
        assert [watch.moved(), watch.moved()] == [True, True]
