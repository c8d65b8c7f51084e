"""
What the desk reads: the feed of changes and standings. `ingest.feed.Feed` fits it; this room does not import ingest.

Rule 1: news are taken whole: what was said and the cursor after it go into the ledger in one transaction.
Rule 2: standings may be ahead of the changes when there is much to read; so a change that is not known yet is not a withdrawn one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from devices.instants import SECOND, Instant, Span
from rules.changes import Said, Standing

SIGN_OF_LIFE: Span = 10 * SECOND
"""Of real time: an older heartbeat says that nobody listens to the sensors."""


class Cursor(Protocol):
    """A place in a spool: everything up to the ordinal is known."""

    @property
    def spool(self) -> str: ...  # noqa: D102 - fields of a value
    @property
    def ordinal(self) -> int: ...  # noqa: D102


class Incident(Protocol):
    """Something that ingest noted about itself."""

    @property
    def at(self) -> Instant: ...  # noqa: D102 - fields of a value
    @property
    def kind(self) -> str:
        """Give for example `deaf` (we do not hear the broker) or `hears` (we do again)."""

    @property
    def detail(self) -> str: ...  # noqa: D102


class Heartbeat(Protocol):
    """The last sign of life of ingest."""

    @property
    def real_at(self) -> Instant:
        """Give when it was, by the machine's clock."""

    @property
    def hearing(self) -> bool:
        """Tell whether ingest is connected and nothing older waits."""


class News(Protocol):
    """What happened after a cursor."""

    @property
    def cursor(self) -> Cursor:
        """Give the place up to which this reaches."""

    @property
    def said(self) -> Sequence[tuple[int, Said]]:
        """Give what was said, with ordinals, in order."""

    @property
    def standings(self) -> Sequence[Standing]:
        """Give what stands at each sensor that moved."""

    @property
    def incidents(self) -> Sequence[tuple[int, Incident]]: ...  # noqa: D102 - fields of a value
    @property
    def heartbeat(self) -> Heartbeat | None: ...  # noqa: D102


CursorT_contra = TypeVar("CursorT_contra", contravariant=True)


class Feed(Protocol[CursorT_contra]):
    """Gives news."""

    def read(self, after: CursorT_contra | None, most: int = 10_000) -> News:
        """Give what happened after a cursor (None: everything that is still known), about `most` changes at a time."""


def hears(heartbeat: Heartbeat | None, real_now: Instant) -> bool:
    """Tell whether we hear the sensors: ingest is alive, and it hears the broker. `real_now` is the machine's time."""
    return heartbeat is not None and heartbeat.hearing and is_alive(heartbeat, real_now)


def is_alive(heartbeat: Heartbeat | None, real_now: Instant) -> bool:
    """Tell whether ingest gave a sign of life within the last ten seconds of real time."""
    return heartbeat is not None and real_now - heartbeat.real_at <= SIGN_OF_LIFE
