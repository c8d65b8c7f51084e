"""
A notice -> a signed POST to a system of the city: the operations centre's own software, an app, a sign.

Rule 1: 2xx is delivered; what would be refused again (400, 404, 405, 410, 413, 415, 422) is final; everything else is tried again.
Rule 2: a redirect is not followed: the secret signs for the address that was configured.
Rule 3: the header `Idempotency-Key` is the same on every repeat; the signature is not, because it carries the time of sending.
"""

from __future__ import annotations

import json
import time
from typing import Any, Literal

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader, LocationValueError
from urllib3.util import Retry, Timeout

from alerts.channels.port import DeliveryError, Message, Receipt
from alerts.channels.signature import HEADER, signed
from alerts.model import Status
from devices.documents import Form, SpanText
from devices.instants import SECOND, format_instant

FINAL = frozenset({400, 404, 405, 410, 413, 415, 422})
_MOST_READ = 4096


class WebhookSettings(Form):
    """What a city writes about a webhook channel; the address of each recipient is a URL."""

    kind: Literal["webhook"]
    status: Status = Status.ACTUAL
    secret: str
    """Name of the secret that signs, never the secret itself."""
    time_limit: SpanText = 10 * SECOND
    """For connecting and for each wait for an answer."""


class WebhookChannel:
    """Posts notices as JSON."""

    def __init__(self, settings: WebhookSettings, secret: str) -> None:
        self.status = settings.status
        self._secret = secret
        self._pool = urllib3.PoolManager(retries=False, timeout=Timeout(settings.time_limit / SECOND))

    def send(self, message: Message) -> Receipt:
        """Post one notice; raises DeliveryError."""
        if not message.recipient.address.startswith(("https://", "http://")):
            raise DeliveryError(f"not an address that can be posted to: {message.recipient.address!r}", permanent=True)
        body = json.dumps(content_of(message), ensure_ascii=False, separators=(",", ":")).encode()
        try:
            answer = self._pool.request(
                "POST",
                message.recipient.address,
                body=body,
                headers=self._headers(message, body),
                redirect=False,
                preload_content=False,
            )
        except LocationValueError as error:
            raise DeliveryError(f"not an address that can be posted to: {message.recipient.address!r}", permanent=True) from error
        except HTTPError as error:
            raise DeliveryError(f"no answer from {message.recipient.address}: {error}") from error
        text = _beginning(answer)
        if 200 <= answer.status < 300:
            return Receipt(answer.headers.get("X-Request-Id") or f"HTTP {answer.status}")
        raise DeliveryError(
            f"HTTP {answer.status} from {message.recipient.address}: {text}",
            permanent=answer.status in FINAL,
            retry_after=_retry_after(answer.headers.get("Retry-After")),
        )

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "canhbao",
            "Idempotency-Key": message.key,
            "Canhbao-Status": message.notice.status.value,
            HEADER: signed(self._secret, body, int(time.time())),
        }


def content_of(message: Message) -> dict[str, Any]:
    """Give what is posted: the notice with its texts in all languages, and its facts. Instants are RFC 3339, facts hold microseconds."""
    notice = message.notice
    return {
        "id": notice.id,
        "status": notice.status.value,
        "kind": notice.kind.value,
        "audience": notice.audience.value,
        "alarm": notice.alarm,
        "sequence": notice.sequence,
        "level": notice.level,
        "was": notice.was,
        "issued_at": format_instant(notice.issued_at),
        "expires_at": format_instant(notice.expires_at),
        "language": message.recipient.language,
        "texts": notice.texts,
        "facts": notice.facts,
    }


def _beginning(answer: urllib3.BaseHTTPResponse) -> str:
    """Read a little of the answer, for operators. The status has been heard: a body that hangs or talks on and on is cut off."""
    text = b""
    try:
        text = answer.read(_MOST_READ)
        if answer.read(1):
            answer.close()
    except HTTPError:
        answer.close()
    answer.release_conn()
    return " ".join(text.decode(errors="replace").split())[:200]


def _retry_after(value: str | None) -> float | None:
    """Read seconds or a date; what cannot be read is no wish."""
    if value is None:
        return None
    try:
        return Retry().parse_retry_after(value)
    except InvalidHeader:
        return None
