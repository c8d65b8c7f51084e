"""The history of the store: of which readings it is made, when, and that none goes before it is in it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devices.instants import DAY, HOUR, MINUTE
from devices.readings import Quality, Reading
from ingest.archive import history
from ingest.archive.forward import Batch, Cursor, Start
from ingest.archive.reader import StoreArchive
from ingest.archive.schema import BEFORE_ALL
from ingest.archive.store import Store

Make = Callable[..., Reading]
MakeBatch = Callable[[int, Sequence[Reading]], Batch]
FIRST = Start(Cursor("spool-1", 0))
START, LATER, FAR_AHEAD = 1_761_523_200_000_000, 1_761_523_200_000_000 + 30 * DAY, 4 * 10**15


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as store:
        store.start(FIRST, now=0)
        yield store


def compute(path: Path, now: int = LATER) -> int:
    with Store(path) as store:
        return store.keep_history(now)


def hours(path: Path) -> list[tuple[int, int, float, float, float]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT (hour_at - ?) / ?, count, low, mean, high FROM hourly ORDER BY series, hour_at", (START, HOUR)).fetchall()


def left(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM reading").fetchone()[0])


def test_an_hour_is_computed_when_it_is_over_and_again_when_something_comes_late(
    store: Store, path: Path, reading: Make, batch: MakeBatch
) -> None:
    store.write("spool-1", [batch(1, [reading(minute=minute, value=minute) for minute in (0, 30, 70)])])

    early, first = compute(path, START + HOUR - 1), compute(path, START + HOUR)
    one = hours(path)
    store.write("spool-1", [batch(2, [reading(minute=59, value=60.0), reading(minute=80, value=6.0)])])
    second, third = compute(path, START + 2 * HOUR), compute(path, START + 2 * HOUR)

    assert (early, first, second, third) == (0, 1, 2, 0)
    assert one == [(0, 2, 0.0, 15.0, 30.0)]
    assert hours(path) == [(0, 3, 0.0, 30.0, 60.0), (1, 2, 6.0, 38.0, 70.0)]


def test_a_value_that_is_overwritten_is_overwritten_in_the_history(store: Store, path: Path, reading: Make, batch: MakeBatch) -> None:
    store.write("spool-1", [batch(1, [reading(value=1.0)])])
    compute(path)
    store.write("spool-1", [batch(2, [reading(value=2.0)])])
    compute(path)

    assert hours(path) == [(0, 1, 2.0, 2.0, 2.0)]


def test_any_order_with_any_pauses_gives_the_same_history(
    tmp_path: Path, reading: Make, batch: MakeBatch, contents: Callable[[Path], dict[str, Any]]
) -> None:
    readings = [reading(minute=minute, value=minute % 17, device=f"d{minute % 3}") for minute in range(0, 3_000, 7)]
    once, often = tmp_path / "once.db", tmp_path / "often.db"
    with Store(once) as store:
        store.start(FIRST, now=0)
        store.write("spool-1", [batch(1, readings)])
    compute(once)

    random.Random(5).shuffle(readings)
    with Store(often) as store:
        store.start(FIRST, now=0)
        for ordinal in range(1, 44):
            store.write("spool-1", [batch(ordinal, readings[(ordinal - 1) * 10 : ordinal * 10])])
            compute(often, START + ordinal * HOUR)
    compute(often)

    assert {row[:3] + row[4:] for row in contents(often)["hourly"]} == {row[:3] + row[4:] for row in contents(once)["hourly"]}
    assert contents(often)["touched"] == contents(once)["touched"] == []


def test_readings_go_by_whole_hours_after_their_hour_is_in_the_history_and_the_last_word_stays(
    store: Store, path: Path, reading: Make, batch: MakeBatch
) -> None:
    dead = reading(minute=0, station="phu-oc", device="wl-phu-oc", value=4.9)
    alive = [reading(minute=minute) for minute in (0, 59, 60, 70)]
    store.write("spool-1", [batch(1, [dead, *alive])])

    before = store.trim(START + 65 * MINUTE)
    compute(path)
    after = store.trim(START + 65 * MINUTE)

    archive = StoreArchive(path)
    assert (before, after, left(path)) == (0, 3, 2)
    assert [each.observed_at for each in archive.series("kim-long", "water_level", 0, FAR_AHEAD)] == [
        START,
        *(each.observed_at for each in alive[2:]),
    ]
    assert set(archive.latest()) == {dead, alive[-1]}


def test_readings_stay_while_another_history_lacks_their_hour(path: Path, reading: Make, batch: MakeBatch) -> None:
    with Store(path, ["store", "influx"]) as store:
        store.start(FIRST, now=0)
        store.write("spool-1", [batch(1, [reading(), reading(minute=60)])])
        compute(path)

        held = store.trim(LATER)
        with closing(sqlite3.connect(path)) as db, db:
            found = history.waiting(db, "influx", LATER, ordinal=1, most=1)
            history.done(db, "influx", [(found[0].series, found[0].hour_at)], ordinal=1)
        freed = store.trim(LATER)

    assert (held, [each.hour_at for each in found], freed) == (0, [START], 1)


def test_readings_that_keep_coming_late_go_with_the_hour_that_they_made(store: Store, path: Path, reading: Make, batch: MakeBatch) -> None:
    store.write("spool-1", [batch(1, [reading(minute=300)])])
    for ordinal in range(2, 6):
        store.write("spool-1", [batch(ordinal, [reading(minute=ordinal)])])

        store.keep_history(LATER, before=START + 2 * HOUR)

        assert left(path) == 1

    assert hours(path)[0] == (0, 1, 1.0, 1.0, 1.0)


def test_an_hour_that_was_touched_again_meanwhile_waits_on(path: Path, reading: Make, batch: MakeBatch) -> None:
    with Store(path, ["influx"]) as store:
        store.start(FIRST, now=0)
        store.write("spool-1", [batch(1, [reading()]), batch(2, [])])
        store.write("spool-1", [batch(3, [reading(minute=1)])])
    with closing(sqlite3.connect(path)) as db, db:
        (key,) = db.execute("SELECT series, hour_at FROM touched").fetchall()

        assert history.waiting(db, "influx", LATER, ordinal=2, most=9) == [], "its sink is not yet there"
        history.done(db, "influx", [key], ordinal=2)
        assert len(history.waiting(db, "influx", LATER, ordinal=3, most=9)) == 1


def test_trimming_goes_in_short_steps(store: Store, path: Path, reading: Make, batch: MakeBatch) -> None:
    readings = [reading(minute=minute, device=device) for device in ("a", "b") for minute in range(0, 240, 10)]
    store.write("spool-1", [batch(1, readings)])
    compute(path)

    steps = [store.trim(START + 3 * HOUR, most=7) for _ in range(6)]

    assert sum(steps) == 36
    assert max(steps) <= 12
    assert steps[-1] == 0
    assert left(path) == 12
    assert StoreArchive(path).count(0, FAR_AHEAD) == 48


def test_what_comes_after_its_hour_is_gone_changes_none_that_stands_and_makes_one_that_is_missing(
    store: Store, path: Path, reading: Make, batch: MakeBatch
) -> None:
    store.write("spool-1", [batch(1, [reading(minute=0, value=1.0), reading(minute=300)])])
    compute(path)
    store.trim(START + 4 * HOUR)

    store.write("spool-1", [batch(2, [reading(minute=1, value=9.0), reading(minute=61, value=5.0), reading(minute=62, value=7.0)])])
    compute(path)
    store.trim(START + 4 * HOUR)

    assert hours(path)[:2] == [(0, 1, 1.0, 1.0, 1.0), (1, 2, 5.0, 6.0, 7.0)]
    assert left(path) == 1
    assert StoreArchive(path).count(0, FAR_AHEAD) == 4


def test_a_clock_that_is_a_year_ahead_makes_nothing_older(store: Store, reading: Make, batch: MakeBatch) -> None:
    sane = [reading(minute=0, device=f"d{number}") for number in range(3)]
    wrong = reading(minute=365 * 24 * 60, device="clock-ahead")
    dead = [replace(reading(minute=-60 * 24 * 60, device=f"dead{number}"), received_at=START - 60 * DAY) for number in range(9)]
    assert store.present(LATER) == LATER, "where there is nothing, nothing is old"
    store.write("spool-1", [batch(1, [*sane, wrong, *dead])])

    year_ahead = store.present(START + 365 * DAY)

    assert year_ahead == START
    assert store.present(START - HOUR) <= START - HOUR


def test_a_store_from_before_the_history_gets_it_of_what_it_holds(path: Path, reading: Make, batch: MakeBatch) -> None:
    with Store(path) as store:
        store.start(FIRST, now=0)
        store.write("spool-1", [batch(1, [reading(minute=minute, value=minute) for minute in (0, 30, 70)])])
        store.write("spool-1", [batch(2, [Reading("s", "d", "q", 1.0, Quality.PASS, -90 * MINUTE, 0)])])
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE hourly; DROP TABLE touched; ALTER TABLE series DROP COLUMN whole_at; PRAGMA user_version = 1;")

    with Store(path) as store:
        compute(path)
        gone = store.trim(LATER)

    assert gone == 4
    assert hours(path) == [(0, 2, 0.0, 15.0, 30.0), (1, 1, 70.0, 70.0, 70.0), (-START // HOUR - 2, 1, 1.0, 1.0, 1.0)]
    with closing(sqlite3.connect(path)) as db:
        assert BEFORE_ALL not in {whole_at for (whole_at,) in db.execute("SELECT whole_at FROM series")}


def test_millions_are_asked_by_the_key_and_not_by_scanning(store: Store, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM series CROSS JOIN reading ON reading.series = series.id"
            " WHERE station = 's' AND quantity = 'q' AND observed_at >= max(5, whole_at) AND observed_at < 9"
        ).fetchall()

    assert [row[3] for row in plan if "reading" in row[3]] == [
        "SEARCH reading USING PRIMARY KEY (series=? AND observed_at>? AND observed_at<?)"
    ]
