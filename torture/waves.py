"""
Gauges in a flood that comes again and again -> messages, and a thread that publishes them until it is told to end.

Rule 1: a message is made from its number alone, so a second town can be given exactly the same.
Rule 2: what `Flow.end` gives is what the broker has acknowledged; nothing is left on its way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import count

from rig.brokers import Broker
from rig.city import topic_of
from rig.publisher import Message, Publisher

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


class Flow:
    """Publishes from a thread of its own; a context manager."""

    def __init__(self, broker: Broker, messages: Iterable[Message], rate: float) -> None:
        self.publisher = Publisher(broker)
        self._over, self._error = threading.Event(), ""
        self._source = iter(messages)
        self._thread = threading.Thread(target=self._publish, args=(rate,), daemon=True)

    def __enter__(self) -> Flow:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.publisher.close()

    def end(self) -> int:
        """End; gives how many messages the broker has acknowledged. Raises ConnectionError where it did not take all of them."""
        self._over.set()
        self._thread.join()
        if self._error:
            raise ConnectionError(f"the publisher ended early: {self._error}")
        return self.publisher.acknowledged

    def _until_over(self) -> Iterator[Message]:
        while not self._over.is_set():  # looked at before a message is made: one that was made is published
            message = next(self._source, None)
            if message is None:
                return
            yield message

    def _publish(self, rate: float) -> None:
        try:
            self.publisher.publish(self._until_over(), rate)
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}"
