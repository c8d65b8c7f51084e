"""
The city's devices and the services -> who may connect to Mosquitto, and what each may say and hear: its files of passwords and rights.

Rule 1: a password is random and told once, when it is made; kept are its hash, and a service's own file of mode 0600.
Rule 2: running again changes nobody's password: who is there stays, who is new is added, a device that left the registry goes.
Rule 3: who was revoked stays out until rotated, whatever the registry says (file `revoked`).
Rule 4: a password is in the file it is handed out in before the broker knows it, so that a crash in between leaves no user whose password nobody has.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.broker_rights import FURTHER, GATEWAY, SERVICES, WEB, is_service, rights_of
from service.exits import CommandError, Exit
from service.tables import table

ITERATIONS = 101
"""Of PBKDF2: the passwords are 192 random bits, which no work protects further, and Mosquitto checks those of all connected clients on SIGHUP."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files are."""

    users: Path
    """Folder of `passwords`, `acl` and `revoked`; mounted at /mosquitto/users."""
    services: Path
    """Folder with a file for each service, named like it, that holds its password."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to change beside what the registry says."""

    rotate: frozenset[str] = frozenset()
    """Users to give a new password."""
    revoke: frozenset[str] = frozenset()
    """Users to shut out."""
    further: frozenset[str] = frozenset()
    """Further services, such as `gateway.chirpstack`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run changes, by user."""

    kept: Mapping[str, str]
    """User -> hash, of those whose password stays."""
    added: tuple[str, ...]
    rotated: tuple[str, ...]
    revoked: tuple[str, ...]
    """Shut out by this run."""
    removed: tuple[str, ...]
    """No longer in the registry."""
    shut_out: frozenset[str]
    """All who are revoked afterwards."""
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """User -> password, of those that were made and not written to a file of a service; empty after a dry run."""

    @property
    def changes(self) -> bool:
        """Tell whether anything changes."""
        return bool(self.added or self.rotated or self.revoked or self.removed)


def hash_of(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Give the hash of a password as Mosquitto keeps it: `$7$iterations$salt$hash`, PBKDF2 with HMAC-SHA512, 64 bytes, base64."""
    salt = os.urandom(12) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def matches(password: str, kept: str) -> bool:
    """Tell whether a hash is that of a password; a hash of another form is that of none."""
    with suppress(ValueError):
        _, kind, iterations, salt, _ = kept.split("$")
        return kind == "7" and hmac.compare_digest(hash_of(password, base64.b64decode(salt), int(iterations)), kept)
    return False


def plan_users(devices: Iterable[str], known: Mapping[str, str], shut_out: frozenset[str], good: frozenset[str], wishes: Wishes) -> Plan:
    """
    Decide who gets a password, who keeps it, and who goes.

    Args:
        devices: ids of the registry.
        known: user -> hash, as the broker has it.
        shut_out: who was revoked before.
        good: services whose own file holds the password of their hash.
        wishes: what else is to change.

    Returns:
        The plan, without passwords.

    Raises:
        CommandError: for a name that cannot be rotated, revoked or added.
    """
    ids = set(devices)
    services = {*SERVICES, *wishes.further, *(name for name in known if FURTHER.fullmatch(name))}
    _refuse(ids, services, set(known), wishes)
    banned = (shut_out - wishes.rotate) | wishes.revoke
    wanted = (ids | services) - banned
    stays = {name for name in wanted & set(known) - wishes.rotate if name in ids or name in good}
    fresh = wanted - stays
    return Plan(
        {name: known[name] for name in sorted(stays)},
        tuple(sorted(fresh - set(known) - wishes.rotate)),
        tuple(sorted(fresh & (set(known) | wishes.rotate))),
        tuple(sorted(wishes.revoke - shut_out)),
        tuple(sorted(set(known) - wanted - wishes.revoke)),
        frozenset(banned),
    )


def write_users(places: Places, devices: Iterable[str], wishes: Wishes, out: Path | None = None, *, dry: bool = False) -> Plan:
    """
    Write the files of passwords and rights.

    Args:
        places: where they are.
        devices: ids of the registry.
        wishes: what else is to change.
        out: where passwords of devices that are made are written, with those that are there; None: they are only given back.
        dry: decide, and write nothing.

    Returns:
        What was changed, with the passwords that were made.

    Raises:
        CommandError: for a wish that cannot be met, or a file that cannot be read or written.
    """
    try:
        if dry:
            return _planned(places, devices, wishes)
        with _alone(places):
            return _written(places, _planned(places, devices, wishes), wishes.rotate, out)
    except OSError as error:
        fix = "run this as the user that owns it, or name another place with --users, --services or --out"
        raise CommandError(f"{error.filename} cannot be used: {error.strerror}; {fix}", Exit.CONFIGURATION) from error


def password_in(folder: Path, user: str) -> str:
    """Give the password of a service from its file; raises CommandError where there is none."""
    try:
        return (folder / user).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"{folder / user} cannot be read: {error.strerror}; run `canhbao broker users`, or name its folder with --services"
        raise CommandError(message, Exit.CONFIGURATION) from error


def told(plan: Plan, places: Places, out: Path | None) -> dict[str, Any]:
    """Give what was done as plain values; passwords are among them only where they were not written to a file."""
    return {
        **{name: list(getattr(plan, name)) for name in ("added", "rotated", "revoked", "removed")},
        "kept": len(plan.kept),
        "changed": plan.changes,
        "users": str(places.users),
        "services": str(places.services),
        "out": str(out) if out else None,
        "passwords": {} if out else dict(plan.passwords),
    }


def described(plan: Plan, places: Places, out: Path | None, *, dry: bool) -> str:
    """Give what was done, or would be, as people read it."""
    groups = [(name, getattr(plan, name)) for name in ("added", "rotated", "revoked", "removed")]
    lines = [f"{name}: {', '.join(users)}" for name, users in groups if users]
    lines.append(f"as before: {len(plan.kept)} users")
    if dry:
        return "\n".join([*lines, "nothing was written (--dry-run)"])
    if plan.passwords and out is None:
        lines += ["", table([("device", "password (told now, and kept nowhere)"), *plan.passwords.items()]), ""]
    if plan.passwords and out is not None:
        lines.append(f"passwords of devices: {out}")
    return "\n".join([*lines, f"passwords of services: {places.services}", f"files of the broker: {places.users}"])


def _refuse(ids: set[str], services: set[str], known: set[str], wishes: Wishes) -> None:
    if taken := ids & set(SERVICES):
        raise CommandError(f"the device {min(taken)!r} is named like a service; give it another id in devices.yaml", Exit.CONFIGURATION)
    if odd := [name for name in wishes.further if not FURTHER.fullmatch(name)]:
        message = f"--service {min(odd)!r} is no further service; write {GATEWAY}.NAME or {WEB}.NAME, NAME of a-z, 0-9 and hyphens"
        raise CommandError(message, Exit.USAGE)
    if unknown := (wishes.rotate | (wishes.revoke - known)) - ids - services:
        raise CommandError(f"there is no user {min(unknown)!r}; it is neither in devices.yaml nor a service", Exit.USAGE)
    if needed := wishes.revoke & set(SERVICES):
        raise CommandError(f"{min(needed)!r} is needed; give it a new password with --rotate {min(needed)}", Exit.USAGE)
    if both := wishes.revoke & wishes.rotate:
        raise CommandError(f"{min(both)!r} is both to be revoked and rotated; leave one of them out", Exit.USAGE)


# ---- files


def _planned(places: Places, devices: Iterable[str], wishes: Wishes) -> Plan:
    known = dict(line.split(":", 1) for line in _lines(places.users / "passwords") if ":" in line)
    good = frozenset(name for name in known if (held := _held(places, name)) is not None and matches(held, known[name]))
    return plan_users(devices, known, frozenset(_lines(places.users / "revoked")), good, wishes)


def _written(places: Places, plan: Plan, rotate: frozenset[str], out: Path | None) -> Plan:
    made = {name: _password(places, name, new=name in rotate) for name in (*plan.added, *plan.rotated)}
    told = {name: password for name, password in made.items() if not is_service(name)}
    if out is not None and (told or plan.revoked or plan.removed):
        _write(out, _handed_out(out, told, {*plan.revoked, *plan.removed}))
    for name in set(made) - set(told):
        _write(places.services / name, made[name])
    entries = {**plan.kept, **{name: hash_of(password) for name, password in made.items()}}
    _write(places.users / "revoked", "".join(f"{name}\n" for name in sorted(plan.shut_out)))
    _write(places.users / "passwords", "".join(f"{name}:{entries[name]}\n" for name in sorted(entries)))
    _write(places.users / "acl", rights_of(entries))
    return Plan(plan.kept, plan.added, plan.rotated, plan.revoked, plan.removed, plan.shut_out, told)


def _password(places: Places, name: str, *, new: bool) -> str:
    """Give a new password, or that which a service holds and the broker does not know yet."""
    return (None if new else _held(places, name)) or secrets.token_urlsafe(24)


def _held(places: Places, name: str) -> str | None:
    if is_service(name):
        with suppress(FileNotFoundError):
            return (places.services / name).read_text(encoding="utf-8").strip() or None
    return None


def _handed_out(out: Path, told: Mapping[str, str], gone: set[str]) -> str:
    before = dict(line.split(":", 1) for line in _lines(out) if ":" in line)
    after = {name: password for name, password in {**before, **told}.items() if name not in gone}
    return "".join(f"{name}:{after[name]}\n" for name in sorted(after))


def _lines(path: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8").splitlines()
    return []


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    """Make the folders, and keep other runs out; the kernel frees the lock however we end."""
    for folder in (places.users, places.services):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (places.users / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, for its owner alone; root gives it to whoever owns the folder, which is the broker's user."""
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o600)
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
