"""
Turn what arrived into what is committed: lines of the archive, rejections, changes. Hot path: `take`, `_message`, `_reading`.

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
from math import isfinite

from devices.instants import HOUR, MILLISECOND, MINUTE, Instant, format_instant
from devices.readings import Quality
from devices.registry import Registry, Sensor
from devices.verdicts import Verdict
from ingest.decode import Fault, Reason, decode
from ingest.engine import Engine, Memory, Outcome
from ingest.inbox import Inbound, Incident, Trouble
from ingest.lines import encode, series
from ingest.quality import gross_range, instrument_range, user_range
from ingest.taken import Rejection, Taken

LARGEST_PAYLOAD = 256 * 1024
MOST_READINGS = 1_000
"""In one message."""
EARLIEST = 946_684_800_000
"""2000-01-01 in milliseconds UTC. A device that says less has never set its clock."""
FUTURE = 5 * MINUTE // MILLISECOND
"""Milliseconds by which a device's clock may run ahead of ours."""
RECEIPTS_KEPT = 2 * HOUR // MILLISECOND
"""Milliseconds for which the first receipt of a sample without a time is remembered, counted back from the device's newest."""
_RECEIPTS_ROOM = 64
_FOR_EVER = 1 << 62


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
    plausible: tuple[float, float]
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
                _message(source, payload, now, taken, refused)
            except Exception as error:
                raise Broken(topic, payload) from error
        if refused:
            _refuse(topic, payload, refused, taken)
    return taken


def _message(source: Source, payload: bytes, now: int, taken: Taken, refused: list[Fault]) -> None:
    """Take the good readings of a message; tell what is refused."""
    samples, faults, unknown = decode(payload)
    taken.unknown += unknown
    readings = sum([len(sample[2]) for sample in samples])
    if readings + len(faults) > MOST_READINGS:
        refused.append((Reason.TOO_MANY, readings + len(faults), f"at most {MOST_READINGS} readings in a message"))
        return
    refused += faults
    for given, rank, values in samples:
        at = given if given is not None else _first_receipt(source, rank, now, taken)
        if at < EARLIEST:
            refused.append((Reason.NO_TIME, len(values), "no `at` after 2000 and not both `boot` and `seq`"))
        elif at > now + FUTURE:
            refused.append((Reason.FUTURE, len(values), f"{min(at - now, _FOR_EVER) // 1000} s ahead"))
        else:
            for quantity, value in values.items():
                known = source.sensors.get(quantity)
                if known is not None and not known.valid_from <= at < known.valid_to:
                    known = as_of(known, at)
                if known is None:
                    refused.append((Reason.UNKNOWN_QUANTITY, 1, f"{quantity[:40]!r}"))
                elif type(value) is not float and type(value) is not int:
                    refused.append((Reason.NOT_A_NUMBER, 1, f"{quantity}: {str(value)[:40]}"))
                elif not known.low <= value <= known.high:
                    refused.append(_out_of_range(known, value))
                elif conflict := _reading(known, at, float(value), rank, taken):
                    refused.append(conflict)


def _reading(known: Known, at: int, value: float, rank: int, taken: Taken) -> Fault | None:
    """Hold one reading against its sensor's memory, and keep it; or tell that another one stands for its instant."""
    outcome = known.memory.observe(at * MILLISECOND, value, rank, taken.at)
    quality = gross_range(value, *known.plausible)
    if outcome is not None:
        taken.said += outcome.said
        match outcome.verdict:
            case Verdict.DUPLICATE:
                taken.duplicates += 1
                return None
            case Verdict.LOST_CONFLICT:
                return Reason.CONFLICT, 1, f"{known.sensor.quantity} {value!r} at {_when(at)}: {outcome.other!r} stands"
            case Verdict.WON_CONFLICT:
                taken.replaced += 1
                taken.rejections.append(_replaced(known, at, outcome, value))
            case Verdict.LATE:
                taken.late += 1
                quality = quality if quality is Quality.SUSPECT else Quality.NOT_EVALUATED
    taken.lines.append(encode(known.series, value, quality, taken.at // MILLISECOND, at))
    taken.ranks.append(rank)
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


def _replaced(known: Known, at: int, outcome: Outcome, value: float) -> Rejection:
    """Give what is kept of a reading that was archived and has lost its place; its message is not at hand any more."""
    quantity = known.sensor.quantity
    payload = f'{{"v":1,"at":{at},"m":{{"{quantity}":{outcome.other!r}}}}}'
    detail = f"{quantity} {outcome.other!r} at {_when(at)}: replaced by {value!r}"
    return Rejection(topic_of(known.sensor.device), payload.encode(), Reason.CONFLICT, 1, detail)


def _refuse(topic: bytes, payload: bytes, refused: list[Fault], taken: Taken) -> None:
    """Keep a message once for each reason."""
    counts: dict[Reason, tuple[int, str]] = {}
    for reason, readings, detail in refused:
        before, first = counts.get(reason, (0, detail))
        counts[reason] = before + readings, first
    taken.rejections += [Rejection(topic, payload, reason, readings, detail) for reason, (readings, detail) in counts.items()]


def _out_of_range(known: Known, value: float) -> Fault:
    quantity = known.sensor.quantity
    if type(value) is float and not isfinite(value):
        return Reason.NOT_A_NUMBER, 1, f"{quantity}: {value}"
    return Reason.RANGE, 1, f"{quantity}: {str(value)[:40]} is not in {known.low:g} to {known.high:g}"


def as_of(known: Known | None, at: int) -> Known | None:
    """Give the sensor that a device had for a quantity at an instant (milliseconds UTC), or None."""
    while known is not None and not known.valid_from <= at < known.valid_to:
        known = known.other
    return known


def _when(at: int) -> str:
    return format_instant(at * MILLISECOND)


def _source(device: str, sensors: Iterable[Sensor], engine: Engine) -> Source:
    source = Source(device, {})
    for sensor in sensors:
        source.sensors[sensor.quantity] = _known(sensor, engine, source.sensors.get(sensor.quantity))
    return source


def _known(sensor: Sensor, engine: Engine, other: Known | None) -> Known:
    low, high = instrument_range(sensor)
    ends = _FOR_EVER if sensor.valid_to is None else -(-sensor.valid_to // MILLISECOND)
    return Known(
        sensor,
        engine.memory(sensor),
        series(sensor.quantity, sensor.station, sensor.device),
        low,
        high,
        user_range(sensor),
        -(-sensor.valid_from // MILLISECOND),
        ends,
        other,
    )
