"""Transactions of a ledger: which of them wait for the disk."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, QueuePool

from alerts.ledger.opening import ledger_url, may_be_lost, open_ledger

NORMAL, FULL = 1, 2


def synchronous(engine: Engine) -> int:
    with engine.begin() as connection:
        return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())


def test_only_what_may_be_lost_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    engine = open_ledger(ledger_url(tmp_path / "ledger.db"))

    assert [synchronous(each) for each in (engine, may_be_lost(engine), engine)] == [FULL, NORMAL, FULL]
    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.checkedin() == 1, "all three were of one connection"
