"""
Messages -> a broker, at QoS 1 and at a given rate, as a good device does: what was not acknowledged is sent again, over any loss.

Rule 1: `publish` ends when the broker has acknowledged every message.
Rule 2: a lost connection is made again; what had no PUBACK goes out again, first and in order, with DUP.
Rule 3: packet ids are used in turn; the window is far below 65,535, so none is in use twice.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from rig import mqtt
from rig.brokers import Broker

PATIENCE = 180.0
"""Seconds without a PUBACK after which it is given up."""
QUIET = 5.0
"""Seconds without a PUBACK after which a connection is thrown away: the broker may be frozen, or a path dead."""
Message = tuple[str, bytes]
"""(topic, payload)."""


@dataclass
class Publisher:
    """One who publishes for all devices; a context manager. Its counts may be read by other threads."""

    broker: Broker
    client_id: str = "torture-publisher"
    window: int = 1_000
    """Messages on their way at once."""
    acknowledged: int = 0
    sent: int = 0
    """Times that a message went out, repeats included."""
    connections: int = 0
    _waiting: deque[tuple[int, Message]] = field(default_factory=deque, repr=False)
    """Sent, without PUBACK; (packet id, message), the oldest first."""
    _link: socket.socket | None = field(default=None, repr=False)
    _rest: bytes = field(default=b"", repr=False)
    _mid: int = 0
    _heard_at: float = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, messages: Iterable[Message], rate: float = 1e9) -> None:
        """Publish; `rate` in messages a second. Raises TimeoutError after PATIENCE without progress."""
        source, start, taken, ended = iter(messages), time.monotonic(), 0, False
        progress, before = start, self.acknowledged
        while not ended or self._waiting:
            now = time.monotonic()
            if self.acknowledged > before:
                progress, before = now, self.acknowledged
            if now - progress > PATIENCE:
                raise TimeoutError(f"{len(self._waiting)} messages without a PUBACK for {PATIENCE:g} s")
            try:
                if self._link is None:
                    self._connect()
                due = min(int((now - start) * rate) + 1 - taken, self.window - len(self._waiting), 500)
                if not ended and due > 0:
                    count = self._send(source, due)
                    taken, ended = taken + count, count < due
                self._hear(0.0 if due > 0 and not ended else 0.001)
            except OSError:
                self._drop()
                time.sleep(0.1)

    def close(self) -> None:
        """Leave without a word."""
        self._drop()

    def _connect(self) -> None:
        link = socket.create_connection((self.broker.host, self.broker.port), 3)
        try:
            link.settimeout(QUIET)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.sendall(mqtt.connect(self.client_id, *self.broker.publisher))
            answer = link.recv(4, socket.MSG_WAITALL)
            if len(answer) < 4 or answer[3] != 0:
                raise ConnectionError(f"the broker answered {answer!r}")
        except OSError:
            link.close()
            raise
        self._link, self._rest, self._heard_at = link, b"", time.monotonic()
        self.connections += 1
        for mid, (topic, payload) in self._waiting:
            link.sendall(mqtt.publish(topic, payload, mid, again=True))
        self.sent += len(self._waiting)

    def _send(self, source: Iterator[Message], most: int) -> int:
        """Send up to so many; gives how many there were. What could not be sent waits like the rest."""
        frames = []
        for topic, payload in source:
            self._mid = self._mid % 65_535 + 1
            self._waiting.append((self._mid, (topic, payload)))
            frames.append(mqtt.publish(topic, payload, self._mid))
            if len(frames) == most:
                break
        self.sent += len(frames)
        if frames:
            assert self._link is not None
            self._link.settimeout(QUIET)
            self._link.sendall(b"".join(frames))
        return len(frames)

    def _hear(self, seconds: float) -> None:
        assert self._link is not None
        self._link.settimeout(max(seconds, 0.0002))
        try:
            data = self._link.recv(65_536)
        except TimeoutError:
            if self._waiting and time.monotonic() - self._heard_at > QUIET:
                raise ConnectionError("the broker is silent") from None
            return
        if not data:
            raise ConnectionError("closed by the broker")
        self._heard_at = time.monotonic()
        data = self._rest + data
        whole = len(data) // 4 * 4  # the broker sends us nothing but PUBACK, four bytes each
        self._rest = data[whole:]
        for at in range(0, whole, 4):
            self._settle(int.from_bytes(data[at + 2 : at + 4], "big"))

    def _settle(self, mid: int) -> None:
        if self._waiting and self._waiting[0][0] == mid:
            self._waiting.popleft()
            self.acknowledged += 1
            return
        for index, (each, _) in enumerate(self._waiting):  # a broker may acknowledge out of order
            if each == mid:
                del self._waiting[index]
                self.acknowledged += 1
                return

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
