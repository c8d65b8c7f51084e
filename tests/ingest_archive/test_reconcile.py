"""The spool held against the store: what is missing comes back, is told by device and day, and only then the spool may forget."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from devices.instants import DAY, format_instant
from devices.readings import Reading
from ingest.archive.batches import SpoolFile
from ingest.archive.forward import Cursor, Forwarder
from ingest.archive.reader import StoreArchive
from ingest.archive.reconcile import NAME, held_from, reconcile, release
from ingest.archive.store import Store
from ingest.trim import passed

FAR_AHEAD = 4 * 10**15
START = 1_761_523_200_000_000


@pytest.fixture
def both(tmp_path: Path, new_spool: Any, reading: Callable[..., Reading], line: Any) -> Iterator[tuple[SpoolFile, Store]]:
    """Give a spool of 3 batches (two devices, two days, one value that is overwritten) and a store that has it."""
    writer = new_spool(tmp_path / "spool.db")
    writer.append([line(reading(minute=minute, device="a")) for minute in range(10)])
    writer.append([line(reading(minute=minute, device="b")) for minute in (0, 1, 24 * 60)])
    writer.append([line(reading(minute=3, value=7.0, device="a")), "no reading"])
    with SpoolFile(tmp_path / "spool.db") as spool, Store(tmp_path / "store.db") as store:
        held_from(store.books.of(NAME), spool.bounds(), 0)
        Forwarder(spool, store).turn(now=0)
        store.sync()
        yield spool, store


def lose(path: Path, where: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"DELETE FROM reading WHERE {where}")


def test_the_spool_is_held_until_it_was_held_against_the_store(both: tuple[SpoolFile, Store], tmp_path: Path) -> None:
    spool, store = both
    books = store.books.of(NAME)
    held = passed(tmp_path / "store.db", "spool-1")

    found = reconcile(spool, store, held_from(books, spool.bounds(), 0), until=2)
    release(books, found.cursor)

    assert (held, passed(tmp_path / "store.db", "spool-1")) == (0, 2)
    assert (found.missing, found.told(str)) == ({}, [])
    assert found.readings == {("a", START): 10, ("b", START): 2, ("b", START + DAY): 1}
    assert found.days == [START + DAY, START]
    assert held_from(books, spool.bounds(), 0) == Cursor("spool-1", 2)


def test_what_is_missing_is_stored_again_as_it_stood_and_told_by_device_and_day(
    both: tuple[SpoolFile, Store], tmp_path: Path, contents: Any
) -> None:
    spool, store = both
    before = contents(tmp_path / "store.db")
    lose(tmp_path / "store.db", f"observed_at % 2 = 0 AND observed_at < {START + 4 * 60_000_000} OR observed_at >= {START + DAY}")

    found = reconcile(spool, store, Cursor("spool-1", 0), until=3)

    assert contents(tmp_path / "store.db") == before
    assert found.told(lambda at: format_instant(at)[:10]) == [
        "2025-10-27: of 10 readings of a in the spool 4 were not in the store; stored again",
        "2025-10-27: of 2 readings of b in the spool 2 were not in the store; stored again",
        "2025-10-28: of 1 readings of b in the spool 1 were not in the store; stored again",
    ]


def test_what_the_history_has_is_not_missing(both: tuple[SpoolFile, Store], tmp_path: Path) -> None:
    spool, store = both
    store.keep_history(FAR_AHEAD)
    store.trim(START + DAY)

    found = reconcile(spool, store, Cursor("spool-1", 0), until=3)

    assert found.missing == {}
    assert StoreArchive(tmp_path / "store.db").count(0, FAR_AHEAD) == 13


def test_a_round_that_is_stopped_has_looked_at_what_it_says(both: tuple[SpoolFile, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    spool, store = both
    monkeypatch.setattr("ingest.archive.reconcile.MOST", 1)
    answers = iter([False, True])

    found = reconcile(spool, store, Cursor("spool-1", 0), 3, lambda: next(answers))

    assert found.cursor == Cursor("spool-1", 1)


def test_batches_that_went_above_the_budget_and_a_spool_that_was_exchanged_are_not_waited_for(
    both: tuple[SpoolFile, Store], tmp_path: Path, new_spool: Any
) -> None:
    spool, store = both
    books = store.books.of(NAME)
    new_spool(tmp_path / "other.db", "spool-2").append(["x"])
    with closing(sqlite3.connect(tmp_path / "spool.db")) as db, db:
        db.execute("DELETE FROM batch WHERE ordinal <= 2")

    assert held_from(books, spool.bounds(), 0) == Cursor("spool-1", 2)
    with SpoolFile(tmp_path / "other.db") as other:
        assert held_from(books, other.bounds(), 0) == Cursor("spool-2", 0)
