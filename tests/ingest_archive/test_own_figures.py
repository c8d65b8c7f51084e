"""Figures about ourselves stand beside the readings in InfluxDB; they are never among them, never in a book, and nothing waits for them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import desk_town
import pytest

from devices.documents import read_yaml
from devices.instants import MINUTE, SECOND
from devices.quantities import QUANTITIES
from ingest.archive.influx import Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.own_figures import Figure, lines_of
from ingest.archive.query import ArchiveAway
from rules.changes import Phase, Standing
from service.observation import Balance, SpoolNow
from service.own_figures import TURNS, Turns, figures, standing_figures
from service.programs.archive_figures import Gathered, Post, positions_of
from service.settings import Settings

NOW = 1_763_370_000_000_000


def standing(device: str = "wl-kim-long", **other: Any) -> Standing:
    plain = Standing(
        rule="river-levels",
        station="kim-long",
        quantity="water_level",
        device=device,
        primary=True,
        level=0,
        opened_id=None,
        opened_at=None,
        level_id=None,
        level_at=None,
        peak=None,
        peak_at=None,
        value=0.9,
        observed_at=NOW - MINUTE,
        received_at=NOW - MINUTE + 2 * SECOND,
        trend=None,
        phase=Phase.FRESH,
        phase_at=NOW,
        interval=10 * MINUTE,
    )
    return replace(plain, **other)


def spool(*standings: Standing, received: int = 10, archived: int = 7) -> SpoolNow:
    return SpoolNow("s", 5, {"quarantined:range": 2}, Balance(received, archived, 1, 2, 4), None, standings, ())


# ---- lines


def test_a_figure_that_nobody_knows_is_absent_and_no_number_is_never_written() -> None:
    made = [
        Figure("pipeline", {"received": 3, "age": 1.0, "gone": None, "odd": float("nan")}),
        Figure("reader", {"behind": None}, {"reader": "store"}),
    ]

    assert list(lines_of(made, NOW)) == ["canhbao_pipeline received=3i,age=1.0 1763370000000"]


def test_names_that_are_not_ours_are_escaped() -> None:
    (line,) = lines_of([Figure("delivery", {"notices": 1}, {"channel": "a b,c=d\\", "state": "sent"})], NOW)

    assert line == r"canhbao_delivery,channel=a\ b\,c\=d,state=sent notices=1i 1763370000000"


@pytest.mark.parametrize("name", ["value", "quality", "received_at"])
def test_a_figure_is_never_called_as_a_field_of_a_reading(name: str) -> None:
    with pytest.raises(ValueError, match="would pass for a reading"):
        list(lines_of([Figure("pipeline", {name: 1})], NOW))


# ---- what is counted


def test_the_balance_is_whole_and_what_is_missing_has_a_figure() -> None:
    whole = next(figures(spool(), None, (None, {}, {}), NOW)).numbers
    short = next(figures(spool(archived=6), None, (None, {}, {}), NOW)).numbers

    assert whole["received"] == 14
    assert whole["received"] == sum(whole[name] or 0 for name in ("archived", "duplicate", "quarantined", "waiting"))
    assert (whole["unaccounted"], short["unaccounted"]) == (0, 1)


def test_zero_is_said_so_that_nothing_said_is_not_zero() -> None:
    sensors = next(
        figures(spool(standing(), standing("b", phase=Phase.LOST), standing("c", level=3, primary=False)), None, (None, {}, {}), NOW)
    ).numbers

    assert {
        name: sensors[name]
        for name in ("above", "unheard", "highest", "sensors_fresh", "sensors_stale", "sensors_lost", "sensors_never_seen")
    } == {
        "above": 0,
        "unheard": 1,
        "highest": 0,
        "sensors_fresh": 2,
        "sensors_stale": 0,
        "sensors_lost": 1,
        "sensors_never_seen": 0,
    }


def test_the_depth_of_the_spool_stands_beside_its_budget_where_that_is_known() -> None:
    deep = replace(spool(), size=5_000)
    known, unknown = (next(figures(deep, None, (None, {}, {}), NOW, budget)).numbers for budget in (20_000, None))

    assert (known["spool_bytes"], known["spool_budget"]) == (5_000, 20_000)
    assert (unknown["spool_bytes"], unknown["spool_budget"]) == (5_000, None)


def test_a_data_folder_gives_the_depth_of_its_spool_and_the_alarms_of_its_ledger(
    tmp_path: Path, new_spool: Any, reading: Any, line: Any
) -> None:
    new_spool(tmp_path / "spool.db").append([line(reading())])
    town = desk_town.Town(tmp_path / "ledger.db")
    town.step(desk_town.standing(2))

    lines = Gathered(Settings(data=tmp_path, spool={"budget_bytes": 7 * 2**20})).lines(NOW, NOW)

    (pipeline,) = (each for each in lines if each.startswith("canhbao_pipeline "))
    numbers = dict(each.split("=") for each in pipeline.split(" ")[1].split(","))
    assert (numbers["spool_budget"], numbers["alarms_open"]) == (f"{7 * 2**20}i", "1i")
    assert int(numbers["spool_bytes"].removesuffix("i")) > 0
    assert [each.partition(" ")[0].split(",")[2:] for each in lines if each.startswith("canhbao_alarm,")] == [
        ["device=wl-bridge", "quantity=water_level", "station=bridge"]
    ]


def test_what_stands_comes_with_its_place_its_age_and_its_delay() -> None:
    (figure,) = standing_figures([standing(level=2, peak=2.5)], {"kim-long": (16.4, 107.5)}, NOW)

    assert figure.tags == {"station": "kim-long", "device": "wl-kim-long", "quantity": "water_level"}
    assert (figure.numbers["level"], figure.numbers["phase"], figure.numbers["shown"], figure.numbers["peak"]) == (2, 0, 0.9, 2.5)
    assert (figure.numbers["silent_for"], figure.numbers["delay"], figure.numbers["latitude"]) == (58.0, 2.0, 16.4)


def test_what_was_never_heard_has_a_phase_and_no_age() -> None:
    (figure,) = standing_figures([standing(value=None, observed_at=None, received_at=None, phase=Phase.NEVER_SEEN)], {}, NOW)
    (line,) = lines_of([figure], NOW)

    assert line.partition(" ")[2] == "level=0i,primary=1i,phase=3i 1763370000000"


def test_the_positions_are_those_of_the_applied_city(hue: Path) -> None:
    applied = json.loads(json.dumps(read_yaml("stations.yaml", (hue / "stations.yaml").read_text(encoding="utf-8")).content))

    assert positions_of(applied)["kim-long"] == (16.41667, 107.5667)
    assert len(positions_of(applied)) == 10


def test_positions_of_a_city_that_cannot_be_read_are_not_known() -> None:
    assert positions_of(None) == positions_of({"stations": [{"id": 1}]}) == {}


# ---- turns


def test_a_sensor_is_written_when_it_is_news_and_else_once_in_ten_turns() -> None:
    turns, calm = Turns(), [standing(f"d-{number}") for number in range(200)]

    first = turns.due(calm)
    later = [turns.due(calm) for _ in range(TURNS)]

    assert first == calm
    assert sorted(each.device for turn in later for each in turn) == sorted(each.device for each in calm)
    assert max(map(len, later)) < 60, "the turns are spread"


def test_a_level_and_a_silence_are_written_every_time_and_their_end_at_once() -> None:
    turns = Turns()
    raised, silent = standing("a", level=1), standing("b", phase=Phase.STALE)

    assert [turns.due([raised, silent]) for _ in range(12)] == [[raised, silent]] * 12
    assert turns.due([standing("a"), standing("b")]) == [standing("a"), standing("b")]


# ---- in InfluxDB


@pytest.mark.influx
def test_whoever_asks_for_readings_finds_no_figure(influxd: Any, reading: Any, line: Any) -> None:
    server = Server(influxd.url, influxd.org, influxd.new_bucket())
    archive, kept = InfluxArchive(server, influxd.token), reading()
    own = [*lines_of(figures(spool(), None, (3, {"alarms_open": 1}, {("log", "sent"): 1}), NOW), NOW)]
    own += lines_of(standing_figures([standing(level=1)], {"kim-long": (16.4, 107.5)}, NOW), NOW)

    assert Post(server, lambda: influxd.token).send([*own, line(kept)])
    assert archive.count(0, 4 * 10**15) == 1
    assert archive.latest() == [kept]
    assert archive.latest("canhbao_standing") == []
    assert len(archive.checksums(0, 4 * 10**15)) == 1
    assert not any(name.startswith("canhbao_") for name in QUANTITIES)


def test_a_server_that_is_away_costs_one_attempt_and_no_error(free_port: Callable[[], int]) -> None:
    post = Post(Server(f"http://127.0.0.1:{free_port()}", "o", "b", timeout=1), lambda: "t")
    nobody = Post(Server("http://127.0.0.1:1", "o", "b"), lambda: None)

    begun = time.monotonic()
    assert not post.send(["canhbao_pipeline received=1i 1"])
    assert not nobody.send(["canhbao_pipeline received=1i 1"])
    assert time.monotonic() - begun < 5


@pytest.mark.influx
def test_the_archive_sends_them_beside_the_readings_and_counts_them_nowhere(
    influxd: Any, tmp_path: Path, new_spool: Any, reading: Any, line: Any
) -> None:
    server = Server(influxd.url, influxd.org, influxd.new_bucket())
    writer = new_spool(tmp_path / "spool.db")
    writer.append([line(reading(minute=0)), line(reading(minute=1))])

    with archive(tmp_path, influxd, server.bucket):
        until(lambda: asked(influxd, server.bucket, 'SELECT last("batches") FROM "canhbao_pipeline"'))
        until(lambda: counted(server, influxd.token) == 2)

    assert asked(influxd, server.bucket, 'SELECT last("behind") FROM "canhbao_reader" GROUP BY "reader"').keys() >= {"store"}
    with closing(sqlite3.connect(tmp_path / "store.db")) as store:
        assert store.execute("SELECT count(*) FROM refused").fetchone() == (0,)


def archive(data: Path, influxd: Any, bucket: str) -> Any:
    names = {"URL": influxd.url, "ORG": influxd.org, "BUCKET": bucket, "TOKEN": influxd.token, "READ_TOKEN": influxd.token}
    environment = {name: text for name, text in os.environ.items() if not name.startswith("CANHBAO_")}
    environment |= {f"CANHBAO_INFLUX__{name}": text for name, text in names.items()}
    return Ended([sys.executable, "-m", "service.cli", "archive", "--data", str(data)], environment, data)


class Ended:
    """A program that is asked to stop at the end, and must not have said anything bad."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            _, said = self._process.communicate(timeout=10)
        finally:
            self._process.kill()
        assert "Traceback" not in said, said
        assert "figures do not go" not in said, said


def until(condition: Callable[[], object], seconds: float = 25.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the other process did not get there"
        time.sleep(0.05)


def asked(influxd: Any, bucket: str, statement: str) -> dict[str, Any]:
    return {next(iter(each.get("tags", {"": ""}).values()), ""): each["values"][0][1] for each in influxd.query(bucket, statement)}


def counted(server: Server, token: str) -> int:
    try:
        return InfluxArchive(server, token).count(0, 4 * 10**15)
    except ArchiveAway:
        return -1
