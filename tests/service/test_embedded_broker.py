"""The embedded broker: who may speak, what is kept, what it says when it cannot start."""

from __future__ import annotations

import queue
import socket
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from service import broker

Connect = Callable[..., "Client"]


class Client:
    """A paho client whose answers arrive in queues."""

    def __init__(self, host: str, port: int, account: broker.Account, password: str | None = None) -> None:
        self.connected: queue.Queue[Any] = queue.Queue()
        self.granted: queue.Queue[Any] = queue.Queue()
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.paho = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, account.client_id, clean_session=False, protocol=mqtt.MQTTv311, reconnect_on_failure=False
        )
        self.paho.username_pw_set(account.username, password or account.password)
        self.paho.on_connect = lambda _c, _u, flags, reason, _p: self.connected.put((flags.session_present, reason))
        self.paho.on_subscribe = lambda _c, _u, _m, reasons, _p: self.granted.put(reasons[0])
        self.paho.on_message = lambda _c, _u, message: self.messages.put((message.topic, message.payload))
        self.paho.connect(host, port)
        self.paho.loop_start()
        self.session_present, self.reason = self.connected.get(timeout=5)

    def subscribe(self, topic: str) -> bool:
        """Tell whether QoS 1 was granted."""
        self.paho.subscribe(topic, 1)
        return not self.granted.get(timeout=5).is_failure

    def publish(self, topic: str, payload: bytes) -> None:
        self.paho.publish(topic, payload, 1).wait_for_publish(5)

    def end(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


@pytest.fixture
def prepared(tmp_path: Path) -> broker.Broker:
    return broker.prepare(tmp_path, broker.free_port(), ["wl-kim-long", "wl-phu-oc"])


@pytest.fixture
def process(prepared: broker.Broker) -> Iterator[Any]:
    import subprocess

    started = subprocess.Popen(prepared.command)
    broker.wait_until_ready(prepared)
    yield started
    started.kill()
    started.wait()


@pytest.fixture
def connect(prepared: broker.Broker, process: Any) -> Iterator[Connect]:
    clients: list[Client] = []

    def connected(account: broker.Account, password: str | None = None) -> Client:
        clients.append(Client(prepared.host, prepared.port, account, password))
        return clients[-1]

    yield connected
    for client in clients:
        client.end()


def test_a_reading_of_a_device_reaches_ingest_and_a_receipt_the_device(prepared: broker.Broker, connect: Connect) -> None:
    ingest, device = connect(prepared.accounts.ingest), connect(prepared.accounts.devices["wl-kim-long"])
    assert ingest.subscribe("canhbao/v1/+/up")
    assert device.subscribe("canhbao/v1/wl-kim-long/receipt")

    device.publish("canhbao/v1/wl-kim-long/up", b"3.62")
    ingest.publish("canhbao/v1/wl-kim-long/receipt", b"1")

    assert ingest.messages.get(timeout=5) == ("canhbao/v1/wl-kim-long/up", b"3.62")
    assert device.messages.get(timeout=5) == ("canhbao/v1/wl-kim-long/receipt", b"1")


def test_a_device_cannot_speak_for_another(prepared: broker.Broker, connect: Connect) -> None:
    ingest, device = connect(prepared.accounts.ingest), connect(prepared.accounts.devices["wl-kim-long"])
    ingest.subscribe("canhbao/v1/+/up")

    device.publish("canhbao/v1/wl-phu-oc/up", b"forged")
    device.publish("canhbao/v1/wl-kim-long/up", b"own")

    assert ingest.messages.get(timeout=5) == ("canhbao/v1/wl-kim-long/up", b"own")


@pytest.mark.parametrize("topic", ["canhbao/v1/+/up", "canhbao/v1/wl-phu-oc/receipt", "#", "$MQTT/sub/#"])
def test_a_device_cannot_listen_to_others(prepared: broker.Broker, connect: Connect, topic: str) -> None:
    device = connect(prepared.accounts.devices["wl-kim-long"])

    granted = device.subscribe(topic)

    assert not granted


def test_a_wrong_password_is_refused(prepared: broker.Broker, connect: Connect) -> None:
    client = connect(prepared.accounts.ingest, "guessed")

    assert client.reason.is_failure


def test_what_arrives_while_ingest_is_away_outlives_a_kill_of_the_broker(prepared: broker.Broker, connect: Connect, process: Any) -> None:
    import subprocess

    ingest, device = connect(prepared.accounts.ingest), connect(prepared.accounts.devices["wl-kim-long"])
    ingest.subscribe("canhbao/v1/+/up")
    ingest.end()
    device.publish("canhbao/v1/wl-kim-long/up", b"kept")
    device.end()

    process.kill()
    process.wait()
    again = subprocess.Popen(prepared.command)
    try:
        broker.wait_until_ready(prepared)
        ingest = connect(prepared.accounts.ingest)

        assert ingest.session_present
        assert ingest.messages.get(timeout=10) == ("canhbao/v1/wl-kim-long/up", b"kept")
    finally:
        again.kill()
        again.wait()


def test_accounts_are_kept_over_a_restart_and_a_new_device_joins(tmp_path: Path) -> None:
    first = broker.prepare(tmp_path, broker.free_port(), ["old"]).accounts

    second = broker.prepare(tmp_path, broker.free_port(), ["old", "new"]).accounts

    assert (second.ingest, second.gateway, second.devices["old"]) == (first.ingest, first.gateway, first.devices["old"])
    assert second.devices["new"].password != first.devices["old"].password


def test_no_password_stands_in_the_configuration_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    accounts = broker.prepare(tmp_path, broker.free_port(), ["dev"]).accounts

    text = (tmp_path / "broker" / "nats.conf").read_text()
    files = [path for path in (tmp_path / "broker").rglob("*") if path.is_file()]
    modes = {path.name: path.stat().st_mode & 0o777 for path in files}
    assert not any(account.password in text for account in (accounts.ingest, accounts.gateway, accounts.devices["dev"]))
    assert modes == dict.fromkeys(["nats.conf", "accounts.json", ".ingest", ".gateway", "dev"], 0o600)


def test_a_port_that_is_taken_is_said_with_the_fix(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((broker.HOST, 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(broker.BrokerError, match=rf"port {port} .*set broker.port"):
            broker.prepare(tmp_path, port, [])


def test_a_platform_without_a_wheel_is_told_to_install_mosquitto(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)

    with pytest.raises(broker.BrokerError, match=r"install Mosquitto .* set broker\.host"):
        broker.executable()
