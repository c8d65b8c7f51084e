"""
Kinds of fuzzing: chance -> something hostile, what our code makes of it, and what is wrong with that, if anything.

Rule 1: what is timed (`act`) is our code alone; it raises nothing. Making and judging cost what they cost.
Rule 2: the judge does not trust the code: JSON is read once more by the standard library, packets are known from their making, and readings
        are counted before and after.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from random import Random
from typing import Any

from devices.instants import MILLISECOND, MINUTE, SECOND
from devices.readings import Quality, Reading
from devices.registry import Device, Registry, Sensor
from devices.stations import LegalLevel, Station, Thresholds
from ingest.accept import LARGEST_PAYLOAD, Intake, intake_of, take, topic_of
from ingest.archive.points import point_of
from ingest.decode import Decoded, Reason, decode
from ingest.frames import Malformed, Packet, split
from ingest.inbox import Inbound, Message, Receipt
from ingest.lines import encode, parse, series
from ingest.taken import Taken
from rig.city import HUE
from rules.definition import rules_of
from rules.engine import Engine
from service.configuration import read_city
from torture.mutation import NOW, payload
from torture.streams import Stream, stream

GAUGES = 4
MOST_DETAIL = 500
"""Characters of a detail in quarantine; more would let a payload be kept where no bound counts it."""
_LIMITS = "recursion limit", "arrays and objects"
"""Refusals of what the standard library would read."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One kind of fuzzing."""

    name: str
    share: float
    """Of the cases."""
    make: Callable[[Random], Any]
    act: Callable[[Any], Any]
    judge: Callable[[Any, Any], str]
    """Gives what is wrong, or nothing."""


def trials() -> list[Trial]:
    """Give all kinds, with a small city of their own; their shares add up to 1."""
    intake = intake_of(_REGISTRY, Engine(_REGISTRY, _RULES, NOW * MILLISECOND))
    return [
        Trial("decode", 0.35, payload, decode, judge_decoded),
        Trial("take", 0.35, Hostile(intake).inbound, lambda inbound: take(intake, inbound), lambda i, t: judge_taken(intake, i, t)),
        Trial("frames", 0.15, stream, cut, judge_cut),
        Trial("lines", 0.15, reading, lambda given: encode(*given), judge_line),
    ]


# ---- a payload


def judge_decoded(given: bytes, found: Decoded) -> str:
    """Hold what was read against what the standard library reads."""
    samples, faults, _ = found
    refusal = next((why for reason, _, why in faults if reason is Reason.JSON), None)
    for at, rank, values in samples:
        if not (at is None or type(at) is int) or not -1 <= rank < 1 << 63 or not values:
            return f"a sample of wrong form: {at!r} {rank!r}"
    if not samples and not faults:
        return "neither a sample nor a fault"
    if any(reason is Reason.TOO_MANY for reason, _, _ in faults) or any(limit in (refusal or "") for limit in _LIMITS):
        return ""
    try:
        expected = plain(given)
    except RecursionError:
        return ""
    except ValueError as error:
        return "" if refusal is not None else f"read, but the standard library says {error}"
    if refusal is not None:
        return "" if b"\\ud" in given.lower() else f"refused ({refusal}), but the standard library reads it"
    if type(expected) is dict and len(samples) == 1 and "m" in expected and "series" not in expected and samples[0][2] != expected["m"]:
        return f"other values than the standard library: {samples[0][2]}"
    return ""


def plain(given: bytes) -> Any:
    """Read JSON by the standard library; raises ValueError where a constant is none of JSON, or a name stands twice."""
    return json.loads(given.decode(), object_pairs_hook=_once, parse_constant=_no_constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


# ---- a hand-over


class Hostile:
    """Makes hand-overs for an intake, in a world whose time goes on."""

    def __init__(self, intake: Intake) -> None:
        self._topics = [*intake.sources, *intake.sources, b"canhbao/v1/wl-9/up", b"", b"\xff", b"canhbao/v1/wl-0/up/"]
        self._at = NOW * MILLISECOND

    def inbound(self, chance: Random) -> Inbound:
        """Give a hand-over of one to three messages; now and then the clock steps back, or a device speaks for another."""
        self._at += int(chance.random() * 3 * SECOND) if chance.random() < 0.97 else -MINUTE
        count = 1 if chance.random() < 0.8 else int(chance.random() * 3) + 1
        messages = [self._message(chance) for _ in range(count)]
        return Inbound(Receipt(1, [], sum([len(message[1]) for message in messages])), self._at, messages)

    def _message(self, chance: Random) -> Message:
        topic = self._topics[int(chance.random() * len(self._topics))]
        return topic, payload(chance), b"\x00\x01", 1, chance.random() < 0.1, chance.random() < 0.1


def judge_taken(intake: Intake, inbound: Inbound, taken: Taken) -> str:
    """Count the readings of a hand-over, and look for anything that the spool could not hold."""
    expected = sum([count(intake, message) for message in inbound.messages])
    if taken.readings != expected or taken.messages != len(inbound.messages) or len(taken.ranks) != len(taken.lines):
        return f"{expected} readings went in, {taken.readings} came out"
    for line in taken.lines:
        found = point_of(line)
        if not isinstance(found, tuple) or not isfinite(found[2]) or "\n" in line:
            return f"a line that the store refuses: {line!r}"
    for rejection in taken.rejections:
        rejection.detail.encode()  # SQLite could not bind a lone surrogate: it would end the committer
        if rejection.readings < 1 or len(rejection.detail) > MOST_DETAIL or not rejection.detail.isprintable():
            return f"a rejection that nobody could read: {rejection.reason} {rejection.readings} {rejection.detail[:200]!r}"
    if not all(-1 <= rank < 1 << 63 for rank in taken.ranks):
        return "a rank that 64 bits do not hold"
    return ""


def count(intake: Intake, message: Message) -> int:
    """Count the readings of a message; one that cannot be read counts as one."""
    topic, content = message[:2]
    if topic not in intake.sources or len(content) > LARGEST_PAYLOAD:
        return 1
    samples, faults, _ = decode(content)
    return sum([len(values) for _, _, values in samples]) + sum([readings for _, readings, _ in faults])


# ---- a stream


Cut = tuple[list[Message], list[Packet], bytes] | None
"""What was cut off a stream; None for one that is malformed."""


def cut(given: Stream) -> tuple[Cut, Cut]:
    """Cut a stream in one go, and as the network gave it."""
    return _read(given.data, (), given.v5), _read(given.data, given.cuts, given.v5)


def _read(data: bytes, cuts: tuple[int, ...], v5: bool) -> Cut:
    messages: list[Message] = []
    packets: list[Packet] = []
    rest, at = b"", 0
    try:
        for size in (*cuts, len(data)):
            more, others, rest = split(rest + data[at : at + size], v5)
            messages += more
            packets += others
            at += size
    except Malformed:
        return None
    return messages, packets, rest


def judge_cut(given: Stream, found: tuple[Cut, Cut]) -> str:
    """Both ways give the same, and what was put in."""
    whole, parts = found
    if whole != parts:
        return "the packets depend on how the stream was cut"
    if given.messages is not None and (whole is None or whole[0] != given.messages or whole[2]):
        return "other messages than those that were sent"
    return "" if whole is None or given.data.endswith(whole[2]) else "bytes that were not sent"


# ---- a line

_SERIES = series("water_level", "st-0", "wl-0")
Given = tuple[str, float, int, int, int]


def reading(chance: Random) -> Given:
    """Give any finite float, any flag, any two instants."""
    value = (
        struct.unpack("<d", chance.randbytes(8))[0]
        if chance.random() < 0.7
        else round(chance.random() * 10 ** int(chance.random() * 20), 3)
    )
    flag = (*Quality,)[int(chance.random() * len(Quality))]
    at = chance.getrandbits(1 + int(chance.random() * 46))
    return _SERIES, value if isfinite(value) else -0.0, int(flag), at + int(chance.random() * 1e6), at


def judge_line(given: Given, line: str) -> str:
    """Read a line back, as a reading and as a point of the store."""
    _, value, quality, received_at, observed_at = given
    wanted = Reading("st-0", "wl-0", "water_level", value, Quality(quality), observed_at * MILLISECOND, received_at * MILLISECOND)
    found = parse(line)
    if found != wanted or repr(found.value) != repr(value):
        return f"read back as {found}"
    return "" if point_of(line)[1:] == (wanted.observed_at, value, quality, wanted.received_at) else "another point in the store"


# ---- the small city


def _registry() -> Registry:
    levels = tuple(LegalLevel(n, f"bd{n}", value) for n, value in ((1, 1.0), (2, 2.0), (3, 3.5)))
    thresholds = (Thresholds("water_level", levels, 0, None, "made for trials"),)
    names = [f"st-{n}" for n in range(GAUGES)]
    stations = {name: Station(name, {"vi": name, "en": name}, None, 16.4, 107.5, (), thresholds) for name in names}
    return Registry({"vi": "Thử"}, "Asia/Ho_Chi_Minh", "", stations, {f"wl-{n}": _device(f"wl-{n}", f"st-{n}") for n in range(GAUGES)}, {})


def _device(name: str, station: str) -> Device:
    """Give a gauge whose battery was exchanged in the midst of the readings."""
    turn = (NOW - 1_000_000) * MILLISECOND
    level = Sensor(name, "water_level", station, primary=True, interval=10 * MINUTE, low=-5.0, high=30.0, user_low=0.0, user_high=5.0)
    before = Sensor(name, "battery", station, primary=False, interval=10 * MINUTE, low=0.0, high=100.0, valid_to=turn)
    after = Sensor(name, "battery", station, primary=False, interval=10 * MINUTE, low=0.0, high=5.0, valid_from=turn)
    return Device(name, "native", (level, before, after))


_REGISTRY = _registry()
_RULES = rules_of({name: document for name, document in read_city(HUE).items() if name.startswith("rules/")}, _REGISTRY)
assert topic_of("wl-0") == b"canhbao/v1/wl-0/up"
