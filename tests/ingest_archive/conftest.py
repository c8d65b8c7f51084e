"""What the tests of the archive share: every archive under its port, lines, and a spool to forward from."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest

from devices.instants import DAY, MILLISECOND, Instant
from devices.readings import Quality, Reading
from ingest.archive import history, influx_history
from ingest.archive.books import Books
from ingest.archive.forward import Batch, Cursor, Start
from ingest.archive.influx import Influx, Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.query import Archive
from ingest.archive.reader import StoreArchive
from ingest.archive.schema import open_writer
from ingest.archive.store import Store
from ingest.lines import encode, series
from ingest.spool import open_spool, set_meta

Keep: TypeAlias = Callable[[Iterable[Reading]], Archive]
KeepFrom: TypeAlias = Callable[[Sequence[Reading], Instant], Archive]
FAR_AHEAD = 4 * 10**15


def line_of(reading: Reading) -> str:
    head = series(reading.quantity, reading.station, reading.device)
    return encode(head, reading.value, reading.quality, reading.received_at // MILLISECOND, reading.observed_at // MILLISECOND)


def batch_of(ordinal: int, readings: Sequence[Reading]) -> Batch:
    return Batch(ordinal, max((reading.received_at for reading in readings), default=0), "\n".join(map(line_of, readings)).encode())


@pytest.fixture(scope="module", params=["store", pytest.param("influx", marks=pytest.mark.influx)])
def keep(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Keep:
    """Give, for each kind of archive, what puts readings into an empty one and reads them through the port."""

    def in_store(readings: Iterable[Reading]) -> Archive:
        path = tmp_path_factory.mktemp("store") / "store.db"
        with Store(path) as store:
            store.start(Start(Cursor("spool", 0)), now=0)
            store.write("spool", [batch_of(ordinal, [reading]) for ordinal, reading in enumerate(readings, start=1)])
        return StoreArchive(path)

    def in_influx(readings: Iterable[Reading]) -> Archive:
        influxd = request.getfixturevalue("influxd")
        server, token = Server(influxd.url, influxd.org, influxd.new_bucket(), timeout=5), influxd.token
        with closing(open_writer(tmp_path_factory.mktemp("influx") / "store.db")) as db:
            sink = Influx(server, lambda: token, Books(db, "influx"), lambda: 0, time.sleep)
            sink.start(Start(Cursor("spool", 0)), now=0)
            sink.write("spool", [batch_of(ordinal, [reading]) for ordinal, reading in enumerate(readings, start=1)])
        return InfluxArchive(server, token)

    return {"store": in_store, "influx": in_influx}[request.param]


@pytest.fixture(scope="module", params=["store", pytest.param("influx", marks=pytest.mark.influx)])
def keep_from(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> KeepFrom:
    """Give, for each kind of archive, what keeps readings from an instant on as they came, and older ones in the history alone."""

    def written(readings: Sequence[Reading], histories: Sequence[str]) -> tuple[Path, list[Batch]]:
        path = tmp_path_factory.mktemp("history") / "store.db"
        batches = [batch_of(ordinal, [reading]) for ordinal, reading in enumerate(readings, start=1)]
        with Store(path, histories) as store:
            store.start(Start(Cursor("spool", 0)), now=0)
            store.write("spool", batches)
        return path, batches

    def in_store(readings: Sequence[Reading], from_at: Instant) -> Archive:
        path, _ = written(readings, ["store"])
        with Store(path) as store:
            store.keep_history(FAR_AHEAD)
            store.trim(from_at)
        return StoreArchive(path)

    def in_influx(readings: Sequence[Reading], from_at: Instant) -> Archive:
        path, batches = written(readings, ["influx"])
        influxd = request.getfixturevalue("influxd")
        server, token = Server(influxd.url, influxd.org, influxd.new_bucket()), influxd.token
        influxd.new_bucket(server.hourly.bucket)
        with closing(open_writer(path)) as db:
            sink = Influx(server, lambda: token, Books(db, "influx"), lambda: 0, time.sleep)
            sink.start(Start(Cursor("spool", 0)), now=0)
            sink.write("spool", batches)
            hours = history.waiting(db, "influx", FAR_AHEAD, 2**62, 2**30)
        while hours:
            hours = hours[len(influx_history.compute(server, InfluxArchive(server, token), token, hours)) :]
        return InfluxArchive(server, token, keep=DAY, clock=lambda: from_at + DAY)

    return {"store": in_store, "influx": in_influx}[request.param]


@pytest.fixture(scope="session")
def reading() -> Callable[..., Reading]:
    """Make a reading of Kim Long; minutes count from 2025-10-27T00:00:00Z."""
    start_at = 1_761_523_200_000_000

    def make(minute: float = 0, value: float = 1.0, device: str = "wl-kim-long", station: str = "kim-long", **other: str) -> Reading:
        at = start_at + round(minute * 60_000) * MILLISECOND
        return Reading(station, device, other.get("quantity", "water_level"), value, Quality.PASS, at, at + 2_000 * MILLISECOND)

    return make


@pytest.fixture(scope="session")
def line() -> Callable[[Reading], str]:
    """Write a reading as ingest does."""
    return line_of


@pytest.fixture(scope="session")
def batch() -> Callable[[int, Sequence[Reading]], Batch]:
    """Put readings into a batch of the spool."""
    return batch_of


class SpoolWriter:
    """Writes batches into a spool, as ingest does."""

    def __init__(self, path: Path, identity: str = "spool-1") -> None:
        self.path = path
        self._db = open_spool(path)
        set_meta(self._db, "spool", identity)

    def append(self, lines: Sequence[str], received_at: int = 0) -> None:
        body = "\n".join(lines).encode(errors="surrogateescape")
        row = (received_at, len(lines), "r1", body, b"", "[]")
        self._db.execute("INSERT INTO batch (received_at, readings, revision, body, ranks, hearing) VALUES (?, ?, ?, ?, ?, ?)", row)

    def forget(self, up_to: int) -> None:
        self._db.execute("DELETE FROM batch WHERE ordinal <= ?", (up_to,))

    def close(self) -> None:
        self._db.close()


@pytest.fixture
def new_spool() -> Iterator[Callable[..., SpoolWriter]]:
    """Make spools that are closed with the test."""
    writers: list[SpoolWriter] = []

    def make(path: Path, identity: str = "spool-1") -> SpoolWriter:
        writers.append(SpoolWriter(path, identity))
        return writers[-1]

    yield make
    for writer in writers:
        writer.close()


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, list[tuple[object, ...]]]]:
    """Give everything that a store holds, series by name."""
    statements = {
        "reading": "SELECT station, quantity, device, r.* FROM series s JOIN reading r ON r.series = s.id",
        "hourly": "SELECT station, quantity, device, h.* FROM series s JOIN hourly h ON h.series = s.id",
        "touched": "SELECT station, quantity, device, hour_at, name FROM series s JOIN touched t ON t.series = s.id",
        "latest": "SELECT station, quantity, device, l.* FROM series s JOIN latest l ON l.series = s.id",
        "refused": "SELECT * FROM refused",
        "cursor": "SELECT name, spool, reached FROM cursor",
        "incident": "SELECT at, kind, detail FROM incident",
    }

    def read(path: Path) -> dict[str, list[tuple[object, ...]]]:
        with closing(sqlite3.connect(path)) as store:
            return {name: sorted(store.execute(statement)) for name, statement in statements.items()}

    return read
