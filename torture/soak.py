"""
An hour of readings, with all that an ordinary bad hour has -> whether memory, descriptors, threads and files stay as they are.

Rule 1: all four programs live through it: what grows is seen only in a process that is not started again.
Rule 2: whatever falls, the run ends with its result: what was measured until then is judged and told.
Rule 3: what a burst takes of a program stays with it in part. So each is held up while it warms up, for longer than it will be by chance: its
        largest burst comes before it is measured, and what grows after that is no burst.
Rule 4: many readings are older than the archive keeps when they come: of these the store is trimmed as much as it is filled, and must not
        grow. The spool is held against the store, and let go, each minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from rig.brokers import Broker, mosquitto_in
from rig.city import write_city
from rig.flow import Flow
from rig.picture import faults
from rig.receiver import Receiver
from rig.report import Result, timed
from rig.town import PROGRAMS, Town, town_in
from torture.everyday import LIVE, OF, Everyday
from torture.gauging import HOUR, Gauging, after, growth, line, more, slope
from torture.passers_by import PassersBy, shows_the_page

OLD = 2 * HOUR
"""Seconds; the archive keeps an hour, and whole hours."""
OLD_STAYS = 90
"""Seconds in which an old reading comes into the history, and goes."""
STEEPEST = 0.01
"""Growth of memory in an hour."""
BROKER_GONE = 2.0
KEEPS = {"CANHBAO_ARCHIVE__KEEP_HOURS": "1", "CANHBAO_ARCHIVE__RECONCILE_MINUTES": "1"}
ROW = 700
"""Bytes that a row which is kept on purpose may take with its indexes: a change, a refusal, an alarm, a notice."""
SLACK = 8 << 20
"""Bytes by which a file may breathe."""


@dataclass(frozen=True, slots=True)
class Soak:
    """How long, and under what."""

    seconds: float = HOUR
    warm: float = 900.0
    """Seconds; the store is full by then, and every cache."""
    rate: float = 2_000.0
    """Messages a second."""
    gauges: int = 1_000
    interval: str = "20 s"
    """At which gauges are expected to report."""
    silence: float = 90.0
    stays: int = 60
    every: float = 5.0
    """Seconds between two samples."""
    broker_gone: float = 240.0
    """Seconds between two losses of the broker, frozen and ended in turn."""
    told: float = 60.0
    """Seconds between two words about how it goes."""
    held_up: float = 8.0
    """Seconds for which each program is frozen, twice while it warms up; 10 would be a leap of the clock to `ingest`."""


LONG = Soak()
SHORT = Soak(40.0, 10.0, 500.0, 200, "3 s", 8.0, 6, 1.0, 9.0, 20.0, 0.5)


def runs(short: bool) -> Iterator[Callable[[], Result]]:
    """Give the run."""
    yield partial(run, SHORT if short else LONG, judge_slopes=not short)


def run(scale: Soak = LONG, *, judge_slopes: bool = True) -> Result:
    """Do a run; without `judge_slopes` the growth of memory and of files are figures and no claim: a short run is all warm-up."""
    return timed(f"soak, {scale.seconds:,.0f} s at {scale.rate:,.0f}/s", lambda result: _run(result, scale, judge_slopes))


def _run(result: Result, scale: Soak, judge_slopes: bool) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="canhbao-soak-")))
        receiver = stack.enter_context(Receiver())
        city = write_city(folder / "city", scale.gauges, receiver.url, scale.interval)
        broker = stack.enter_context(mosquitto_in(folder, eager=False))
        town = stack.enter_context(town_in(folder, city, broker, more=KEEPS))
        town.start()
        town.ready()
        town.until(lambda: shows_the_page(town.ports["web"]), "the page to be there")
        everyday = Everyday(scale.gauges, int(OLD * 1000), scale.silence, scale.stays)
        gauging, people = Gauging(town, scale.every), PassersBy(town.ports["web"], 5, 3)
        with gauging, people, Flow(broker, everyday.messages(), scale.rate) as flow:
            _live(result, scale, town, broker, flow, gauging)
            _attempt(result, "the publisher got rid of everything", lambda: _end(result, scale, flow))
        _attempt(result, "everything settles", lambda: town.until(lambda: _is_over(town, everyday), "everything to settle", 120))
        result.figures["still on its way"] = town.unsettled(everyday.made.total()) or "nothing"
        _judge_people(result, people)
        _judge_processes(result, scale, gauging, judge_slopes)
        _judge_files(result, town, scale, gauging, judge_slopes)
        _judge_books(result, town, everyday, receiver)


def _attempt(result: Result, what: str, do: Callable[[], object]) -> None:
    """Do something; that it fails is a claim, and what comes after it is still judged."""
    try:
        do()
    except Exception as error:
        result.claim(what, ok=False, found=f"{type(error).__name__}: {str(error)[:2000]}")


def _is_over(town: Town, everyday: Everyday) -> bool:
    """Tell whether all has arrived and is dealt with; what a broker gives again counts as received, too."""
    books, made = town.books(), everyday.made
    here = books.get("archived", 0) >= made["good"] + made["late"] and books.get("quarantined", 0) >= made["bad"]
    return here and town.settled(made.total())


def _end(result: Result, scale: Soak, flow: Flow) -> None:
    messages, wanted = flow.end(), scale.rate * scale.seconds
    result.figures["messages"] = messages
    result.claim("the rate was held", messages >= 0.95 * wanted, f"{messages:,} messages of {wanted:,.0f}")


def _live(result: Result, scale: Soak, town: Town, broker: Broker, flow: Flow, gauging: Gauging) -> None:
    """Let time pass: take the broker away now and then, say how it goes, and end early where a program has ended."""
    start = time.monotonic()
    gone, told, losses, holds = scale.broker_gone, scale.told, 0, [scale.warm / 3, scale.warm * 2 / 3]
    while (passed := time.monotonic() - start) < scale.seconds and not town.fallen():
        time.sleep(0.5)
        if holds and passed >= holds[0]:
            holds.pop(0)
            _hold_up(town, scale.held_up)
        if passed >= gone and passed < scale.seconds - 5:
            gone, losses = passed + scale.broker_gone, losses + 1
            _attempt(result, "the broker comes back", partial(_lose, broker, frozen=losses % 2 == 1))
        if passed >= told:
            told = passed + scale.told
            print(f"  {passed:5.0f} s  {flow.publisher.acknowledged:,} taken by the broker  {_now(gauging)}", flush=True)
    result.figures["broker lost, times"] = losses
    result.claim(
        "all four programs lived through it", not town.fallen(), "; ".join(town.fallen()) + (town.tails() if town.fallen() else "")
    )


def _lose(broker: Broker, *, frozen: bool) -> None:
    if frozen:
        broker.freeze()
        time.sleep(BROKER_GONE)
        broker.thaw()
    else:
        broker.stop()
        time.sleep(BROKER_GONE)
        broker.start()


def _hold_up(town: Town, seconds: float) -> None:
    """Freeze one program after the other for some seconds; the next one as many seconds later, so that each has a burst of its own."""
    for name in PROGRAMS:
        town.freeze(name)
        time.sleep(seconds)
        town.thaw(name)
        time.sleep(seconds)


def _now(gauging: Gauging) -> str:
    newest = {name: samples[-1] for name, samples in gauging.samples.items() if samples}
    files = gauging.files[-1][1] if gauging.files else {}
    memory = ", ".join(f"{name} {one.memory:.1f} MB {one.descriptors} fd" for name, one in newest.items())
    return (
        memory + "; " + ", ".join(f"{name} {size / 1e6:.1f}" for name, size in sorted(files.items()) if ".db" in name and "shm" not in name)
    )


# ---- judgement


def _judge_people(result: Result, people: PassersBy) -> None:
    bad = {what: count for what, count in people.seen.items() if what.startswith("GET") and not what.endswith(" 200")}
    loads = sum(count for what, count in people.seen.items() if what.startswith("GET"))
    result.figures |= {"pages loaded": loads, "events heard": people.seen["told"]}
    result.claim("every page that was asked for came", not bad and loads > 0, bad or "")
    result.claim("nobody who listens is cut off", not people.seen["cut off"] and people.seen["told"] > 0, f"{people.seen['cut off']} times")


def _judge_processes(result: Result, scale: Soak, gauging: Gauging, judge: bool) -> None:
    for name in PROGRAMS:
        samples = after(gauging.samples.get(name, []), scale.warm)
        if len(samples) < 3:
            result.claim(f"{name} was measured", ok=False, found=f"{len(samples)} samples after the warm-up")
            continue
        steepness = slope(samples)
        memory = [sample.memory for sample in samples]
        result.figures[f"{name}: MB"] = f"{fmean(memory):.1f} ({min(memory):.1f} to {max(memory):.1f})"
        result.figures[f"{name}: memory, %/h"] = f"{100 * steepness:+.2f}, by a straight line {100 * line(samples):+.2f}"
        if judge:
            result.claim(f"memory of {name} grows by less than {STEEPEST:.0%} an hour", steepness < STEEPEST, f"{steepness:.2%}")
        for what, counts in (("descriptors", [s.descriptors for s in samples]), ("threads", [s.threads for s in samples])):
            grown = more(counts)
            result.claim(f"{name} leaks no {what}", grown <= 2, f"{grown:+g}, at most {max(counts)}")


def _judge_files(result: Result, town: Town, scale: Soak, gauging: Gauging, judge: bool) -> None:
    grown = growth(gauging.files, scale.warm)
    waiting = town.one("spool.db", "SELECT count(*) FROM batch") or 0
    stored = town.one("store.db", "SELECT count(*) FROM reading") or 0
    seconds = gauging.files[-1][0] if gauging.files else 0.0
    result.figures |= {"batches in the spool": waiting, "readings in the store": stored}
    result.figures |= {f"{name}: grew by, MB": round(size / 1e6, 1) for name, size in sorted(grown.items()) if ".db" in name}
    live, old = scale.rate * LIVE / OF * seconds, scale.rate * (OF - LIVE) / OF * min(seconds, OLD_STAYS)
    result.claim("the store keeps no more than it is told", stored <= 1.1 * (live + old), f"{stored:,}, at most {1.1 * (live + old):,.0f}")
    if not judge:
        return
    result.claim("the spool is trimmed", waiting <= 120 * 200, f"{waiting:,} batches")  # the round of the checkpoint, and that of the spool
    kept = {
        "spool.db": _rows(town, "spool.db", "change", "quarantine", "incident") * ROW,
        "store.db": int(live) * 100,
        "ledger.db": _rows(town, "ledger.db", "change", "alarm", "notice", "delivery", "told") * 2 * ROW,
    }
    for name, bound in kept.items():
        found = grown.get(name, 0)
        result.claim(f"{name} grows by what it keeps on purpose", found <= bound + SLACK, f"{found:,} bytes, at most {bound + SLACK:,}")
        log = grown.get(f"{name}-wal", 0)
        result.claim(f"the log of {name} does not grow", log <= SLACK, f"{log:,} bytes")


def _rows(town: Town, file: str, *tables: str) -> int:
    return sum(town.one(file, f"SELECT count(*) FROM {table}") or 0 for table in tables)


def _judge_books(result: Result, town: Town, everyday: Everyday, receiver: Receiver) -> None:
    books, made = town.books(), everyday.made
    result.figures |= {f"made: {name}": count for name, count in made.items()}
    result.figures |= {"given again": books.get("duplicate", 0) - made["duplicate"], "notices received": len(receiver.arrivals)}
    result.claim("every good and late reading is archived, once", books.get("archived") == made["good"] + made["late"], books)
    result.claim("every repeat is known as one", books.get("duplicate", 0) >= made["duplicate"], books.get("duplicate", 0))
    result.claim("every bad message is in quarantine", books.get("quarantined", 0) >= made["bad"], books.get("quarantined", 0))
    found = faults(town, receiver.arrivals, trimmed=True)
    result.claim("books, files, alarms and notices are in order", not found, "; ".join(found))
