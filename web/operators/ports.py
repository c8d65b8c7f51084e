"""
What the operators' pages need of `canhbao serve`: the board to show, and the actions to do.

Rule 1: whoever acts is named; a refusal is `alerts.ledger.acting.ActionRefused`, whose text says why and what to do instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alerts.ledger.reading import Incident, Silence
from alerts.model import Alarm, Notice, Status, Told, Withheld
from alerts.scripts import Texts
from devices.instants import Instant
from devices.registry import Registry
from web.public.situation import Heartbeat


@dataclass(frozen=True, slots=True)
class Sent:
    """How far one notice has gone."""

    sent: int
    failed: int


@dataclass(frozen=True, slots=True)
class Board:
    """What operators see at one moment."""

    now: Instant
    """By the clock of readings."""
    real_now: Instant
    status: Status
    speed: float
    registry: Registry
    texts: Texts
    alarms: Sequence[Alarm]
    """Open, owed an end, or ended lately; the newest first."""
    told: Mapping[str, Told]
    """What residents were last told, by alarm."""
    notices: Sequence[Notice]
    """To all audiences, the newest first."""
    sent: Mapping[str, Sent]
    """By notice."""
    withheld: Sequence[Withheld]
    silences: Sequence[Silence]
    incidents: Sequence[Incident]
    waiting_deliveries: int
    heartbeat: Heartbeat | None
    counters: Mapping[str, int] | None = field(default=None)
    """Of the spool; None where it cannot be read."""


class Boards(Protocol):
    """Gives the board."""

    def board(self) -> Board | None:
        """Give what stands now; None before a city was applied. Called from worker threads."""


class Acting(Protocol):
    """Does what operators decide. Called from worker threads; each call is one transaction."""

    def acknowledge(self, alarm: str, by: str) -> bool:
        """Note that somebody cares for an alarm; tell whether anything changed."""

    def close(self, alarm: str, by: str, reason: str, *, force: bool = False) -> bool:
        """End an alarm whose gauge cannot; tell whether anything changed."""

    def silence(self, station: str | None, quantity: str | None, until_at: Instant, by: str, reason: str) -> int:
        """Let operators hear less of a place; give the number of the silence."""

    def lift(self, number: int, by: str) -> bool:
        """End a silence before its time; tell whether anything changed."""

    def release(self, by: str) -> bool:
        """Let a service that is held speak again; tell whether it was held."""
