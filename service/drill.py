"""
The operators' actions of a scenario -> the same requests that an operator's terminal makes, each when it is due.

Rule 1: an action waits for its alarm: the alarm may come a little later than the scenario thinks.
Rule 2: what was done, and what could not be done, is said, with the instant of its asking: a notice that it causes comes after it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from devices.instants import SECOND, Instant
from devices.scenario import Action
from service.acting import Acting
from service.clock import Clock
from service.exits import CommandError
from service.observation import ledger_now
from service.settings import Settings

PATIENCE = 20.0
"""Real seconds for which an action waits for its alarm."""
_LOOK = 0.2


class Drill(threading.Thread):
    """Does the actions one after another, beside the main thread."""

    def __init__(self, settings: Settings, clock: Clock, actions: Sequence[Action]) -> None:
        super().__init__(name="drill", daemon=True)
        self._settings = settings
        self._clock = clock
        self._actions = sorted(actions, key=lambda action: action.at)
        self._said: queue.SimpleQueue[tuple[Instant, str]] = queue.SimpleQueue()

    def said(self) -> list[tuple[Instant, str]]:
        """Give what was done since the last call, and when."""
        found = []
        while not self._said.empty():
            found.append(self._said.get())
        return found

    def run(self) -> None:
        """Wait for each action's time, and do it."""
        for action in self._actions:
            while (ahead := (action.at - self._clock()) / SECOND / self._clock.speed) > 0:
                time.sleep(min(ahead, 1.0))
            self._said.put(self._done(action))

    def _done(self, action: Action) -> tuple[Instant, str]:
        what = f"operator {action.by}: {action.action} {action.station}/{action.quantity}"
        deadline, trouble = time.monotonic() + PATIENCE, "no such alarm"
        while time.monotonic() < deadline:
            at = self._clock()
            try:
                if (request := self._request(action)) is not None:
                    Acting(self._settings).act(action.action, request)
                    return at, f"{what} ({action.reason})"
            except CommandError as error:
                trouble = str(error)
            time.sleep(_LOOK)
        return self._clock(), f"{what}: NOT DONE: {trouble}"

    def _request(self, action: Action) -> Mapping[str, Any] | None:
        """Give the request of an action, or None while its alarm is not there."""
        if action.action == "silence":
            place = {"station": action.station, "quantity": action.quantity, "until_at": action.until}
            return {**place, "by": action.by, "reason": action.reason}
        ledger = ledger_now(self._settings.ledger_file)
        for alarm in ledger.alarms if ledger else ():
            if alarm.ended_at is None and (alarm.station, alarm.quantity) == (action.station, action.quantity):
                return {"alarm": alarm.id, "by": action.by} | ({"reason": action.reason} if action.action == "close" else {})
        return None
