"""
Devices whose clocks are wrong, beside good ones -> each reading where it belongs, and no level raised by a time that cannot be.

Rule 1: a device's clock that can be known to be wrong raises nothing; one that cannot be told from a late reading is judged like one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest.decode import Reason
from rig.brokers import mosquitto_in
from rig.city import device_of, topic_of, write_city
from rig.picture import faults
from rig.publisher import Message, Publisher
from rig.report import Result, timed
from rig.town import Town, town_in

PROGRAMS = ("ingest", "archive", "serve")
HOUR = 3_600
LOW, HIGH = 0.3, 2.5


@dataclass(frozen=True, slots=True)
class Wrong:
    """A device whose clock is wrong, and what must become of four readings of high water that it sends."""

    name: str
    at: Callable[[int], object]
    """Milliseconds of the true time -> what the device says."""
    refused: Reason | None = None
    late: bool = False
    """Archived with a flag, and not judged: the device was right before."""
    raises: bool = False
    was_right: bool = False
    """It has sent good readings of low water before."""


_SECOND = 1_000
WRONG: tuple[Wrong, ...] = (
    Wrong("says 0", lambda _: 0, Reason.NO_TIME),
    Wrong("1970, counting from its start", lambda now: now % 10_000_000, Reason.NO_TIME),
    Wrong("a second before 2000", lambda _: 946_684_799_000, Reason.NO_TIME),
    Wrong("seconds instead of milliseconds", lambda now: now // 1_000, Reason.NO_TIME),
    Wrong("microseconds instead of milliseconds", lambda now: now * 1_000, Reason.FUTURE),
    Wrong("2038, where 32 bits end", lambda now: 2_147_483_647_000 + now % 1_000, Reason.FUTURE),
    Wrong("9999", lambda _: 253_402_300_799_000, Reason.FUTURE),
    Wrong("10^18", lambda _: 10**18, Reason.FUTURE),
    Wrong("local time of Hue as UTC, + 7 h", lambda now: now + 7 * HOUR * _SECOND, Reason.FUTURE),
    Wrong("6 min ahead", lambda now: now + 360 * _SECOND, Reason.FUTURE),
    Wrong("no offset from UTC", lambda _: "2026-11-24T08:00:00", Reason.NO_TIME),
    Wrong("negative", lambda now: -now, Reason.NO_TIME),
    Wrong("7 h behind after it was right", lambda now: now - 7 * HOUR * _SECOND, late=True, was_right=True),
    Wrong("2012 after it was right", lambda now: 1_330_000_000_000 + now % 10_000_000, late=True, was_right=True),
    Wrong("before its place was equipped", lambda now: 1_000_000_000_000 + now % 10_000_000, Reason.UNKNOWN_QUANTITY),
    Wrong("+ 7 h after it was right", lambda now: now + 7 * HOUR * _SECOND, Reason.FUTURE, was_right=True),
    Wrong("4 min ahead, always", lambda now: now + 240 * _SECOND, raises=True),
    Wrong("4 min behind, always", lambda now: now - 240 * _SECOND, raises=True),
    Wrong("7 h behind, always: not to be told from what comes late", lambda now: now - 7 * HOUR * _SECOND, raises=True),
)  # fmt: skip
READINGS = 4
GOOD = 20
"""Gauges beside them that are right; the first floods."""


@dataclass
class Devices:
    """What was published by whom."""

    messages: list[Message] = field(default_factory=list)
    good: set[tuple[str, int]] = field(default_factory=set)

    def say(self, gauge: int, at: object, value: float) -> None:
        """Note a message."""
        said = at if isinstance(at, int) else f'"{at}"'
        text = f'{{"v":1,"boot":1,"seq":{len(self.messages)},"at":{said},"m":{{"water_level":{value}}}}}'
        self.messages.append((topic_of(gauge), text.encode()))


def run_devices() -> Result:
    """Let devices with wrong clocks report beside good ones."""
    return timed(f"{len(WRONG)} devices with wrong clocks", _run_devices)


def _run_devices(result: Result) -> None:
    with TemporaryDirectory(prefix="canhbao-clocks-") as name:
        folder = Path(name)
        city = write_city(folder / "city", len(WRONG) + GOOD)
        with mosquitto_in(folder, durable=False) as broker, town_in(folder, city, broker) as town:
            town.start(*PROGRAMS)
            town.ready(*PROGRAMS)
            said = _said_by_devices(time.time_ns() // 1_000_000)
            with Publisher(broker) as publisher:
                publisher.publish(said.messages, 400)
            town.until(lambda: town.settled(len(said.messages)), "all to be taken")
            for number, wrong in enumerate(WRONG):
                _judge_device(result, town, number, wrong)
            _judge_good(result, town, said)


def _said_by_devices(now: int) -> Devices:
    """Give what all say, in turn: first those who are right, then high water from the wrong ones among the good."""
    said = Devices()
    for turn in range(8):
        at = now - 8_000 + turn * 1_000
        for number, wrong in enumerate(WRONG):
            if turn < READINGS and wrong.was_right:
                said.say(number, at, LOW)
            elif turn >= READINGS:
                said.say(number, wrong.at(at), HIGH)
        for gauge in range(len(WRONG), len(WRONG) + GOOD):
            said.say(gauge, at, HIGH if gauge == len(WRONG) and turn in (2, 3, 4) else LOW)
            said.good.add((device_of(gauge), at))
    return said


def _judge_device(result: Result, town: Town, number: int, wrong: Wrong) -> None:
    """One device: its readings are where they belong, and it raises what it must, or nothing."""
    device = device_of(number)
    where = "FROM reading r JOIN series s ON s.id = r.series WHERE s.device"
    archived = town.one("store.db", f"SELECT count(DISTINCT r.observed_at) {where} = '{device}' AND r.value > 1")
    unjudged = town.one("store.db", f"SELECT count(*) {where} = '{device}' AND r.value > 1 AND r.quality = 2")
    topic = topic_of(number).encode().hex()
    refused = Counter(dict(town.rows("spool.db", f"SELECT reason, sum(readings) FROM quarantine WHERE topic = x'{topic}' GROUP BY reason")))
    raised = town.one("spool.db", f"SELECT count(*) FROM change WHERE device = '{device}' AND kind IN ('raise', 'step_up')")
    wanted = Counter() if wrong.refused is None else Counter({str(wrong.refused): READINGS})
    places = (archived > 0) == (wrong.refused is None) and (unjudged == archived) == (wrong.late or not archived) and refused == wanted
    told = f"archived {archived}, of them not judged {unjudged}, refused {dict(refused)}, raised {raised}"
    result.claim(f"{wrong.name}: {wrong.refused or ('kept, flagged' if wrong.late else 'accepted')}", places, told)
    result.claim(f"{wrong.name}: raises {'a level' if wrong.raises else 'nothing'}", raised == wrong.raises, told)


def _judge_good(result: Result, town: Town, said: Devices) -> None:
    rows = town.rows("store.db", "SELECT s.device, r.observed_at FROM reading r JOIN series s ON s.id = r.series")
    there = Counter((device, at // 1_000) for device, at in rows)
    first = device_of(len(WRONG))
    kinds = [
        kind
        for (kind,) in town.rows("spool.db", f"SELECT kind FROM change WHERE device = '{first}' AND kind NOT IN ('fresh') ORDER BY seq")
    ]
    others = town.one("spool.db", f"SELECT count(*) FROM change WHERE device > '{first}' AND kind != 'fresh'")
    result.figures |= {"messages": len(said.messages), "good readings": len(said.good), "quarantined": town.books().get("quarantined", 0)}
    result.claim("every good reading is archived once", all(there[each] == 1 for each in said.good), len(said.good))
    result.claim("the good gauge that floods rises and ends, and no other", kinds == ["raise", "clear"] and not others, f"{kinds} {others}")
    wrong = faults(town)
    result.claim("books, twins, files: nothing is wrong", not wrong, "; ".join(wrong))
