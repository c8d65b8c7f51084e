"""A file that is watched says when it was written to, and an exchanged one is another."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from web.public.edits import Edits
from web.public.ledger import LedgerFile


def written(path: Path, value: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("CREATE TABLE IF NOT EXISTS one (value INTEGER)")
        file.execute("INSERT INTO one VALUES (?)", (value,))


@contextmanager
def watched(path: Path) -> Iterator[Edits]:
    edits = Edits(path)
    try:
        yield edits
    finally:
        edits.close()


def test_a_mark_stays_until_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    written(path, 1)
    with watched(path) as edits:
        first = edits.mark()
        assert first is not None
        assert edits.mark() == first

        written(path, 2)

        assert edits.mark() not in (first, None)


def test_an_exchanged_file_has_another_mark_and_one_that_is_away_has_none(tmp_path: Path) -> None:
    path, other = tmp_path / "file.db", tmp_path / "other.db"
    written(path, 1)
    written(other, 1)
    with watched(path) as edits:
        marks = [edits.mark()]
        other.replace(path)
        marks.append(edits.mark())
        path.unlink()
        marks.append(edits.mark())
        written(path, 1)
        marks.append(edits.mark())

    assert marks[2] is None
    assert len(set(marks)) == 4


def test_what_is_not_a_database_has_no_mark(tmp_path: Path) -> None:
    with watched(tmp_path) as edits:
        assert edits.mark() is None


@pytest.mark.parametrize("level", [1, 2])
def test_the_ledger_is_read_again_when_residents_were_told_something(level: int, tmp_path: Path, scenes: ModuleType) -> None:
    scene, path = scenes.warning(), tmp_path / "ledger.db"
    scenes.write_ledger(path, scene)
    ledger = LedgerFile(path)
    first = ledger.now(scene.now)
    assert first is not None
    assert ledger.now(scene.now + 1) is first

    scenes.write_ledger(path, replace(scene, told=(replace(scene.told[0], level=level), scene.told[1])))

    again = ledger.now(scene.now + 2)
    assert again is not None
    assert again.told[scene.told[0].alarm].level == level
    path.unlink()
    assert ledger.now(scene.now + 3) is None
    ledger.close()
