"""How much the spool may hold, and what is old: the budget, what is told of it, and a clock that is wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devices.instants import DAY, HOUR, MILLISECOND
from ingest import quarantine
from ingest.decode import Reason
from ingest.inbox import Incident, Trouble
from ingest.spool import meta, open_spool
from ingest.taken import Rejection
from ingest.trim import MOST, Limits, size, trim

NOW = 1_763_798_400_000_000
INSERT = "INSERT INTO batch VALUES (NULL, ?, ?, 'r1', ?, x'', '[]')"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_spool(tmp_path / "spool.db")) as spool:
        yield spool


def fill(spool: sqlite3.Connection, batches: int, observed_at: int = NOW, size: int = 4_000) -> None:
    body = f"q,device=d,station=s value=1,quality=1i,received_at=1i {observed_at // MILLISECOND}".encode()
    spool.executemany(INSERT, [(NOW, 1, b"x" * size + body)] * batches)


def cursors(path: Path, spool: sqlite3.Connection, **ordinals: int) -> Path:
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("CREATE TABLE IF NOT EXISTS cursor (name TEXT PRIMARY KEY, spool TEXT, ordinal INTEGER)")
        store.executemany(
            "INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)", [(name, meta(spool, "spool"), at) for name, at in ordinals.items()]
        )
    return path


def left(spool: sqlite3.Connection) -> int:
    return int(spool.execute("SELECT count(*) FROM batch").fetchone()[0])


def test_below_the_budget_the_slowest_holds_everything_and_above_it_the_store_alone(spool: sqlite3.Connection, tmp_path: Path) -> None:
    fill(spool, 1_000)
    store = cursors(tmp_path / "store.db", spool, store=900, influx=100, reconcile=50)
    told: list[Incident] = []

    wide, tight = Limits(store, 100 * size(spool)), Limits(store, size(spool) // 2)
    trim(spool, wide, 10_000, NOW, told.append)
    held = left(spool)
    turns = 0
    while trim(spool, tight, 10_000, NOW, told.append):
        turns += 1
        assert turns < 5
    trim(spool, tight, 10_000, NOW, told.append)

    assert (held, turns) == (950, 1)
    assert left(spool) == 950 - MOST, "no more than the budget needs"
    assert size(spool) < tight.budget
    assert [each.kind for each in told] == [Trouble.SPOOL_OVER_BUDGET]
    assert "influx, reconcile will miss them until the comparison with the store" in told[0].detail


def test_above_the_budget_nothing_goes_that_the_store_has_not_or_a_replay_needs(spool: sqlite3.Connection, tmp_path: Path) -> None:
    fill(spool, 300)
    limits = Limits(cursors(tmp_path / "store.db", spool, store=200, influx=0), 1)

    trim(spool, limits, 120, NOW)
    by_replay = left(spool)
    trim(spool, limits, 10_000, NOW)

    assert (by_replay, left(spool)) == (180, 100)


def test_each_mark_is_told_once_and_again_only_when_it_had_fallen_well_below(spool: sqlite3.Connection, tmp_path: Path) -> None:
    told: list[Incident] = []
    store = cursors(tmp_path / "store.db", spool, store=0)
    fill(spool, 500)
    full = size(spool)

    for percent in (40, 51, 60, 49, 55, 76, 91, 91, 101, 95, 30, 52):
        trim(spool, Limits(store, full * 100 // percent), 0, NOW, told.append)

    assert [each.detail.partition(" of ")[0] for each in told] == [f"the spool holds {mark} %" for mark in (50, 75, 90, 100, 50)]
    assert told[0].kind == Trouble.SPOOL_FILLS
    assert "raise spool.budget_bytes" in told[0].detail
    assert "see whether `canhbao archive` runs" in told[3].detail


def test_a_clock_that_is_years_ahead_deletes_nothing(spool: sqlite3.Connection, tmp_path: Path) -> None:
    spool.execute("INSERT INTO change VALUES (NULL, 1, 'issued', 'x', 'r', 's', 'q', 'd', 'raise', 1, 0, ?, 1, 1)", (NOW - 100 * DAY,))
    spool.execute("INSERT INTO incident VALUES (NULL, 1, ?, 'deaf', '')", (NOW - 100 * DAY,))
    kept = quarantine.Quarantine(spool, bound=10_000)
    kept.add(1, NOW - 100 * DAY, [Rejection(b"t", b"x", Reason.JSON, 1, "")])

    for observed_at in (None, NOW, NOW, NOW + 3 * 365 * DAY):  # nothing yet; then a device that is as wrong as we are
        if observed_at is not None:
            fill(spool, 1, observed_at)
        trim(spool, Limits(tmp_path / "none.db"), 0, NOW + 3 * 365 * DAY)
        kept.add(1, NOW + 3 * 365 * DAY, [Rejection(b"t", b"x", Reason.JSON, 1, "")])

    counts = [spool.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("change", "incident", "quarantine")]
    assert counts == [1, 1, 5]


def test_when_devices_agree_that_it_is_late_what_is_old_goes(spool: sqlite3.Connection, tmp_path: Path) -> None:
    for at in (NOW - 401 * DAY, NOW - 399 * DAY):
        spool.execute("INSERT INTO incident VALUES (NULL, 1, ?, 'deaf', '')", (at,))
    fill(spool, 3, NOW - HOUR)

    trim(spool, Limits(tmp_path / "none.db"), 0, NOW)

    assert spool.execute("SELECT at FROM incident").fetchall() == [(NOW - 399 * DAY,)]
