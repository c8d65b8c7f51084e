"""`canhbao ingest` as a process: killed, stopped, hung, deaf, and given new files."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing

import paho.mqtt.client as mqtt
import pytest

from ingest.accept import intake_of, take
from ingest.feed import Feed, NoSpool
from ingest.inbox import Inbound, Receipt, Trouble
from ingest.spool import open_reader
from rules.changes import said_of, standing_of
from rules.engine import Engine
from service.configuration import load_city

both = pytest.mark.parametrize("kind", [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded_broker"])


BUSY = 1.0
"""Seconds that a machine may need on top when other tests run beside this one."""


class Program:
    """The program at a broker, with a data folder."""

    def __init__(self, folder, city, broker):
        self.data, self.broker, self.process = folder / "data", broker, None
        self.environment = os.environ | {
            "CANHBAO_DATA": str(self.data),
            "CANHBAO_CITY": str(city),
            "CANHBAO_BROKER__HOST": broker.host,
            "CANHBAO_BROKER__PORT": str(broker.port),
        }
        if broker.username is not None:
            self.environment |= {"CANHBAO_BROKER__USERNAME": broker.username, "CANHBAO_BROKER__PASSWORD": broker.password}
        self.feed = Feed(self.data / "spool.db", said_of, standing_of)

    def command(self, before=""):
        code = f"import sys, time\nimport service.programs.ingest as program\n{before}\nfrom service.cli import main\nsys.argv = ['canhbao', 'ingest']\nmain()"
        return [sys.executable, "-c", code]

    def start(self, before=""):
        self.process = subprocess.Popen(self.command(before), env=self.environment, stderr=subprocess.PIPE, text=True)

    def runs(self):
        return subprocess.run(self.command(), env=self.environment, capture_output=True, text=True, check=False, timeout=30)

    def ready(self):
        self.start()
        self.until(self.hears)

    def hears(self):
        beat = self.feed.heartbeat()
        return beat is not None and beat.hearing and beat.pid == self.process.pid

    def until(self, condition, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except NoSpool:
                pass
            assert self.process is None or self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < deadline, self.told()
            time.sleep(0.02)

    def told(self):
        return [incident.kind for incident in reversed(self.feed.incidents(1_000))]

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def ends(self):
        """Wait for the end; give exit status and standard error."""
        _, text = self.process.communicate(timeout=20)
        return self.process.returncode, text


@pytest.fixture
def program(request, kind, tmp_path, hue):
    started = Program(tmp_path, hue, request.getfixturevalue(kind))
    yield started
    if started.process is not None:
        started.kill()


def publish(broker, messages, pause=0.0):
    """Publish (topic, payload) at QoS 1 and wait for the broker's word for each."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.username_pw_set(*broker.publisher)
    client.max_inflight_messages_set(200)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        sent = []
        for topic, payload in messages:
            sent.append(client.publish(topic, payload, qos=1))
            time.sleep(pause)
        for one in sent:
            one.wait_for_publish(60)
    finally:
        client.disconnect()
        client.loop_stop()


GAUGES = 60
"""So that a sensor keeps in mind whatever of its readings a broker may deliver again."""


@pytest.fixture
def wide_city(tmp_path, hue):
    """Give the folder of the shipped city with many gauges more."""
    city = tmp_path / "wide"
    shutil.copytree(hue, city)
    levels = "[{code: bd1, value: 1.0}, {code: bd2, value: 2.0}, {code: bd3, value: 3.5}]"
    legal = f"[{{quantity: water_level, valid_from: '2020-01-01T00:00:00+07:00', source: made for a test, levels: {levels}}}]"
    names, place = "{vi: Trạm, en: Gauge}", "latitude: 16.4, longitude: 107.5, wards: ['19774']"
    with (city / "stations.yaml").open("a") as stations, (city / "devices.yaml").open("a") as devices:
        for n in range(GAUGES):
            sensor = f"{{quantity: water_level, station: gauge-{n}, primary: true, interval: 10 min, range: [-1.0, 12.0]}}"
            stations.write(f"\n  - {{id: gauge-{n}, name: {names}, example: true, {place}, thresholds: {legal}}}")
            devices.write(f"\n  - {{id: gauge-{n}, model: native, example: true, sensors: [{sensor}]}}")
    return city


def readings(count):
    """Give so many readings of the gauges, of the last minutes, which rise and fall through levels."""
    start, chance = time.time_ns() // 1_000_000 - 100 * count, random.Random(7)
    for n in range(count):
        value = (4.0 if (n // GAUGES // 5) % 2 else 0.2) + round(chance.random() / 4, 3)
        body = {"v": 1, "boot": 1, "seq": n, "at": start + 100 * n, "m": {"water_level": value}}
        yield f"canhbao/v1/gauge-{n % GAUGES}/up", json.dumps(body).encode()


def levels_of(said):
    """Give the standing changes of level: issued minus withdrawn."""
    standing = Counter()
    for verb, number, rule in said:
        if rule != "freshness":
            standing[number] += 1 if verb == "issued" else -1
    return +standing


def expected_levels(city, messages):
    intake = intake_of(city.registry, Engine(city.registry, city.rules, 0))
    inbound = Inbound(Receipt(1, [], 0), time.time_ns() // 1000, [(t.encode(), p, b"", 1, False, False) for t, p in messages])
    return levels_of([(said.verb, said.change.id, said.change.rule) for said in take(intake, inbound).said])


@pytest.mark.slow
@both
def test_killed_at_random_points_nothing_is_missing_nothing_there_twice_and_the_levels_are_the_same(program, kind, wide_city):
    city, chance = load_city(wide_city), random.Random(kind)
    messages = list(readings(3_000 if kind == "mosquitto" else 1_200))
    program.environment["CANHBAO_CITY"] = str(wide_city)
    program.ready()
    publisher = threading.Thread(target=publish, args=(program.broker, messages, 0.002))
    publisher.start()

    for _ in range(4):
        program.until(lambda: program.feed.counters().get("received", 0) > 0)
        time.sleep(chance.random() * 1.5)
        program.kill()
        program.ready()
    publisher.join(60)
    program.until(lambda: program.feed.counters()["archived"] >= len(messages))

    counters = program.feed.counters()
    with closing(open_reader(program.data / "spool.db")) as spool:
        lines = [line for (body,) in spool.execute("SELECT body FROM batch") for line in body.decode().splitlines()]
        said = spool.execute("SELECT verb, id, rule FROM change ORDER BY seq").fetchall()
        assert spool.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len({(line.partition(" ")[0], line.rpartition(" ")[2]) for line in lines}) == len(lines) == len(messages)
    assert counters["received"] == counters["archived"] + counters.get("duplicate", 0) + counters.get("quarantined", 0)
    assert levels_of(said) == expected_levels(city, messages)
    assert len(expected_levels(city, messages)) > 5
    assert Trouble.REPLAY_DIFFERS not in program.told()
    assert Trouble.SESSION_LOST not in program.told()


@pytest.mark.parametrize("kind", ["embedded_broker"])
def test_asked_to_end_it_ends_within_a_second_whether_the_broker_is_there_or_not(program):
    program.ready()
    start = time.monotonic()
    program.process.terminate()
    there = program.ends(), time.monotonic() - start
    program.ready()
    program.broker.kill()
    program.until(lambda: not program.feed.heartbeat().connected)
    start = time.monotonic()
    program.process.send_signal(signal.SIGINT)

    away = program.ends(), time.monotonic() - start

    assert [code for (code, _), _ in (there, away)] == [0, 0]
    assert max(there[1], away[1]) < 1.0 + BUSY


@pytest.mark.parametrize("kind", ["embedded_broker"])
def test_a_second_ingest_on_the_same_data_is_refused_with_advice(program):
    program.ready()

    second = program.runs()

    assert (second.returncode, "another `canhbao ingest`" in second.stderr) == (69, True)
    assert program.process.poll() is None


@pytest.mark.parametrize("kind", ["embedded_broker"])
def test_without_a_broker_in_the_settings_it_says_what_to_set(program):
    del program.environment["CANHBAO_BROKER__HOST"]

    ended = program.runs()

    assert (ended.returncode, "CANHBAO_BROKER__HOST" in ended.stderr) == (2, True)


@pytest.mark.parametrize("kind", ["embedded_broker"])
def test_a_broker_that_is_away_is_an_incident_and_told_as_our_deafness(program):
    program.ready()
    since = program.feed.heartbeat().hearing_since_at

    program.broker.kill()
    program.until(lambda: not program.feed.heartbeat().hearing)
    deaf = program.feed.heartbeat()
    program.broker.start()
    program.until(program.hears)

    assert deaf.hearing_since_at > since
    assert Trouble.SESSION_LOST not in program.told()
    assert [kind for kind in program.told() if kind in (Trouble.DEAF, Trouble.HEARS)][-3:] == [Trouble.HEARS, Trouble.DEAF, Trouble.HEARS]


@pytest.mark.parametrize("kind", ["embedded_broker"])
def test_time_in_which_it_did_not_run_is_time_in_which_it_was_deaf(program):
    program.ready()
    program.kill()
    last = program.feed.heartbeat().clock_at

    program.ready()

    deaf = next(incident for incident in program.feed.incidents() if incident.kind is Trouble.DEAF)
    assert abs(deaf.at - last) < 2_000
    assert deaf.detail == "ingest did not run"


@pytest.mark.parametrize("kind", ["embedded_broker"])
def test_new_files_are_applied_on_a_signal_and_bad_ones_change_nothing(program, tmp_path, hue):
    city = tmp_path / "city"
    shutil.copytree(hue, city)
    program.environment["CANHBAO_CITY"] = str(city)
    program.ready()
    before = program.feed.configuration()
    rule = city / "rules" / "freshness.yaml"
    good = rule.read_text()

    rule.write_text(good.replace("stale_after", "stale_afterwards"))
    program.process.send_signal(signal.SIGHUP)
    program.until(lambda: Trouble.CONFIGURATION_REFUSED in program.told())
    refused = program.feed.configuration()
    rule.write_text(good.replace("lost_after: 12 intervals", "lost_after: 13 intervals"))
    program.process.send_signal(signal.SIGHUP)
    program.until(lambda: program.feed.configuration().revision != before.revision)
    applied = program.feed.configuration()

    assert refused == before
    assert applied.documents["rules/freshness.yaml"]["lost_after"] == "13 intervals"
    detail = next(incident.detail for incident in program.feed.incidents() if incident.kind is Trouble.CONFIGURATION_REFUSED)
    assert "rules/freshness.yaml:" in detail
    assert "stale_after" in detail


@pytest.mark.parametrize("kind", ["embedded_broker"])
def test_with_bad_files_it_starts_under_what_was_applied_last_and_without_that_not_at_all(program, tmp_path, hue):
    city = tmp_path / "city"
    shutil.copytree(hue, city)
    program.environment["CANHBAO_CITY"] = str(city)
    good = (city / "stations.yaml").read_text()
    (city / "stations.yaml").write_text("stations: [")
    never = program.runs()
    (city / "stations.yaml").write_text(good)
    program.ready()
    revision = program.feed.configuration().revision
    program.kill()
    (city / "stations.yaml").write_text("stations: [")

    program.ready()

    program.until(lambda: Trouble.CONFIGURATION_REFUSED in program.told())
    assert (never.returncode, "stations.yaml" in never.stderr) == (78, True)
    assert program.feed.configuration().revision == revision


@pytest.mark.parametrize("kind", ["embedded_broker"])
@pytest.mark.parametrize(
    "before",
    [
        pytest.param("program.Decider.handle = lambda *_: 1 / 0", id="a thread that fails"),
        pytest.param("program.Decider.run = lambda *_: None", id="a thread that returns"),
        pytest.param("program.STUCK = 1.0\nprogram.Decider.handle = lambda *_: time.sleep(60)", id="a thread that hangs"),
    ],
)
def test_a_thread_that_does_not_do_its_work_ends_the_process(program, before):
    program.start(before)

    code, text = program.ends()

    assert (code, "thread" in text) == (70, True)
