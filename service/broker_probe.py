"""
A user of the broker -> a client of MQTT 5 that tells what the broker did: let in or not, took a message or not, delivered what.

Rule 1: it never connects anew by itself, so that a connection that was ended is seen.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from service.exits import CommandError, Exit
from service.settings import BrokerSettings

PATIENCE = 10.0
"""Seconds to wait for an answer of the broker."""
KEPT = 600
"""Seconds for which the broker keeps a session of ours."""
IN_FLIGHT = 200
_UNSUPPORTED = 0x84


class Probe:
    """A connection as one user; leave it with `with`."""

    def __init__(self, broker: BrokerSettings, client_id: str, username: str | None, password: str | None) -> None:
        self.reason: ReasonCode | None = None
        """What the broker answered to CONNECT; None where it only closed."""
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._broker = broker
        self._settled = threading.Event()
        self._ended = threading.Event()
        self._answers: dict[int, int] = {}
        self._changed = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False)
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = lambda _c, _u, mid, reasons, _p: self._answered(mid, reasons[0])
        self._client.on_publish = lambda _c, _u, mid, reason, _p: self._answered(mid, reason)
        self._client.on_message = self._on_message
        if username is not None:
            self._client.username_pw_set(username, password)
        if broker.tls:
            self._client.tls_set_context(ssl.create_default_context(cafile=broker.ca))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker let us in and has not ended the connection since."""
        return self.reason is not None and not self.reason.is_failure and not self._ended.is_set()

    def open(self, *, clean: bool) -> bool:
        """
        Connect.

        Args:
            clean: begin without what the broker keeps for this client id, and let it keep nothing.

        Returns:
            Whether the broker let us in.

        Raises:
            CommandError: where there is no broker, or one that does not speak MQTT 5.
        """
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves its constructor untyped
        wishes.SessionExpiryInterval = 0 if clean else KEPT
        host, port = self._broker.host or "127.0.0.1", self._broker.port
        try:
            self._client.connect(host, port, clean_start=clean, properties=wishes)
        except OSError as error:
            message = f"no broker can be reached at {host}:{port}: {error}; set broker.host, broker.port, broker.tls and broker.ca to it"
            raise CommandError(message, Exit.UNAVAILABLE) from error
        self._client.loop_start()
        self._settled.wait(PATIENCE)
        if self.reason is not None and self.reason.value == _UNSUPPORTED:
            message = f"the broker at {host}:{port} does not speak MQTT 5, so it is no Mosquitto 2; this test is for Mosquitto"
            raise CommandError(message, Exit.UNAVAILABLE)
        return self.is_connected

    def subscribe(self, topic: str) -> bool:
        """Tell whether a subscription of QoS 1 was granted."""
        _, mid = self._client.subscribe(topic, 1)
        return mid is not None and self._accepted(mid)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Tell whether the broker took a message of QoS 1 as allowed."""
        return self.publish_all(topic, [payload]) == 1

    def publish_all(self, topic: str, payloads: Iterable[bytes]) -> int:
        """Give how many messages of QoS 1 the broker took."""
        sent = [self._client.publish(topic, payload, 1) for payload in payloads]
        return sum(self._accepted(one.mid) for one in sent if one.rc in {MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_QUEUE_SIZE})

    def heard(self, until: Callable[[bytes], bool], quiet: float = PATIENCE) -> list[tuple[str, bytes]]:
        """Give the messages that arrive, up to the one for which `until` is true, or until it is quiet for so many seconds."""
        found: list[tuple[str, bytes]] = []
        with suppress(queue.Empty):
            while not (found and until(found[-1][1])):
                found.append(self.messages.get(timeout=quiet))
        return found

    def _accepted(self, mid: int) -> bool:
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while mid not in self._answers and not self._ended.is_set() and time.monotonic() < deadline:
                self._changed.wait(0.2)
            return self._answers.get(mid, 0xFF) < 0x80

    def _answered(self, mid: int, reason: ReasonCode) -> None:
        with self._changed:
            self._answers[mid] = reason.value
            self._changed.notify_all()

    def _on_connect(self, _: Client, __: Any, ___: ConnectFlags, reason: ReasonCode, ____: Properties | None) -> None:
        self.reason = reason
        self._settled.set()

    def _on_disconnect(self, _: Client, __: Any, ___: Any, ____: ReasonCode, _____: Properties | None) -> None:
        self._ended.set()
        self._settled.set()

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        self.messages.put((message.topic, bytes(message.payload)))
