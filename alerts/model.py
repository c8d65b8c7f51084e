"""
The nouns of warning people: alarm, notice, decision.

Rule 1: an alarm has three axes that never merge: condition (what the water does), freshness (what we know), handling (who cares for it).
Rule 2: a notice is the difference between what stands and what an audience was last told.
Rule 3: what is not sent is a Withheld with its reason; nothing is dropped silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from devices.instants import Instant
from rules.changes import Phase


class Status(StrEnum):
    """Whether this is real. An exercise can never become actual: it has its own broker, files, keys and channels."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"


class Audience(StrEnum):
    """Who is told."""

    OPERATORS = "operators"
    RESIDENTS = "residents"


class Handling(StrEnum):
    """What the operators did about an alarm."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    """By an operator, with a reason, because the gauge cannot say any more that it is over. It sends the end."""


class End(StrEnum):
    """How an alarm ended."""

    CLEARED = "cleared"
    WITHDRAWN = "withdrawn"
    """The readings that arrived since say that it never was."""
    CLOSED = "closed"


class NoticeKind(StrEnum):
    """What a notice says; each has its own template."""

    WARNING = "warning"
    """First word about an alarm."""
    WARNING_AGAIN = "warning_again"
    """After an end that was told and did not hold; names it."""
    WORSE = "worse"
    EASING = "easing"
    CORRECTION = "correction"
    """What was told never was (wholly, or the higher level of it). Not an all-clear."""
    LOST = "lost"
    """The gauge fell silent while the warning stands; the warning goes on."""
    FOUND = "found"
    """The gauge is heard again (operators only)."""
    ALL_CLEAR = "all_clear"
    CLOSED = "closed"
    """An operator ended a warning whose gauge cannot."""


class Reason(StrEnum):
    """Why something is withheld."""

    NO_APPROVAL = "no_approval"
    """A public warning in earnest from a single gauge, and the city has not allowed that."""
    NOT_CURRENT = "not_current"
    """The newest reading is older than two intervals: the present is not known."""
    HISTORIC = "historic"
    """It rose and ended before anybody could be told."""
    SILENCED = "silenced"
    BELOW_AUDIENCE = "below_audience"
    """Under the level from which this audience is told."""
    NOT_PUBLIC = "not_public"
    """The rule has no such audience in the city's policy."""
    HEADQUARTERS_DEAF = "deaf"
    """We do not hear the broker; what we believe may be old."""
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    HELD = "held"
    """A restored service says nothing before an operator has looked (alerts/ledger/holding.py)."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """The standing condition at one place."""

    id: str
    """That of the change which opened it; kept when revisions move that change."""
    rule: str
    station: str
    quantity: str
    device: str
    status: Status
    # condition
    level: int
    level_id: str | None
    opened_at: Instant
    level_at: Instant
    value: float | None
    observed_at: Instant | None
    received_at: Instant | None
    trend: float | None
    peak: float | None
    peak_at: Instant | None
    interval: int
    ended_at: Instant | None
    end: End | None
    # freshness
    phase: Phase
    phase_at: Instant
    # handling
    handling: Handling
    handled_by: str | None
    handled_at: Instant | None
    handling_reason: str | None
    revision: str


@dataclass(frozen=True, slots=True)
class Told:
    """What one audience was last told of one alarm."""

    alarm: str
    audience: Audience
    level: int = 0
    """What they believe now: 0 if nothing was told, or the end."""
    level_id: str | None = None
    """The change by which the level they believe in was reached."""
    highest: int = 0
    """Highest level they were ever told; above 0, they are owed the end."""
    lost: bool = False
    """They know that the gauge is silent."""
    notice: str | None = None
    """Id of the last notice."""
    told_at: Instant | None = None
    end: End | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one audience about one alarm."""

    id: str
    """Stable: a receiver recognises a repeat by it."""
    alarm: str
    audience: Audience
    kind: NoticeKind
    status: Status
    level: int
    was: int
    sequence: int
    """1, 2, 3 ... within alarm and audience; a later one supersedes an earlier one."""
    issued_at: Instant
    expires_at: Instant
    facts: dict[str, object]
    """All that the templates need, as plain JSON values, frozen at the instant of issue (see alerts/facts.py)."""
    texts: dict[str, dict[str, str]]
    """By language: {"vi": {"title": ..., "body": ..., "short": ...}, "en": {...}}."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Something that would have been told, and why it was not."""

    alarm: str
    audience: Audience
    kind: NoticeKind
    level: int
    reason: Reason
    at: Instant
