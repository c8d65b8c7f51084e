"""
A body and a secret -> the header by which a receiver knows that the notice is ours and fresh, and back.

The header is `Canhbao-Signature: t=<seconds since 1970>,v1=<hex>`, where v1 is HMAC-SHA256 over `<t>.<body>`.
A receiver refuses what is older than it can accept, so that a notice which somebody kept cannot be played again later.
"""

from __future__ import annotations

import hmac
import re

HEADER = "Canhbao-Signature"
TOLERANCE = 300
"""Seconds by which the clocks of sender and receiver may differ."""
_FORM = re.compile(r"t=(?P<at>\d{1,12}),v1=(?P<digest>[0-9a-f]{64})")


def signed(secret: str, body: bytes, at: int) -> str:
    """Give the value of the header for a body sent at an instant (seconds)."""
    return f"t={at},v1={_digest(secret, body, at)}"


def is_genuine(secret: str, body: bytes, header: str, now: int) -> bool:
    """Tell whether a header belongs to a body, and was made within the tolerance of now (seconds)."""
    found = _FORM.fullmatch(header)
    if not found or abs(now - int(found["at"])) > TOLERANCE:
        return False
    return hmac.compare_digest(found["digest"], _digest(secret, body, int(found["at"])))


def _digest(secret: str, body: bytes, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
