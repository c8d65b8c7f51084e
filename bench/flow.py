"""
One run of the whole way: a broker, an ingest process, archive, serve and web beside it, a publisher -> figures, after the store was read back.

Rule 1: nothing missing, nothing twice, nothing bad, every counter right; else the run raises and gives no figure.
Rule 2: CPU is that of the ingest process alone. On a machine that others use it is the figure; the rate is a hint.
Rule 3: a subscriber that only counts gets the same messages from the same broker just before, under topics that ingest does not hear; the
        programs run beside it, too, with nothing to do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.publisher import TURN, Task, published
from rig.brokers import Broker, embedded_in, mosquitto_in
from rig.city import write_city
from rig.processes import answer, child, tell
from rig.town import Town, town_in

BESIDE = ("archive", "serve", "web")
AGO = 12
"""Turns that lie between the newest reading and the present: ten thousand gauges that come back to it within a second are another matter."""
PATIENCE = 300.0
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """What to measure."""

    name: str
    title: str
    broker: str
    """`mosquitto` or `embedded`."""
    messages: int
    gauges: int
    packed: int = 1
    rate: float = 1e9
    """Messages a second."""
    null: bool = False
    """Whether a subscriber that only counts is measured too."""

    @property
    def turns(self) -> int:
        """Give how many readings of each gauge there are at most, the first round included."""
        return 1 + -(-self.messages // self.gauges) * self.packed


def measure(run: Run, more: Mapping[str, str] = {}) -> Figures:
    """Do a run, the programs beside ingest with more settings; raises AssertionError where something is missing."""
    with TemporaryDirectory(prefix="canhbao-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        city = write_city(folder / "city", run.gauges)
        broker = stack.enter_context(mosquitto_in(folder, durable=False) if run.broker == "mosquitto" else embedded_in(folder))
        town = stack.enter_context(town_in(folder, city, broker, more=more))
        return _measure(run, broker, town)


def _measure(run: Run, broker: Broker, town: Town) -> Figures:
    town.data.mkdir()
    who = {"username": broker.ingest[0], "password": broker.ingest[1], "client_id": broker.client_id, "port": broker.port}
    first_at = (time.time_ns() // 1_000_000 // TURN - run.turns - AGO) * TURN
    task = Task(broker.port, run.gauges, run.gauges, first_at, 1, 1e9, 0, *broker.publisher)
    main = replace(task, messages=run.messages, packed=run.packed, rate=run.rate, first_turn=1)
    with child("bench.worker", {"data": str(town.data), "city": str(town.city), **who}) as worker:
        answer(worker)
        town.start(*BESIDE)
        town.ready(*BESIDE)
        town.until(lambda: town.one("spool.db", "SELECT hearing FROM heartbeat"), "ingest to hear", PATIENCE)
        published(task)
        until_received(town, run.gauges)
        null = null_rate(broker, replace(main, root="nobody")) if run.null else {}
        tell(worker, "mark")
        answer(worker)
        sent = published(main)
        readings = run.messages * run.packed
        until_received(town, run.gauges + readings)
        stored_at = time.monotonic()
        tell(worker, "end")
        took = json.loads(answer(worker))
    audit(town, run.gauges + readings)
    late = [end - sent["sent_at"][key] for key, end in took["changed"] if key in sent["sent_at"]]
    return {
        "readings_s": readings / (stored_at - sent["start"]),
        "cpu_us": took["cpu"] / readings * 1e6,
        **spread("commit", took["commits"]),
        **spread("change", late),
        "changes": len(late),
        "pause_ms": max(took["pauses"]) * 1e3,
        "mb": took["mb"],
        "peak_mb": took["peak_mb"],
        **null,
    }


def null_rate(broker: Broker, task: Task) -> Figures:
    """Give what a subscriber that only counts takes of a flow."""
    with child("bench.null", {"port": broker.port, "messages": task.messages, "topic": f"{task.root}/v1/+/up"}) as null:
        answer(null)
        sent = published(task)
        took = json.loads(answer(null))
    return {"null_s": task.messages / (took["end"] - sent["start"]), "null_us": took["cpu"] / task.messages * 1e6}


def audit(town: Town, readings: int) -> None:
    """Wait until the store holds everything, read spool and store back, and compare them with what was sent."""
    town.until(lambda: town.archived_up_to() >= town.last_batch(), "archive to catch up", PATIENCE)
    counters, stored = town.books(), town.one("store.db", "SELECT count(*) FROM reading")
    assert counters.get("quarantined", 0) == 0, f"bad: {counters}"
    assert counters["archived"] == readings, f"{readings} published, the books say {counters}"
    assert counters["received"] == sum(counters.get(name, 0) for name in ("archived", "duplicate", "quarantined")), counters
    assert stored == readings, f"{readings - stored} of {readings} readings are missing in the store"
    for file in ("spool.db", "store.db"):
        assert town.one(file, "PRAGMA quick_check") == "ok", file
    assert not town.fallen(), town.fallen()


def spread(name: str, seconds: list[float]) -> Figures:
    """Give p50, p99 and p99.9 in milliseconds; nothing where there is nothing."""
    ordered = sorted(seconds)
    parts = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    return {f"{name}_{part}_ms": ordered[int(len(ordered) * share)] * 1e3 for part, share in parts.items()} if ordered else {}


def until_received(town: Town, readings: int) -> None:
    """Wait until the spool has taken in so many readings; raises where none comes for long."""
    deadline, before = time.monotonic() + PATIENCE, -1
    while (count := town.books().get("received", 0)) < readings:
        if count > before:
            deadline, before = time.monotonic() + PATIENCE, count
        assert time.monotonic() < deadline, f"{readings - count} of {readings} readings do not come"
        time.sleep(0.01)
