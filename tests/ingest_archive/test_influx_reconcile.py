"""What InfluxDB lost or never had, and the store has, comes there from the store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from devices.instants import DAY, HOUR, MILLISECOND
from devices.readings import Reading
from ingest.archive.books import Books, Refused
from ingest.archive.forward import Batch, Cursor, Start
from ingest.archive.influx import Influx, Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.influx_reconcile import Compared, checksums, compare_day, days
from ingest.archive.schema import BEFORE_ALL, open_writer
from ingest.archive.store import Store

FAR_AHEAD = 4 * 10**15
START = Start(Cursor("spool-1", 0))
Pair: TypeAlias = tuple[Influx, Books, InfluxArchive]


def day_of(reading: Reading) -> tuple[int, int]:
    day_at = reading.observed_at // DAY * DAY
    return day_at, day_at + DAY


def stored(path: Path, batches: Sequence[Batch]) -> Path:
    with Store(path) as store:
        store.start(START, now=0)
        store.write("spool-1", batches)
    return path


@pytest.fixture
def sink(influxd: Any, tmp_path: Path) -> Iterator[Pair]:
    """Give a sink with its books and the archive that reads what it wrote, empty."""
    server = Server(influxd.url, influxd.org, influxd.new_bucket())
    with closing(open_writer(tmp_path / "cursors.db")) as db:
        books = Books(db, "influx")
        sink = Influx(server, lambda: influxd.token, books, lambda: 0, time.sleep)
        sink.start(START, now=0)
        yield sink, books, InfluxArchive(server, influxd.token)


@pytest.mark.influx
def test_equal_archives_send_nothing(sink: Pair, tmp_path: Path, reading: Any, batch: Any) -> None:
    writer, books, archive = sink
    batches = [batch(1, [reading(minute=minute, value=minute / 3, device=f"d{minute % 3}") for minute in range(100)])]
    store = stored(tmp_path / "store.db", batches)
    writer.write("spool-1", batches)

    assert compare_day(store, archive, writer, books, day_of(reading())) == Compared(3, 0, 0, 0)
    assert checksums(store, day_of(reading())) == archive.checksums(0, FAR_AHEAD)


@pytest.mark.influx
def test_a_day_that_differs_is_sent_again_for_the_series_that_differ(sink: Pair, tmp_path: Path, reading: Any, batch: Any) -> None:
    writer, books, archive = sink
    whole, lossy = ([reading(minute=minute, device=device, value=minute / 7) for minute in range(50)] for device in ("whole", "lossy"))
    tomorrow = reading(minute=24 * 60, device="lossy")
    old = reading(minute=3, device="whole", value=1.0)
    new = Reading(old.station, old.device, old.quantity, 2.0, old.quality, old.observed_at, old.received_at + 5 * MILLISECOND)
    store = stored(tmp_path / "store.db", [batch(1, [*whole, new, *lossy, tomorrow])])
    writer.write("spool-1", [batch(1, [*whole, *lossy[:20]])])

    today_at = reading().observed_at // DAY * DAY
    first, second = (compare_day(store, archive, writer, books, (today_at, today_at + DAY)) for _ in range(2))

    assert (first, second) == (Compared(2, 2, 100, 0), Compared(2, 0, 0, 0))
    assert new in archive.series("kim-long", "water_level", 0, FAR_AHEAD, device="whole")
    assert tomorrow not in archive.latest()


@pytest.mark.influx
def test_what_the_server_refused_is_neither_missing_nor_sent_again(sink: Pair, tmp_path: Path, reading: Any, batch: Any) -> None:
    writer, books, archive = sink
    good, bad, alone = reading(device="good"), reading(minute=1, device="good"), reading(device="alone")
    whole = batch(1, [good, bad, alone])
    store = stored(tmp_path / "store.db", [whole])
    writer.write("spool-1", [batch(1, [good])])
    with closing(open_writer(store)) as db:
        refused = enumerate(whole.body.split(b"\n")[1:], 1)
        Books(db, writer.name).refuse("spool-1", [Refused(1, place, line, "too old", 0) for place, line in refused])

    assert compare_day(store, archive, writer, books, day_of(reading())) == Compared(1, 0, 0, 0)
    assert list(archive.latest()) == [good]


@pytest.mark.influx
def test_what_only_influxdb_has_is_let_be(sink: Pair, tmp_path: Path, reading: Any, batch: Any) -> None:
    writer, books, archive = sink
    store = stored(tmp_path / "store.db", [])
    writer.write("spool-1", [batch(1, [reading()])])

    assert compare_day(store, archive, writer, books, day_of(reading())) == Compared(0, 0, 0, 0)
    assert list(archive.latest()) == [reading()]


def test_days_are_those_that_lie_whole_after_an_instant_the_newest_first(tmp_path: Path, reading: Any, batch: Any) -> None:
    first_at = reading().observed_at // DAY * DAY
    store = stored(tmp_path / "store.db", [batch(1, [reading(minute=minute) for minute in (0, 3 * 24 * 60)])])
    now = first_at + 3 * DAY + HOUR

    assert list(days(store, BEFORE_ALL, now)) == [first_at + number * DAY for number in (3, 2, 1, 0)]
    assert list(days(store, first_at + HOUR, now)) == [first_at + number * DAY for number in (3, 2, 1)]
    assert list(days(store, now, now)) == []
    assert list(days(stored(tmp_path / "empty.db", []), BEFORE_ALL, now)) == []
