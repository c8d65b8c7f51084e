"""What the store keeps, in one transaction, however often it is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.instants import MILLISECOND
from devices.readings import Quality, Reading
from ingest.archive.forward import Batch, Cursor, Start, Trouble, Written
from ingest.archive.query import ArchiveAway
from ingest.archive.reader import StoreArchive
from ingest.archive.schema import StoreVersionError
from ingest.archive.store import Store
from ingest.trim import passed

Make = Callable[..., Reading]
MakeBatch = Callable[[int, Sequence[Reading]], Batch]
Contents = Callable[[Path], dict[str, list[tuple[object, ...]]]]
FIRST = Start(Cursor("spool-1", 0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def cursors(path: Path) -> list[tuple[str, str, int, int]]:
    with closing(sqlite3.connect(path)) as store:
        return store.execute("SELECT name, spool, reached, ordinal FROM cursor").fetchall()


def test_a_bad_line_ends_alone_among_the_refused_and_as_it_was(path: Path, reading: Make, line: Callable[[Reading], str]) -> None:
    good = [reading(minute=0), reading(minute=5)]
    body = b"\n".join([line(good[0]).encode(), b"k\xff\x00m \xc3", line(good[1]).encode(), b""])

    with Store(path) as store:
        store.start(FIRST, now=0)
        written = store.write("spool-1", [Batch(1, 77, body)])

    assert written == Written(lines=2, refused=2)
    assert list(StoreArchive(path).series("kim-long", "water_level", 0, 4 * 10**15)) == good
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("SELECT ordinal, place, line, reason, at FROM refused").fetchall() == [
            (1, 1, b"k\xff\x00m \xc3", "unreadable", 77),
            (1, 3, b"", "unreadable", 77),
        ]


def test_an_empty_batch_moves_the_cursor(path: Path) -> None:
    with Store(path) as store:
        store.start(FIRST, now=0)

        written = store.write("spool-1", [Batch(1, 0, b""), Batch(2, 0, b"")])

        assert written == Written(0, 0)
        assert store.cursor() == Cursor("spool-1", 2)


def test_a_batch_that_comes_again_changes_nothing(path: Path, reading: Make, batch: MakeBatch, contents: Contents) -> None:
    first, second = batch(1, [reading(minute=0, value=1.0)]), batch(2, [reading(minute=0, value=2.0)])
    with Store(path) as store:
        store.start(FIRST, now=0)
        store.write("spool-1", [first, second])
        before = contents(path)

        again = store.write("spool-1", [first])

        assert again == Written(0, 0)
        assert contents(path) == before


@given(
    values=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=30),
    cuts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12),
)
@settings(max_examples=40, deadline=None)
def test_any_splitting_and_repetition_of_batches_gives_the_same_store(
    tmp_path_factory: pytest.TempPathFactory,
    batch: MakeBatch,
    contents: Contents,
    values: list[tuple[int, int]],
    cuts: list[tuple[int, int]],
) -> None:
    readings = [Reading("s", "d", "q", float(value), Quality.PASS, at * MILLISECOND, 0) for at, value in values]
    batches = [batch(ordinal, [one]) for ordinal, one in enumerate(readings, start=1)]
    once, often = (tmp_path_factory.mktemp("stores") / name for name in ("once.db", "often.db"))

    with Store(once) as store:
        store.start(FIRST, now=0)
        store.write("spool-1", batches)
    with Store(often) as store:
        store.start(FIRST, now=0)
        reached = 0
        for begin, end in [*cuts, (0, len(batches))]:  # a forwarder repeats, and never leaves out
            store.write("spool-1", batches[min(begin, reached) : end])
            reached = max(reached, min(end, len(batches)))

    assert contents(often) == contents(once)


def test_an_error_in_the_middle_leaves_the_store_as_it_was(path: Path, reading: Make, batch: MakeBatch, contents: Contents) -> None:
    with Store(path) as store:
        store.start(FIRST, now=0)
        store.write("spool-1", [batch(1, [reading(minute=0)])])
    before = contents(path)

    with Store(path) as store, pytest.raises(OverflowError):
        store.write("spool-1", [batch(2, [reading(minute=5)]), Batch(2**63, 0, b"no reading")])

    assert contents(path) == before


def test_a_store_writes_only_from_the_spool_it_was_started_on(path: Path, reading: Make, batch: MakeBatch) -> None:
    with Store(path) as store:
        store.start(FIRST, now=0)

        with pytest.raises(LookupError, match="not started on spool other"):
            store.write("other", [batch(1, [reading()])])


def test_starting_anew_keeps_the_incident(path: Path, contents: Contents) -> None:
    with Store(path) as store:
        store.start(FIRST, now=0)
        store.start(Start(Cursor("spool-2", 0), Trouble.OTHER_SPOOL, "why"), now=5)

        assert store.cursor() == Cursor("spool-2", 0)
        assert contents(path)["incident"] == [(5, "other_spool", "why")]


def test_the_spool_may_forget_only_what_was_synced(path: Path, reading: Make, batch: MakeBatch) -> None:
    with Store(path) as store:
        store.start(FIRST, now=0)
        store.write("spool-1", [batch(1, [reading()])])
        written = cursors(path)

        store.sync()

        assert written == [("store", "spool-1", 1, 0)]
        assert cursors(path) == [("store", "spool-1", 1, 1)]


def test_the_spool_trims_by_what_was_synced(path: Path, reading: Make, batch: MakeBatch) -> None:
    with Store(path) as store:
        store.start(FIRST, now=0)
        store.write("spool-1", [batch(1, [reading()]), batch(2, [])])
        before = passed(path, "spool-1")

        store.sync()

        assert (before, passed(path, "spool-1"), passed(path, "another spool")) == (0, 2, 0)


def test_a_store_of_another_version_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA user_version = 99")

    with pytest.raises(StoreVersionError, match="version 99"):
        Store(path)


def test_a_store_that_is_not_there_is_away_and_not_empty(path: Path) -> None:
    with pytest.raises(ArchiveAway, match="canhbao archive"):
        StoreArchive(path).latest()

    assert not path.exists()


def test_a_reader_cannot_write_and_leaves_nothing_open(path: Path, reading: Make, batch: MakeBatch) -> None:
    with Store(path) as store:
        store.start(FIRST, now=0)
        archive = StoreArchive(path)
        for ordinal in range(1, 4):
            store.write("spool-1", [batch(ordinal, [reading(minute=ordinal)])])
            assert archive.count(0, 4 * 10**15) == ordinal

    assert not path.with_name("store.db-wal").exists()  # the last to close folds the log: nobody else held the file
