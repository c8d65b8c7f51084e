"""A notice -> one line of JSON, in a file of the data directory or in the program's log: what remains when every other way is shut."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import Field

from alerts.channels.port import DeliveryError, Message, Receipt
from alerts.model import Status
from devices.documents import Form
from devices.instants import format_instant

_LOG = structlog.get_logger("canhbao.notices")


class LogSettings(Form):
    """What a city writes about a log channel; the address of a recipient is a name that stands in the line."""

    kind: Literal["log"]
    status: Status = Status.ACTUAL
    file: Annotated[str, Field(pattern=r"^[\w-]+(\.[\w-]+)*$")] | None = None
    """In the data directory; without one, the program's own log."""


class LogChannel:
    """Writes notices down."""

    def __init__(self, settings: LogSettings, data: Path) -> None:
        self.status = settings.status
        self._path = data / settings.file if settings.file else None

    def send(self, message: Message) -> Receipt:
        """Write one line; raises DeliveryError when the file cannot be written."""
        line = line_of(message)
        if self._path is None:
            _LOG.info("notice", **line)
            return Receipt("log")
        try:
            return Receipt(f"{self._path.name}:{_append(self._path, line)}")
        except OSError as error:
            raise DeliveryError(f"{self._path.name} cannot be written: {error}") from error


def line_of(message: Message) -> dict[str, str | int]:
    """Give what stands in a line."""
    notice = message.notice
    return {
        "key": message.key,
        "status": notice.status.value,
        "audience": notice.audience.value,
        "kind": notice.kind.value,
        "level": notice.level,
        "was": notice.was,
        "issued_at": format_instant(notice.issued_at),
        "to": message.recipient.address,
        "language": message.recipient.language,
        **message.text,
    }


def _append(path: Path, line: dict[str, str | int]) -> int:
    """Append in one write, so that lines never mix; gives the size of the file after it. A full disk takes a part: that is taken away."""
    whole = json.dumps(line, ensure_ascii=False).encode() + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        written = os.write(descriptor, whole)
        size = os.fstat(descriptor).st_size
        if written < len(whole):
            os.ftruncate(descriptor, size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return size
    finally:
        os.close(descriptor)
