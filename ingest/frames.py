"""
Cut the bytes of an MQTT connection into packets. Hot path: `split` and `_publish` trade short functions for speed.

Rule 1: no socket and no clock. Bytes in, packets out; what is not complete yet comes back as `rest`, to be put before the next bytes.
Rule 2: the packets do not depend on how the network cut the bytes.
Rule 3: what no honest broker sends raises `Malformed`; the stream is lost then, and only a new connection helps.
Rule 4: a PUBLISH is cut, never understood: its payload cannot fail here. Every other packet goes to paho.
"""

from __future__ import annotations

from typing import TypeAlias

from ingest.inbox import Message

LARGEST = 1 << 20
"""Bytes in one packet. Above our payload limit of 256 KB, so that a payload too large is quarantined and not met again for ever."""

Packet: TypeAlias = tuple[int, bytes]
"""(first byte, body) of a packet that is not a PUBLISH."""


class Malformed(Exception):  # noqa: N818 - it says what is so
    """The stream breaks the protocol here."""


def split(data: bytes, v5: bool) -> tuple[list[Message], list[Packet], bytes]:
    """
    Cut all complete packets off the front of a stream.

    Args:
        data: what the network gave so far, from the start of a packet.
        v5: whether a PUBLISH carries properties (MQTT 5).

    Returns:
        The PUBLISH messages, the other packets, and the bytes of the packet that is not complete yet.

    Raises:
        Malformed: for what no honest broker sends.
    """
    messages: list[Message] = []
    packets: list[Packet] = []
    start, held = 0, len(data)
    while start + 2 <= held:
        size, body = data[start + 1], start + 2
        if size > 127:
            size, body = _length(data, start + 1)
            if not body:
                break
        end = body + size
        if end > held:
            break
        flags = data[start]
        if flags & 0xF0 == 0x30:
            messages.append(_publish(data, flags, body, end, v5))
        else:
            packets.append((flags, data[body:end]))
        start = end
    return messages, packets, data[start:]


def _publish(data: bytes, flags: int, body: int, end: int, v5: bool) -> Message:
    qos = flags >> 1 & 3
    if end < body + 2 or qos > 1:
        raise Malformed("PUBLISH without a topic, or of a QoS that we did not ask for")
    topic_end = body + 2 + (data[body] << 8 | data[body + 1])
    mid_end = topic_end + 2 if qos else topic_end
    if mid_end > end or topic_end == body + 2 or (qos and data[topic_end:mid_end] == b"\0\0"):
        raise Malformed("PUBLISH whose topic or packet id is wrong; topic aliases were not offered")
    payload = _after_properties(data, mid_end, end) if v5 else mid_end
    return data[body + 2 : topic_end], data[payload:end], data[topic_end:mid_end], qos, flags & 1 == 1, flags & 8 == 8


def _after_properties(data: bytes, at: int, end: int) -> int:
    if at < end and not data[at]:
        return at + 1
    size, read = _length(data[at : min(at + 4, end)], 0)
    if not read or at + read + size > end:
        raise Malformed("properties are longer than their packet")
    return at + read + size


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable byte integer: its value and the index after it, or (0, 0) while some of it has yet to come."""
    value = 0
    for index, byte in enumerate(data[at : at + 4]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            if value > LARGEST:
                raise Malformed(f"a packet of {value} bytes")
            return value, at + index + 1
    if len(data) >= at + 4:
        raise Malformed("a length of more than four bytes")
    return 0, 0
