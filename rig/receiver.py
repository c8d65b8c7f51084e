"""
A webhook's far end: takes notices, checks their signature, and keeps what came under which idempotency key.

Rule 1: it answers 200 to everything unless told to fail; what it answered so counts as received.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alerts.channels.testing import Answer, Request, WebhookReceiver
from rig.city import SECRET


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request."""

    key: str
    audience: str
    content: dict[str, Any]
    genuine: bool
    at: float
    """Monotonic seconds."""


class Receiver(WebhookReceiver):
    """A web server on 127.0.0.1 that takes notices; a context manager."""

    def __init__(self, answers: Callable[[Request], Answer] | None = None) -> None:
        super().__init__(SECRET)
        self._answer_to = answers
        self._arrived: list[Arrival] = []

    def take(self, request: Request) -> Answer:
        """Note a request and answer it."""
        self.requests.add(request)
        answer = self._answer_to(request) if self._answer_to is not None else Answer()
        if answer.status < 300 and not answer.hangs:
            audience = request.path.rpartition("/")[2]
            self._arrived.append(Arrival(request.key, audience, json.loads(request.body), request.genuine, time.monotonic()))
        return answer

    @property
    def arrivals(self) -> list[Arrival]:
        """Give what was received so far, in order, repeats included."""
        return list(self._arrived)
