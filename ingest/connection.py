"""
One connection to a broker: bytes of its socket become lists of messages, packet ids become joined PUBACKs.

Rule 1: a connection is thrown away when it is lost, and with it the frame buffer and the unsent bytes. The session lives on
        in the broker: clean start never, expiry a week.
Rule 2: paho does CONNECT, TLS, SUBSCRIBE, keepalive and every packet that is rare. Only its packet reader is replaced, since
        it asks the socket for one byte at a time: 27 us a message against 0.8.
Rule 3: this uses private names of paho (`_packet_read`, `_packet_queue`, `_packet_handle`, `_handle_connack`, `_sock_recv`,
        `_in_packet`, `_keepalive`, and two instants), so its version is pinned below 2.3 and the tests of the session are the contract.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MessageType, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.frames import LARGEST, Malformed, Packet, split
from ingest.inbox import Message

KEEPALIVE = 10
CONNECT_TIMEOUT = 5.0
EXPIRY = 7 * 86_400
RECEIVE_MAXIMUM = 10_000
READ = 262_144
MORE = 16_384
"""A read of at least so many bytes (one TLS record) means that more is waiting."""

V5 = MQTTProtocolVersion.MQTTv5
V311 = MQTTProtocolVersion.MQTTv311


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to listen, and as whom."""

    host: str
    port: int
    client_id: str
    topics: tuple[str, ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    """None: no TLS."""
    known: bool = False
    """Whether a session of ours should be there already."""

    @property
    def session(self) -> str:
        """Give the name of the session that the broker keeps for us."""
        return f"{self.client_id}@{self.host}:{self.port}"


class Connection(Client):
    """A paho client for one connection. Owned by the thread of its session."""

    def __init__(self, broker: Broker, version: MQTTProtocolVersion, hand_over: Callable[[list[Message]], None]) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            broker.client_id,
            clean_session=None if version == V5 else False,
            protocol=version,
            reconnect_on_failure=False,  # else paho falls back to MQTT 3.1 by itself
            manual_ack=True,
        )
        self.connect_timeout = CONNECT_TIMEOUT
        self.error: Exception | None = None
        self.more = False
        self._v5 = version == V5
        self._broker, self._hand_over, self._rest = broker, hand_over, b""
        if broker.username is not None:
            self.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            self.tls_set_context(broker.tls)

    def open(self) -> None:
        """Connect and send CONNECT; blocks for CONNECT_TIMEOUT at most. Raises OSError, also for a failed TLS handshake."""
        if not self._v5:
            self.connect(self._broker.host, self._broker.port, KEEPALIVE)
            return
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves its constructor untyped
        wishes.SessionExpiryInterval = EXPIRY
        wishes.ReceiveMaximum = RECEIVE_MAXIMUM
        wishes.MaximumPacketSize = LARGEST  # a broker of MQTT 5 then drops what would end each connection anew
        self.connect(self._broker.host, self._broker.port, KEEPALIVE, clean_start=False, properties=wishes)

    def acknowledge(self, mids: list[bytes]) -> None:
        """Send one PUBACK for each, joined."""
        self._packet_queue(MessageType.PUBACK, b"\x40\x02" + b"\x40\x02".join(mids), 0, 1)

    def excuse_silence(self) -> None:
        """Do not hold against the broker what we did not read. paho goes on sending PINGREQ."""
        self._ping_t = 0.0
        self._last_bytes_received = time.monotonic()

    def holds_bytes(self) -> bool:
        """Tell whether TLS has bytes for us that the socket does not show."""
        link = self.socket()
        return isinstance(link, ssl.SSLSocket) and link.pending() > 0

    def _packet_read(self) -> MQTTErrorCode:
        try:
            data = self._sock_recv(READ)
        except BlockingIOError:
            self.more = False
            return MQTTErrorCode.MQTT_ERR_AGAIN
        except OSError as error:
            self.error = error
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        if not data:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        self.more = len(data) >= MORE
        self._last_bytes_received = time.monotonic()
        try:
            messages, packets, self._rest = split(self._rest + data, self._v5)
            if messages:
                self._hand_over(messages)
            return self._handle(packets)
        except (Malformed, MalformedPacket) as error:
            self.error = error
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _handle_connack(self) -> MQTTErrorCode:
        """Let the broker ask for more signs of life, not for fewer: else a dead path would be noticed when it likes."""
        code = super()._handle_connack()
        self._keepalive = min(self._keepalive or KEEPALIVE, KEEPALIVE)
        return code

    def _handle(self, packets: list[Packet]) -> MQTTErrorCode:
        """Give paho the rare packets; after a DISCONNECT its socket is gone, and with it the rest."""
        for first, body in packets:
            self._in_packet["command"] = first
            self._in_packet["packet"] = bytearray(body)
            self._in_packet["remaining_length"] = len(body)
            code = self._packet_handle()
            if code or self.socket() is None:
                return code
        return MQTTErrorCode.MQTT_ERR_SUCCESS
