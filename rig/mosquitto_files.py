"""
The shipped files of Mosquitto -> the same files for a broker on this machine (paths and ports are others, every other line stays), and that broker.

Rule 1: a path or a listener that is not found in the shipped file is an error, so that what is tried is what is shipped.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rig.brokers import Broker, free_port, mosquitto_program, until_listening
from rig.proxy import make_certificate
from service.broker_probe import Probe
from service.broker_rights import is_service
from service.broker_users import Places, Wishes, write_users
from service.settings import BrokerSettings

SHIPPED = Path(__file__).resolve().parent.parent / "docker" / "mosquitto"


@dataclass(frozen=True, slots=True)
class Site:
    """Where things are on this machine."""

    folder: Path
    """For the configuration, and for what the broker keeps."""
    users: Path
    """Folder of `passwords` and `acl`, written by `canhbao broker users`."""
    certificate: Path
    key: Path
    port: int
    """For services, on 127.0.0.1."""
    tls_port: int
    """For devices, on 127.0.0.1."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """A Mosquitto with the shipped files, and its users."""

    broker: Broker
    places: Places
    handed_out: Path
    """Passwords of devices."""
    services: BrokerSettings
    """The listener for services."""
    devices: BrokerSettings
    """The listener for devices, with TLS."""

    def password(self, user: str) -> str:
        """Give the password of a user."""
        if is_service(user):
            return (self.places.services / user).read_text(encoding="utf-8")
        return dict(line.split(":", 1) for line in self.handed_out.read_text(encoding="utf-8").splitlines())[user]

    def reload(self) -> None:
        """Have it read its files: SIGHUP."""
        os.kill(self.broker.pid, signal.SIGHUP)

    @contextmanager
    def connected(self, user: str, *, clean: bool = True) -> Iterator[Probe]:
        """Give a connection of a user by the listener that is for it; it may have been refused."""
        with Probe(self.services if is_service(user) else self.devices, user, user, self.password(user)) as probe:
            probe.open(clean=clean)
            yield probe


@contextmanager
def shipped_mosquitto(folder: Path, devices: Iterable[str], changes: Mapping[str, str] | None = None) -> Iterator[Shipped]:
    """
    Run a Mosquitto 2.0 with the shipped files; needs `openssl`.

    Args:
        folder: for everything of it.
        devices: ids of those that may connect.
        changes: how lines of the shipped file begin, and what stands there instead, to see what a mistake does.
    """
    program = mosquitto_program()
    assert program is not None, "there is no mosquitto on this machine; install it from the distribution"
    places, handed_out = Places(folder / "users", folder / "services"), folder / "handed-out"
    write_users(places, devices, Wishes(), handed_out)
    certificate, _ = make_certificate(folder / "tls")
    site = Site(folder / "broker", places.users, certificate, certificate.with_suffix(".key"), free_port(), free_port())
    configuration = write_configuration(site)
    text = configuration.read_text(encoding="utf-8")
    for before, after in (changes or {}).items():
        assert f"\n{before}" in text, f"the shipped file of Mosquitto does not say {before!r}"
        text = text.replace(f"\n{before}", f"\n{after}")
    configuration.write_text(text, encoding="utf-8")
    broker = Broker("mosquitto", [program, "-c", str(configuration)], site.port)
    broker.start()
    try:
        until_listening(site.tls_port)
        plain = BrokerSettings(host="127.0.0.1", port=site.port)
        yield Shipped(broker, places, handed_out, plain, BrokerSettings(host="127.0.0.1", port=site.tls_port, tls=True, ca=certificate))
    finally:
        broker.kill()


def write_configuration(site: Site, version: str = "2.0") -> Path:
    """
    Write the shipped configuration for a broker on this machine.

    Args:
        site: where things are.
        version: of Mosquitto: `2.0` or `2.1`.

    Returns:
        The file to start the broker with (`mosquitto -c`).
    """
    parts, data = site.folder / "conf.d", site.folder / "data"
    for folder in (parts, data):
        folder.mkdir(parents=True, exist_ok=True)
    text = _with(
        (SHIPPED / "mosquitto.conf").read_text(encoding="utf-8"),
        {
            "password_file /mosquitto/users/passwords": f"password_file {site.users.absolute()}/passwords",
            "acl_file /mosquitto/users/acl": f"acl_file {site.users.absolute()}/acl",
            "certfile /run/secrets/broker_cert.pem": f"certfile {site.certificate.absolute()}",
            "keyfile /run/secrets/broker_key.pem": f"keyfile {site.key.absolute()}",
            "listener 1883": f"listener {site.port} 127.0.0.1",
            "listener 8883": f"listener {site.tls_port} 127.0.0.1",
            "include_dir /mosquitto/config/conf.d": f"include_dir {parts.absolute()}",
        },
    )
    for shipped in (SHIPPED / version).glob("*.conf"):
        part = _with(
            shipped.read_text(encoding="utf-8"), {"persistence_location /mosquitto/data": f"persistence_location {data.absolute()}"}
        )
        (parts / shipped.name).write_text(part, encoding="utf-8")
    configuration = site.folder / "mosquitto.conf"
    configuration.write_text(text + ("user root\n" if os.geteuid() == 0 else ""), encoding="utf-8")
    return configuration


def _with(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert text.count(f"\n{before}") == 1, f"the shipped files of Mosquitto do not say {before!r} once"
        text = text.replace(f"\n{before}", f"\n{after}")
    return text
