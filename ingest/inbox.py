"""
What reaches the accepting thread, as values: messages, whether we hear the broker, and what operators should know.

Rule 1: all of it comes through one queue, in the order in which it happened; one thread takes it out.
Rule 2: instants are those of the world's clock, in microseconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from devices.instants import Instant

Message: TypeAlias = tuple[bytes, bytes, bytes, int, bool, bool]
"""(topic, payload, mid, qos, retain, dup). Plain tuples: a frozen dataclass costs 0.5 us each, as much as all the cutting.
`mid` is the packet id as it stood on the wire; it is only ever sent back. `retain` and `dup` decide nothing."""


class Trouble(StrEnum):
    """Kinds of incidents that ingest records."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    OLD_PROTOCOL = "old_protocol"
    """The broker does not speak MQTT 5; we go on in 3.1.1, which hides refusals from devices."""
    DISCONNECTED = "disconnected"
    MALFORMED = "malformed"
    SESSION_LOST = "session_lost"
    """The broker has forgotten us, and with us what it held for us. Devices must send again."""
    DEAF = "deaf"
    """We cannot hear the broker, or cannot keep up with it: silence of sensors is not judged until `hears`."""
    HEARS = "hears"
    CLOCK_WENT_BACK = "clock_went_back"
    REPLAY_DIFFERS = "replay_differs"
    """After a restart the rules say something else than what was stored; what was stored stands."""
    CONFIGURATION_APPLIED = "configuration_applied"
    CONFIGURATION_REFUSED = "configuration_refused"
    """A file of the city cannot be used; nothing was changed."""
    SPOOL_FILLS = "spool_fills"
    """Much of its budget of bytes is used: a part of the archive is away."""
    SPOOL_OVER_BUDGET = "spool_over_budget"
    """Batches go that a part of the archive does not have; it gets them from the store."""
    POISON = "poison"
    """A message ended us more than once; it is kept in quarantine, unread."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What settles one hand-over with the broker, once its messages are on disk."""

    generation: int
    """The connection they came by. Their ids mean nothing to another one."""
    mids: list[bytes]
    """In the order of receipt."""
    size: int
    """Bytes of payload that stop waiting."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """The messages of one read, in the order of receipt."""

    receipt: Receipt
    received_at: Instant
    messages: list[Message]


@dataclass(frozen=True, slots=True)
class Heard:
    """We hear the broker: connected, subscribed, and nothing waits there."""

    at: Instant


@dataclass(frozen=True, slots=True)
class Deaf:
    """We do not hear the broker."""

    at: Instant
    why: str


@dataclass(frozen=True, slots=True)
class Incident:
    """What an operator should know."""

    at: Instant
    kind: Trouble
    detail: str


Event: TypeAlias = Inbound | Heard | Deaf | Incident
"""What a session hands over."""
