"""
Versions of the page -> server-sent events: an open page hears that it has changed, and fetches it.

Rule 1: an event is publication, not delivery: it never counts as somebody warned.
Rule 2: a stream begins with the present version, so that a page which was away finds out what it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from web.public.editions import Editions

ALIVE_SECONDS = 15.0
"""Something is sent at least so often, so that a broken line is found out."""
MOST_LISTENERS = 5_000
RETRY = "retry: 3000\n\n"


async def events(editions: Editions, alive: float = ALIVE_SECONDS) -> AsyncIterator[str]:
    """Give the lines of one stream until the editions are closed or the listener goes."""
    editions.listeners += 1
    try:
        yield RETRY
        version: str | None = None
        while not editions.is_closed:
            try:
                found = await asyncio.wait_for(editions.other_than(version), alive)
            except TimeoutError:
                yield ": alive\n\n"
                continue
            if found is None:
                return
            version = found
            yield f"event: version\ndata: {version}\n\n"
    finally:
        editions.listeners -= 1
