"""The session against real brokers that die, hang and come back, with what they kept or without."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import paho.mqtt.client as mqtt
import pytest

from ingest import connection
from ingest import session as subject
from ingest.connection import Broker
from ingest.inbox import Deaf, Heard, Inbound, Incident, Trouble
from ingest.session import Session

both = pytest.mark.parametrize("kind", [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded_broker"])


class Listening:
    """A session at a real broker. Its messages are counted, and acknowledged when told to."""

    def __init__(self, broker, client_id="canhbao-ingest"):
        self.inbox, self.told, self.heard = SimpleQueue(), [], []
        place = Broker(broker.host, broker.port, client_id, ("canhbao/v1/+/up",), broker.username, broker.password)
        self.session = Session(place, self._hand_over, lambda: time.time_ns() // 1000)
        self.thread = threading.Thread(target=self.session.run)
        self.thread.start()
        self.until(lambda: self.heard)

    def _hand_over(self, event):
        match event:
            case Inbound():
                self.inbox.put(event)
            case Incident(_, kind, _):
                self.told.append(kind)
            case Heard() | Deaf():
                self.heard.append(type(event))

    def until(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, (self.told, self.heard)
            time.sleep(0.02)

    def take(self, count, acknowledge=True):
        """Give the distinct payloads of the next messages."""
        payloads = set()
        while len(payloads) < count:
            inbound = self.inbox.get(timeout=15)
            payloads |= {message[1] for message in inbound.messages}
            if acknowledge:
                self.session.acknowledge([inbound.receipt])
        return payloads

    def stop(self):
        self.session.stop()
        self.thread.join(8)
        assert not self.thread.is_alive()


def publish(broker, payloads):
    """Publish at QoS 1 and wait for the broker's word for each."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.username_pw_set(*broker.publisher)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        for sent in [client.publish("canhbao/v1/wl-0/up", payload, qos=1) for payload in payloads]:
            sent.wait_for_publish(10)
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def at_broker(request, kind, monkeypatch):
    monkeypatch.setattr(connection, "KEEPALIVE", 1)
    monkeypatch.setattr(subject, "BACKOFF", (0.05, 0.2))
    broker = request.getfixturevalue(kind)
    listening = Listening(broker)
    yield broker, listening
    if broker.process is not None:
        broker.process.send_signal(signal.SIGCONT)
    listening.stop()


def numbered(*span):
    return {b"%d" % n for n in range(*span)}


@both
def test_every_message_arrives_and_is_acknowledged(at_broker):
    broker, listening = at_broker

    publish(broker, numbered(500))

    assert listening.take(500) == numbered(500)


@both
def test_what_was_sent_while_we_were_away_comes_when_we_are_back(at_broker):
    broker, listening = at_broker
    listening.stop()
    publish(broker, numbered(200))

    again = Listening(broker)

    assert again.take(200) == numbered(200)
    assert Trouble.SESSION_LOST not in again.told
    again.stop()


@both
def test_what_was_not_acknowledged_comes_again_after_the_broker_was_started_anew(at_broker):
    broker, listening = at_broker
    publish(broker, numbered(100))
    listening.take(100, acknowledge=False)

    (broker.stop if broker.kind == "mosquitto" else broker.kill)()  # Mosquitto 2.0 does not survive a kill with all it holds
    broker.start()

    assert listening.take(100) == numbered(100)
    assert listening.heard[:2] == [Heard, Deaf]
    assert Trouble.SESSION_LOST not in listening.told


@both
def test_a_broker_that_hangs_is_given_up_and_what_was_not_acknowledged_comes_again(at_broker):
    broker, listening = at_broker
    publish(broker, numbered(100))
    first = listening.take(100, acknowledge=False)

    broker.process.send_signal(signal.SIGSTOP)
    listening.until(lambda: Trouble.DISCONNECTED in listening.told)
    broker.process.send_signal(signal.SIGCONT)

    assert listening.take(100) == first
    assert Trouble.SESSION_LOST not in listening.told


@pytest.mark.mosquitto
@pytest.mark.parametrize("kind", ["mosquitto"])
def test_a_broker_that_lost_what_it_kept_is_found_out(at_broker):
    broker, listening = at_broker
    broker.kill()
    folder = Path(broker.command[-1]).parent
    for left in folder.rglob("*.db*"):
        left.unlink()

    broker.start()

    listening.until(lambda: Trouble.SESSION_LOST in listening.told)
    publish(broker, numbered(50))
    assert listening.take(50) == numbered(50)


@pytest.mark.parametrize("kind", ["embedded_broker"])
def test_an_embedded_broker_that_lost_what_it_kept_is_found_out(at_broker):
    broker, listening = at_broker
    broker.kill()
    shutil.rmtree(Path(broker.command[-1]).parent / "store")

    broker.start()

    listening.until(lambda: Trouble.SESSION_LOST in listening.told)
    publish(broker, numbered(50))
    assert listening.take(50) == numbered(50)
