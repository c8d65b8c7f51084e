"""
A stream of simulated messages -> publications over a real MQTT connection, each when it is due by the clock.

Rule 1: nothing is dropped: a message counts once the broker has acknowledged it (QoS 1), across any number of connections.
Rule 2: it never runs ahead of the clock; where it falls behind, it publishes as fast as the broker acknowledges. Messages keep their order.
Rule 3: it speaks as a gateway: one connection carries all devices. MQTT 3.1.1, which every broker knows.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from devices.instants import SECOND, Instant
from devices.simulate import Message
from service.clock import Clock

IN_FLIGHT = 200
"""Most messages that wait for their acknowledgement."""
LOOK = 0.2
"""Seconds between two reports, and between two looks at `stop`."""
_HOPELESS = {"Bad user name or password", "Not authorized", "Client identifier not valid"}


class RefusedError(Exception):
    """The broker does not let the simulator in; the text says why, and what to look at."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where to publish, and as whom."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    client_id: str = "canhbao-simulator"
    tls: bool = False
    ca: Path | None = None
    """Certificates to trust instead of those of the system."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a play has come."""

    sent: int
    """Messages handed to the connection."""
    acknowledged: int
    """Of these, those that the broker has confirmed."""
    readings: int
    """Values in the acknowledged messages."""
    due_at: Instant | None
    """When the newest sent message was due; None before the first."""
    behind: float
    """Seconds of real time that it was sent too late."""
    connected: bool


def play(
    stream: Iterable[Message],
    clock: Clock,
    gateway: Gateway,
    on_progress: Callable[[Progress], None],
    stop: threading.Event,
) -> Progress:
    """
    Publish a stream, and wait until all of it is acknowledged.

    Args:
        stream: in the order of `due_at`. Messages that are already due are published at once.
        clock: real or a rehearsal's.
        gateway: the broker; while it is away, the play waits for it.
        on_progress: called about five times a second from this thread, and once at the end.
        stop: set it to end early; what was not acknowledged by then is given up.

    Returns:
        The last progress.

    Raises:
        RefusedError: if the broker refuses name, password or client id.
    """
    publisher = _Publisher(gateway)
    reporter = _Reporter(publisher, on_progress)
    publisher.start()
    try:
        for message in stream:
            if not _is_due(message, clock, reporter, stop) or not publisher.room(reporter, stop):
                break
            publisher.publish(message, max(0.0, (clock() - message.due_at) / SECOND / clock.speed))
            reporter.maybe()
        while publisher.waiting() and not stop.is_set():
            publisher.settle()
            reporter.maybe()
    finally:
        publisher.close()
    return reporter.now()


def _is_due(message: Message, clock: Clock, reporter: _Reporter, stop: threading.Event) -> bool:
    """Wait until a message is due; False if the play is to stop."""
    while (ahead := (message.due_at - clock()) / SECOND / clock.speed) > 0 and not stop.is_set():
        stop.wait(min(ahead, LOOK))
        reporter.maybe()
    return not stop.is_set()


class _Publisher:
    """One paho client with its own thread, and the count of what is not acknowledged."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._changed = threading.Condition()
        self._readings: dict[int, int] = {}
        """Values in each message under way, by message id."""
        self._early: set[int] = set()
        """Acknowledged before `publish` had returned."""
        self._sends_again = False
        """After a lost connection paho sends again what was under way: nothing new may overtake it."""
        self._refused: str | None = None
        self.sent = self.acknowledged = self.readings = 0
        self.due_at: Instant | None = None
        self.behind = 0.0
        self._client = self._made()

    def _made(self) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, self._gateway.client_id, protocol=MQTTProtocolVersion.MQTTv311)
        client.max_inflight_messages_set(IN_FLIGHT)
        client.reconnect_delay_set(1, 5)
        if self._gateway.username is not None:
            client.username_pw_set(self._gateway.username, self._gateway.password)
        if self._gateway.tls:
            client.tls_set_context(ssl.create_default_context(cafile=self._gateway.ca))
        client.on_connect, client.on_disconnect, client.on_publish = self._on_connect, self._on_disconnect, self._on_publish
        client.on_socket_open = _without_delay
        return client

    def start(self) -> None:
        self._client.connect_async(self._gateway.host, self._gateway.port, keepalive=30)
        self._client.loop_start()

    def publish(self, message: Message, behind: float) -> None:
        info = self._client.publish(message.topic, message.payload, qos=1)  # without our lock: paho calls back while it holds its own
        with self._changed:
            if info.mid in self._early:
                self._early.remove(info.mid)
                self._count(message.readings)
            else:
                self._readings[info.mid] = message.readings
            self.sent, self.due_at, self.behind = self.sent + 1, message.due_at, behind

    def room(self, reporter: _Reporter, stop: threading.Event) -> bool:
        """Wait until another message may be under way; False if the play is to stop."""
        while not self._wait(self._has_room) and not stop.is_set():
            self.waiting()
            reporter.maybe()
        return not stop.is_set()

    def _has_room(self) -> bool:
        if not self._readings:
            self._sends_again = False
        return self._client.is_connected() and len(self._readings) < IN_FLIGHT and not self._sends_again

    def settle(self) -> None:
        """Wait until no message is under way, or a short while."""
        self._wait(lambda: not self._readings)

    def _wait(self, reached: Callable[[], bool]) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: reached() or self._refused, LOOK)
            return reached() and not self._refused

    def waiting(self) -> int:
        """Give the number of messages under way; raises RefusedError where that is hopeless."""
        with self._changed:
            if self._refused:
                raise RefusedError(self._refused)
            return len(self._readings)

    def progress(self) -> Progress:
        with self._changed:
            return Progress(self.sent, self.acknowledged, self.readings, self.due_at, self.behind, self._client.is_connected())

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_publish(self, _client: mqtt.Client, _userdata: Any, mid: int, _code: ReasonCode, _properties: Any) -> None:
        with self._changed:
            if mid in self._readings:
                self._count(self._readings.pop(mid))
            else:
                self._early.add(mid)

    def _count(self, readings: int) -> None:
        self.readings += readings
        self.acknowledged += 1
        self._changed.notify_all()

    def _on_connect(self, _client: mqtt.Client, _userdata: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        with self._changed:
            if code.is_failure and str(code) in _HOPELESS:
                where = f"{self._gateway.host}:{self._gateway.port}"
                self._refused = f"the broker at {where} refuses: {code}; check name, password and client id"
            self._changed.notify_all()

    def _on_disconnect(self, _client: mqtt.Client, _userdata: Any, _flags: Any, _code: ReasonCode, _properties: Any) -> None:
        with self._changed:
            self._sends_again = True


class _Reporter:
    """Calls back with the progress, not too often."""

    def __init__(self, publisher: _Publisher, on_progress: Callable[[Progress], None]) -> None:
        self._publisher, self._on_progress = publisher, on_progress
        self._last = time.monotonic()

    def maybe(self) -> None:
        if time.monotonic() - self._last >= LOOK:
            self._publisher.waiting()
            self.now()

    def now(self) -> Progress:
        self._last = time.monotonic()
        progress = self._publisher.progress()
        self._on_progress(progress)
        return progress


def _without_delay(_client: mqtt.Client, _userdata: Any, opened: Any) -> None:
    """Send small packets at once: Nagle's algorithm would hold them for 40 ms each."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
