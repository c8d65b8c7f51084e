"""
A city's devices -> the folder of secrets that docker-compose.yml mounts: passwords, tokens, the broker's users, a certificate.

Rule 1: what is there stays; a second run adds what is missing, for example the users of new devices.
Rule 2: everything is for its owner alone (0700, 0600): the user of all containers. Root gives it to OWNER.
Rule 3: the certificate that is made here signs itself: good for a laptop. A city puts its own two files in its place before the first run.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.broker_users import Places, Wishes, write_users
from service.exits import CommandError, Exit

OWNER = 10_001
"""Of files that root makes; docker-compose.yml runs containers as this user unless STACK_UID says otherwise."""
CERTIFICATE, KEY = "broker_cert.pem", "broker_key.pem"
PASSWORDS = ("grafana_admin_password", "influx_operator_token")
TOKENS = ("influx/tokens/influx.write.token", "influx/tokens/influx.read.token")
"""Empty until `canhbao archive init` fills them: what is mounted must be there before its container. The folder above them is for that command alone."""
_DAYS = "825"


@dataclass(frozen=True, slots=True)
class Line:
    """One secret, and whether it was made now."""

    path: Path
    made: bool


def make_secrets(folder: Path, devices: Iterable[str], names: Sequence[str]) -> list[Line]:
    """
    Make what is missing.

    Args:
        folder: of the secrets.
        devices: ids of those that connect to the broker.
        names: host names and addresses that the certificate of the broker is for.

    Returns:
        Every secret.

    Raises:
        CommandError: a file cannot be written, or there is no `openssl` to make a certificate with.
    """
    try:
        return _made(folder, devices, names)
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be written: {error.strerror}; run this as its owner, or as root") from error


def _made(folder: Path, devices: Iterable[str], names: Sequence[str]) -> list[Line]:
    places = Places(folder / "users", folder / "services")
    for each in (folder, folder / "influx", folder / "influx" / "tokens", places.users, places.services):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
        _give(each)
    lines = [_secret(folder / name, f"{secrets.token_urlsafe(32)}\n") for name in PASSWORDS]
    lines += [_secret(folder / name, "") for name in TOKENS]
    lines += _certificate(folder / CERTIFICATE, folder / KEY, names)
    handed_out = folder / "devices"
    plan = write_users(places, devices, Wishes(), handed_out)
    if handed_out.exists():
        _give(handed_out)
    return [*lines, Line(places.users, plan.changes), Line(places.services, plan.changes), Line(handed_out, bool(plan.added))]


def _secret(path: Path, text: str) -> Line:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Line(path, made=False)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    _give(path)
    return Line(path, made=True)


def _certificate(certificate: Path, key: Path, names: Sequence[str]) -> list[Line]:
    there = [path.exists() for path in (certificate, key)]
    if all(there):
        return [Line(certificate, made=False), Line(key, made=False)]
    if any(there):
        raise CommandError(
            f"of {certificate} and {key} one is missing; put both there, or remove both to have them made", Exit.CONFIGURATION
        )
    wanted = ",".join(f"IP:{name}" if _is_address(name) else f"DNS:{name}" for name in names)
    words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", _DAYS, "-subj", f"/CN={names[0]}"]
    command = ["openssl", "req", *words, "-addext", f"subjectAltName={wanted}", "-keyout", str(key), "-out", str(certificate)]
    before = os.umask(0o077)
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise CommandError(f"there is no openssl; install it, or put {CERTIFICATE} and {KEY} into {key.parent}", Exit.UNAVAILABLE) from None
    except subprocess.CalledProcessError as error:
        raise CommandError(f"openssl makes no certificate for {wanted}: {error.stderr.strip()}; look at --host", Exit.USAGE) from error
    finally:
        os.umask(before)
    _give(certificate)
    _give(key)
    return [Line(certificate, made=True), Line(key, made=True)]


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, OWNER, OWNER)
