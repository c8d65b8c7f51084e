"""How batches go from a spool to a sink, and what is said when the cursor does not fit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from devices.readings import Reading
from ingest.archive.batches import SpoolFile
from ingest.archive.forward import Bounds, Cursor, Forwarder, Start, Trouble, Written, where_to_start
from ingest.archive.reader import StoreArchive
from ingest.archive.store import Store

Make = Callable[..., Reading]
Line = Callable[[Reading], str]
FAR_AHEAD = 4 * 10**15


@pytest.mark.parametrize(
    ("cursor", "spool", "ordinal", "trouble"),
    [
        (None, Bounds("s", 1, 0), 0, None),
        (None, Bounds("s", 1, 9), 0, None),
        (Cursor("s", 4), Bounds("s", 1, 9), 4, None),
        (Cursor("s", 9), Bounds("s", 1, 9), 9, None),
        (Cursor("s", 4), Bounds("s", 5, 9), 4, None),
        (Cursor("s", 9), Bounds("s", 10, 9), 9, None),
        (None, Bounds("s", 5, 9), 4, Trouble.MISSING),
        (Cursor("s", 3), Bounds("s", 5, 9), 4, Trouble.MISSING),
        (Cursor("s", 3), Bounds("s", 10, 9), 9, Trouble.MISSING),
        (Cursor("s", 10), Bounds("s", 1, 9), 0, Trouble.BEYOND_END),
        (Cursor("s", 10), Bounds("s", 5, 9), 4, Trouble.BEYOND_END),
        (Cursor("other", 4), Bounds("s", 1, 9), 0, Trouble.OTHER_SPOOL),
        (Cursor("other", 4), Bounds("s", 3, 9), 2, Trouble.OTHER_SPOOL),
    ],
)
def test_a_sink_goes_on_where_it_was_or_says_why_not(cursor: Cursor | None, spool: Bounds, ordinal: int, trouble: Trouble | None) -> None:
    start = where_to_start(cursor, spool)

    assert (start.cursor, start.trouble) == (Cursor("s", ordinal), trouble)
    assert bool(start.detail) == (trouble is not None)


def test_a_turn_writes_what_waits_and_the_next_has_nothing_to_do(tmp_path: Path, new_spool: Any, reading: Make, line: Line) -> None:
    spool = new_spool(tmp_path / "spool.db")
    for minute in range(3):
        spool.append([line(reading(minute=minute))])
    with Store(tmp_path / "store.db") as store:
        forwarder = Forwarder(SpoolFile(spool.path), store)

        first, second = forwarder.turn(now=0), forwarder.turn(now=0)

    assert (first.batches, first.written, first.behind) == (3, Written(3, 0), 0)
    assert first.start == Start(Cursor("spool-1", 0))
    assert (second.batches, second.cursor, second.start) == (0, Cursor("spool-1", 3), None)
    assert StoreArchive(tmp_path / "store.db").count(0, FAR_AHEAD) == 3


def test_a_turn_takes_as_many_readings_as_fit_and_at_least_one_batch(tmp_path: Path, new_spool: Any, reading: Make, line: Line) -> None:
    spool = new_spool(tmp_path / "spool.db")
    for size in (2, 2, 2, 9, 0, 1):
        spool.append([line(reading(minute=minute)) for minute in range(size)])
    source = SpoolFile(spool.path)

    def ordinals(after: int) -> list[int]:
        return [batch.ordinal for batch in source.batches(after, most=5)]

    assert ordinals(0) == [1, 2]
    assert ordinals(2) == [3]
    assert ordinals(3) == [4]
    assert ordinals(4) == [5, 6]
    assert ordinals(6) == []


def test_a_trimmed_spool_still_knows_its_end(tmp_path: Path, new_spool: Any) -> None:
    spool = new_spool(tmp_path / "spool.db")
    empty = SpoolFile(spool.path).bounds()
    for _ in range(4):
        spool.append([])

    spool.forget(up_to=2)
    half = SpoolFile(spool.path).bounds()
    spool.forget(up_to=4)
    whole = SpoolFile(spool.path).bounds()

    assert (empty, half, whole) == (Bounds("spool-1", 1, 0), Bounds("spool-1", 3, 4), Bounds("spool-1", 5, 4))


def test_a_spool_is_there_once_it_has_an_identity(tmp_path: Path, new_spool: Any) -> None:
    source = SpoolFile(tmp_path / "spool.db")
    before = source.is_there()
    with closing(sqlite3.connect(tmp_path / "spool.db")):
        unmade = source.is_there()
    new_spool(tmp_path / "spool.db")

    assert (before, unmade, source.is_there()) == (False, False, True)


def test_a_spool_exchanged_under_a_running_forwarder_is_noticed(tmp_path: Path, new_spool: Any, reading: Make, line: Line) -> None:
    first = new_spool(tmp_path / "spool.db", "spool-1")
    first.append([line(reading(minute=0))])
    with Store(tmp_path / "store.db") as store, SpoolFile(first.path) as source:
        forwarder = Forwarder(source, store)
        forwarder.turn(now=0)
        for name in ("spool.db", "spool.db-wal", "spool.db-shm"):
            (tmp_path / name).unlink()
        new_spool(tmp_path / "spool.db", "spool-2").append([line(reading(minute=1))])

        turn = forwarder.turn(now=0)

    assert turn.start is not None
    assert turn.start.trouble is Trouble.OTHER_SPOOL
    assert turn.cursor == Cursor("spool-2", 1)


def test_another_spool_is_an_incident_and_is_archived_from_its_start(tmp_path: Path, new_spool: Any, reading: Make, line: Line) -> None:
    first, second = new_spool(tmp_path / "first.db", "spool-1"), new_spool(tmp_path / "second.db", "spool-2")
    for minute in range(5):
        first.append([line(reading(minute=minute))])
    second.append([line(reading(minute=9))])
    with Store(tmp_path / "store.db") as store:
        Forwarder(SpoolFile(first.path), store).turn(now=0)

        turn = Forwarder(SpoolFile(second.path), store).turn(now=123)

    assert turn.start is not None
    assert turn.start.trouble is Trouble.OTHER_SPOOL
    assert turn.cursor == Cursor("spool-2", 1)
    assert StoreArchive(tmp_path / "store.db").count(0, FAR_AHEAD) == 6
    with closing(sqlite3.connect(tmp_path / "store.db")) as store:
        assert store.execute("SELECT at, kind FROM incident").fetchall() == [(123, "other_spool")]


def test_a_spool_put_back_to_an_earlier_state_is_an_incident_once(tmp_path: Path, new_spool: Any, reading: Make, line: Line) -> None:
    long, short = new_spool(tmp_path / "long.db"), new_spool(tmp_path / "short.db")
    for spool, length in ((long, 5), (short, 3)):
        for minute in range(length):
            spool.append([line(reading(minute=minute))])
    with Store(tmp_path / "store.db") as store:
        Forwarder(SpoolFile(long.path), store).turn(now=0)
        forwarder = Forwarder(SpoolFile(short.path), store)

        turns = [forwarder.turn(now=0), forwarder.turn(now=0)]

    assert [turn.start.trouble if turn.start else None for turn in turns] == [Trouble.BEYOND_END, None]
    assert StoreArchive(tmp_path / "store.db").count(0, FAR_AHEAD) == 5


def test_batches_that_are_gone_are_an_incident_and_the_rest_is_archived(tmp_path: Path, new_spool: Any, reading: Make, line: Line) -> None:
    spool = new_spool(tmp_path / "spool.db")
    for minute in range(5):
        spool.append([line(reading(minute=minute))])
    spool.forget(up_to=3)
    with Store(tmp_path / "store.db") as store:
        turn = Forwarder(SpoolFile(spool.path), store).turn(now=0)

    assert turn.start is not None
    assert (turn.start.trouble, turn.start.detail) == (Trouble.MISSING, "a new sink; batches 1 to 3 are no longer in the spool")
    assert StoreArchive(tmp_path / "store.db").count(0, FAR_AHEAD) == 2


def test_two_sinks_do_not_wait_for_each_other(tmp_path: Path, new_spool: Any, reading: Make, line: Line) -> None:
    spool = new_spool(tmp_path / "spool.db")
    spool.append([line(reading())])
    with Store(tmp_path / "one.db") as one, Store(tmp_path / "other.db") as other:
        sinks: Sequence[Store] = (one, other)
        forwarders = [Forwarder(SpoolFile(spool.path), sink) for sink in sinks]
        forwarders[0].turn(now=0)
        spool.append([line(reading(minute=1))])

        turn = forwarders[1].turn(now=0)

        assert turn.written == Written(2, 0)
        assert [sink.cursor() for sink in sinks] == [Cursor("spool-1", 1), Cursor("spool-1", 2)]
