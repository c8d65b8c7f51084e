"""
What a channel is: something that takes one notice to one recipient and brings back a receipt.

Rule 1: a channel is bound to one status when it is made; exercises and earnest never share one (alerts/deliver.py refuses the rest).
Rule 2: every repeat of a notice to a recipient carries the same key, so that a receiver can recognise it.
Rule 3: a channel keeps no state of its own about what was sent, and returns within its time limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from alerts.model import Notice, Status


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address of one channel."""

    id: int
    address: str
    """A URL, a mail address, a name: what the channel understands."""
    language: str
    """`vi` or `en`: what comes first, or alone."""


@dataclass(frozen=True, slots=True)
class Message:
    """A notice on its way to one recipient."""

    notice: Notice
    recipient: Recipient

    @property
    def key(self) -> str:
        """Give what all repeats have in common: `<notice>.<recipient>`."""
        return f"{self.notice.id}.{self.recipient.id}"

    @property
    def text(self) -> dict[str, str]:
        """Give title, body and short in the recipient's language; Vietnamese where the notice was not written in it."""
        return self.notice.texts.get(self.recipient.language) or self.notice.texts["vi"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of one sending."""

    reference: str
    """What the receiving side calls it."""


class DeliveryError(Exception):
    """
    A notice did not reach a recipient.

    Args:
        message: what happened, for operators.
        permanent: trying again is of no use (the address does not exist, the notice was refused).
        retry_after: seconds that the receiving side asked us to wait, if it did.
    """

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class Channel(Protocol):
    """A way to people."""

    @property
    def status(self) -> Status:
        """Give the only status of notices that may go this way."""

    def send(self, message: Message) -> Receipt:
        """Take one message to its recipient; raises DeliveryError. Whether it arrived before a time limit is not always known: it may be sent again."""
