"""
An ordinary bad hour of a thousand gauges -> messages, and the account of what must become of them.

Rule 1: what is old stays within what a sensor's memory knows, so each repeat is recognised, however often a broker gives it again.
Rule 2: good readings have even milliseconds and late ones odd ones: no two readings of a gauge are of one instant.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from rig.city import topic_of
from rig.publisher import Message
from torture.waves import DAY_OF_WATER

LIVE, OF = 6, 10
"""Gauges that say what is so now, of so many; the others send what their memory has kept for hours."""
SILENT = 50
"""Each so many-th gauge is silent for a third of the time."""
LATE_MS = 30_000
BAD = (
    b'{"v":1',
    b"\xff\xfe",
    b'{"v":1,"boot":7,"seq":1,"at":1,"m":{"water_level":"high"}}',
    b'{"v":1,"at":4102444800000,"m":{"water_level":1}}',
)
"""No JSON, no text, no number and no time, a far future."""


@dataclass(slots=True)
class Everyday:
    """Makes messages without end. `made` may be read by other threads."""

    gauges: int
    old_ms: int
    """How old the readings are that come from memory."""
    silence: float
    """Seconds of a silence; it comes again after three times as much."""
    stays: int
    """Readings of a gauge for which the water stays as it is."""
    made: Counter[str] = field(default_factory=Counter)
    """`good`, `late`, `duplicate`, `bad`."""
    _newest: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    _late: dict[int, int] = field(default_factory=dict)
    """Instant of the last late one, by gauge."""

    def messages(self) -> Iterator[Message]:
        """Give them."""
        start, number = time.monotonic(), 0
        while True:
            turn, gauge = divmod(number, self.gauges)
            if gauge % SILENT == 7 and (time.monotonic() - start) % (3 * self.silence) > 2 * self.silence:
                gauge = (gauge + 1) % self.gauges
            yield self._message(number, turn, gauge)
            number += 1

    def _message(self, number: int, turn: int, gauge: int) -> Message:
        drawn = (number * 2_654_435_761 >> 8) % 100
        known = self._newest.get(gauge)
        if drawn == 0:
            self.made["bad"] += 1
            return topic_of(gauge if number % 5 else self.gauges + 7), BAD[number % len(BAD)]
        if drawn == 1 and known is not None:
            self.made["duplicate"] += 1
            return topic_of(gauge), known[1]
        if drawn == 2 and known is not None and self._late.get(gauge) != known[0] - LATE_MS + 1:
            self.made["late"] += 1
            self._late[gauge] = known[0] - LATE_MS + 1
            return topic_of(gauge), _payload(turn, self._late[gauge], 0.3)
        at = time.time_ns() // 2_000_000 * 2 - (0 if gauge % OF < LIVE else self.old_ms)
        at = at if known is None else max(at, known[0] + 2)
        payload = _payload(turn, at, DAY_OF_WATER[(turn // self.stays + 5 * gauge) % len(DAY_OF_WATER)])
        self._newest[gauge] = at, payload
        self.made["good"] += 1
        return topic_of(gauge), payload


def _payload(turn: int, at: int, value: float) -> bytes:
    return b'{"v":1,"boot":7,"seq":%d,"at":%d,"m":{"water_level":%.1f}}' % (turn, at, value)
