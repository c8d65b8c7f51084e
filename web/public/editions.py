"""
Situations -> editions of the page: rendered once per change and language, and told to whoever waits.

Rule 1: a version changes when what is shown changes, not when time passes: ages grow in the open page itself.
Rule 2: between two changes the page is rendered anew with each minute, for those who come then; nobody is told of that.
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
        self.listeners = 0
        self.is_closed = False
        self._changed = asyncio.Condition()

    async def publish(self, situation: Situation | None, edition: Edition | None) -> None:
        """Exchange what is shown; wakes those who wait where the version is another."""
        self.situation = situation
        if edition is None:
            return
        is_other = self.edition is None or self.edition.version != edition.version
        self.edition = edition
        if is_other:
            async with self._changed:
                self._changed.notify_all()

    async def other_than(self, version: str | None) -> str | None:
        """Wait for a version that is not this one; None where none will come any more."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.is_closed or (self.edition is not None and self.edition.version != version))
        return self.edition.version if self.edition and not self.is_closed else None

    async def close(self) -> None:
        """Let everybody who waits go."""
        self.is_closed = True
        async with self._changed:
            self._changed.notify_all()


class Editor:
    """Looks again and again, and renders what has changed."""

    def __init__(self, looks: Looks, renderer: Renderer, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._looks, self._renderer, self._monotonic = looks, renderer, monotonic
        self._made: tuple[Any, Any, int] | None = None
        self._made_at = float("-inf")

    async def run(self, editions: Editions) -> None:
        """Publish until cancelled."""
        while True:
            situation, edition = await asyncio.to_thread(self.look)
            await editions.publish(situation, edition)
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> tuple[Situation | None, Edition | None]:
        """Give the situation, and an edition where a new one is due."""
        situation = self._looks.look()
        if situation is None:
            return None, None
        urgent, is_paced = _urgent(build(situation)), self._monotonic() - self._made_at < PACE_SECONDS
        if is_paced and self._made is not None and self._made[0] == urgent:
            return situation, None
        full = self._looks.with_history(situation)
        state = build(full)
        made = (urgent, essence(state), situation.now // MINUTE)
        if made == self._made:
            return full, None
        self._made, self._made_at = made, self._monotonic()
        return full, self._edition(full, state)

    def _edition(self, situation: Situation, state: PageState) -> Edition:
        version = blake2b(repr((situation.city.revision, essence(state))).encode(), digest_size=8).hexdigest()
        return Edition(version, state, self._renderer.render(state, situation.city, version))


def _urgent(state: PageState) -> Any:
    """Give what cannot wait: which warnings stand and ended, whether gauges are heard, whether we hear."""
    in_force = tuple((each.alarm.id, each.level.number, each.gauge.signal) for each in state.in_force)
    return state.head, in_force, tuple(each.alarm.id for each in state.ended), state.deaf
