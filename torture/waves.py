"""
Gauges in a flood that comes again and again -> messages.

Rule 1: a message is made from its number alone, so a second town can be given exactly the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from rig.city import topic_of
from rig.publisher import Message

DAY_OF_WATER = (*[0.3] * 8, 1.2, 1.3, 1.3, 2.2, 2.3, 2.3, 3.6, 3.7, 3.7, 2.4, 2.3, 2.3, 1.5, 1.4, 1.3, *[0.3] * 7)
"""Metres: up through three levels and down again, each confirmed."""
STAYS = 10
"""Readings of a gauge for which the water stays as it is: people are told of each change, and that must not be all that happens."""


def waves(gauges: int, base: int, step: int) -> Iterator[Message]:
    """Give readings for ever: all gauges in turn, the first at `base`, each of them every `step` milliseconds."""
    return (wave(number, gauges, base, step) for number in count())


def wave(number: int, gauges: int, base: int, step: int) -> Message:
    """Give one of them."""
    turn, gauge = divmod(number, gauges)
    value = DAY_OF_WATER[(turn // STAYS + 5 * gauge) % len(DAY_OF_WATER)]
    return topic_of(gauge), b'{"v":1,"boot":7,"seq":%d,"at":%d,"m":{"water_level":%.1f}}' % (turn, base + turn * step, value)
