"""
A folder -> a real broker on a free port, that may be killed, frozen and started again with what it kept.

Rule 1: a broker is gone when its `with` ends, however it was treated.
Rule 2: `durable` is what a city needs; without it Mosquitto keeps everything in memory and sets no limits, for measuring.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rig.serving import Serving
from service.broker import answers, free_port, prepare

Login = tuple[str | None, str | None]
"""Name and password; None and None where nobody asks."""

__all__ = ["Broker", "Login", "embedded_in", "free_port", "mosquitto_in", "mosquitto_program"]


@dataclass
class Broker(Serving):
    """A broker as a child of ours."""

    kind: str
    """`mosquitto` or `embedded`."""
    command: list[str]
    port: int
    client_id: str = "canhbao-ingest"
    """Of ingest."""
    ingest: Login = (None, None)
    publisher: Login = (None, None)
    """May speak for every device."""
    host: str = "127.0.0.1"

    @property
    def username(self) -> str | None:
        """Give the name of ingest."""
        return self.ingest[0]

    @property
    def password(self) -> str | None:
        """Give the password of ingest."""
        return self.ingest[1]

    def command_line(self) -> list[str]:
        """Give what starts it."""
        return self.command

    def is_ready(self) -> bool:
        """Tell whether it answers."""
        return answers(self.host, self.port)


def mosquitto_program() -> str | None:
    """Give the path of Mosquitto, if there is one."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def mosquitto_in(folder: Path, *, durable: bool = True, eager: bool = True) -> Iterator[Broker]:
    """
    Run a Mosquitto.

    Args:
        folder: for its configuration, and for what it keeps.
        durable: it saves sessions and messages.
        eager: at each turn of its loop in which something moved (`autosave_on_changes`): it loses next to nothing, and with a backlog
            it takes some hundred messages a second; else every two seconds, as it is used where it has to be fast.
    """
    program, port = mosquitto_program(), free_port()
    assert program is not None, "there is no mosquitto on this machine; install it from the distribution"
    wishes = ["allow_anonymous true", "max_queued_messages 0", "set_tcp_nodelay true", "log_type none"]
    if durable:
        place = folder / "mosquitto"
        place.mkdir(parents=True, exist_ok=True)
        wishes += ["persistence true", f"persistence_location {place}/", "autosave_interval 1", f"autosave_on_changes {str(eager).lower()}"]
        wishes += ["max_inflight_messages 10000", "message_size_limit 524288"]
    else:
        wishes += ["max_inflight_messages 0"]
    if os.geteuid() == 0:
        wishes += ["user root"]
    configuration = folder / "mosquitto.conf"
    configuration.write_text("\n".join([f"listener {port} 127.0.0.1", *wishes, ""]))
    with _running(Broker("mosquitto", [program, "-c", str(configuration)], port)) as broker:
        yield broker


@contextmanager
def embedded_in(folder: Path) -> Iterator[Broker]:
    """Run the embedded broker as `canhbao run` does: what it has acknowledged is on disk."""
    prepared = prepare(folder, free_port(), devices=[])
    ingest, gateway = prepared.accounts.ingest, prepared.accounts.gateway
    logins = (ingest.username, ingest.password), (gateway.username, gateway.password)
    with _running(Broker("embedded", list(prepared.command), prepared.port, ingest.client_id, *logins)) as broker:
        yield broker


@contextmanager
def _running(broker: Broker) -> Iterator[Broker]:
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def until_listening(port: int, within: float = 15.0) -> None:
    """Wait until somebody listens on a port of 127.0.0.1."""
    deadline = time.monotonic() + within
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens on {port}"
            time.sleep(0.02)
        else:
            return
