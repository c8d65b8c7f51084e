"""
A connection of ingest -> what a broker of MQTT 5 may say that no honest one says.

Rule 1: lies that end before the subscription are followed by one after it, since ingest waits the longer the more connections came to nothing.
"""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from contextlib import suppress

from rig import mqtt

PATIENCE = 0.25
"""Seconds in which the client may end the connection; then the liar does."""
STRANGERS = 50
CONNACK = b"\x20\x03\x01\x00\x00"
SUBACK = b"\x90\x04\x00\x01\x00\x01"
TOPIC = mqtt.text("canhbao/v1/liar/up")


def _published(flags: int, body: bytes) -> bytes:
    return mqtt.packet(0x30 | flags, body)


_VALID = b"".join(_published(2, TOPIC + mid.to_bytes(2, "big") + b"\0" + b"%d" % mid) for mid in range(1, STRANGERS + 1))

_ALIASED = _published(2, TOPIC + b"\x00\x01\x03\x23\x00\x01")
"""Names its topic by an alias, too, which nobody has allowed."""
_SMUGGLED = _published(2, TOPIC + b"\x00\x01\x00smuggled")
"""Comes in one piece with the end of the connection."""

_BEFORE: tuple[bytes, ...] = (
    b"",
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    CONNACK[:3],
    b"\x20\x00",
    b"\x20\x01\x00",
    b"\x20\x03\xff\x00\x00",
    b"\x20\x03\x00\x05\x00",
    b"\x20\x05\x00\x00\x02\xff\xff",
    b"\x20\x06\x00\x00\x03\x13\x00\x00",
    b"\x20\xff\xff\xff\xff\x7f",
    b"\x2f\x03\x00\x00\x00",
    SUBACK,
    b"\x20\x03\x00\x87\x00",
    b"\xe0\x02\x8b\x00",
)
"""What is said in the place of CONNACK."""

_AFTER: tuple[bytes, ...] = (
    CONNACK,
    SUBACK,
    b"\x90\x00",
    b"\x90\x02\x00\x01",
    b"\x90\x06\x00\x01\x00\x01\x01\x01",
    b"\x90\x04\x00\x09\x00\x01",
    b"\x90\x05\x00\x01\x7f\x01\x01",
    _published(4, TOPIC + b"\x00\x01\x00{}"),
    _published(6, TOPIC + b"\x00\x01\x00{}"),
    _published(2, TOPIC + b"\x00\x00\x00{}"),
    _published(2, b"\x00\x00\x00\x01\x00{}"),
    _published(2, b"\xff\xffcanhbao"),
    _published(2, TOPIC + b"\x00\x01\xff\xff\xff\xff{}"),
    _ALIASED,
    _published(0, b"\x00"),
    b"\x32\xff\xff\xff\x7f" + TOPIC,
    b"\x32\x81\x80\x80\x80\x01",
    b"\x40\x02\x00\x09",
    b"\x40\x01\x00",
    b"\x50\x02\x00\x01",
    b"\x62\x02\x00\x01",
    b"\x62\x00",
    b"\x70\x02\x00\x01",
    b"\xb0\x04\x00\x09\x00\x00",
    b"\xb0\x00",
    b"\xd0\x00" * 1_000,
    b"\xd0\x01\x00",
    b"\xc0\x00" * 100,
    b"\x10\x00",
    b"\x82\x00",
    b"\xa2\x00",
    b"\x00\x00",
    b"\xf0\x00",
    b"\xf0\x02\x18\x00",
    b"\xe0\x00",
    b"\xe0\x01",
    b"\xe0\x00" + _SMUGGLED,
    b"\xe0\x02\x8e\x00",
)
"""What is said once the connection is made and the subscription granted."""


def _lies() -> list[bytes]:
    found: list[bytes] = [CONNACK + SUBACK + _VALID]
    for index, after in enumerate(_AFTER):
        if index < len(_BEFORE):
            found.append(_BEFORE[index])
        found.append(CONNACK + SUBACK + after)
    return found


LIES = _lies()


def lie(link: socket.socket, words: bytes) -> Counter[str]:
    """Answer a CONNECT with a lie; gives how many readings of it must be in quarantine, by reason."""
    said = CONNACK + SUBACK if words.startswith(CONNACK + SUBACK) else b""
    _hear(link)
    with suppress(OSError):
        if said:
            link.sendall(CONNACK)
            _hear(link)
            link.sendall(SUBACK)
            time.sleep(0.05)
        link.sendall(words[len(said) :])
        until = time.monotonic() + PATIENCE
        while (left := until - time.monotonic()) > 0 and (not select.select([link], [], [], left)[0] or link.recv(65_536)):
            pass
    if words.endswith(_VALID):
        return Counter(unknown_device=STRANGERS)
    is_read = words.endswith((_ALIASED, _SMUGGLED))  # whole messages: what stands around them is wrong, and no reason to lose them
    return Counter(unknown_device=1) if is_read else Counter()


def refuse(link: socket.socket, reason: int) -> None:
    """Answer a CONNECT with a refusal of MQTT 5."""
    _hear(link)
    with suppress(OSError):
        link.sendall(bytes([0x20, 3, 0, reason, 0]))


def _hear(link: socket.socket) -> None:
    link.settimeout(2)
    with suppress(OSError):
        link.recv(65_536)
