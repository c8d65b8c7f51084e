"""
Issued notices -> people, by every channel, at least once each.

Rule 1: for one notice, channel and recipient: send, then write the receipt and the cursor in one transaction. A crash between repeats
        that one message, with the same key; nobody is left out.
Rule 2: an exercise goes only by channels that are bound to exercises, earnest only by channels in earnest. It is refused here,
        at the sender, whatever was planned.
Rule 3: each channel has a thread of its own, so a slow one delays no other; no transaction is open while something is sent.
Rule 4: expiry follows the city's clock; leases and retries follow real time, because the world does not answer faster in a rehearsal.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog
from sqlalchemy import Connection, Engine

from alerts.channels.port import Channel, DeliveryError, Message, Receipt, Recipient
from alerts.ledger import deliveries
from alerts.ledger.deliveries import Claim, Failure, State
from alerts.ledger.opening import may_be_lost
from alerts.model import Notice
from devices.instants import MINUTE, SECOND, Instant, Span

FIRST_RETRY: Span = 2 * SECOND
LONGEST_RETRY: Span = 5 * MINUTE
LONGEST_WISH: Span = 60 * MINUTE
"""Of a receiver that asks us to wait: never longer than this, whatever it says."""

Recipients: TypeAlias = Callable[[Connection, Notice, str, int, int], Sequence[Recipient]]
"""(connection, notice, channel, after, most) -> recipients of the notice by the channel whose id is above `after`, ascending."""

_LOG = structlog.get_logger("canhbao.deliver")


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is done at a time."""

    page: int = 50
    """Recipients for one claim."""
    turn: Span = 5 * SECOND
    """Real time after which a claim is given back, so that expiry and more urgent notices are looked at again."""
    lease: Span = 2 * MINUTE
    """Longer than the time limits of any channel."""
    pause: Span = SECOND // 2
    """Real time between two looks at the ledger when there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one claim."""

    notice: str | None = None
    """None: there was nothing to do."""
    sent: int = 0
    failed: int = 0
    """Attempts that failed, for now or for good."""
    state: State | None = None
    """As left behind; None where the delivery was taken over or overtaken meanwhile."""


class Deliverer:
    """Takes deliveries from the ledger and sends them."""

    def __init__(
        self,
        engine: Engine,
        channels: Mapping[str, Channel],
        recipients: Recipients,
        clock: Callable[[], Instant],
        *,
        reader: Engine | None = None,
        pace: Pace = Pace(),
        real: Callable[[], int] = lambda: time.time_ns() // 1000,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """
        Wire a deliverer; nothing starts.

        Args:
            engine: of the ledger.
            channels: by the names that policy and recipients use.
            recipients: who gets a notice by a channel.
            clock: of the city, real or a rehearsal's.
            reader: of the ledger too, for questions, which then wait for no writer; without one, `engine`.
            pace: sizes and spans.
            real: microseconds of real time since 1970.
            chance: a number from 0 to 1, for the jitter of retries.
        """
        self._engine, self._claiming = engine, may_be_lost(engine)
        self._reader = reader or engine
        self._channels = dict(channels)
        self._recipients = recipients
        self._clock = clock
        self._pace = pace
        self._real = real
        self._chance = chance
        self._stopping = threading.Event()
        self._wakes = {name: threading.Event() for name in channels}
        self._threads: list[threading.Thread] = []

    def run_once(self, channel: str, now: Instant | None = None) -> Round:
        """
        Do one turn: take one delivery of a channel and send one page of it.

        Args:
            channel: by name.
            now: stands for the clock during this turn.

        Raises:
            KeyError: there is no such channel.
        """
        clock = self._clock if now is None else lambda: now
        held = self._claim(channel, clock())
        if held is None:
            return Round()
        if self._channels[channel].status is not held.notice.status:
            _LOG.error("refused", channel=channel, notice=held.notice.id, status=held.notice.status.value)
            with self._engine.begin() as connection:
                deliveries.close(connection, held, State.REFUSED, clock())
            return Round(held.notice.id, state=State.REFUSED)
        return self._turn(held, clock)

    def start(self, on_death: Callable[[BaseException], object]) -> None:
        """Start a thread for each channel; `on_death` is called, in the thread, with what ended it otherwise than `stop`."""
        for name in self._channels:
            thread = threading.Thread(target=self._work, args=(name, on_death), name=f"deliver-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wake(self) -> None:
        """Say that there may be something to do; called after notices were issued."""
        for event in self._wakes.values():
            event.set()

    def stop(self, patience: float = 0.5) -> bool:
        """Ask all threads to end after the message they are at; tell whether they did within so many seconds each."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(patience)
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, channel: str, on_death: Callable[[BaseException], object]) -> None:
        try:
            while not self._stopping.is_set():
                self._wakes[channel].clear()
                if self.run_once(channel).notice is None:
                    self._wakes[channel].wait(self._pace.pause / SECOND)
        except BaseException as error:  # whatever it is, the process must hear of it
            on_death(error)

    def _claim(self, channel: str, now: Instant) -> Claim | None:
        with self._claiming.begin() as connection:  # a lost claim is made again
            return deliveries.claim(connection, channel, now=now, real_now=self._real(), lease=self._pace.lease)

    def _turn(self, claimed: Claim, clock: Callable[[], Instant]) -> Round:
        """Send one page; ends early when the turn is over, the notice expires, or the delivery is no longer ours."""
        batch, sent, failed = self._batch(claimed), 0, 0
        held, ends_at = claimed, self._real() + self._pace.turn
        for number, (recipient, attempts) in enumerate(batch, 1):
            if self._stopping.is_set() or self._real() >= ends_at or clock() >= claimed.notice.expires_at:
                break
            result = self._attempt(claimed.channel, Message(claimed.notice, recipient), attempts)
            sent, failed = sent + isinstance(result, Receipt), failed + isinstance(result, Failure)
            with self._engine.begin() as connection:
                lease = self._real() + self._pace.lease
                renewed = deliveries.record(connection, held, recipient.id, result, now=clock(), lease=lease)
                if renewed is None:
                    return Round(claimed.notice.id, sent, failed)
                held = renewed
                if number == len(batch) < self._pace.page:  # all are attempted: given back in the same transaction
                    return Round(claimed.notice.id, sent, failed, deliveries.release(connection, held, exhausted=True, now=clock()))
        with self._engine.begin() as connection:
            return Round(claimed.notice.id, sent, failed, deliveries.release(connection, held, exhausted=not batch, now=clock()))

    def _batch(self, held: Claim) -> list[tuple[Recipient, int]]:
        """Give whom to try now, with the attempts made before."""
        with self._reader.connect() as connection:
            if held.state is State.RETRYING:
                return deliveries.due_failures(connection, held, real_now=self._real(), most=self._pace.page)
            fresh = self._recipients(connection, held.notice, held.channel, held.cursor, self._pace.page)
            return [(recipient, 0) for recipient in fresh]

    def _attempt(self, channel: str, message: Message, attempts: int) -> Receipt | Failure:
        try:
            return self._channels[channel].send(message)
        except DeliveryError as error:
            failure = failure_of(error, attempts + 1, self._real(), self._chance())
        except Exception as error:  # one message that a channel stumbles over must not stop the others
            _LOG.exception("channel failed", channel=channel, key=message.key)
            failure = failure_of(DeliveryError(f"{type(error).__name__}: {error}"), attempts + 1, self._real(), self._chance())
        _LOG.warning("not delivered", channel=channel, key=message.key, error=failure.error, permanent=failure.permanent)
        return failure


def failure_of(error: DeliveryError, attempts: int, real_now: int, chance: float) -> Failure:
    """
    Say when to try again: after 2, 4, 8 ... seconds up to 5 minutes, half to one and a half times that, and not before the receiver asked.

    Args:
        error: what happened.
        attempts: how many there were, this one included.
        real_now: microseconds of real time.
        chance: from 0 to 1.
    """
    wait = min(FIRST_RETRY << min(attempts - 1, 16), LONGEST_RETRY) * (0.5 + chance)
    wish = min((error.retry_after or 0.0) * SECOND, LONGEST_WISH)
    return Failure(str(error)[:500], attempts, real_now + int(max(wait, wish)), error.permanent)
