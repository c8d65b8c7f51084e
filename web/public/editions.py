"""
Situations -> editions of the page: rendered once per change and language, and told to whoever waits.

Rule 1: a version changes when what is shown changes, not when time passes: ages grow in the open page itself.
Rule 2: between two changes the page is rendered anew with each minute, for those who come then; nobody is told of that. A late reading,
        which changes the chart alone, comes with it.
Rule 3: a warning, an end and our own deafness are shown at once; other changes wait for the pace.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol, TypeVar

from devices.instants import MINUTE
from web.public.page import Rendered, Renderer
from web.public.situation import Situation
from web.public.state import PageState
from web.public.view import build, essence, featured_place, with_history

Result = TypeVar("Result")

LOOK_SECONDS = 0.25
PACE_SECONDS = 1.0
REST = 3.0
"""Of the time that a look took of a core: a city of ten thousand gauges takes a quarter of one to watch, and no more. Time on the clock
would make the page the later the more others have to do, which is when it matters."""


class Looks(Protocol):
    """What an editor looks at."""

    def look(self) -> Situation | None:
        """Give the situation of now."""

    def with_history(self, situation: Situation, place: tuple[str, str]) -> Situation:
        """Add the last 48 hours of a station and quantity."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One version of the page."""

    version: str
    state: PageState
    pages: Mapping[str, Rendered]
    """By language."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was last seen, and what the page is to say of it; the last 48 hours need not be in it."""

    situation: Situation
    state: PageState


class Editions:
    """The present edition, what was last seen, and those who wait for the next. For one event loop; any thread may read it."""

    def __init__(self) -> None:
        self.edition: Edition | None = None
        self.seen: Look | None = None
        self.is_closed = False
        self.waiting: set[asyncio.Event] = set()
        """One for each open page: set when there is another version, or none will come any more."""

    @property
    def version(self) -> str | None:
        """Give the version that is shown; None before the first edition."""
        return self.edition.version if self.edition else None

    @property
    def situation(self) -> Situation | None:
        """Give the situation that was last seen; None while there is no city."""
        seen = self.seen
        return seen.situation if seen else None

    def publish(self, seen: Look | None, edition: Edition | None) -> None:
        """Exchange what is shown; wakes those who wait where the version is another."""
        self.seen = seen
        if edition is None:
            return
        is_other = self.version != edition.version
        self.edition = edition
        if is_other:
            self._wake()

    async def close(self) -> None:
        """Let everybody who waits go."""
        self.is_closed = True
        self._wake()

    def _wake(self) -> None:
        for each in self.waiting:
            each.set()


class Editor:
    """Looks again and again, and renders what has changed."""

    def __init__(self, looks: Looks, renderer: Renderer) -> None:
        self._looks, self._renderer = looks, renderer
        self._seen: Any = None
        self._urgent: Any = None
        self._made_at = float("-inf")

    async def run(self, editions: Editions) -> None:
        """Publish until cancelled."""
        while True:
            (seen, edition), cost = await asyncio.to_thread(_costing, self.look)
            editions.publish(seen, edition)
            await asyncio.sleep(max(LOOK_SECONDS, REST * cost))

    def look(self) -> tuple[Look | None, Edition | None]:
        """Give what is seen, and an edition where a new one is due."""
        situation = self._looks.look()
        if situation is None:
            return None, None
        bare = Look(situation, build(situation))
        seen, urgent = (essence(bare.state), situation.now // MINUTE), _urgent(bare.state)
        is_paced = time.monotonic() - self._made_at < PACE_SECONDS
        if seen == self._seen or (is_paced and urgent == self._urgent):
            return bare, None
        self._seen, self._urgent, self._made_at = seen, urgent, time.monotonic()
        return bare, self._edition(bare)

    def _edition(self, seen: Look) -> Edition:
        situation, place = seen.situation, featured_place(seen.state)
        state = with_history(seen.state, self._looks.with_history(situation, place)) if place else seen.state
        version = blake2b(repr((situation.city.revision, essence(state))).encode(), digest_size=8).hexdigest()
        return Edition(version, state, self._renderer.render(state, situation.city, version))


def _costing(work: Callable[[], Result]) -> tuple[Result, float]:
    """Do something; gives what it gave, and how many seconds of a core it took of this thread."""
    start = time.thread_time()
    return work(), time.thread_time() - start


def _urgent(state: PageState) -> Any:
    """Give what cannot wait: which warnings stand and ended, whether gauges are heard, whether we hear."""
    in_force = tuple((each.alarm.id, each.level.number, each.gauge.signal) for each in state.in_force)
    return state.head, in_force, tuple(each.alarm.id for each in state.ended), state.deaf
