"""
A seed -> what the gauges of a city send, phase after phase, and what must be left of it whatever was killed meanwhile.

Rule 1: the same size and seed give the same messages, but for the instant at which they begin, so that two runs can be compared.
Rule 2: within a phase a station's level moves once at most. So a run in which a phase was published, judged and delivered before the
        next one began tells people the same, wherever it was interrupted.
Rule 3: repeats are exact, what comes late is inside the bound and speaks of no other level, and no two refused messages are equal. So each
        message has one right place, whatever comes again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random

from devices.instants import MILLISECOND, SECOND, Instant
from rig.city import device_of, topic_of
from rig.publisher import Message, Publisher
from rig.town import Town

COURSES = ((1, 2, 1, 0), (2, 3, 3, 0), (0, 1, 2, 2), *[(0, 0, 0, 0)] * 5)
"""Levels of a gauge at the end of each phase; the first MOVING gauges take them in turn, the others stay low."""
MOVING = 100
PHASES = len(COURSES[0])
WATER = (0.5, 1.3, 2.4, 3.7)
"""Metres at each level: far from its margins, and low enough for every level to be confirmed."""
NOISE = 0.04
MOVES_IN = 2
"""The round of a phase in which the water is at its new level."""
FROM = 6
"""The round from which readings may come late: the move is confirmed (2 readings) or its end held (3)."""
RESIDENTS_FROM = 2
PATIENCE = 120.0
QUIET = 2.0
"""Seconds without anything new after which what is still away will not come."""
Identity = tuple[str, int]
"""Device, instant in milliseconds."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is sent: gauges x PHASES x rounds good readings, and the rest beside them."""

    gauges: int
    rounds: int
    """Of a phase, at least FROM + 2; all rounds of a gauge must fit into what its sensor remembers (256)."""

    @property
    def readings(self) -> int:
        """Give the number of different good readings."""
        return self.gauges * PHASES * self.rounds


@dataclass(frozen=True, slots=True)
class Phase:
    """What is sent before anybody waits, and what there must be at its end, earlier phases included."""

    messages: list[Message]
    published: int
    stored: int
    refused: int
    notices: int


@dataclass(frozen=True, slots=True)
class Story:
    """All of it."""

    base: Instant
    phases: list[Phase]
    identity: Mapping[Message, Identity]
    """Of the good messages."""

    @property
    def last(self) -> Phase:
        """Give the phase whose end is that of the story."""
        return self.phases[-1]


def story(size: Size, seed: int = 1, now: Instant | None = None) -> Story:
    """Prepare a story whose readings are of the last minutes before now."""
    chance, spoken = Random(seed), PHASES * size.rounds * SECOND
    base = ((time.time_ns() // 1_000 if now is None else now) - spoken) // SECOND * SECOND
    phases: list[Phase] = []
    identity: dict[Message, Identity] = {}
    published = refused = 0
    for number in range(PHASES):
        parts = sorted(_parts(size, number, base // MILLISECOND, chance), key=lambda part: part[0])
        messages = [message for _, message, _ in parts]
        identity |= {message: whose for _, message, whose in parts if whose is not None}
        published, refused = published + len(messages), refused + sum([whose is None for _, _, whose in parts])
        phases.append(Phase(messages, published, len(identity), refused, _notices(size.gauges, number)))
    return Story(base, phases, identity)


def level(gauge: int, phase: int) -> int:
    """Give the level of a gauge at the end of a phase; 0 before the first."""
    return COURSES[gauge % len(COURSES)][phase] if phase >= 0 and gauge < MOVING else 0


def _parts(size: Size, phase: int, base: int, chance: Random) -> Iterator[tuple[float, Message, Identity | None]]:
    """Give what is sent in a phase, each with its place in the order of sending."""
    for turn in range(size.rounds):
        for gauge in range(size.gauges):
            number = phase * size.rounds + turn
            at = base + number * 1_000 + gauge * 1_000 // size.gauges
            water = WATER[level(gauge, phase if turn >= MOVES_IN else phase - 1)] + round(chance.uniform(-NOISE, NOISE), 3)
            message = topic_of(gauge), _payload(number, at, f'"water_level":{water:.3f}')
            place, drawn = turn + gauge / size.gauges, chance.random()
            if drawn < 0.02 and turn >= FROM:
                place = min(place + chance.uniform(1.0, 5.0), size.rounds - 0.5)
            yield place, message, (device_of(gauge), at)
            if drawn > 0.98:
                yield place + chance.uniform(0.0, 1.0), message, (device_of(gauge), at)
            if 0.49 < drawn < 0.505:
                yield place, (topic_of(gauge), _refused(number, at, gauge, chance)), None


def _refused(seq: int, at: int, gauge: int, chance: Random) -> bytes:
    """Give a message that has its place in the quarantine; no other one is equal, its gauge and seq being in it."""
    match chance.randrange(3):
        case 0:
            return _payload(seq, at + 1, '"water_level":99.0')
        case 1:
            return _payload(seq, at, '"salinity":3.2')
        case _:
            return b'{"v":1,"seq":%d,"gauge":%d,"m":{"water_level":' % (seq, gauge)


def _payload(seq: int, at: int, values: str) -> bytes:
    return b'{"v":1,"boot":7,"seq":%d,"at":%d,"m":{%s}}' % (seq, at, values.encode())


def _notices(gauges: int, upto: int) -> int:
    """Count what people are told up to the end of a phase: operators of every level, residents from theirs on until the end."""
    count = 0
    for gauge in range(gauges):
        operators = residents = 0
        for phase in range(upto + 1):
            now = level(gauge, phase)
            count, operators = count + (now != operators), now
            if now >= RESIDENTS_FROM or residents:
                count, residents = count + (now != residents), now
    return count


# ---- told to a town

Over = Callable[[], bool]
During = Callable[[Phase, Over], None]
"""Returns when the phase is over."""


def play(town: Town, told: Story, publisher: Publisher, rate: float, during: During | None = None) -> None:
    """Publish phase after phase, each when everything of the one before is stored, refused, judged and delivered."""
    for phase in told.phases:
        with ThreadPoolExecutor(1) as pool:
            published = pool.submit(publisher.publish, phase.messages, rate)
            over = partial(_is_over, town, phase, published)
            if during is None:
                town.until(over, "a phase to settle", PATIENCE)
            else:
                during(phase, over)
            published.result()
    until_quiet(town)


def _is_over(town: Town, phase: Phase, published: Future[None]) -> bool:
    return published.done() and (published.exception() is not None or is_there(town, phase))


def is_there(town: Town, phase: Phase) -> bool:
    """Tell whether all of a phase has come to its place, and nobody waits to be told."""
    return (
        (town.one("store.db", "SELECT count(*) FROM reading") or 0) >= phase.stored
        and len(refused(town)) >= phase.refused
        and (town.one("ledger.db", "SELECT count(*) FROM notice") or 0) >= phase.notices
        and town.settled(phase.stored + phase.refused)
    )


def until_quiet(town: Town) -> None:
    """Wait until nothing arrives any more: after a kill there may be repeats that have not come yet."""
    state = [-1.0, -1.0]

    def quiet() -> bool:
        received = town.books().get("received", 0)
        if received != state[0]:
            state[:] = received, time.monotonic()
        return time.monotonic() - state[1] > QUIET

    town.until(quiet, "repeats to end")
    town.until(lambda: town.settled(0), "the last repeats to settle")


def refused(town: Town) -> set[tuple[Hashable, ...]]:
    """Give what is in quarantine, what came again once."""
    return set(town.rows("spool.db", "SELECT topic, payload, reason, readings FROM quarantine"))


def missing(town: Town, told: Story, messages: list[Message]) -> list[int]:
    """Give the numbers of those messages that are neither in the store nor in quarantine."""
    stored = {(device, at // MILLISECOND) for device, at in town.rows("store.db", _STORED)}
    kept = {(str(topic, "utf-8") if isinstance(topic, bytes) else topic, payload) for topic, payload, *_ in refused(town)}
    return [
        number
        for number, message in enumerate(messages)
        if (told.identity[message] not in stored if message in told.identity else message not in kept)
    ]


_STORED = "SELECT s.device, r.observed_at FROM reading r JOIN series s ON s.id = r.series"
