"""The commands, and the job of `canhbao serve`: from a real ledger to a recording Grafana."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from desk_town import Town, standing
from recording import TOKEN, Fault, Grafana, message

from alerts.ledger import holding, reading
from alerts.model import Audience, Status
from alerts.telling import Desk
from devices.instants import HOUR, SECOND, Instant
from grafana.client import Client, Server
from grafana.shipped import DATASOURCE, dashboards
from service.clock import RealClock
from service.configuration import City, build, read_city
from service.grafana import episodes
from service.programs.serve import composing
from service.programs.serve_annotations import AWAY, Annotating, annotating
from service.programs.serve_jobs import schedule_jobs
from service.settings import Settings

Run = Callable[..., subprocess.CompletedProcess[str]]
START: Instant = 1_761_523_200_000_000


@pytest.fixture(scope="module")
def city(hue: Path) -> City:
    return build(read_city(hue))


@dataclass
class HueTown(Town):
    """The desk of the shipped city, whose words are real."""

    city: City | None = None

    @property
    def desk(self) -> Desk:
        assert self.city is not None
        return Desk(self.city.registry, self.city.policy, "r1", self.status, composing(self.city))

    def flood(self, hour: int, level: int, value: float) -> None:
        """Let the river at Kim Long reach a level, in a city that trusts one gauge."""
        at = START + hour * HOUR
        begun = START if level else None
        self.step(standing(level, at=at, value=value, opened_at=begun, level_at=at, station="kim-long", device="wl-kim-long"), now=at)


@pytest.fixture
def town(tmp_path: Path, city: City) -> HueTown:
    trusting = replace(city, policy=replace(city.policy, single_gauge_public=True))
    return HueTown(tmp_path / "ledger.db", Status.ACTUAL, trusting.policy, trusting.registry, now=START, city=trusting)


@pytest.fixture
def job(town: HueTown, told: Grafana) -> Annotating:
    return Annotating(lambda: Client(Server(told.url, timeout=30.0), TOKEN), town.engine)


def away(town: Town) -> list[tuple[str, bool]]:
    """Give what was ever said of Grafana being away: (why, whether it is over)."""
    with town.engine.connect() as connection:
        found = reading.incidents(connection)
    return [(each.detail, each.ended_at is not None) for each in reversed(found) if each.kind == AWAY]


# ---- the job


def test_a_public_flood_is_shown_from_its_raise_to_its_end(town: HueTown, told: Grafana, job: Annotating) -> None:
    for hour, level, value in ((0, 1, 1.2), (1, 2, 2.2), (2, 3, 3.7), (6, 0, 0.5)):
        town.flood(hour, level, value)
        job(town.now)

    with town.engine.connect() as connection:
        notices = reading.recent_notices(connection, audience=Audience.RESIDENTS)
    (shown,) = told.annotations.values()
    assert len(notices) >= 3
    assert (shown["time"], shown["timeEnd"]) == (START // 1000, (START + 6 * HOUR) // 1000)
    assert {"canhbao", "kim-long", "bd3"} < set(shown["tags"])
    assert [tag for tag in shown["tags"] if tag.startswith("alarm:")] == [f"alarm:{notices[0].alarm}"]
    for language in ("vi", "en"):
        assert notices[0].texts[language]["title"] in shown["text"]
        assert notices[-1].texts[language]["title"] in shown["text"], "the way there"
    assert away(town) == []


def test_what_residents_were_not_told_is_not_shown(town: HueTown, told: Grafana, job: Annotating) -> None:
    town.city = replace(town.city, policy=replace(town.policy, single_gauge_public=False)) if town.city else None
    town.flood(0, 3, 3.7)

    job(town.now)

    with town.engine.connect() as connection:
        assert reading.recent_alarms(connection, 0)
        assert reading.recent_notices(connection, audience=Audience.OPERATORS)
    assert told.annotations == {}


def test_an_exercise_is_tagged_in_both_languages(town: HueTown, told: Grafana, job: Annotating) -> None:
    town.status = Status.EXERCISE
    town.flood(0, 3, 3.7)

    job(town.now)

    (shown,) = told.annotations.values()
    assert {"exercise", "diễn tập"} < set(shown["tags"])
    assert "DIỄN TẬP" in shown["text"]


def test_grafana_being_away_is_said_once_and_so_is_its_being_back(town: HueTown, told: Grafana, job: Annotating) -> None:
    town.flood(0, 3, 3.7)
    told.fail("GET", "/api/annotations", Fault(503, message("starting")), times=3)
    for second in range(0, 60, 15):
        job(START + second * SECOND)

    ((why, is_over),) = away(town)
    assert "Grafana answers 503" in why
    assert is_over
    assert len(told.annotations) == 1


def test_another_trouble_is_said_anew_and_only_one_is_open(town: HueTown, told: Grafana, job: Annotating) -> None:
    for fault in (Fault(503, message("x")), Fault(401, message("x")), Fault(401, message("x"))):
        told.fail("GET", "/api/annotations", fault)
        job(town.now)

    assert [is_over for _, is_over in away(town)] == [True, False]


def test_a_restart_ends_the_incident_of_the_run_before(town: HueTown, told: Grafana, job: Annotating) -> None:
    told.fail("GET", "/api/annotations", Fault())
    job(town.now)
    town.reopen()

    Annotating(lambda: Client(Server(told.url), TOKEN), town.engine)(town.now)

    assert [is_over for _, is_over in away(town)] == [True]


def test_without_a_token_the_service_goes_on_and_says_so(town: HueTown, told: Grafana) -> None:
    job = annotating(Settings(grafana={"url": told.url}), town.engine, town.now)
    assert job is not None

    job(town.now)
    job(town.now)

    ((why, is_over),) = away(town)
    assert "CANHBAO_GRAFANA__TOKEN_FILE" in why
    assert not is_over
    assert annotating(Settings(), town.engine, town.now) is None
    assert [is_over for _, is_over in away(town)] == [True], "a Grafana that is not wanted any more is not away"


def test_a_restored_service_leaves_grafana_alone_until_it_is_released(town: HueTown, told: Grafana, job: Annotating) -> None:
    town.flood(0, 3, 3.7)
    with town.engine.begin() as connection:
        holding.hold(connection, "restored", town.now)
    job(town.now)
    assert told.asked == []

    with town.engine.begin() as connection:
        holding.end(connection, town.now)
    job(town.now)
    assert len(told.annotations) == 1


def test_a_hanging_grafana_delays_neither_the_desk_nor_the_sweeps(town: HueTown, told: Grafana) -> None:
    told.fail("GET", "/api/annotations", Fault(wait=30), times=9)
    slow = Annotating(lambda: Client(Server(told.url, timeout=20), TOKEN), town.engine)
    waits, swept = threading.Event(), threading.Event()

    def show(now: Instant) -> None:
        waits.set()
        slow(now)

    jobs = schedule_jobs(RealClock(), "Asia/Ho_Chi_Minh", town.engine, swept.set, show=show)
    for each in jobs._scheduler.get_jobs():
        if each.id in {"show warnings in Grafana", "sweep deliveries"}:
            each.reschedule("interval", seconds=0.2)
    assert waits.wait(30)
    began = time.monotonic()
    town.flood(0, 3, 3.7)
    took = time.monotonic() - began
    swept.clear()
    assert swept.wait(30)
    jobs.end()
    told.gone.set()

    assert took < 10.0
    assert episodes_of(town)


def episodes_of(town: Town) -> list[Any]:
    with town.engine.connect() as connection:
        return episodes(connection, 0)


# ---- the commands


@pytest.fixture
def canhbao(tmp_path: Path, told: Grafana) -> Run:
    """Run a command in an empty folder, with the recording Grafana in its settings."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CANHBAO_")}
    ours = {"CANHBAO_GRAFANA__URL": told.url, "CANHBAO_GRAFANA__TOKEN_FILE": str(tmp_path / "token"), "COLUMNS": "200"}

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in {**clean, **ours, **more}.items() if value}
        command = [sys.executable, "-m", "service.cli", "grafana", *words]
        return subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    return run


def test_the_shipped_dashboards_are_brought_and_then_well(told: Grafana, canhbao: Run) -> None:
    told.sources[DATASOURCE] = (200, {"status": "OK", "message": "datasource is working"})

    brought = canhbao("sync", CANHBAO_GRAFANA__PAGES="https://ioc.example/canhbao")

    assert (brought.returncode, brought.stderr) == (0, "")
    assert set(told.dashboards) == {each.uid for each in dashboards()} != set()
    assert "https://ioc.example/canhbao" in json.dumps(told.dashboards)
    assert f"{len(dashboards()) + 3} made" in brought.stdout

    again = canhbao("sync", "--json", CANHBAO_GRAFANA__PAGES="https://ioc.example/canhbao")
    assert {line["done"] for line in json.loads(again.stdout)} == {"same"}

    found = canhbao("check", "--json", CANHBAO_GRAFANA__PAGES="https://ioc.example/canhbao")
    assert (found.returncode, {each["is_well"] for each in json.loads(found.stdout)}) == (0, {True})


def test_a_dry_run_writes_nothing(told: Grafana, canhbao: Run) -> None:
    said = canhbao("sync", "--dry-run")

    assert said.returncode == 0
    assert "would be made" in said.stdout
    assert "(nothing was written)" in said.stdout
    assert told.writes() == []


def test_a_dashboard_that_is_refused_makes_status_1(told: Grafana, canhbao: Run) -> None:
    told.fail("POST", "/api/dashboards/db", Fault(412, message("changed", status="version-mismatch")))

    said = canhbao("sync")

    assert said.returncode == 1
    assert "run again, which keeps what they saved" in said.stdout


def test_what_is_not_well_has_its_fix_beside_it_and_makes_status_1(canhbao: Run) -> None:
    said = canhbao("check")

    assert said.returncode == 1
    assert "NOT WELL" in said.stdout
    assert "run `canhbao grafana sync`" in said.stdout


@pytest.mark.parametrize(
    ("words", "given", "status", "said"),
    [
        (["sync"], {"CANHBAO_GRAFANA__URL": ""}, 78, "set CANHBAO_GRAFANA__URL"),
        (["check"], {"CANHBAO_GRAFANA__TOKEN_FILE": ""}, 78, "CANHBAO_GRAFANA__TOKEN_FILE"),
        (["sync"], {"CANHBAO_GRAFANA__URL": "http://127.0.0.1:1"}, 69, "there is no answer from http://127.0.0.1:1; start Grafana"),
        (["sync"], {"CANHBAO_GRAFANA__TOKEN_FILE": "", "CANHBAO_GRAFANA__TOKEN": "x"}, 69, "token of a service account"),
    ],
)
def test_what_is_missing_is_said_with_its_status(canhbao: Run, words: list[str], given: dict[str, str], status: int, said: str) -> None:
    result = canhbao(*words, **given)

    assert (result.returncode, said in result.stderr) == (status, True), result.stderr
