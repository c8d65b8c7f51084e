"""Rows of the quarantine -> a list, or one message with its payload, for people."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from devices.instants import format_instant
from ingest.feed import NoSpool, Quarantined
from ingest.spool import open_reader
from service.exits import CommandError, Exit
from service.observation import feed_of
from service.settings import Settings
from service.tables import table


def newest(settings: Settings, limit: int) -> list[Quarantined]:
    """Give what was refused last; raises CommandError without a spool."""
    try:
        return feed_of(settings.spool_file).quarantine(limit)
    except (NoSpool, sqlite3.OperationalError) as error:
        raise _away(settings) from error


def whole(settings: Settings, number: int) -> str:
    """Give one refused message as text; raises CommandError where there is none of that number."""
    try:
        with closing(open_reader(settings.spool_file)) as spool:
            query = "SELECT id, received_at, topic, payload, reason, readings, detail FROM quarantine WHERE id = ?"
            row = spool.execute(query, (number,)).fetchone()
    except sqlite3.OperationalError as error:
        raise _away(settings) from error
    if row is None:
        raise CommandError(f"there is no refused message {number}; see `canhbao quarantine list`")
    found = as_json(Quarantined(*row))
    payload = found.pop("payload")
    lines = [f"{name}: {value}" for name, value in found.items()]
    return visible("\n".join([*lines, "", "(the payload was emptied to keep the bound)" if payload is None else payload]))


def as_json(row: Quarantined) -> dict[str, Any]:
    """Give a refused message as plain values; bytes that are no text are escaped."""
    return {
        "id": row.id,
        "received_at": format_instant(row.received_at),
        "topic": _text(row.topic),
        "reason": row.reason,
        "readings": row.readings,
        "detail": row.detail,
        "payload": None if row.payload is None else _text(row.payload),
    }


def described(rows: list[Quarantined]) -> str:
    """Give a list as people read it."""
    if not rows:
        return "nothing was refused"
    cells = [(row.id, format_instant(row.received_at), _text(row.topic), row.reason, row.readings, row.detail) for row in rows]
    return visible(table([("number", "received", "topic", "reason", "readings", "detail"), *cells]))


def visible(text: str) -> str:
    """Escape what would command a terminal or turn the writing around: whoever may publish must not write on an operator's screen."""
    return "".join([sign if sign.isprintable() or sign in "\n\t" else sign.encode("unicode_escape").decode() for sign in text])


def _away(settings: Settings) -> CommandError:
    message = f"there is no spool in {settings.data}: `canhbao ingest` has not run on this folder; give another with --data"
    return CommandError(message, Exit.UNAVAILABLE)


def _text(content: bytes) -> str:
    return content.decode("utf-8", errors="backslashreplace")
