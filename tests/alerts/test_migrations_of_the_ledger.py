"""The tables of a ledger: made by migrations, the same as the program knows, kept over restarts."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select
from sqlalchemy.exc import OperationalError

from alerts.ledger import changes, schema
from alerts.ledger.migrating import migrate, migrations
from alerts.ledger.opening import ledger_url, open_ledger, open_ledger_to_read


def test_migrations_make_what_the_program_knows(tmp_path: Path) -> None:
    engine = open_ledger(ledger_url(tmp_path / "ledger.db"))
    migrate(engine)

    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found = compare_metadata(context, schema.metadata)

    assert found == []


def test_indexes_and_unique_keys_are_those_that_the_program_knows(tmp_path: Path) -> None:
    engine = open_ledger(ledger_url(tmp_path / "ledger.db"))
    migrate(engine)

    inspector = inspect(engine)

    for table in schema.metadata.sorted_tables:
        assert {str(each["name"]) for each in inspector.get_indexes(table.name)} >= {str(each.name) for each in table.indexes}
        assert set(inspector.get_pk_constraint(table.name)["constrained_columns"]) == {column.name for column in table.primary_key}


def test_migrating_again_changes_nothing_and_keeps_what_is_there(tmp_path: Path) -> None:
    engine = open_ledger(ledger_url(tmp_path / "ledger.db"))
    migrate(engine)
    with engine.begin() as connection:
        changes.move_cursor(connection, "spool", 7)
    engine.dispose()

    again = open_ledger(ledger_url(tmp_path / "ledger.db"))
    migrate(again)

    with again.begin() as connection:
        assert changes.cursor_of(connection) == ("spool", 7)


def test_there_is_one_line_of_migrations(tmp_path: Path) -> None:
    engine = open_ledger(ledger_url(tmp_path / "ledger.db"))

    with engine.begin() as connection:
        heads = ScriptDirectory.from_config(migrations(connection)).get_heads()

    assert len(heads) == 1


def test_a_commit_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    engine = open_ledger(ledger_url(tmp_path / "ledger.db"))

    with engine.begin() as connection:
        modes = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]

    assert modes == ["wal", 2]


def test_who_only_reads_sees_what_is_committed_and_cannot_write(tmp_path: Path) -> None:
    engine = open_ledger(ledger_url(tmp_path / "ledger.db"))
    migrate(engine)
    reader = open_ledger_to_read(ledger_url(tmp_path / "ledger.db"))
    with engine.begin() as writing:
        changes.move_cursor(writing, "spool", 1)
        with reader.connect() as reading:
            assert reading.execute(select(schema.cursor)).all() == []

    with reader.connect() as reading:
        assert changes.cursor_of(reading) == ("spool", 1)
        with pytest.raises(OperationalError, match="readonly"):
            changes.move_cursor(reading, "spool", 2)


def test_reading_makes_no_ledger(tmp_path: Path) -> None:
    reader = open_ledger_to_read(ledger_url(tmp_path / "ledger.db"))

    with pytest.raises(OperationalError), reader.connect() as reading:
        changes.cursor_of(reading)
    assert not (tmp_path / "ledger.db").exists()
