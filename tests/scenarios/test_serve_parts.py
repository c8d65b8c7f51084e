"""The parts of `canhbao serve` that no flood shows: token, jobs, channels without their secret, a city that cannot be used."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from river import KIM_LONG, River, local
from sqlalchemy import select

from alerts.channels.webhook import WebhookSettings
from alerts.ledger import changes, reading, schema
from alerts.ledger.migrating import migrate
from alerts.ledger.opening import ledger_url, open_ledger
from devices.instants import HOUR, SECOND
from ingest.inbox import Heard
from rules.changes import Change, Kind, Said, Verb
from service.clock import RehearsalClock
from service.programs.serve import Serving
from service.programs.serve_jobs import DAMAGED, KEPT, check, forget, sweep
from service.programs.serve_pages import token_of
from service.settings import load_settings

NOW = local("2025-11-17 06:00")


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    found = open_ledger(ledger_url(tmp_path / "ledger.db"))
    migrate(found)
    return found


def test_the_token_is_made_once_and_is_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "operator.token"

    first, second = token_of(path), token_of(path)

    assert first == second
    assert len(first) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_token_that_was_half_written_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "operator.token"
    path.with_name("operator.token.new").write_text("hal")

    assert len(token_of(path)) >= 32


def test_changes_are_forgotten_after_four_hundred_days_and_not_before(engine: Any) -> None:
    ages = {"old": KEPT + SECOND, "kept": KEPT - SECOND}
    said = [(1, Said(Verb.ISSUED, _change(name, NOW - age))) for name, age in ages.items()]
    with engine.begin() as connection:
        changes.store(connection, said)

    forget(engine, NOW)

    with engine.connect() as connection:
        assert connection.execute(select(schema.change.c.id)).scalars().all() == ["kept"]


def test_a_sound_ledger_is_no_incident(engine: Any) -> None:
    check(engine, NOW)

    with engine.connect() as connection:
        assert reading.incidents(connection) == []


def test_a_damaged_ledger_is_an_incident(engine: Any, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with engine.connect() as connection:
        page = connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'receipt'").scalar()
    engine.dispose()
    whole = path.read_bytes()
    path.write_bytes(whole[: (page - 1) * 4096] + b"\xff" * 4096 + whole[page * 4096 :])

    check(engine, NOW)

    with engine.connect() as connection:
        (found,) = reading.incidents(connection)
    assert (found.kind, found.ended_at) == (DAMAGED, None)


def test_a_sweep_wakes_the_channels(engine: Any) -> None:
    woken: list[str] = []

    sweep(engine, NOW, lambda: woken.append("up"))

    assert woken == ["up"]


@pytest.fixture
def serving(river: Callable[..., River], engine: Any) -> Iterator[Callable[..., Serving]]:
    made: list[Serving] = []

    def make(town: River, city: Any) -> Serving:
        settings = load_settings(data=town.folder)
        made.append(Serving(settings, RehearsalClock(town.clock_at, 0, 1.0), engine, town.feed, city))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_channel_without_its_secret_is_an_incident_and_stops_no_other(
    river: Callable[..., River], serving: Callable[..., Serving], engine: Any
) -> None:
    town = river(KIM_LONG, start_at=NOW)
    hook = {**town.city.policy.channels, "hook": WebhookSettings(kind="webhook", secret="not-given")}

    serving(town, replace(town.city, policy=replace(town.city.policy, channels=hook)))

    with engine.connect() as connection:
        (found,) = reading.incidents(connection)
    assert (found.kind, found.ended_at) == ("channel_closed:hook", None)
    assert "not-given" in found.detail


def test_a_turn_takes_what_is_new_and_moves_the_cursor(river: Callable[..., River], serving: Callable[..., Serving], engine: Any) -> None:
    town = river(KIM_LONG, start_at=NOW)
    town.handle(Heard(NOW + HOUR))
    one = serving(town, town.city)

    one.turn()

    with engine.connect() as connection:
        cursor = changes.cursor_of(connection)
    assert cursor is not None
    assert cursor[1] == town.feed.read(None).cursor.ordinal


def _change(name: str, at: int) -> Change:
    return Change(name, "river-levels", "kim-long", "water_level", "wl-kim-long", Kind.RAISE, 1, 0, at, 1.0, 1.0)
