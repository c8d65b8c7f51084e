"""
A notice -> a mail in plain text, in the recipient's language first and then in the others.

Rule 1: `Message-ID` and `Date` come from the notice, so a repeat is the same mail and mail programs show it once.
Rule 2: a recipient or a content that is refused with 5xx is final; everything else (4xx, no connection, a wrong password) is tried again.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime
from typing import Literal

from alerts.channels.port import DeliveryError, Message, Receipt
from alerts.model import Status
from devices.documents import Form, SpanText
from devices.instants import SECOND, to_datetime

_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]]{1,64}@[^@\s<>,;:\"()]{1,255}", re.ASCII)


class EmailSettings(Form):
    """What a city writes about a mail channel; the address of each recipient is a mail address."""

    kind: Literal["email"]
    status: Status = Status.ACTUAL
    host: str
    port: int = 587
    sender: str
    starttls: bool = True
    """False only for a relay on the same machine."""
    username: str | None = None
    secret: str | None = None
    """Name of the secret that is the password, never the password itself."""
    time_limit: SpanText = 15 * SECOND
    """For each step of the conversation."""


class EmailChannel:
    """Sends notices by SMTP, one connection a mail."""

    def __init__(self, settings: EmailSettings, password: str | None = None) -> None:
        self.status = settings.status
        self._settings = settings
        self._password = password

    def send(self, message: Message) -> Receipt:
        """Send one mail; raises DeliveryError."""
        mail = mail_of(message, self._settings.sender)
        try:
            with self._conversation() as server:
                server.send_message(mail, from_addr=self._settings.sender, to_addrs=[message.recipient.address])
        except smtplib.SMTPRecipientsRefused as error:
            [(code, words)] = error.recipients.values()
            raise _refused(code, words) from error
        except smtplib.SMTPDataError as error:
            raise _refused(error.smtp_code, error.smtp_error) from error
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(f"mail server {self._settings.host}: {error}") from error
        return Receipt(mail["Message-ID"])

    @contextmanager
    def _conversation(self) -> Iterator[smtplib.SMTP]:
        settings = self._settings
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.time_limit / SECOND)
        try:
            if settings.starttls:
                server.starttls(context=ssl.create_default_context())
            if settings.username:
                server.login(settings.username, self._password or "")
            yield server
            # The mail is accepted by now: a server that hangs up without a word changes nothing.
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
        finally:
            server.close()


def mail_of(message: Message, sender: str) -> MIMEMultipart:
    """Write the mail; raises DeliveryError for an address that cannot be one."""
    if not _ADDRESS.fullmatch(message.recipient.address):
        raise DeliveryError(f"not a mail address: {message.recipient.address!r}", permanent=True)
    # Not email.message.EmailMessage: where it folds a long Vietnamese subject, it loses the space between two words.
    mail = MIMEMultipart("mixed")
    mail["From"] = sender
    mail["To"] = message.recipient.address
    mail["Subject"] = Header(message.text["title"], "utf-8", header_name="Subject").encode()
    mail["Date"] = format_datetime(to_datetime(message.notice.issued_at))
    mail["Message-ID"] = f"<{message.key}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Canhbao-Status"] = message.notice.status.value
    for language in _in_order(message):
        text = message.notice.texts[language]
        part = MIMEText(f"{text['title']}\n\n{text['body']}\n", "plain", "utf-8")
        part["Content-Language"] = language
        part["Content-Disposition"] = "inline"
        mail.attach(part)
    return mail


def _in_order(message: Message) -> list[str]:
    return sorted(message.notice.texts, key=lambda language: language != message.recipient.language)


def _refused(code: int, words: bytes | str) -> DeliveryError:
    said = words.decode(errors="replace") if isinstance(words, bytes) else words
    return DeliveryError(f"mail refused: {code} {said}", permanent=500 <= code < 600)
