"""
Turn what arrived into what is committed: lines of the archive, rejections, changes. Hot path: `take`, `_message`.

Rule 1: every reading ends in exactly one place: a line, a duplicate that is counted, or a rejection with a reason.
Rule 2: a reading's identity is (device, quantity, observed_at in ms); the sensor's memory knows it. Where a device gives no time, the
        time is that of the first receipt of its (boot, seq), so a redelivery is the same reading.
Rule 3: the world's time is whole milliseconds and never runs backwards: what was stamped before the last tick gets the instant of
        that tick. So the instants in the lines, in order, are all that a replay needs.
Rule 4: one thread calls this; it owns sensors and rules, so there are no locks. No clock: time comes with the event.
Rule 5: whether a message was retained or is said to be a duplicate decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from devices.instants import HOUR, MILLISECOND, MINUTE, Instant
from devices.readings import Quality
from devices.registry import Registry, Sensor
from devices.verdicts import Verdict
from ingest.decode import MOST_READINGS, TOO_MANY, Fault, Reason, decode
from ingest.engine import Engine, Memory, Outcome
from ingest.inbox import Inbound, Incident, Trouble
from ingest.lines import series, stamp
from ingest.quality import gross_range, instrument_range, user_range
from ingest.refusals import lost, rejections, replaced, unfit
from ingest.taken import Taken

LARGEST_PAYLOAD = 256 * 1024
EARLIEST = 946_684_800_000
"""2000-01-01 in milliseconds UTC. A device that says less has never set its clock."""
FUTURE = 5 * MINUTE // MILLISECOND
"""Milliseconds by which a device's clock may run ahead of ours."""
RECEIPTS_KEPT = 2 * HOUR // MILLISECOND
"""Milliseconds for which the first receipt of a sample without a time is remembered, counted back from the device's newest."""
_RECEIPTS_ROOM = 64
_FOR_EVER = 1 << 62
_PASS = Quality.PASS
_NOT_KEPT = (Verdict.DUPLICATE, Verdict.LOST_CONFLICT)


class Broken(Exception):  # noqa: N818 - it says what is so
    """A message that accepting cannot read: a mistake of ours, which ends the process. It is not read again for ever."""

    def __init__(self, topic: bytes, payload: bytes) -> None:
        super().__init__(f"a message of {topic!r}, {len(payload)} bytes: {payload[:200]!r}")
        self.digest = digest(topic, payload)


@dataclass(slots=True)
class Known:
    """A sensor, with what accepting a reading needs at hand."""

    sensor: Sensor
    memory: Memory
    series: str
    low: float
    high: float
    """What is in between is possible and plausible: it passes."""
    valid_from: int
    valid_to: int
    """Milliseconds UTC."""
    other: Known | None = None
    """The same quantity of the same device, at another place or time."""


@dataclass(slots=True)
class Source:
    """What a device may say, and the first receipts of what it said without a time."""

    device: str
    sensors: dict[str, Known]
    receipts: dict[int, int] = field(default_factory=dict)
    """Rank -> milliseconds UTC."""
    room: int = _RECEIPTS_ROOM


@dataclass(slots=True)
class Intake:
    """All that accepting knows. Owned by the one thread that accepts."""

    engine: Engine
    sources: dict[bytes, Source]
    """By the topic a device publishes to, as the bytes of the wire: finding a device parses nothing."""
    now: Instant = 0
    """The world's time, whole milliseconds."""
    hearing: tuple[Instant, bool] = (0, True)
    """Since when we hear the broker, or do not."""
    poison: frozenset[bytes] = frozenset()
    """Digests of messages that ended the process more than once."""
    size: int = 0
    """Number of sensors."""


def intake_of(registry: Registry, engine: Engine) -> Intake:
    """Make an intake that knows the devices of a registry; raises ValueError for a name that cannot stand in a line."""
    sources = {topic_of(device.id): _source(device.id, device.sensors, engine) for device in registry.devices.values()}
    return Intake(engine, sources, size=sum(len(device.sensors) for device in registry.devices.values()))


def inherit(intake: Intake, before: Intake) -> None:
    """Let a new intake know what the one before it knew beside the rules."""
    intake.now, intake.hearing, intake.poison = before.now, before.hearing, before.poison
    for topic, source in intake.sources.items():
        if topic in before.sources:
            source.receipts = before.sources[topic].receipts


def topic_of(device: str) -> bytes:
    """Give the topic to which a native device publishes."""
    return f"canhbao/v1/{device}/up".encode()


def digest(topic: bytes, payload: bytes) -> bytes:
    """Give what a message is recognised by."""
    return blake2b(topic + b"\0" + payload, digest_size=16).digest()


def tick(intake: Intake, at: Instant) -> Taken:
    """Let the world's time pass up to an instant; an earlier one than now changes nothing."""
    intake.now = max(intake.now, at // MILLISECOND * MILLISECOND)
    return Taken(intake.now, said=list(intake.engine.tick(intake.now)))


def hear(intake: Intake, at: Instant, why: str | None) -> Taken:
    """Note that we hear the broker (None), or why we do not."""
    taken = tick(intake, at)
    intake.hearing = intake.now, why is None
    taken.said += intake.engine.hearing(*intake.hearing)
    taken.hearing.append(intake.hearing)
    taken.incidents.append(Incident(intake.now, Trouble.HEARS, "") if why is None else Incident(intake.now, Trouble.DEAF, why))
    return taken


def take(intake: Intake, inbound: Inbound) -> Taken:
    """Decide on every reading of a hand-over; raises Broken for a message that shows a mistake of ours."""
    taken = tick(intake, inbound.received_at)
    taken.receipt, taken.messages = inbound.receipt, len(inbound.messages)
    now = intake.now // MILLISECOND
    passed = stamp(_PASS, now)
    for topic, payload, _, _, _, _ in inbound.messages:
        source = intake.sources.get(topic)
        refused: list[Fault] = []
        if source is None:
            refused.append((Reason.UNKNOWN_DEVICE, 1, "no device publishes to this topic"))
        elif len(payload) > LARGEST_PAYLOAD:
            refused.append((Reason.TOO_LARGE, 1, f"{len(payload)} bytes; at most {LARGEST_PAYLOAD}"))
        elif intake.poison and digest(topic, payload) in intake.poison:
            refused.append((Reason.POISON, 1, "reading it ended the process before"))
            taken.incidents.append(Incident(taken.at, Trouble.POISON, f"from {source.device}; see the quarantine"))
        else:
            try:
                _message(source, payload, now, passed, taken, refused)
            except Exception as error:
                raise Broken(topic, payload) from error
        if refused:
            taken.rejections += rejections(topic, payload, refused)
    return taken


def _message(source: Source, payload: bytes, now: int, passed: str, taken: Taken, refused: list[Fault]) -> None:
    """Take the good readings of a message; tell what is refused. `passed` is the stamp of a line whose value passes."""
    samples, faults, unknown = decode(payload)
    taken.unknown += unknown
    if len(payload) > MOST_READINGS:  # else it cannot hold so many
        readings = sum([len(sample[2]) for sample in samples])
        if readings + len(faults) > MOST_READINGS:
            refused.append((Reason.TOO_MANY, readings + sum([fault[1] for fault in faults]), TOO_MANY))
            return
    refused += faults
    for given, rank, values in samples:
        at = given if given is not None else _first_receipt(source, rank, now, taken)
        if not EARLIEST <= at <= now + FUTURE:
            refused.append(_untimely(at, now, len(values)))
            continue
        for quantity, given_value in values.items():
            known, value, text = source.sensors.get(quantity), given_value, passed
            if (
                known is None
                or type(value) is not float
                or not known.low <= value <= known.high
                or not known.valid_from <= at < known.valid_to
            ):  # not the usual reading
                known = as_of(known, at)
                if (fault := unfit(None if known is None else known.sensor, quantity, value)) is not None:
                    refused.append(fault)
                    continue
                assert known is not None
                value, text = float(value), stamp(gross_range(value, *user_range(known.sensor)), now)
            outcome = known.memory.observe(at * MILLISECOND, value, rank, taken.at)
            if outcome is not None:
                if (fault := _follow(known, at, value, outcome, taken)) is not None:
                    refused.append(fault)
                if outcome.verdict in _NOT_KEPT:
                    continue
                if outcome.verdict is Verdict.LATE and text == passed:
                    text = stamp(Quality.NOT_EVALUATED, now)
            taken.lines.append(f"{known.series}{value!r}{text}{at}")
            taken.ranks.append(rank)


def _untimely(at: int, now: int, readings: int) -> Fault:
    if at < EARLIEST:
        return Reason.NO_TIME, readings, "no `at` after 2000 and not both `boot` and `seq`"
    return Reason.FUTURE, readings, f"{min(at - now, _FOR_EVER) // 1000} s ahead"


def _follow(known: Known, at: int, value: float, outcome: Outcome, taken: Taken) -> Fault | None:
    """Note what a reading has done beside being new; or tell that another one stands for its instant."""
    taken.said += outcome.said
    match outcome.verdict:
        case Verdict.DUPLICATE:
            taken.duplicates += 1
        case Verdict.LOST_CONFLICT:
            return lost(known.sensor, at, value, outcome.other)
        case Verdict.WON_CONFLICT:
            taken.replaced += 1
            taken.rejections.append(replaced(topic_of(known.sensor.device), known.sensor, at, value, outcome.other))
        case Verdict.LATE:
            taken.late += 1
    return None


def _first_receipt(source: Source, rank: int, now: int, taken: Taken) -> int:
    """Give the instant at which a sample without a time first came, or 0 where that cannot be known."""
    if rank < 0:
        return 0
    if (at := source.receipts.get(rank)) is not None:
        return at
    source.receipts[rank] = now
    taken.first_receipts.append((source.device, rank, now * MILLISECOND))
    if len(source.receipts) > source.room:
        source.receipts = {known: at for known, at in source.receipts.items() if at >= now - RECEIPTS_KEPT}
        source.room = 2 * len(source.receipts) + _RECEIPTS_ROOM
    return now


def as_of(known: Known | None, at: int) -> Known | None:
    """Give the sensor that a device had for a quantity at an instant (milliseconds UTC), or None."""
    while known is not None and not known.valid_from <= at < known.valid_to:
        known = known.other
    return known


def _source(device: str, sensors: Iterable[Sensor], engine: Engine) -> Source:
    source = Source(device, {})
    for sensor in sensors:
        source.sensors[sensor.quantity] = _known(sensor, engine, source.sensors.get(sensor.quantity))
    return source


def _known(sensor: Sensor, engine: Engine, other: Known | None) -> Known:
    (low, high), (lowest, highest) = instrument_range(sensor), user_range(sensor)
    ends = _FOR_EVER if sensor.valid_to is None else -(-sensor.valid_to // MILLISECOND)
    return Known(
        sensor,
        engine.memory(sensor),
        series(sensor.quantity, sensor.station, sensor.device),
        max(low, lowest),
        min(high, highest),
        -(-sensor.valid_from // MILLISECOND),
        ends,
        other,
    )
