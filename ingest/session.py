"""
Keep one MQTT session alive over many connections: messages become hand-overs, receipts become PUBACKs.

Rule 1: only the thread that calls `run` touches paho. Others may call `acknowledge`, `pulse` and `stop`.
Rule 2: a receipt counts only for the connection its messages came by. Else it only makes room, and the broker delivers again.
Rule 3: not to read is how we push back. While we do not read, silence is ours and says nothing about the broker.
Rule 4: what a new connection can heal is told, once, and tried again; what it cannot heal is raised.
Rule 5: we hear while we are connected, subscribed, and nothing waits for us; every turn from one to the other is told.
"""

from __future__ import annotations

import os
import random
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from devices.instants import Instant
from ingest.connection import RECEIVE_MAXIMUM, V5, V311, Broker, Connection
from ingest.frames import Malformed
from ingest.inbox import Deaf, Event, Heard, Inbound, Incident, Message, Receipt, Trouble

COALESCE = 0.001
"""Seconds of rest after a small read. A broker sends a segment a message; without the rest each of them wakes us."""
ROOM = 2 << 20
"""Bytes of payload that may wait for their commit, about four full groups. Above it we stop reading."""
BACKOFF = 0.5, 5.0
"""Seconds before the first and the last attempts, less up to half by chance."""
UNSUPPORTED_VERSION = 0x84
"""paho also gives it for the 0x01 of a broker that knows only MQTT 3.1.1."""
CALM = 0.05
"""Seconds without a sign that messages wait at the broker, after which we hear."""
BEHIND = 5.0
"""Seconds with nothing but such signs, after which we do not hear any more: what is new waits behind what is old."""


class NotSubscribed(Exception):  # noqa: N818 - it says what is so
    """The broker denies us a topic. Trying again would only hide that we are deaf."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """Facts for a supervisor. `turned_at` and `heard_at` are of the monotonic clock, in seconds."""

    connected: bool
    hears: bool
    generation: int
    waiting: int
    """Bytes handed over and not yet settled; above ROOM we do not read."""
    turned_at: float
    """When the loop last went round. Old: the thread is stuck."""
    heard_at: float
    """When the broker last sent anything. Old: we are deaf."""


class Session:
    """One subscriber's session with one broker."""

    def __init__(self, broker: Broker, hand_over: Callable[[Event], None], clock: Callable[[], Instant]) -> None:
        """
        Make a session that is not open yet.

        Args:
            broker: where to listen, and as whom.
            hand_over: must not block; called from the session's thread.
            clock: stamps what is handed over. Time-outs do not use it.
        """
        self._broker, self._hand_over, self._clock = broker, hand_over, clock
        self._version = V5
        self._known = broker.known
        self._connected = self._subscribed = self._hears = False
        self._refusal: ReasonCode | None = None
        self._told: tuple[Trouble, str] | None = None
        self._generation = self._failures = self._waiting = self._in_flight = 0
        self._turned_at = self._heard_at = self._busy_at = self._calm_at = time.monotonic()
        self._receipts: deque[Receipt] = deque()
        self._stopping = threading.Event()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """Have these messages acknowledged, from any thread, in the order of receipt."""
        self._receipts.extend(receipts)
        self._nudge()

    def pulse(self) -> Pulse:
        """Say how the session is."""
        return Pulse(self._connected, self._hears, self._generation, self._waiting, self._turned_at, self._heard_at)

    def stop(self) -> None:
        """Have `run` return soon. What is not acknowledged comes again to the next one."""
        self._stopping.set()
        self._nudge()

    def run(self) -> None:
        """Serve one connection after the other until stopped; raises NotSubscribed where the broker denies us a topic."""
        while not self._stopping.is_set():
            try:
                self._serve(self._open())
            except OSError as error:
                self._tell(Trouble.UNREACHABLE, str(error))
            self._hush("not connected")
            self._failures = min(self._failures + 1, 8)
            self._rest(min(BACKOFF[1], BACKOFF[0] * 2 ** (self._failures - 1)) * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    # ---- a connection

    def _open(self) -> Connection:
        self._generation += 1
        self._in_flight = 0
        self._refusal = None
        connection = Connection(self._broker, self._version, self._receive)
        connection.on_connect = self._on_connect
        connection.on_subscribe = self._on_subscribe
        connection.open()
        return connection

    def _rest(self, seconds: float) -> None:
        """Wait before the next attempt, and for room: a connection that cannot be read is better not made."""
        until = time.monotonic() + seconds
        while not self._stopping.is_set() and (time.monotonic() < until or self._waiting > ROOM):
            self._turned_at = time.monotonic()
            self._settle()
            self._stopping.wait(0.05)

    def _serve(self, connection: Connection) -> None:
        """Drive a connection until it is lost."""
        poller = select.poll()
        poller.register(self._woken, select.POLLIN)
        while (link := connection.socket()) is not None and not self._stopping.is_set():
            full = self._connected and self._waiting > ROOM
            if full:
                connection.excuse_silence()
            poller.register(link, (0 if full else select.POLLIN) | (select.POLLOUT if connection.want_write() else 0))
            held = not full and connection.holds_bytes()
            ready = dict(poller.poll(0 if held else 500 if self._hears else 1000 * CALM))
            if held:
                ready[link.fileno()] = ready.get(link.fileno(), 0) | select.POLLIN
            self._turn(connection, ready, link.fileno(), full=full)
        self._connected = self._subscribed = False
        self._conclude(connection)

    def _turn(self, connection: Connection, ready: dict[int, int], link: int, *, full: bool) -> None:
        """Go round once: receipts out, bytes in, bytes out, keepalive, and a short rest if there was little to read."""
        self._turned_at = time.monotonic()
        if self._woken in ready:
            os.read(self._woken, 65_536)
        if (mids := self._settle()) and self._connected:
            connection.acknowledge(mids)
        happened = ready.get(link, 0)
        if happened & ~select.POLLOUT:
            self._heard_at = self._turned_at
            connection.loop_read()
        if happened & select.POLLOUT:
            connection.loop_write()
        connection.loop_misc()
        if self._subscribed:
            read_full = bool(happened & select.POLLIN) and connection.more
            self._listen(waiting=full or read_full or self._in_flight > RECEIVE_MAXIMUM // 2)
        if happened & select.POLLIN and not connection.more:
            time.sleep(COALESCE)

    def _settle(self) -> list[bytes]:
        """Make room for what is committed, and give the ids that the present connection may acknowledge."""
        mids: list[bytes] = []
        while self._receipts:
            receipt = self._receipts.popleft()
            self._waiting -= receipt.size
            if receipt.generation == self._generation:
                mids += receipt.mids
        self._in_flight -= len(mids)
        return mids

    def _conclude(self, connection: Connection) -> None:
        """Say why a connection ended."""
        if self._stopping.is_set():
            connection.disconnect()
        elif self._refusal is not None and self._refusal.value == UNSUPPORTED_VERSION and self._version == V5:
            self._version = V311
            self._failures = 0
            self._tell(Trouble.OLD_PROTOCOL, "the broker does not speak MQTT 5")
        elif self._refusal is not None:
            self._tell(Trouble.REFUSED, str(self._refusal))
        elif isinstance(connection.error, Malformed | MalformedPacket):
            self._tell(Trouble.MALFORMED, str(connection.error))
        else:
            self._tell(Trouble.DISCONNECTED, str(connection.error or "closed by the broker, or silent"))

    # ---- what is told

    def _receive(self, messages: list[Message]) -> None:
        mids = [message[2] for message in messages if message[2]]
        receipt = Receipt(self._generation, mids, sum([len(message[1]) for message in messages]))
        self._waiting += receipt.size
        self._in_flight += len(mids)
        self._hand_over(Inbound(receipt, self._clock(), messages))

    def _listen(self, *, waiting: bool) -> None:
        """Tell when we hear, and when we no longer do; `waiting` says that there is a sign of messages at the broker."""
        if waiting:
            self._busy_at = self._turned_at
            if self._turned_at - self._calm_at > BEHIND:
                self._hush("more arrives than is taken in")
            return
        self._calm_at = self._turned_at
        if not self._hears and self._turned_at - self._busy_at > CALM:
            self._hears = True
            self._hand_over(Heard(self._clock()))

    def _hush(self, why: str) -> None:
        if self._hears:
            self._hears = False
            self._hand_over(Deaf(self._clock(), why))

    def _tell(self, kind: Trouble, detail: str) -> None:
        """Hand over an incident, once: what goes on, attempt after attempt, is the same incident."""
        if (kind, detail) != self._told:
            self._told = (kind, detail)
            self._hand_over(Incident(self._clock(), kind, detail))

    # ---- callbacks of paho

    def _on_connect(self, client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, __: Properties | None) -> None:
        if self._connected:
            raise Malformed("a second CONNACK")
        if reason.is_failure:
            self._refusal = reason
            return
        self._told = None
        if self._known and not flags.session_present:
            self._tell(
                Trouble.SESSION_LOST, f"{self._broker.session} was unknown at connection {self._generation}; devices must send again"
            )
        self._known = self._connected = True
        client.subscribe([(topic, 1) for topic in self._broker.topics])

    def _on_subscribe(self, _: Client, __: Any, ___: int, reasons: list[ReasonCode], ____: Properties | None) -> None:
        if not self._connected or len(reasons) != len(self._broker.topics):
            raise Malformed("a SUBACK that does not answer what was asked")
        denied = [topic for topic, reason in zip(self._broker.topics, reasons, strict=True) if reason.value != 1]
        if denied:
            raise NotSubscribed(", ".join(denied))
        self._subscribed = True
        self._failures = 0
        self._busy_at = self._calm_at = time.monotonic()

    def _nudge(self) -> None:
        with suppress(BlockingIOError):  # the pipe is full of nudges; one more says nothing new
            os.write(self._wake, b"!")
