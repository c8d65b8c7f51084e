"""
Good readings at a steady rate, and hostile ones beside them, into a real broker and a real `canhbao ingest` -> what became of each of them.

Rule 1: every message has one fate, said beforehand (hostile.py), and all is read back from the spool: lines, rows of the quarantine, counters.
Rule 2: the time of a good reading runs from its publisher's socket to the moment at which another connection sees it committed, on one clock;
        the same for the calm phase and the hostile ones.
Rule 3: publishers are processes of their own, each on its own connection; this one only watches.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest.quarantine import LONGEST_TOPIC, MOST_ROWS
from rig.brokers import embedded_in, mosquitto_in
from rig.city import device_of, write_city
from rig.footprint import memory_of
from rig.processes import answer, child
from rig.report import Result, timed
from rig.town import Town, town_in
from torture.flow import Sent, Task, publish_flagged
from torture.hostile import ARCHIVED, DUPLICATE, NOWHERE, Bad, Places, material, native, naughty_strings, suite_files, unknown_readings
from torture.watch import Watch, watching

ROOT = Path(__file__).resolve().parent.parent
SLOWER, LATEST_MS = 1.5, 20.0
"""A p99 may be so many times that of the calm phase, or so many milliseconds, whichever is more."""
ROW = 1_024
"""Bytes that a row of the quarantine may take beside its payload."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of it."""

    rate: float = 1_000
    """Good readings a second."""
    hostile_rate: float = 1_000
    """Messages a second, of the material."""
    strange_rate: float = 4_000
    """Messages a second, of unknown devices."""
    strangers: int = 20_000
    calm: float = 3.0
    """Seconds of good readings alone."""
    kept: int = 6 << 20
    """Bytes of payload that the quarantine may keep; the material fits in it, the strangers' rubbish does not."""
    good: int = 200
    """Gauges that behave."""
    bad: int = 60
    """Gauges that are misused."""


SHORT = Scale()
OF_A_START = ("deaf", "hears", "configuration_applied")
LONG = Scale(strangers=1_000_000, calm=15.0)
EMBEDDED = Scale(rate=200, hostile_rate=300, strange_rate=500, strangers=2_000)


def run(scale: Scale = SHORT, kind: str = "mosquitto", *, judge_speed: bool = True) -> Result:
    """Do a run; without `judge_speed` times are figures and no claim, for a machine that does other things too."""
    return timed(f"bad input, {kind}, {scale.strangers:,} unknown devices", lambda result: _run(result, scale, kind, judge_speed))


def _run(result: Result, scale: Scale, kind: str, judge_speed: bool) -> None:
    with TemporaryDirectory(prefix="canhbao-bad-input-") as name:
        folder = Path(name)
        city = write_city(folder / "city", scale.good + scale.bad)
        # The broker is not on trial: one that saves at every message would be all that the times show.
        where = mosquitto_in(folder, durable=False) if kind == "mosquitto" else embedded_in(folder / "broker")
        with where as broker:
            more = {"CANHBAO_SPOOL__QUARANTINE_BYTES": str(scale.kept)}
            with town_in(folder, city, broker, more=more) as town:
                _in_town(result, scale, town, judge_speed)


def _in_town(result: Result, scale: Scale, town: Town, judge_speed: bool) -> None:
    misused, base = range(scale.good, scale.good + scale.bad), time.time_ns() // 1_000_000 - 120_000
    waiting = _retained(misused, base - 1_000)
    publish_flagged(town.broker, waiting)
    town.start("ingest")
    town.ready("ingest")
    pid = town.pid("ingest")
    connection = town.one("spool.db", "SELECT generation FROM heartbeat")
    books = Books(waiting)
    with watching(town) as watch:
        calm = _phase(town, scale, watch, books, None)
        attack = Task("material", town.broker.port, town.broker.publisher, scale.hostile_rate, (misused.start, misused.stop), base)
        attack = replace(attack, topics=town.broker.kind == "mosquitto")
        books.bad += material(misused, base, topics=attack.topics)
        rough = _phase(town, scale, watch, books, attack)
        _judge_fates(result, town, watch, books)
        memory = memory_of(pid)
        books.strangers = scale.strangers
        flood = Task("unknown", town.broker.port, town.broker.publisher, scale.strange_rate, (0, 0), count=scale.strangers)
        drowned = _phase(town, scale, watch, books, flood)
    _judge_books(result, town, watch, books)
    _judge_process(result, town, pid, connection)
    _judge_bounds(result, town, scale)
    result.figures["ingest grew by, MB, over the unknown"] = round(memory_of(pid) - memory, 1)
    result.claim(
        "ingest keeps nothing of those that it does not know", memory_of(pid) - memory < 64, f"{memory_of(pid) - memory:.0f} MB more"
    )
    _judge_speed(result, {"calm": calm, "material": rough, "unknown": drowned}, judge_speed)


def _retained(gauges: range, base: int) -> list[Bad]:
    """Give good readings that the broker keeps before ingest comes: they reach it with the flag set."""
    places = Places(gauges, base)
    return [Bad(topic, native(at), (ARCHIVED,), at=at, retained=True) for topic, at in (places.next() for _ in gauges)]


# ---- phases


@dataclass
class Books:
    """What was sent so far."""

    bad: list[Bad]
    good: list[Sent] = field(default_factory=list)
    strangers: int = 0

    def least(self) -> int:
        """Give how many readings must be received; a message that may have one of two fates counts as one at least."""
        hostile = sum(bad.readings for bad in self.bad if bad.fates != (NOWHERE,))
        return len(self.good) + hostile + unknown_readings(self.strangers)


def _phase(town: Town, scale: Scale, watch: Watch, books: Books, attack: Task | None) -> list[float]:
    """Publish good readings while an attack lasts, or for the calm time; gives the seconds that each good one took."""
    good = Task("good", town.broker.port, town.broker.publisher, scale.rate, (0, scale.good))
    with child("torture.flow", asdict(good)) as flow:
        time.sleep(1.0)  # the publisher has come up, and what a beginning costs is over
        start = time.monotonic()
        if attack is None:
            time.sleep(scale.calm)
        else:
            with child("torture.flow", asdict(attack)) as attacker:
                answer(attacker)
                start = time.monotonic()
                attacker.communicate("begin\n")
                assert attacker.returncode == 0, f"the attack of {attack.kind} did not come to its end"
        end = time.monotonic()
        output, _ = flow.communicate()
    sent = [(gauge, at, left) for gauge, at, left in json.loads(output)]
    books.good += sent
    town.until(lambda: town.books().get("received", 0) >= books.least(), "everything to be in the books")
    watch.catch_up()
    return [
        watch.seen[device_of(gauge), at] - left for gauge, at, left in sent if start <= left < end and (device_of(gauge), at) in watch.seen
    ]


# ---- judgement


def _judge_fates(result: Result, town: Town, watch: Watch, books: Books) -> None:
    """Hold each hostile message against what became of it, while the quarantine still holds all of them whole."""
    rows = town.rows("spool.db", "SELECT topic, payload, reason, readings FROM quarantine ORDER BY id")
    found: dict[tuple[bytes, bytes], list[tuple[str, int]]] = defaultdict(list)
    for topic, payload, reason, readings in rows:
        found[topic, payload].append((reason, readings))
    wrong: list[str] = []
    lost: list[str] = []
    for bad in books.bad:
        refused = found.get((bad.topic.encode()[:LONGEST_TOPIC], bad.payload), [])
        is_there = ARCHIVED in bad.fates and watch.lines[bad.identity] == 1
        match = next((one for one in refused if one[0] in bad.fates and (len(bad.fates) > 1 or one[1] == bad.readings)), None)
        if match is not None:
            refused.remove(match)
        elif not is_there and not {NOWHERE, DUPLICATE} & {*bad.fates}:
            (wrong if refused else lost).append(f"{bad.topic[:60]!r} {bad.payload[:80]!r}: {refused} instead of {bad.fates} {bad.readings}")
    more = [f"{key[0][:60]!r} {key[1][:80]!r}: {left}" for key, left in found.items() if left]
    result.figures |= {"files of the parsing suite": len(suite_files()), "naughty strings": len(naughty_strings())}
    result.figures["hostile messages"] = len(books.bad)
    result.figures["hostile, in quarantine"] = len(rows)
    result.claim(
        "every hostile message is where it belongs, with its reason and its number of readings", not wrong and not lost, _some(wrong + lost)
    )
    result.claim("nothing else is in quarantine", not more, _some(more))
    repeats = sum(bad.fates == (DUPLICATE,) for bad in books.bad)
    result.claim(
        "repeats are counted as such", town.books().get("duplicate", 0) == repeats, f"{town.books().get('duplicate', 0)}, {repeats} sent"
    )


def _judge_books(result: Result, town: Town, watch: Watch, books: Books) -> None:
    """Every reading once, the counters exact, the same process on the same connection."""
    counted = town.books()
    missing = [each for each in books.good if watch.lines[device_of(each[0]), each[1]] != 1]
    good = {(device_of(gauge), at) for gauge, at, _ in books.good}
    hostile = {bad.identity for bad in books.bad if ARCHIVED in bad.fates}
    result.figures["good readings"] = len(books.good)
    result.claim(
        "every good reading is archived exactly once", not missing and len(good) == len(books.good), f"{len(missing)} of {len(books.good)}"
    )
    result.claim("nothing else is archived", watch.lines.keys() <= good | hostile, _some(sorted(watch.lines.keys() - good - hostile)))
    result.claim(
        "archived is what is there", counted["archived"] == watch.lines.total(), f"{counted['archived']}, {watch.lines.total()} lines"
    )
    sides = counted["received"], sum(counted.get(name, 0) for name in ("archived", "duplicate", "quarantined"))
    result.claim("received = archived + duplicate + quarantined", sides[0] == sides[1], f"{sides[0]:,} and {sides[1]:,}")
    reasons = sum(count for name, count in counted.items() if name.startswith("quarantined:"))
    result.claim("the counters of the reasons add up", reasons == counted["quarantined"], f"{reasons:,} and {counted['quarantined']:,}")
    nobody = unknown_readings(books.strangers) + sum(bad.fates == ("unknown_device",) for bad in books.bad)
    counted_nobody = counted.get("quarantined:unknown_device", 0)
    result.claim("every message of an unknown device is counted", counted_nobody == nobody, f"{counted_nobody:,}, {nobody:,} sent")
    result.figures["received"] = counted["received"]


def _judge_process(result: Result, town: Town, pid: int, connection: int) -> None:
    """The same process on the same connection, which was never in trouble; the embedded broker's is the second, in MQTT 3.1.1."""
    heartbeat = town.rows("spool.db", "SELECT pid, generation, hearing FROM heartbeat")
    result.claim(
        "ingest never restarted nor connected again, and hears", heartbeat == [(pid, connection, 1)] and not town.fallen(), heartbeat
    )
    told = {kind for (kind,) in town.rows("spool.db", "SELECT DISTINCT kind FROM incident")}
    result.claim(
        "no incident but those of a start", told <= {*OF_A_START, *(["old_protocol"] if connection > 1 else [])}, ", ".join(sorted(told))
    )


def _judge_bounds(result: Result, town: Town, scale: Scale) -> None:
    """The quarantine keeps to its bounds, and the file grows no further."""
    rows, size = town.rows("spool.db", "SELECT count(*), coalesce(sum(length(payload)), 0) FROM quarantine")[0]
    lines = town.one("spool.db", "SELECT sum(length(body) + length(ranks) + 200) FROM batch")
    file = (town.data / "spool.db").stat().st_size
    bound = scale.kept + MOST_ROWS * ROW + 2 * lines + (8 << 20)
    result.figures |= {"quarantine, rows": rows, "quarantine, MB": round(size / 1e6, 2), "spool file, MB": round(file / 1e6, 1)}
    result.claim(
        "the quarantine keeps to its bounds", rows <= MOST_ROWS and size <= scale.kept, f"{rows:,} rows, {size:,} bytes of payload"
    )
    result.claim("the file is bounded", file <= bound, f"{file / 1e6:.1f} MB, at most {bound / 1e6:.1f}")


def _judge_speed(result: Result, phases: dict[str, list[float]], judge: bool) -> None:
    """A good reading takes no longer because others send rubbish."""
    p99 = {}
    for name, seconds in phases.items():
        ordered = sorted(seconds)
        p50, p99[name] = (round(ordered[int(len(ordered) * part)] * 1e3, 1) for part in (0.5, 0.99))
        result.figures[f"{name}: p50, ms"], result.figures[f"{name}: p99, ms"] = p50, p99[name]
    if judge:
        bound = max(SLOWER * p99["calm"], LATEST_MS)
        for name in p99.keys() - {"calm"}:
            result.claim(f"p99 of good readings beside {name}: at most {bound:.1f} ms", p99[name] <= bound, f"{p99[name]} ms")


def _some(found: Sequence[object]) -> str:
    return f"{len(found)} are not, e.g. {'; '.join(map(str, found[:5]))}" if found else ""
