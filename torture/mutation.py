"""
Chance -> hostile payloads without end: what a device sends, built from fragments of which any may be wrong, then broken as wires and programs break bytes.

Rule 1: the same chance gives the same bytes, on every machine.
Rule 2: most come out nearly right: what is refused at the first byte tries nothing that lies behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

NOW = 1_763_798_400_000
"""Milliseconds UTC: about this instant the payloads speak of."""
LARGEST = 256 * 1024

Pieces = Sequence[bytes]

_VALUES: Pieces = (
    *(b"1.25", b"0", b"-0", b"-0.0", b"3", b"30", b"30.000000000000004", b"-5", b"31", b"1e2", b"1E+2", b"1e-400", b"5e-324", b"1.7976931348623157e308"),
    *(b"1e999", b"-1e999", b"NaN", b"Infinity", b"-Infinity", b"nan", b"01", b"1.", b".5", b"+1", b"0x1", b"1_0", b"--1", b"1e", b"1e+", b"-"),
    *(b"true", b"false", b"null", b"True", b'"1"', b'""', b"[1]", b"[]", b"{}", b'{"value":1}', b'{"":{"":0}}', b"[[[[1]]]]"),
    *(b"1" * 30, b"-" + b"9" * 400, b"1" * 4_299, b"1" * 4_301, b"0." + b"0" * 400 + b"1", b"1e" + b"9" * 40, b"[" * 150 + b"]" * 150, b"[" * 250 + b"]" * 250),
    *(b'"\\u0000"', b'"\\ud83d\\ude00"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\x"', b'"\\"', b'"\xff\xfe"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\x00"'),
    *(b'"\t"', b'"\xe2\x80\xae"', b'"\xf4\x90\x80\x80"', b'"\x1b[2J"', b'"\\u001b]0;x\\u0007"'),
)  # fmt: skip
_ATS: Pieces = (
    *(b"%d" % NOW, b"%d" % (NOW - 1), b"%d" % (NOW + 200_000), b"%d" % (NOW + 600_000), b"%d" % (NOW * 1_000), b"946684799999", b"946684800000"),
    *(b"0", b"-1", b"1e12", b"1763798400000.0", b"9" * 30, b"-" + b"9" * 4_299, b"null", b"true", b"{}", b"[]", b'""', b'"now"', b'"1763798400000"'),
    *(b'"2025-11-22T15:00:00+07:00"', b'"2025-11-22T08:00:00Z"', b'"2025-11-22T08:00:00"', b'"2025-11-22 08:00:00,5Z"', b'"20251122T080000Z"'),
    *(b'"2025-W47-6T08:00:00Z"', b'"2025-11-22T24:00:00Z"', b'"2025-11-22T23:59:60Z"', b'"2025-02-30T00:00:00Z"', b'"0001-01-01T00:00:00+14:00"'),
    *(b'"9999-12-31T23:59:59-23:59"', b'"2025-11-22T08:00:00+99:99"', b'"2025-11-22T08:00:00\\u002b07:00"', b'"2025-11-22T\\u0000"', b'"\xd9\xa2025-11-22T08:00:00Z"'),
    *(b'"2025-11-22T08:00:00+00:00:00.000001"', b'"' + b"1" * 5_000 + b'"', b'"' + b":" * 300 + b'"'),
)  # fmt: skip
_RANKS: Pieces = (
    b"7",
    b"0",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"-1",
    b"1.0",
    b"1e3",
    b"true",
    b"null",
    b'"7"',
    b"9" * 100,
)
_VERSIONS: Pieces = (b"1", b"1", b"1", b"1", b"1", b"1", b"1.0", b"2", b"0", b"true", b"null", b'"1"', b"-1", b"1e0", b"1" * 40)
_QUANTITIES: Pieces = (
    b"water_level",
    b"water_level",
    b"water_level",
    b"battery",
    b"rain",
    b"",
    b"v",
    b"m",
    b"\\u0077ater_level",
    b"water_level ",
    b"\xff",
)
_STRANGE: Pieces = (
    b"firmware",
    b"x",
    b"V",
    b"\\u0076",
    b"a:b",
    b"\\u0000",
    b"\\ud800",
    b"series",
    b"m",
    b"at",
    b"v",
    b"seq",
    b"boot",
    b"\xe2\x80\x8b",
)
_TOPS: Pieces = (
    b"",
    b" ",
    b"null",
    b"1",
    b'"x"',
    b"[]",
    b"{}",
    b"[[]]",
    b"[{}]",
    b"[1,2]",
    b"{",
    b"[",
    b"\xef\xbb\xbf{}",
    b"\x00",
    b"\xff",
    b"{}{}",
    b"[" * 3_000,
)
_TOKENS: Pieces = (
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"0", b"9", b"-", b"e", b".", b"\x00", b"\x7f", b"\xff", b"\xc3", b"\n", b"\x0c", b" ", b"\xef\xbb\xbf"),
    *(b"null", b"true", b"NaN", b'"m":', b'"v":1,', b'"series":', b'"at":', b"\\u", b"\\ud834", b"/*", b"//", b"'", b"1e999", b"[" * 300, b'"":0,'),
)  # fmt: skip


def one(chance: Random, of: Pieces) -> bytes:
    """Give one of them."""
    return of[int(chance.random() * len(of))]


def payload(chance: Random) -> bytes:
    """Give a payload: mostly native and whole, with any fragment of it wrong now and then; a third of them broken bytewise too."""
    drawn = chance.random()
    if drawn < 0.0005:
        return large(chance)
    if drawn < 0.03:
        found = one(chance, _TOPS)
    elif drawn < 0.75:
        found = _object(chance)
    elif drawn < 0.87:
        found = b"[" + b",".join([_object(chance) for _ in range(int(chance.random() * 5) + 1)]) + b"]"
    else:
        found = _series(chance)
    return broken(chance, found) if chance.random() < 0.35 else found


def _object(chance: Random) -> bytes:
    """Give an object of the native form, with a wrong fragment in half of the cases."""
    wrong = chance.random() * 12
    fields = [
        (b"v", b"1" if wrong > 1 else one(chance, _VERSIONS)),
        (b"boot", b"7" if wrong > 2 else one(chance, _RANKS)),
        (b"seq", b"%d" % (chance.random() * 50) if wrong > 3 else one(chance, _RANKS)),
        (b"at", b"%d" % (NOW - int(chance.random() * 4_000_000)) if wrong > 4 else one(chance, _ATS)),
        (b"m", _values(chance, wrong < 6)),
    ]
    if wrong > 9:
        _disturb(chance, fields)
    gap = b"" if wrong < 11 else one(chance, (b" ", b"\n", b"\t", b"\r\n", b"\x0b", b"\xc2\xa0"))
    return b"{" + gap + b",".join([b'"' + name + b'":' + gap + value for name, value in fields]) + b"}"


def _disturb(chance: Random, fields: list[tuple[bytes, bytes]]) -> None:
    """Leave out, repeat, exchange, or add a field."""
    drawn = chance.random()
    at = int(chance.random() * len(fields))
    if drawn < 0.25:
        del fields[at]
    elif drawn < 0.4:
        fields.insert(int(chance.random() * 6), fields[at])
    elif drawn < 0.5:
        fields.reverse()
    else:
        fields.insert(at, (one(chance, _STRANGE), one(chance, _VALUES)))


def _values(chance: Random, wrong: bool) -> bytes:
    """Give the object of values, or what stands in its place."""
    if not wrong:
        return b'{"water_level":%.3f}' % (chance.random() * 6)
    if chance.random() < 0.1:
        return one(chance, _VALUES)
    pairs = [b'"' + one(chance, _QUANTITIES) + b'":' + one(chance, _VALUES) for _ in range(int(chance.random() * 4))]
    return b"{" + b",".join(pairs) + b"}"


def _series(chance: Random) -> bytes:
    samples = []
    for _ in range(int(chance.random() * 6)):
        rank = b'"boot":7,"seq":%d,' % (chance.random() * 50) if chance.random() < 0.3 else b""
        at = b"%d" % (NOW - int(chance.random() * 400) * 10_000) if chance.random() < 0.8 else one(chance, _ATS)
        samples.append(b"{" + rank + b'"at":' + at + b',"m":' + _values(chance, chance.random() < 0.3) + b"}")
    head = b'{"v":' + (b"1" if chance.random() < 0.9 else one(chance, _VERSIONS))
    beside = b',"m":{}' if chance.random() < 0.05 else b""
    return head + b',"boot":7,"seq":3' + beside + b',"series":[' + b",".join(samples) + b"]}"


def broken(chance: Random, data: bytes) -> bytes:
    """Break bytes once to three times: bits turned, an end lost, a piece doubled or gone, a token put in, a byte overwritten."""
    for _ in range(int(chance.random() * chance.random() * 3) + 1):
        at, drawn = int(chance.random() * (len(data) + 1)), chance.random()
        if drawn < 0.25 and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << int(chance.random() * 8)]) + data[at + 1 :]
        elif drawn < 0.4:
            data = data[:at]
        elif drawn < 0.55:
            end = at + int(chance.random() * 20)
            data = data[:end] + data[at:end] * int(chance.random() * 3) + data[end:]
        elif drawn < 0.7:
            data = data[:at] + data[at + int(chance.random() * 12) :]
        elif drawn < 0.9:
            data = data[:at] + one(chance, _TOKENS) + data[at:]
        else:
            data = data[:at] + bytes([int(chance.random() * 256)]) + data[at + 1 :]
    return data


def large(chance: Random) -> bytes:
    """Give a payload of up to the largest size that is read, or just above, in the shapes that could cost the most."""
    head, part, tail = LARGE[int(chance.random() * len(LARGE))]
    room = LARGEST + int(chance.random() * 3) - 1 if chance.random() < 0.7 else int(chance.random() * LARGEST)
    times = max(0, room - len(head) - len(tail)) // len(part)
    whole = head + part * times + tail
    return broken(chance, whole) if chance.random() < 0.2 else whole


_OPEN = b'{"v":1,"at":%d,"m":{"water_level":' % NOW
LARGE: Sequence[tuple[bytes, bytes, bytes]] = (
    (b"[", b"1,", b"1]"),
    (b"[", b"{},", b"{}]"),
    (b"[", b"[],", b"[]]"),
    (b"[", b'{"v":1},', b"1]"),
    (b"[", b'{"v":1,"at":"x","m":{"":1}},', b"1]"),
    (b"[", b'{"v":1,"at":%d,"m":{"water_level":1.5}},' % NOW, b"{}]"),
    (b"[", b'{"v":1,"at":"2025-11-22T08:00:00+07:00","m":{"a":1}},', b"1]"),
    (b"[", b'{"v":1,"series":[{"m":{"":1}}]},', b"1]"),
    (b'{"v":1,"series":[', b"1,", b"1]}"),
    (b'{"v":1,"series":[', b'{"m":{"":1}},', b"1]}"),
    (b'{"v":1,"series":[', b'{"at":0,"x":{},"m":{"":0}},', b"1]}"),
    (_OPEN, b"1", b"}}"),
    (_OPEN + b"0.", b"1", b"}}"),
    (_OPEN + b"1e-", b"1", b"}}"),
    (_OPEN + b'"', b"\\u001b", b'"}}'),
    (_OPEN + b'"', b"\xf0\x9f\x98\x80", b'"}}'),
    (_OPEN + b"[", b"[[[[1]]]],", b"1]}}"),
    (_OPEN + b"[" * 190, b"1,", b"1" + b"]" * 190 + b"}}"),
    (_OPEN + b'1},"x":[', b'{"":0},', b"1]}"),
    (_OPEN + b'1},"x":{', b'"":0,', b'"y":0}}'),
    (b"", b"[", b""),
    (b"", b'{"a":', b""),
    (b"", b" ", b"1"),
    (b'"', b"\\", b'"'),
)
"""(beginning, what is repeated, end)."""
