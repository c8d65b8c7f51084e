"""What `frames` promises, over random streams."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.frames import LARGEST, Malformed, split
from rig.mqtt import length


def publish(topic: bytes, payload: bytes, mid: int, flags: int, properties: bytes, v5: bool) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + (mid.to_bytes(2, "big") if flags & 6 else b"")
    body += (length(len(properties)) + properties if v5 else b"") + payload
    return bytes([0x30 | flags]) + length(len(body)) + body


sizes = st.sampled_from([0, 1, 60, 127, 128, 200, 16_383, 16_384, 20_000])
publishes = st.tuples(
    st.binary(min_size=1, max_size=40), sizes, st.integers(1, 65_535), st.sampled_from([0, 1, 2, 3, 8 | 2]), st.sampled_from([0, 1, 130])
)
streams = st.lists(publishes | st.sampled_from([b"\xd0\x00", b"\x90\x03\x00\x01\x01"]), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(streams, st.booleans(), st.lists(st.integers(1, 9_000), max_size=30))
def test_packets_do_not_depend_on_how_the_stream_was_cut(parts, v5, cuts):
    stream, sent, rare = b"", [], []
    for part in parts:
        if isinstance(part, bytes):
            stream += part
            rare.append((part[0], part[2:]))
        else:
            topic, size, mid, flags, properties = part
            stream += publish(topic, b"x" * size, mid, flags, b"p" * properties, v5)
            qos = flags >> 1 & 3
            sent.append((topic, b"x" * size, mid.to_bytes(2, "big") if qos else b"", qos, flags & 1 == 1, flags & 8 == 8))

    got, packets, rest, at = [], [], b"", 0
    for cut in [*cuts, 1, 1, 1, len(stream)]:
        messages, others, rest = split(rest + stream[at : at + cut], v5)
        got, packets, at = got + messages, packets + others, at + cut

    assert (got, packets, rest) == (sent, rare, b"")


@settings(max_examples=500)
@given(st.binary(max_size=60), st.booleans())
def test_rubbish_gives_packets_or_malformed_and_nothing_else(rubbish, v5):
    try:
        rest = split(rubbish, v5)[2]
    except Malformed:
        rest = b""

    assert rubbish.endswith(rest)


@pytest.mark.parametrize(
    ("stream", "v5"),
    [
        pytest.param(b"\x32\xff\xff\xff\xff\x01", False, id="five length bytes"),
        pytest.param(b"\x32" + length(LARGEST + 1), False, id="too large"),
        pytest.param(b"\x32\x01\x00", False, id="no topic length"),
        pytest.param(b"\x32\x05\x00\x09t\x00\x01", False, id="topic too long"),
        pytest.param(b"\x32\x04\x00\x00\x00\x01", True, id="no topic"),
        pytest.param(b"\x32\x05\x00\x01t\x00\x00", False, id="mid 0"),
        pytest.param(b"\x34\x05\x00\x01t\x00\x01", False, id="QoS 2"),
        pytest.param(b"\x32\x05\x00\x01t\x00\x01", True, id="no properties"),
        pytest.param(b"\x32\x06\x00\x01t\x00\x01\x05", True, id="long properties"),
    ],
)
def test_what_no_honest_broker_sends_is_malformed(stream, v5):
    with pytest.raises(Malformed):
        split(stream, v5)
