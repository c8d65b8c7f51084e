"""
Chance -> the bytes of an MQTT connection as a broker may send them, whole or broken, and the places where the network cuts them.

Rule 1: an unbroken stream comes with the messages that are in it, found without the code that is tried.
Rule 2: the same chance gives the same stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ingest.inbox import Message
from rig import mqtt
from torture.mutation import broken

_SIZES = (0, 1, 5, 60, 60, 60, 60, 127, 128, 200, 16_383, 20_000)
_TOPICS = (b"canhbao/v1/wl-0/up", b"canhbao/v1/wl-1/up", b"t", b"\xff", b"\xe2\x80\xae", b"/" * 300, b"canhbao/v1//up", b"a\x00b")
_OTHERS = (
    b"\xd0\x00",
    b"\x90\x03\x00\x01\x01",
    b"\x20\x02\x00\x00",
    b"\x40\x02\x00\x01",
    b"\xe0\x00",
    b"\xf0\x00",
    b"\x00\x00",
    b"\x62\x01\x00",
)


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes of a connection."""

    data: bytes
    v5: bool
    cuts: tuple[int, ...]
    """Sizes of the first reads; the rest comes in one."""
    messages: list[Message] | None
    """What is in it, where it was not broken."""


def stream(chance: Random) -> Stream:
    """Give a stream of up to a dozen packets; half of them are broken somewhere."""
    v5, parts, messages = chance.random() < 0.5, [], []
    for _ in range(int(chance.random() * 8) + 1):
        if chance.random() < 0.15:
            parts.append(_OTHERS[int(chance.random() * len(_OTHERS))])
        else:
            packet, message = _publish(chance, v5)
            parts.append(packet)
            messages.append(message)
    data = b"".join(parts)
    cuts = tuple([int(chance.random() ** 3 * len(data)) + 1 for _ in range(int(chance.random() * 6))])
    if chance.random() < 0.5:
        return Stream(_wrong(chance, data), v5, cuts, None)
    return Stream(data, v5, cuts, messages)


def _publish(chance: Random, v5: bool) -> tuple[bytes, Message]:
    topic, payload = _TOPICS[int(chance.random() * len(_TOPICS))], b"p" * _SIZES[int(chance.random() ** 2 * len(_SIZES))]
    qos, dup, retain = int(chance.random() < 0.9), chance.random() < 0.1, chance.random() < 0.1
    mid = (int(chance.random() * 65_535) + 1).to_bytes(2, "big") if qos else b""
    properties = b"\x26\x00\x01k\x00\x01v" * int(chance.random() ** 3 * 30) if v5 else b""
    head = len(topic).to_bytes(2, "big") + topic + mid + (mqtt.length(len(properties)) + properties if v5 else b"")
    return mqtt.packet(0x30 | dup << 3 | qos << 1 | retain, head + payload), (topic, payload, mid, qos, retain, dup)


def _wrong(chance: Random, data: bytes) -> bytes:
    """Break a stream: anywhere, or in the lengths at its beginning, where it hurts most."""
    drawn = chance.random()
    if drawn < 0.5:
        return broken(chance, data)
    if drawn < 0.8:
        at = int(chance.random() * min(8, len(data)))
        return data[:at] + bytes([int(chance.random() * 256)]) + data[at + 1 :]
    length = bytes([0x80 | int(chance.random() * 128) for _ in range(int(chance.random() * 5))] + [int(chance.random() * 256)])
    return data[:1] + length + data[2:]
