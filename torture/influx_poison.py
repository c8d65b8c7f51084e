"""
One line in a hundred that InfluxDB refuses, among good ones -> every good one is stored, every bad one is put aside with the server's reason.

Rule 1: through the whole way, by MQTT: readings of a day for which somebody else has written `value` as a text, and readings that are older
        than the bucket keeps. Both are readings like others to ingest and to the store.
Rule 2: what cannot come from our own encoder is put into a spool by hand, and moved by the program `archive`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from devices.instants import DAY, HOUR, MILLISECOND, Instant
from ingest.lines import encode, parse, series
from rig.brokers import Broker, mosquitto_in
from rig.bucket import Bucket, apart, bucket_in, stored
from rig.city import device_of, topic_of, write_city
from rig.picture import Rows, faults
from rig.publisher import Message, Publisher
from rig.report import Result, timed
from rig.spool import write_spool
from rig.town import Town, town_in

GAUGES = 50
KEPT_DAYS = 30
"""Of the bucket."""
CLASHING, TOO_OLD = 3 * DAY, 40 * DAY
"""How long ago the readings are that are refused."""
SHARE = 100
"""One line of so many is refused."""
OF_A_BATCH = 1_000
PATIENCE = 600.0
HISTORY = 30.0
"""Seconds in which the history must have the hours that are over; the archive looks for them every ten."""
FOREIGN = "foreign"
"""Name of a device and a station of somebody else."""
Reasons = Mapping[Any, str]


@dataclass(frozen=True, slots=True)
class Poison:
    """How much is sent."""

    readings: int = 100_000
    rate: float = 2_000
    """A second."""


LONG, SHORT = Poison(), Poison(5_000, 1_000)


# ---- through the whole way


def run(scale: Poison = LONG) -> Result:
    """Send readings of which some cannot be taken by the bucket as it is."""
    return timed(f"{scale.readings:,} readings by MQTT, 1 % of which InfluxDB refuses", partial(_run, scale))


def _run(scale: Poison, result: Result) -> None:
    with TemporaryDirectory(prefix="canhbao-influx-") as name, bucket_in(folder := Path(name), KEPT_DAYS) as bucket:
        base = (time.time_ns() // 1_000_000 - scale.readings) * MILLISECOND
        _write_foreign(bucket, "water_level", '"closed"', _clashing_day(base))
        city, more = write_city(folder / "city", GAUGES), bucket.settings(KEEP_DAYS=str(KEPT_DAYS))
        with mosquitto_in(folder, eager=False) as broker, town_in(folder, city, broker, more=more) as town:
            town.start()
            town.ready()
            _publish(broker, scale, base)
            town.until(lambda: town.settled(scale.readings), "everything to be stored or put aside", PATIENCE)
            _judge(result, town, bucket, scale.readings, base)


def _publish(broker: Broker, scale: Poison, base: Instant) -> None:
    with Publisher(broker) as publisher:
        publisher.publish((_message(number, base) for number in range(scale.readings)), scale.rate)


def _write_foreign(bucket: Bucket, measurement: str, value: str, at: Instant) -> None:
    line = f"{measurement},device={FOREIGN},station={FOREIGN} value={value},quality=1i,received_at=1i {at // MILLISECOND}"
    bucket.influxd.write(bucket.server.bucket, line)


def _clashing_day(base: Instant) -> Instant:
    """Give the beginning of the day for which somebody else has written: the server keeps days apart, and a field of one has one kind."""
    return (base - CLASHING) // DAY * DAY


def observed(number: int, base: Instant) -> tuple[Instant, str]:
    """Give the instant of a reading, which no other one has, and why it is refused; nothing where it is not."""
    match number % (2 * SHARE):
        case 50:
            return _clashing_day(base) + HOUR + number * MILLISECOND, "field type conflict"
        case 150:
            return base - TOO_OLD + number * MILLISECOND, "retention policy"
        case _:
            return base + number * MILLISECOND, ""


def _message(number: int, base: Instant) -> Message:
    at, _ = observed(number, base)
    return topic_of(number % GAUGES), b'{"v":1,"boot":7,"seq":%d,"at":%d,"m":{"water_level":%g}}' % (
        number,
        at // MILLISECOND,
        0.2 + number % 7 / 100,
    )


def _judge(result: Result, town: Town, bucket: Bucket, readings: int, base: Instant) -> None:
    sent = [(device_of(number % GAUGES), *observed(number, base)) for number in range(readings)]
    wanted: Rows = Counter((device, at) for device, at, reason in sent if not reason)
    points = _ours(bucket.points())
    found: Rows = Counter((row[2], row[3]) for row in points)
    result.claim("every reading that can be stored is a point", found == wanted, apart(wanted, found))
    kept: Rows = Counter(row for row in stored(town) if (row[2], row[3]) in wanted)
    result.claim("the points are the rows of the store", points == kept, apart(kept, points))
    aside = {(each.device, each.observed_at): reason for line, reason in _refused(town) for each in [parse(line)]}
    judge_reasons(result, aside, {(device, at): reason for device, at, reason in sent if reason})
    result.figures["points"] = points.total()
    archived, refused = town.books().get("archived"), town.one("store.db", "SELECT count(*) FROM refused WHERE name = 'store'")
    result.claim("ingest and the store took every reading", archived == readings and not refused, f"{archived}, {refused} refused")
    wrong = faults(town, trimmed=True)
    result.claim("books, files and alarms are in order", not wrong, "; ".join(wrong))
    _judge_history(result, town)


def _judge_history(result: Result, town: Town) -> None:
    """Claim that hours of readings that were refused keep nobody from computing the history, nor the store from forgetting."""
    over = time.time_ns() // 1_000 - HOUR
    left = f"SELECT count(*) FROM touched WHERE name = 'influx' AND hour_at <= {over}"
    with suppress(TimeoutError):
        town.until(lambda: not town.one("store.db", left), "the history", HISTORY)
    hours, waits = town.one("store.db", left), town.rows("store.db", "SELECT name, what FROM away")
    result.claim("the history of InfluxDB has all hours that are over", hours == 0, f"{hours} are left")
    result.claim("nothing waits because of it", not waits, waits)


def judge_reasons(result: Result, found: Reasons, wanted: Reasons) -> None:
    """Claim that what is put aside is what was bad, each with the server's reason."""
    lacking, more = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    told = f"{len(lacking)} missing, e.g. {next(iter(lacking), '-')}; {len(more)} too many, e.g. {next(iter(more), '-')}"
    result.claim("every bad line is put aside, and no other one", bool(found) and not lacking and not more, told if lacking or more else "")
    wrong = [f"{found[key]} instead of {reason}" for key, reason in wanted.items() if reason not in found.get(key, reason)]
    result.claim("each with the reason that the server gives", not wrong, f"{len(wrong)}, e.g. {wrong[0]}" if wrong else "")
    result.figures["put aside"] = len(found)


def _refused(town: Town) -> list[tuple[str, str]]:
    rows = town.rows("store.db", "SELECT line, reason FROM refused WHERE name = 'influx'")
    return [(line.decode(), reason) for line, reason in rows]


def _ours(points: Rows) -> Rows:
    return Counter({row: count for row, count in points.items() if row[2] != FOREIGN})


# ---- by hand


def by_hand(lines: int) -> Result:
    """Let the archive move so many lines."""
    return timed(f"{lines:,} lines of a spool, 1 % of which InfluxDB refuses", partial(_by_hand, lines))


def _by_hand(count: int, result: Result) -> None:
    with TemporaryDirectory(prefix="canhbao-influx-") as name, bucket_in(folder := Path(name), KEPT_DAYS) as bucket:
        base = (time.time_ns() // 1_000_000 - count) * MILLISECOND
        _write_foreign(bucket, "clash", "1i", base)
        good, bad = good_lines(count - count // SHARE, base), bad_lines(count // SHARE, base)
        lines = [*good, *bad]
        Random(20251027).shuffle(lines)
        nobody = Broker("", [], 1)
        with town_in(folder, folder, nobody, more=bucket.settings(KEEP_DAYS=str(KEPT_DAYS))) as town:
            town.data.mkdir()
            write_spool(town.data / "spool.db", lines, OF_A_BATCH)
            town.start("archive")
            seconds = town.until(lambda: town.last_batch() == town.archived_up_to(), "all lines to be moved", PATIENCE)
            result.figures |= {"lines/s": round(count / seconds)}
            wanted: Rows = Counter(map(_point, good))
            found = _ours(bucket.points())
            result.claim("every good line is a point with all its fields", found == wanted, apart(wanted, found))
            judge_reasons(result, dict(_refused(town)), bad)
            result.claim("the archive lived through it", not town.fallen(), "; ".join(town.fallen()))


def good_lines(count: int, base: Instant) -> list[str]:
    """Give lines as ingest writes them, each of an instant of its own."""
    heads = [series("water_level", f"s-{number}", f"d-{number}") for number in range(GAUGES)]
    at = base // MILLISECOND
    return [encode(heads[number % GAUGES], number % 397 / 100, 1, at + number + 40, at + number) for number in range(count)]


def bad_lines(count: int, base: Instant) -> dict[str, str]:
    """Give lines, no two of them equal, with what the server has against them."""
    at, old = base // MILLISECOND, (base - TOO_OLD) // MILLISECOND
    head, clash = series("water_level", "s-1", "d-1"), series("clash", "s-1", "d-1")
    forms: list[tuple[str, str]] = [
        ("poison {} 'is': no reading", "unable to parse"),
        (head + "high,quality=1i,received_at=1i {}", "invalid"),
        (head + "1.0,quality=1i,received_at=1i 1{:020}", "unable to parse"),
        (clash + "1.0,quality=1i,received_at=1i {}", "field type conflict"),
        (head + "1.0,quality=1i,received_at=1i {}", "retention policy"),
    ]
    found: dict[str, str] = {}
    for number in range(count):
        form, reason = forms[number % len(forms)]
        found[form.format((old if reason == "retention policy" else at) + number)] = reason
    return found


def _point(line: str) -> tuple[Hashable, ...]:
    reading = parse(line)
    received_at = reading.received_at // MILLISECOND
    return reading.quantity, reading.station, reading.device, reading.observed_at, reading.value, int(reading.quality), received_at
