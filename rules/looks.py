"""
Sensors and the present instant -> those whose silence is to be looked at now.

Rule 1: looking costs what falls due: a deadline that has moved on is found out when it would have fallen due, and put back.
Rule 2: who is looked at when decides nothing but when something is said.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from devices.instants import Instant
from rules.changes import Said
from rules.entries import Entry


class Looks:
    """When to look at whom."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        """Nothing is worked out until somebody looks."""
        self._entries = entries
        self._due: list[tuple[Instant, str]] | None = None

    def anew(self) -> None:
        """Work out all of it again: deadlines may have come nearer."""
        self._due = None

    def note(self, entry: Entry, now: Instant) -> None:
        """Note when to look at a sensor again: not later than it could become stale if it were heard right now."""
        if self._due is None:
            return
        freshness = entry.track.freshness
        look_at = now + freshness.limit
        deadline = freshness.deadline()
        if deadline is not None and deadline < look_at:
            look_at = deadline
        if entry.look_at is None or look_at < entry.look_at:
            entry.look_at = look_at
            heapq.heappush(self._due, (look_at, entry.key))

    def look(self, now: Instant, most: int) -> list[Said]:
        """Look at up to `most` sensors for which it is time, and say what their silence has come to."""
        due, said = self._worked_out(now), list[Said]()
        while due and due[0][0] <= now and most:
            look_at, key = heapq.heappop(due)
            entry = self._entries[key]
            if entry.look_at == look_at:  # else an earlier look was put in its place
                entry.look_at = None
                said += entry.track.look(now)
                self.note(entry, now)
            most -= 1
        return said

    def _worked_out(self, now: Instant) -> list[tuple[Instant, str]]:
        if self._due is None:
            self._due = []
            for entry in self._entries.values():
                entry.look_at = None
                self.note(entry, now)
        return self._due
