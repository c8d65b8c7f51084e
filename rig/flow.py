"""
Messages without an end -> a thread that publishes them until it is told to stop.

Rule 1: what `Flow.end` gives is what the broker has acknowledged; nothing is left on its way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from rig.brokers import Broker
from rig.publisher import Message, Publisher


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
