"""Values -> packets of MQTT 3.1.1 as bytes, for publishers that must cost little or misbehave on purpose."""

from __future__ import annotations


def connect(client_id: str, username: str | None = None, password: str | None = None, *, clean: bool = True, keepalive: int = 0) -> bytes:
    """Give a CONNECT."""
    flags, who = (0x02 if clean else 0x00), b""
    if username is not None:
        flags, who = flags | 0xC0, text(username) + text(password or "")
    return packet(0x10, text("MQTT") + bytes([4, flags]) + keepalive.to_bytes(2, "big") + text(client_id) + who)


def publish(topic: str | bytes, payload: bytes, mid: int, *, again: bool = False, retained: bool = False) -> bytes:
    """Give a PUBLISH of QoS 1; `mid` is 1 to 65,535, `again` sets DUP."""
    name = topic if isinstance(topic, bytes) else topic.encode()
    body = len(name).to_bytes(2, "big") + name + mid.to_bytes(2, "big") + payload
    return packet(0x32 | (0x08 if again else 0) | (0x01 if retained else 0), body)


def packet(first: int, body: bytes) -> bytes:
    """Give a packet: its first byte, the length, the body."""
    return bytes([first]) + length(len(body)) + body


def text(value: str) -> bytes:
    """Give a string with its length."""
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def length(value: int) -> bytes:
    """Give a variable byte integer."""
    out = bytearray()
    while True:
        value, digit = divmod(value, 128)
        out.append(digit | (128 if value else 0))
        if not value:
            return bytes(out)
