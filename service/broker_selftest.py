"""
The broker of the settings, while it runs -> whether it keeps what it must keep, and refuses what it must refuse.

Rule 1: what is promised is tried, not read from its configuration.
Rule 2: nothing of it reaches the archive: two users of its own, topics below `canhbao/v1/canhbao-selftest/selftest`, to which nobody listens.
Rule 3: what is left in the broker is removed at the end; after a kill the broker forgets it within ten minutes.
Rule 4: everything that failed is told with its fix.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from ingest.accept import LARGEST_PAYLOAD
from ingest.frames import LARGEST
from service.broker_probe import Probe
from service.broker_rights import SELFTEST, SENDER
from service.exits import CommandError, Exit
from service.settings import BrokerSettings
from service.tables import table

MESSAGES = 2_000
"""Twice what Mosquitto keeps for an absent session by default."""
QUIET = 3.0
"""Seconds without a message after which no more is expected."""
OWN = f"canhbao/v1/{SELFTEST}/selftest"
SENDERS = f"canhbao/v1/{SENDER}/selftest"
FOREIGN = "canhbao/v1/canhbao-selftest.nobody/selftest"
_CONFIGURATION = "docker/mosquitto/mosquitto.conf"


@dataclass(frozen=True, slots=True)
class Check:
    """What was tried, and what came of it."""

    name: str
    passed: bool
    found: str
    fix: str
    """What to do; empty where it passed."""


@dataclass(frozen=True, slots=True)
class Selftest:
    """The outcome of all checks."""

    broker: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Tell whether all of them passed."""
        return all(check.passed for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"broker": self.broker, "passed": self.passed, "checks": [asdict(check) for check in self.checks]}


class Bench:
    """A broker, and the two users that try it."""

    def __init__(self, broker: BrokerSettings, passwords: Mapping[str, str]) -> None:
        self.broker, self.passwords = broker, passwords
        self.run = secrets.token_hex(4)
        """Begins each payload, so that what an earlier run left is not taken for ours."""

    @contextmanager
    def connected(self, user: str, client_id: str | None = None, *, clean: bool = True) -> Iterator[Probe]:
        """Give a connection of one of the two users; raises CommandError where the broker does not know it."""
        with Probe(self.broker, client_id or user, user, self.passwords[user]) as probe:
            if not probe.open(clean=clean):
                message = (
                    f"the broker does not let {user!r} in ({probe.reason}); run `canhbao broker users`, and let the broker read its files"
                )
                raise CommandError(message, Exit.CONFIGURATION)
            yield probe

    def marked(self, word: str) -> bytes:
        """Give a payload of this run."""
        return f"{self.run} {word}".encode()


def selftest(broker: BrokerSettings, passwords: Mapping[str, str]) -> Selftest:
    """
    Try the broker.

    Args:
        broker: of the settings; its user is not used.
        passwords: of the users `canhbao-selftest` and `canhbao-selftest.sender`.

    Returns:
        The outcome.

    Raises:
        CommandError: where the broker cannot be reached, or does not know the two users.
    """
    if broker.host is None:
        raise CommandError("no broker is set; set broker.host (CANHBAO_BROKER__HOST)", Exit.CONFIGURATION)
    bench = Bench(broker, passwords)
    tries: tuple[Callable[[Bench], Check], ...] = (queued, anonymous, password, topic, listening, identity, packet, payload)
    try:
        checks = tuple(each(bench) for each in tries)
    finally:
        with bench.connected(SELFTEST):
            pass  # a clean start ends the session that was kept
    return Selftest(f"{broker.host}:{broker.port}" + (" (TLS)" if broker.tls else ""), checks)


def described(outcome: Selftest) -> str:
    """Give the outcome as people read it."""
    rows = [(check.name, "passed" if check.passed else "FAILED", check.found) for check in outcome.checks]
    fixes = [f"FAILED: {check.name}: {check.fix}" for check in outcome.checks if not check.passed]
    return "\n".join([f"broker {outcome.broker}", "", table([("check", "", "found"), *rows]), *(["", *fixes] if fixes else [])])


# ---- what is kept


def queued(bench: Bench) -> Check:
    """Publish to a session that is away, and count what it is given when it is back."""
    with bench.connected(SELFTEST):
        pass  # a clean start ends what an earlier run may have left
    with bench.connected(SELFTEST, clean=False) as absent:
        absent.subscribe(f"{OWN}/queue")
    with bench.connected(SENDER) as sender:
        taken = sender.publish_all(f"{OWN}/queue", (bench.marked(f"{number}") for number in range(MESSAGES)))
    with bench.connected(SELFTEST, clean=False) as back:
        last = bench.marked(f"{MESSAGES - 1}")
        came = {said for _, said in back.heard(lambda said: said == last, QUIET) if said.startswith(bench.run.encode())}
    fix = f"set max_queued_messages 0, and max_queued_bytes to what the machine can hold ({_CONFIGURATION})"
    found = f"{taken:,} acknowledged, {len(came):,} came back"
    return _check(f"{MESSAGES:,} messages for an absent session", len(came) == taken == MESSAGES, found, fix)


# ---- who is let in


def anonymous(bench: Bench) -> Check:
    """Connect without a name."""
    with Probe(bench.broker, f"{SELFTEST}.anonymous", None, None) as nobody:
        return _refused("a client without a name", nobody.open(clean=True), nobody, f"set allow_anonymous false ({_CONFIGURATION})")


def password(bench: Bench) -> Check:
    """Connect with a wrong password."""
    with Probe(bench.broker, SENDER, SENDER, secrets.token_urlsafe(12)) as guesser:
        return _refused("a wrong password", guesser.open(clean=True), guesser, f"set password_file, and no other way in ({_CONFIGURATION})")


# ---- what they may say and hear


def topic(bench: Bench) -> Check:
    """Publish below the name of another device."""
    with bench.connected(SENDER) as sender:
        taken = sender.publish(FOREIGN, bench.marked("foreign"))
    fix = f"set acl_file to what `canhbao broker users` writes ({_CONFIGURATION}), and let the broker read it"
    return _check("publishing as another device", not taken, "taken" if taken else "refused", fix)


def listening(bench: Bench) -> Check:
    """Listen below the name of another device."""
    with bench.connected(SELFTEST) as listener, bench.connected(SENDER) as sender:
        listener.subscribe(f"{OWN}/#")
        granted = listener.subscribe(f"{SENDERS}/#")
        sender.publish(f"{SENDERS}/secret", bench.marked("secret"))
        sender.publish(f"{OWN}/end", bench.marked("end"))
        leaked = any(said == bench.marked("secret") for _, said in listener.heard(lambda said: said == bench.marked("end"), QUIET))
    found = "heard" if leaked else "granted, and nothing was heard" if granted else "refused"
    return _check(
        "listening to another device", not leaked, found, f"set acl_file to what `canhbao broker users` writes ({_CONFIGURATION})"
    )


def identity(bench: Bench) -> Check:
    """Connect with the client id of another user who is connected, and see whether that one stays."""
    with bench.connected(SELFTEST, clean=False) as owner:
        owner.subscribe(f"{OWN}/id")
        with Probe(bench.broker, SELFTEST, SENDER, bench.passwords[SENDER]) as thief:
            thief.open(clean=True)
            thief.publish(f"{OWN}/id", bench.marked("id"))
            kept = bool(owner.heard(lambda said: said == bench.marked("id"), QUIET)) if thief.is_connected else owner.is_connected
    found = "its owner was not disturbed" if kept else "the session of its owner was taken over"
    return _check("a stolen client id", kept, found, f"set use_username_as_clientid true for this listener ({_CONFIGURATION})")


# ---- how much they may say


def packet(bench: Bench) -> Check:
    """Publish what would end each connection of `canhbao ingest`."""
    fix = f"set message_size_limit below {LARGEST} bytes ({_CONFIGURATION})"
    passes = _delivers(bench, LARGEST)
    return _check(f"a payload of {LARGEST // 1024:,} KB", not passes, "delivered" if passes else "refused", fix)


def payload(bench: Bench) -> Check:
    """Publish the largest payload that is read; it must pass, else it is lost without a trace."""
    fix = f"set message_size_limit above {LARGEST_PAYLOAD} bytes, and max_packet_size above that ({_CONFIGURATION})"
    passes = _delivers(bench, LARGEST_PAYLOAD)
    return _check(f"a payload of {LARGEST_PAYLOAD // 1024:,} KB passes", passes, "delivered" if passes else "not delivered", fix)


def _delivers(bench: Bench, size: int) -> bool:
    """Tell whether a payload of this size reaches a listener."""
    with bench.connected(SELFTEST) as listener:
        listener.subscribe(f"{OWN}/size")
        with bench.connected(SENDER) as sender:
            sender.publish(f"{OWN}/size", bytes(size))
        with bench.connected(SENDER) as sender:  # a packet that is too large ends the connection
            sender.publish(f"{OWN}/size", bench.marked("end"))
        return any(len(said) == size for _, said in listener.heard(lambda said: said == bench.marked("end"), QUIET))


def _refused(name: str, let_in: bool, probe: Probe, fix: str) -> Check:
    return _check(name, not let_in, "let in" if let_in else f"refused ({probe.reason or 'closed'})", fix)


def _check(name: str, passed: bool, found: str, fix: str) -> Check:
    return Check(name, passed, found, "" if passed else fix)
