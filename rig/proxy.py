"""
A broker's port -> another port, on the way to which bytes are delayed, held, cut, spoilt or made up.

Rule 1: what is not told to be harmed passes unharmed, in order.
Rule 2: with TLS the proxy is the far end of it: what is cut or spoilt then is a record on the wire, not what is in it.
Rule 3: a harm is asked for from any thread and done by the thread of a connection; the `Harm` tells when it is done.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

LARGEST_READ = 65_536
MOST_QUEUED = 1 << 20
"""Bytes on their way, above which a direction reads no more: what stays unread stays with the sender, as on a real link."""
FASTEST = 1e12
"""Bytes a second where the rate is no limit."""
LOOK, SHORT_LOOK = 0.05, 0.004
"""Seconds between two looks: where nothing waits, and where something does."""


@dataclass
class Weather:
    """How the link is, in each direction; may be changed at any time."""

    latency: float = 0.0
    """Seconds."""
    rate: float = FASTEST
    """Bytes a second."""
    is_held: bool = False
    """A black hole: the connection stays and nothing passes."""


@dataclass
class Harm:
    """Something to be done to the bytes towards the client."""

    how: str
    """`fin`, `rst`: end the connection so; `spoil`: turn all bits of the next byte."""
    after: int
    """Bytes that still pass unharmed."""
    done: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Listens on a port of 127.0.0.1 for as long as the `with` lasts. `accepted`, `passed` and `taken` may be read by others."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        """
        Make a proxy that does not listen yet.

        Args:
            port: of the broker, on 127.0.0.1.
            tls: spoken to the client; the broker is spoken to without.
        """
        self.target, self.tls, self.weather = port, tls, Weather()
        self.accepted = self.passed = self.taken = 0
        """Connections taken, bytes that went to the client, and bytes that came from it."""
        self.instead: Callable[[socket.socket], None] | None = None
        """Serves a new connection in the broker's place; the socket is closed after it."""
        self.harms: deque[Harm] = deque()
        self._links: set[socket.socket] = set()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Proxy:
        """Begin to listen."""
        self._spawn(self._listen, self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self._over.set()
        self.refuse()
        for thread in self._threads:
            thread.join(5)

    # ---- what may be asked of it

    def refuse(self) -> None:
        """Listen no more and end all connections: the next one is refused."""
        with suppress(OSError), self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would wait for who looks at it
        self.end_all()

    def accept(self) -> None:
        """Listen again, on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._spawn(self._listen, self._listener)

    def end_all(self) -> None:
        """End the present connections."""
        for link in list(self._links):
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def harm(self, how: str, after: int) -> Harm:
        """Have something done to the bytes towards the client; several are done one after the other, on whatever connection there is."""
        harm = Harm(how, after)
        self.harms.append(harm)
        return harm

    # ---- threads

    def _spawn(self, work: Callable[..., None], *words: object) -> None:
        thread = threading.Thread(target=work, args=words, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self, listener: socket.socket) -> None:
        while not self._over.is_set():
            try:
                if not select.select([listener], [], [], LOOK)[0]:
                    continue
                client, _ = listener.accept()
            except (OSError, ValueError):  # closed meanwhile
                return
            self.accepted += 1
            self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        self._links.add(client)
        with client, suppress(OSError, ssl.SSLError, EOFError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.instead is not None:
                self.instead(client)
            else:
                with socket.create_connection(("127.0.0.1", self.target), 3) as broker:
                    broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._forward(client, broker)
        self._links.discard(client)

    def _forward(self, client: socket.socket, broker: socket.socket) -> None:
        client.settimeout(0)
        broker.settimeout(0)
        wire = Wire() if self.tls is None else TlsWire(self.tls)
        down, up = Lane(self, client, self.harms), Lane(self, broker, deque())
        while not self._over.is_set():
            if self.weather.is_held:
                time.sleep(SHORT_LOOK)
                continue
            ready = _readable({client: up, broker: down}, SHORT_LOOK if down.queue or up.queue else LOOK)
            if broker in ready:
                down.put(wire.sealed(_received(broker)))
            if client in ready:
                opened, answer = wire.opened(_received(client))
                up.put(opened)
                down.put(answer)
            self.passed += down.deliver()
            self.taken += up.deliver()


def _readable(lanes: dict[socket.socket, Lane], wait: float) -> list[socket.socket]:
    wanted = [link for link, lane in lanes.items() if lane.queued < MOST_QUEUED]
    return select.select(wanted, [], [], wait)[0]


def _received(link: socket.socket) -> bytes:
    """Read what there is; raises EOFError at the end of the stream."""
    data = link.recv(LARGEST_READ)
    if not data:
        raise EOFError
    return data


class Lane:
    """One direction of a connection: bytes wait here until they are due, and until the rate lets them pass."""

    def __init__(self, proxy: Proxy, sink: socket.socket, harms: deque[Harm]) -> None:
        self.queue: deque[tuple[float, bytes]] = deque()
        """(monotonic instant at which they are due, bytes)."""
        self.queued = 0
        self._weather, self._sink, self._harms = proxy.weather, sink, harms
        self._room, self._roomy_at = 0.0, time.monotonic()

    def put(self, data: bytes) -> None:
        """Take bytes to be delivered."""
        if data:
            self.queue.append((time.monotonic() + self._weather.latency, data))
            self.queued += len(data)

    def deliver(self) -> int:
        """Send what is due; gives how many bytes went. Raises EOFError where a harm ends the connection."""
        now, gone = time.monotonic(), 0
        self._make_room(now)
        while self.queue and self.queue[0][0] <= now and self._room >= 1:
            due, data = self.queue.popleft()
            try:
                sent = self._send(data[: int(min(len(data), self._room))])
            except BlockingIOError:
                sent = 0
            self._room, self.queued, gone = self._room - sent, self.queued - sent, gone + sent
            if sent < len(data):
                self.queue.appendleft((due, data[sent:]))
            if not sent:
                break
        return gone

    def _make_room(self, now: float) -> None:
        """Let the rate allow what time has brought, and no more than that of one look at once."""
        rate = min(self._weather.rate, FASTEST)
        self._room = min(self._room + (now - self._roomy_at) * rate, max(rate * LOOK, 1.0))
        self._roomy_at = now

    def _send(self, data: bytes) -> int:
        if not self._harms:
            return self._sink.send(data)
        harm = self._harms[0]
        if harm.after > 0:
            sent = self._sink.send(data[: harm.after])
            harm.after -= sent
            return sent
        self._harms.popleft()
        harm.done.set()
        if harm.how == "spoil":
            return self._sink.send(bytes([data[0] ^ 0xFF]))
        if harm.how == "rst":
            self._sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise EOFError


# ---- what is spoken to the client


class Wire:
    """Nothing but bytes."""

    def sealed(self, data: bytes) -> bytes:
        """Give what goes over the wire for bytes of the broker."""
        return data

    def opened(self, data: bytes) -> tuple[bytes, bytes]:
        """Give the bytes for the broker that came over the wire, and what has to go back at once."""
        return data, b""


class TlsWire(Wire):
    """The far end of a client's TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._link = context.wrap_bio(self._in, self._out, server_side=True)
        self._is_greeted = False

    def sealed(self, data: bytes) -> bytes:
        """Give the records that carry bytes of the broker."""
        self._link.write(data)
        return self._out.read()

    def opened(self, data: bytes) -> tuple[bytes, bytes]:
        """Take records apart; shakes hands first."""
        self._in.write(data)
        found = bytearray()
        with suppress(ssl.SSLWantReadError):
            if not self._is_greeted:
                self._link.do_handshake()
                self._is_greeted = True
            while part := self._link.read(LARGEST_READ):
                found += part
        return bytes(found), self._out.read()


# ---- certificates


def make_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Give a certificate of 127.0.0.1 that signs itself, to be trusted by clients, and the context that shows it; needs `openssl`."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "broker.pem", folder / "broker.key"
    wishes = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1"]
    words = ["openssl", "req", *wishes, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


@contextmanager
def proxy_to(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """Run a proxy before a port of 127.0.0.1."""
    with Proxy(port, tls) as proxy:
        yield proxy
