"""The simulator's publisher against real brokers: nothing is lost, nothing runs ahead of the clock, it keeps the pace of a rehearsal."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from devices.city import registry_of
from devices.documents import read_yaml
from devices.instants import HOUR, MINUTE, SECOND
from devices.scenario import scenario_of
from devices.series import Origin
from devices.simulate import Message, stream_of
from service.clock import RehearsalClock
from service.simulator import Gateway, Progress, RefusedError, play

FILES = ("city.yaml", "wards.yaml", "stations.yaml", "devices.yaml")


@pytest.fixture(scope="module")
def flood(hue: Path) -> list[Message]:
    registry = registry_of({name: read_yaml(name, (hue / name).read_text()) for name in FILES})
    name = "scenarios/flood-2025-10.yaml"
    return list(stream_of(scenario_of(read_yaml(name, (hue / name).read_text()), registry), registry))


class Listener:
    """A subscriber that keeps payloads and when they came."""

    def __init__(self, port: int, username: str | None = None, password: str | None = None, client_id: str = "listener") -> None:
        self.heard: list[tuple[float, bytes]] = []
        self.ready = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv311, clean_session=False)
        if username:
            self.client.username_pw_set(username, password)
        self.client.on_connect = lambda client, *_: client.subscribe("canhbao/v1/+/up", 1)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = lambda _client, _userdata, message: self.heard.append((time.monotonic(), message.payload))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.ready.wait(5)

    def wait_for(self, count: int) -> list[bytes]:
        deadline = time.monotonic() + 10
        while len(self.heard) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return [payload for _, payload in self.heard]

    def wait_for_last(self, part: bytes) -> None:
        deadline = time.monotonic() + 10
        while not any(part in payload for _, payload in self.heard) and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def listening() -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def listen(*arguments: Any, **named: Any) -> Listener:
        made.append(Listener(*arguments, **named))
        return made[-1]

    yield listen
    for listener in made:
        listener.close()


def clock_at(start_at: int, speed: float) -> RehearsalClock:
    return RehearsalClock(start_at, time.time_ns() // 1000, speed)


def quiet(_: Progress) -> None:
    pass


@pytest.mark.mosquitto
def test_every_message_of_a_day_arrives_once_and_is_acknowledged(mosquitto: Any, listening: Any, flood: list[Message]) -> None:
    listener = listening(mosquitto.port)
    first = flood[:1500]

    done = play(first, clock_at(first[-1].due_at, 1), Gateway("127.0.0.1", mosquitto.port), quiet, threading.Event())

    assert (done.sent, done.acknowledged) == (1500, 1500)
    assert done.readings == sum(message.readings for message in first)
    assert listener.wait_for(1500) == [message.payload for message in first]


@pytest.mark.mosquitto
def test_at_3600x_the_whole_flood_keeps_pace(mosquitto: Any, flood: list[Message]) -> None:
    start_at = flood[0].due_at
    part = list(islice((message for message in flood), 700))  # ten hours: ten seconds
    hours = (part[-1].due_at - start_at) / HOUR
    reports: list[Progress] = []

    began = time.monotonic()
    done = play(part, clock_at(start_at, 3600), Gateway("127.0.0.1", mosquitto.port), reports.append, threading.Event())
    took = time.monotonic() - began

    assert done.acknowledged == len(part)
    assert took == pytest.approx(hours, abs=0.75)
    assert max(report.behind for report in reports) < 0.5


@pytest.mark.mosquitto
def test_nothing_comes_before_it_is_due(mosquitto: Any, listening: Any) -> None:
    listener = listening(mosquitto.port)
    messages = [message_at(turn * MINUTE, turn) for turn in range(5)]
    began = time.monotonic()

    play(messages, clock_at(0, 600), Gateway("127.0.0.1", mosquitto.port), quiet, threading.Event())

    listener.wait_for(5)
    for turn, (heard_at, _) in enumerate(listener.heard):
        assert heard_at - began >= turn * 0.1 - 0.02


@pytest.mark.mosquitto
def test_a_broker_that_goes_away_and_comes_back_gets_everything_in_order(mosquitto: Any, listening: Any) -> None:
    listener = listening(mosquitto.port)
    back = threading.Timer(0.5, mosquitto.start)

    def stream() -> Iterator[Message]:
        for turn in range(300):
            if turn == 100:
                listener.wait_for(turn)  # a Mosquitto that is killed loses what it acknowledged and has not delivered
                mosquitto.kill()
                back.start()
            yield message_at(0, turn)

    done = play(stream(), clock_at(SECOND, 1), Gateway("127.0.0.1", mosquitto.port), quiet, threading.Event())

    back.join()
    assert done.acknowledged == 300
    listener.wait_for_last(b'"seq": 299')
    heard = [json.loads(payload)["seq"] for _, payload in listener.heard]
    assert list(dict.fromkeys(heard)) == list(range(300))


@pytest.mark.mosquitto
def test_stop_ends_a_play_that_waits_for_tomorrow(mosquitto: Any) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()

    done = play([message_at(24 * HOUR, 1)], clock_at(0, 1), Gateway("127.0.0.1", mosquitto.port), quiet, stop)

    assert time.monotonic() - began < 2
    assert done.sent == 0


def test_stop_ends_a_play_whose_broker_is_away(free_port: Callable[[], int]) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()

    done = play([message_at(0, 1)], clock_at(0, 1), Gateway("127.0.0.1", free_port()), quiet, stop)

    assert time.monotonic() - began < 3
    assert (done.acknowledged, done.connected) == (0, False)


def test_the_embedded_broker_takes_the_messages_of_the_gateway(embedded_broker: Any, listening: Any, flood: list[Message]) -> None:
    name, password = embedded_broker.publisher
    listener = listening(embedded_broker.port, embedded_broker.username, embedded_broker.password, client_id=embedded_broker.client_id)
    first = flood[:200]

    done = play(first, clock_at(first[-1].due_at, 1), Gateway("127.0.0.1", embedded_broker.port, name, password), quiet, threading.Event())

    assert done.acknowledged == 200
    assert sorted(listener.wait_for(200)) == sorted(message.payload for message in first)


def test_a_wrong_password_is_said_at_once(embedded_broker: Any) -> None:
    gateway = Gateway("127.0.0.1", embedded_broker.port, "nobody", "wrong")

    with pytest.raises(RefusedError, match="check name, password"):
        play([message_at(0, 1)], clock_at(SECOND, 1), gateway, quiet, threading.Event())


def message_at(due_at: int, seq: int) -> Message:
    payload = json.dumps({"v": 1, "boot": 1, "seq": seq, "at": "2025-01-01T00:00:00Z", "m": {"water_level": 1.0}}).encode()
    return Message(due_at, "canhbao/v1/wl-test/up", payload, "wl-test", 1, Origin.SYNTHETIC)
