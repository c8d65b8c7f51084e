"""
The operators' token -> who is logged in, and proof that a form is ours.

Rule 1: the token is compared in constant time, and never stands in a cookie: a session is signed with a key made of it.
Rule 2: a form carries a proof that belongs to its session; without it nothing is done, whatever the cookie says.
Rule 3: a new token ends every session.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from devices.instants import HOUR, SECOND, Instant, Span

COOKIE = "canhbao"
LASTS: Span = 12 * HOUR
"""Of real time: one shift."""
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has shown the token."""

    by: str
    value: str
    """Of the cookie."""
    proof: str
    """For the forms of this session."""


class Sessions:
    """Opens and reads sessions; keeps nothing, so that they outlive a restart."""

    def __init__(self, token: str) -> None:
        if len(token) < 16:
            raise ValueError("the operators' token has less than 16 characters; remove its file, and a good one is made at the next start")
        self._token = token.encode()
        self._key = sha256(b"canhbao session " + self._token).digest()

    def is_token(self, given: str) -> bool:
        """Tell whether this is the token."""
        return hmac.compare_digest(given.strip().encode(), self._token)

    def open(self, by: str, real_now: Instant) -> Session:
        """Open a session for a name."""
        said = urlsafe_b64encode(f"{(real_now + LASTS) // SECOND}:{by}".encode()).decode()
        return self._session(by, f"{said}.{self._sign('session', said)}")

    def read(self, value: str | None, real_now: Instant) -> Session | None:
        """Give the session of a cookie; None where it is not ours or has ended."""
        said, _, signature = (value or "").partition(".")
        if value is None or not hmac.compare_digest(signature.encode(), self._sign("session", said).encode()):
            return None
        ends, _, by = urlsafe_b64decode(said.encode()).decode().partition(":")
        return self._session(by, value) if real_now // SECOND < int(ends) else None

    def is_proof(self, session: Session, given: str) -> bool:
        """Tell whether a form belongs to a session."""
        return hmac.compare_digest(given.encode(), session.proof.encode())

    def _session(self, by: str, value: str) -> Session:
        return Session(by, value, self._sign("form", value))

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}\n{text}".encode(), sha256).hexdigest()
