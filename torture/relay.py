"""
The connection between ingest and its broker, passed on byte by byte -> which messages ingest has acknowledged.

Rule 1: nothing is changed, held up or made up: where one side ends, the other one is ended.
Rule 2: a PUBACK counts when it has come to the relay; whether the broker still got it does not matter.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ingest.frames import split
from rig.publisher import Message

_CONNECT, _PUBACK = 0x10, 0x40


class Relay:
    """Listens on a port of 127.0.0.1 and passes everything on to another one."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._links: list[socket.socket] = []
        self.acknowledged: set[Message] = set()
        """What ingest has said to hold, over all connections."""
        self.said: list[Said] = []
        """By connection."""

    @property
    def useful(self) -> int:
        """Give the number of connections in which ingest has acknowledged something."""
        return sum([said.acknowledges for said in self.said])

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self._to), 3)
                except OSError:
                    client.close()
                    continue
                broker.settimeout(None)
                self._links += [client, broker]
                said = Said(self.acknowledged)
                self.said.append(said)
                for source, sink, note in ((client, broker, said.by_ingest), (broker, client, said.by_broker)):
                    threading.Thread(target=_pass_on, args=(source, sink, note), daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        for link in (self._listener, *self._links):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()


class Said:
    """What was said in one connection. Each direction has a thread of its own; a message is noted before it is passed on."""

    def __init__(self, acknowledged: set[Message]) -> None:
        self._acknowledged = acknowledged
        self.acknowledges = False
        self._v5 = True
        self._messages: dict[bytes, Message] = {}
        self._up = self._down = b""

    def by_ingest(self, data: bytes) -> None:
        """Note CONNECT and PUBACK."""
        _, packets, self._up = split(self._up + data, self._v5)
        for first, body in packets:
            if first == _CONNECT:
                self._v5 = body[6] == 5  # after the length and the name of the protocol
            elif first == _PUBACK:
                self.acknowledges = True
                self._acknowledged.add(self._messages[body[:2]])

    def by_broker(self, data: bytes) -> None:
        """Note PUBLISH."""
        messages, _, self._down = split(self._down + data, self._v5)
        self._messages |= {mid: (str(topic, "utf-8"), payload) for topic, payload, mid, *_ in messages}


def _pass_on(source: socket.socket, sink: socket.socket, note: Callable[[bytes], None]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(262_144):
            note(data)
            sink.sendall(data)
    for link in (source, sink):
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)


@contextmanager
def relaying(port: int) -> Iterator[Relay]:
    """Pass on to a port for as long as this lasts."""
    relay = Relay(port)
    thread = threading.Thread(target=relay.serve, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join()
