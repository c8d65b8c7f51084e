"""What waits elsewhere in the service is an incident that operators see, for as long as it waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from alerts.ledger import reading
from alerts.ledger.migrating import migrate
from alerts.ledger.opening import ledger_url, open_ledger
from devices.instants import MINUTE, Instant
from ingest.archive.books import Away, Books
from ingest.archive.schema import open_writer
from service.programs.serve_health import PATIENCE, note_waits

NOW: Instant = 1_761_544_800_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Engine]:
    engine = open_ledger(ledger_url(tmp_path / "ledger.db"))
    migrate(engine)
    yield engine
    engine.dispose()


def told(ledger: Engine) -> list[tuple[str, Instant, Instant | None]]:
    with ledger.connect() as connection:
        return [(each.kind, each.opened_at, each.ended_at) for each in reading.incidents(connection)]


def away(store: Path, name: str, why: Away | None) -> None:
    with closing(open_writer(store)) as db:
        Books(db, name).away(why)


def test_a_server_that_is_away_is_told_once_and_ended_when_it_is_back(ledger: Engine, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    away(store, "influx", Away(NOW, "nobody answers at http://influx", "start it"))

    for minute in range(1, 4):
        note_waits(store, ledger, NOW + minute * MINUTE)
    assert told(ledger) == [("archive_waits:influx", NOW, None)]

    away(store, "influx", None)
    note_waits(store, ledger, NOW + 9 * MINUTE)
    assert told(ledger) == [("archive_waits:influx", NOW, NOW + 9 * MINUTE)]


def test_the_detail_has_the_fix_and_says_that_nothing_is_lost(ledger: Engine, tmp_path: Path) -> None:
    away(tmp_path / "store.db", "influx", Away(NOW, "nobody answers at http://influx", "start it"))
    note_waits(tmp_path / "store.db", ledger, NOW + PATIENCE)

    with ledger.connect() as connection:
        (incident,) = reading.incidents(connection)
    assert incident.detail == "nobody answers at http://influx; start it. Nothing is lost"


def test_what_waits_for_a_moment_is_no_incident(ledger: Engine, tmp_path: Path) -> None:
    away(tmp_path / "store.db", "influx", Away(NOW, "it starts", "wait"))
    note_waits(tmp_path / "store.db", ledger, NOW + PATIENCE - 1)

    assert told(ledger) == []


def test_each_part_is_told_by_itself(ledger: Engine, tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    for name in ("influx", "influx retention"):
        away(store, name, Away(NOW, "it waits", "look"))
    note_waits(store, ledger, NOW + PATIENCE)
    away(store, "influx", None)
    note_waits(store, ledger, NOW + 2 * PATIENCE)

    assert {kind: ended for kind, _, ended in told(ledger)} == {
        "archive_waits:influx": NOW + 2 * PATIENCE,
        "archive_waits:influx retention": None,
    }


def test_without_a_store_nothing_is_known(ledger: Engine, tmp_path: Path) -> None:
    note_waits(tmp_path / "store.db", ledger, NOW)

    assert told(ledger) == []
