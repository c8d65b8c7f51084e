"""
A base instant and folders of known evil -> hostile messages, each with what must become of it. Pure: the same arguments give the same messages.

Rule 1: what must become of a message is said without asking our code: by the suite's own names, by the standard library, or by hand.
Rule 2: every reading in it has an instant of its own, so that each that is accepted is found again.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from rig.city import device_of, topic_of
from torture.trials import plain

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
LARGEST = 256 * 1024
ARCHIVED, DUPLICATE, NOWHERE = "archived", "duplicate", "nowhere"
"""Fates beside the reasons of the quarantine; `nowhere`: a topic that ingest does not subscribe to."""

_OURS = (
    "\u202e\u200f\u061cRTL", "\u200b\u200c\u200d\ufeff", "👩\u200d👩\u200d👧\u200d👦🏳️\u200d🌈", "e" + "\u0301" * 500, "ﷺ" * 50, "ｗａｔｅｒ＿ｌｅｖｅｌ",
    "'; DROP TABLE batch; --", "1 OR 1=1", "<script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", '","m":{"water_level":9}}',
    "water_level,device=x,station=y value=9,quality=1i,received_at=1i 1", "a b,c=d\\,e\nwater_level value=1 1", "%s%n%x{0}{}{{7*7}}${7*7}",
    "../../../../etc/passwd", "\u001b[2J\u001b]0;owned\u0007", "nul\u0000nul", "\r\n\t\v\f", "\u2028\u2029\u0085", "\ufffe\uffff\U0010ffff", "x" * 100_000, "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bad:
    """A hostile message."""

    topic: str
    payload: bytes
    fates: tuple[str, ...]
    """Any of these may become of it."""
    readings: int = 1
    """That it counts as, where it has one fate."""
    at: int = 0
    """Instant of its reading in milliseconds, where that may be archived."""
    retained: bool = False
    again: bool = False
    """With DUP."""

    @property
    def identity(self) -> tuple[str, int]:
        """Give device and instant."""
        return self.topic.split("/")[2], self.at


class Places:
    """Hands out gauges in turn, each time with an instant of its own."""

    def __init__(self, gauges: range, base: int) -> None:
        self._gauges, self._turns, self._base = gauges, count(), base

    def next(self) -> tuple[str, int]:
        """Give a topic and an instant in milliseconds."""
        turn = next(self._turns)
        return topic_of(self._gauges[turn % len(self._gauges)]), self._base + turn


def material(gauges: range, base: int, *, topics: bool = True) -> list[Bad]:
    """
    Give all of it.

    Args:
        gauges: numbers of the gauges that may be misused.
        base: milliseconds UTC; readings are observed from here on, one a millisecond.
        topics: also strange topics, which not every broker takes.
    """
    places = Places(gauges, base)
    return [*by_hand(places), *flagged(places), *suite(places), *naughty(places, topics=topics)]


def native(at: object, /, **more: object) -> bytes:
    """Give a native object; fields of the same name are replaced."""
    return json.dumps({"v": 1, "boot": 7, "seq": 1, "at": at, "m": {"water_level": 0.3}, **more}, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


# ---- by hand


def by_hand(places: Places) -> Iterator[Bad]:
    """Give numbers that are none, sizes, depths, wrong text, wrong times, repeats."""
    for raw, fate in (
        *(
            (b"NaN", "json"),
            (b"Infinity", "json"),
            (b"-Infinity", "json"),
            (b"01", "json"),
            (b"+1", "json"),
            (b".5", "json"),
            (b"0x1", "json"),
        ),
        *(
            (b"1e999", "not_a_number"),
            (b"-1e999", "not_a_number"),
            (b"true", "not_a_number"),
            (b"false", "not_a_number"),
            (b"null", "not_a_number"),
        ),
        *((b'"0.3"', "not_a_number"), (b"[0.3]", "not_a_number"), (b"{}", "not_a_number"), (b'"\\u001b[2J"', "not_a_number")),
        *(
            (b"1e300", "range"),
            (b"-5.000000001", "range"),
            (b"9" * 400, "range"),
            (b"9" * 4_400, "json"),
            (b"-0.0", ARCHIVED),
            (b"5e-324", ARCHIVED),
        ),
        *((b'"\xff"', "json"), (b'"\xc0\x80"', "json"), (b'"\xed\xa0\x80"', "json"), (b'"\x00"', "json"), (b'"\xf4\x90\x80\x80"', "json")),
        *((b'0.3,"water_level":0.4', "json"), (b'0.3,"\\u0077ater_level":0.4', "json")),
    ):
        topic, at = places.next()
        yield Bad(topic, b'{"v":1,"at":%d,"m":{"water_level":%s}}' % (at, raw), (fate,), at=at)
    yield from _sizes(places)
    yield from _times(places)
    yield from _repeats(places)


def _sizes(places: Places) -> Iterator[Bad]:
    topic, at = places.next()
    room = LARGEST - len(native(at, x=""))
    yield Bad(topic, native(at, x="x" * room), (ARCHIVED,), at=at)
    yield Bad(topic, native(at, x="x" * (room + 1)), ("too_large",))
    yield Bad(topic, b"[" * 300_000, ("too_large",))
    yield Bad(topic, b"[" * 200_000, ("json",))
    yield Bad(topic, b'{"m":' * 50_000, ("json",))
    yield Bad(topic, native(at, x=[[]] * 30_000), ("json",))
    yield Bad(topic, b"[" + b"1," * 131_000 + b"1]", ("too_many",), 131_001)
    yield Bad(topic, b"[" + b",".join([native(at)] * 1_001) + b"]", ("too_many",), 1_001)
    yield Bad(topic, b"", ("json",))
    yield Bad(topic, b" " * 5_000, ("json",))
    yield Bad(topic, b"\xef\xbb\xbf" + native(at), ("json",))
    yield Bad(topic, native(at).decode().encode("utf-16"), ("json",))
    for depth, fate in ((150, ARCHIVED), (250, "json")):
        topic, at = places.next()
        yield Bad(topic, native(at)[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}", (fate,), at=at)


def _times(places: Places) -> Iterator[Bad]:
    topic, _ = places.next()
    wrong: tuple[object, ...] = (None, 0, -1, True, 1e12, "", "now", "2025-11-22T08:00:00", "2025-02-30T00:00:00Z", [], {}, 946_684_799_999)
    for at in wrong:
        yield Bad(topic, native(at, boot=None), ("no_time",))
    for ahead in (10**15, 10**18, 10**4_000):
        yield Bad(topic, native(ahead), ("future",))


def _repeats(places: Places) -> Iterator[Bad]:
    topic, at = places.next()
    yield Bad(topic, native(at), (ARCHIVED,), at=at)
    yield Bad(topic, native(at), (DUPLICATE,))
    yield Bad(topic, native(at, firmware="other"), (DUPLICATE,))
    yield Bad(topic, native(at, m={"water_level": 0.2}), ("conflict",))


def flagged(places: Places) -> Iterator[Bad]:
    """Give good readings with flags that decide nothing."""
    for turn in range(40):
        topic, at = places.next()
        yield Bad(topic, native(at), (ARCHIVED,), at=at, retained=turn % 2 == 0, again=turn % 4 > 1)


# ---- the parsing suite


def suite(places: Places) -> Iterator[Bad]:
    """Give each file of the JSON parsing suite as a payload and as an unknown field; nothing where the folder is not there."""
    for path in suite_files():
        raw = path.read_bytes()
        topic, at = places.next()
        yield _as_payload(topic, path.name, raw)
        within = b'{"v":1,"at":%d,"m":{"water_level":0.3},"x":%s}' % (at, raw)
        either = path.name.startswith("i_")
        yield Bad(topic, within, (ARCHIVED, "json") if either else (ARCHIVED if _is_read(within) else "json",), at=at)


def suite_files() -> list[Path]:
    """Give the files of the suite that are there."""
    return sorted((SHARED / "json-test-suite").glob("[yni]_*.json"))


def _as_payload(topic: str, name: str, raw: bytes) -> Bad:
    """Say what becomes of a file as it is: read, it is still not of our form; each part of an array counts as one."""
    if name.startswith("i_"):
        return Bad(topic, raw, ("json", "shape"))
    if not _is_read(raw):
        return Bad(topic, raw, ("json",))
    found: Any = plain(raw)
    return Bad(topic, raw, ("shape",), max(1, len(found)) if type(found) is list else 1)


def _is_read(raw: bytes) -> bool:
    try:
        plain(raw)
    except (ValueError, RecursionError):
        return False
    return True


# ---- naughty strings


def naughty_strings() -> list[str]:
    """Give our own, and the well-known list where it is there."""
    path = SHARED / "naughty-strings" / "blns.json"
    return [*_OURS, *(json.loads(path.read_text()) if path.exists() else [])]


def naughty(places: Places, *, topics: bool) -> Iterator[Bad]:
    """Give every string in every field where text may stand, and as a segment of a topic where MQTT allows it."""
    for text in naughty_strings():
        for field, fate in (("at", "no_time"), ("v", "shape"), ("boot", ARCHIVED), ("seq", ARCHIVED), ("x", ARCHIVED)):
            topic, at = places.next()
            yield Bad(topic, native(at, **{field: text}), (fate,), at=at)
        topic, at = places.next()
        yield Bad(topic, native(at, m={text: 1}), ("unknown_quantity",))
        yield Bad(topic, native(at, m={"water_level": text}), ("not_a_number",))
        yield Bad(topic, native(at, **{f"x{text}": 1}), (ARCHIVED,), at=at)
        if topics and _may_be_a_segment(text):
            yield Bad(f"canhbao/v1/{text}/up", native(at), (NOWHERE if "/" in text else "unknown_device",))


def _may_be_a_segment(text: str) -> bool:
    """Tell whether a broker takes it: no wildcard, no control or unassigned character, not too long."""
    strange = any(unicodedata.category(character) in {"Cc", "Cs", "Cn"} for character in text)
    return not strange and not set(text) & set("+#") and len(text) < 10_000


# ---- those that nobody knows


def unknown(number: int) -> tuple[str, bytes]:
    """Give a message of the n-th unknown device; one in twenty is 8 KB of rubbish, one in ten of those a topic that nobody reads."""
    device = f"nobody-{number}" if number % 7 else f"{device_of(number)}x"
    payload = b'{"v":1,"boot":1,"seq":%d,"at":1763798400000,"m":{"water_level":9.9}}' % number
    if number % 20 == 0:
        payload = number.to_bytes(8, "big") * 1_024
    return f"canhbao/v1/{device}/{'down' if number % 200 == 0 else 'up'}", payload


def unknown_readings(count: int) -> int:
    """Give how many of the first so many reach ingest."""
    return count - len(range(0, count, 200))
