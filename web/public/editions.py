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
from typing import Any, Protocol

from devices.instants import MINUTE
from web.public.page import Rendered, Renderer
from web.public.situation import Situation
from web.public.state import PageState
from web.public.view import build, essence

LOOK_SECONDS = 0.25
PACE_SECONDS = 1.0
REST = 3.0
"""Of the time that a look took: a city of ten thousand gauges takes a quarter of a core to watch, and no more."""


class Looks(Protocol):
    """What an editor looks at."""

    def look(self) -> Situation | None:
        """Give the situation of now."""

    def with_history(self, situation: Situation) -> Situation:
        """Add the last 48 hours."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One version of the page."""

    version: str
    state: PageState
    pages: Mapping[str, Rendered]
    """By language."""


class Editions:
    """The present edition and situation, and those who wait for the next. For one event loop."""

    def __init__(self) -> None:
        self.edition: Edition | None = None
        self.situation: Situation | None = None
        self.is_closed = False
        self.waiting: set[asyncio.Event] = set()
        """One for each open page: set when there is another version, or none will come any more."""

    @property
    def version(self) -> str | None:
        """Give the version that is shown; None before the first edition."""
        return self.edition.version if self.edition else None

    def publish(self, situation: Situation | None, edition: Edition | None) -> None:
        """Exchange what is shown; wakes those who wait where the version is another."""
        self.situation = situation
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

    def __init__(self, looks: Looks, renderer: Renderer, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._looks, self._renderer, self._monotonic = looks, renderer, monotonic
        self._seen: Any = None
        self._urgent: Any = None
        self._made_at = float("-inf")

    async def run(self, editions: Editions) -> None:
        """Publish until cancelled."""
        while True:
            start = self._monotonic()
            situation, edition = await asyncio.to_thread(self.look)
            editions.publish(situation, edition)
            await asyncio.sleep(max(LOOK_SECONDS, REST * (self._monotonic() - start)))

    def look(self) -> tuple[Situation | None, Edition | None]:
        """Give the situation, and an edition where a new one is due."""
        situation = self._looks.look()
        if situation is None:
            return None, None
        bare = build(situation)
        seen, urgent = (essence(bare), situation.now // MINUTE), _urgent(bare)
        is_paced = self._monotonic() - self._made_at < PACE_SECONDS
        if seen == self._seen or (is_paced and urgent == self._urgent):
            return situation, None
        full = self._looks.with_history(situation)
        self._seen, self._urgent, self._made_at = seen, urgent, self._monotonic()
        return full, self._edition(full, build(full))

    def _edition(self, situation: Situation, state: PageState) -> Edition:
        version = blake2b(repr((situation.city.revision, essence(state))).encode(), digest_size=8).hexdigest()
        return Edition(version, state, self._renderer.render(state, situation.city, version))


def _urgent(state: PageState) -> Any:
    """Give what cannot wait: which warnings stand and ended, whether gauges are heard, whether we hear."""
    in_force = tuple((each.alarm.id, each.level.number, each.gauge.signal) for each in state.in_force)
    return state.head, in_force, tuple(each.alarm.id for each in state.ended), state.deaf
