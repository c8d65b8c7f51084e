"""
kill -9 of `archive`, `serve`, `web`, the broker and the supervisor in mid-flood -> nothing lost, nothing doubled, nobody missed.

Rule 1: Mosquitto saves what it has acknowledged every two seconds, or after each turn of its loop, so a kill takes what came since. That
        is its limit, not ours: it is counted, nothing that ingest acknowledged may be among it, and a device that keeps what has not
        been stored makes up for it.
Rule 2: who is killed is alone to be killed, except in the short form, where one story does for three programs.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from math import inf

from alerts.deliver import Pace
from devices.instants import SECOND
from rig.publisher import Message, Publisher
from rig.report import Result, timed
from torture.kills import EAGER, Kills, Stage, judge, killing, left, points, publishing, stage, tell, unkilled, usual_broker
from torture.story import QUIET, During, Over, Phase, Size, Story, missing, play, story
from torture.supervisor import supervisor

LONG, SHORT = Size(100, 25), Size(50, 10)
RATE = 250.0
PROGRAMS = ("archive", "serve", "web")
LEASE = Pace().lease / SECOND
"""Seconds for which a process that sends a notice holds it."""
BACKLOG = 0.7
"""Seconds for which ingest is dead already when the broker is killed."""
AUTOSAVE = 3.0
"""Seconds: it saves every two, and the saving takes a while."""
GIVEN_UP = {"embedded": 15.0}
"""Seconds of quiet after which a message counts as lost, where it is more than QUIET: what was on its way when the embedded broker was
killed is delivered again when its acknowledgement is overdue (2 s), and after a start it may take several times that."""
READ = 0.5
"""Seconds by which we may come to know of an acknowledgement after it was sent."""


def runs(short: bool) -> Iterable[Callable[[], Result]]:
    """Kill one after the other; in the short form the three programs within one story."""
    size, count = (SHORT, 3) if short else (LONG, 20)
    usual = usual_broker()
    for names in [PROGRAMS] if short else [(name,) for name in PROGRAMS]:
        yield partial(timed, f"{', '.join(names)} killed {count} times, {usual}", partial(programs, usual, names, size, count))
    for kind in ["embedded"] if usual == "embedded" else ["embedded", "mosquitto", EAGER]:
        yield partial(timed, f"the broker killed {count} times, {kind}", partial(broker, kind, size, count))
    yield partial(timed, f"the supervisor killed {count} times", partial(supervisor, size, RATE, count, partial(unkilled, size)))


# ---- archive, serve, web


def programs(kind: str, names: Iterable[str], size: Size, count: int, result: Result) -> None:
    """Kill some programs while readings come and notices go out."""
    alone, told = unkilled(size), story(size)
    with stage(kind, size) as here, publishing(here.broker) as publisher:
        kills = {name: _kills(name, here, told, publisher, count) for name in names}
        play(here.town, told, publisher, RATE, killing(*kills.values()))
        for name, each in kills.items():
            tell(result, each, count, WORK[name], name)
        judge(result, told, alone, left(here.town, told, here.receiver), publisher)
        delivered(result, here, told)
        result.claim("the residents' page answers", _answers(here), f"port {here.town.ports['web']}")


WORK = {"archive": "first batch moved", "serve": "first notice delivered", "web": "first page"}


def _kills(name: str, here: Stage, told: Story, publisher: Publisher, count: int) -> Kills:
    town = here.town
    work: Callable[[], int] = {
        "archive": lambda: town.one("store.db", "SELECT max(reached) FROM cursor") or 0,
        "serve": lambda: town.one("ledger.db", "SELECT count(*) FROM receipt") or 0,
        "web": lambda: int(_answers(here)),
    }[name]
    progress, total = (lambda: publisher.acknowledged), told.last.published
    if name == "serve":  # what must not be lost there are notices
        progress, total = (lambda: len(here.receiver.arrivals)), told.last.notices
    return Kills(
        lambda: town.kill(name), lambda: town.start(name), progress, work, points(total, count, seed=len(name)), is_unasked=name == "web"
    )


def delivered(result: Result, here: Stage, told: Story) -> None:
    """Claim that everybody was told everything."""
    arrivals, town = here.receiver.arrivals, here.town
    keys = {arrival.key for arrival in arrivals}
    states = dict(town.rows("ledger.db", "SELECT state, count(*) FROM delivery GROUP BY state"))
    receipts = town.one("ledger.db", "SELECT count(*) FROM receipt")
    result.claim("every notice arrived, under a key of its own", len(keys) == told.last.notices, f"{len(keys)} of {told.last.notices}")
    result.claim(
        "every delivery is done, with its receipt", set(states) == {"done"} and receipts == len(keys), f"{states}, {receipts} receipts"
    )
    waited = "SELECT max(r.at - n.issued_at) FROM receipt r JOIN notice n ON n.id = r.notice"
    longest = (town.one("ledger.db", waited) or 0) / SECOND
    result.claim("no notice waited for a process that had died", longest < LEASE, f"{longest:.1f} s")
    result.figures |= {"notices": len(keys), "notices repeated": len(arrivals) - len(keys), "s to a receipt, worst": round(longest, 1)}


def _answers(here: Stage) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{here.town.ports['web']}/", timeout=5) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


# ---- the broker


def broker(kind: str, size: Size, count: int, result: Result) -> None:
    """Kill the broker; the publisher sends again what had no PUBACK, and what Mosquitto has forgotten once it is missed."""
    alone, told = unkilled(size), story(size)
    with stage(kind, size) as here, publishing(here.broker) as publisher:
        gauges = Gauges(here, told, publisher)
        kills = Kills(gauges.kill_broker, gauges.start_broker, gauges.progress, gauges.work, points(told.last.published, count, seed=6))
        time.sleep(AUTOSAVE)  # a session that was never saved is lost with all that comes before it is made again
        play(here.town, told, publisher, RATE, gauges.sending_again(killing(kills)))
        tell(result, kills, count)
        judge(result, told, alone, left(here.town, told, here.receiver), publisher, forgets=kind != "embedded")
        delivered(result, here, told)
        lost(result, gauges, kills, keeps_all=kind == "embedded")


def lost(result: Result, gauges: Gauges, kills: Kills, *, keeps_all: bool) -> None:
    """Say what the broker lost although it had acknowledged it, and claim what may not be among it."""
    messages, acknowledged = [message for _, message in gauges.lost], gauges.here.relay.acknowledged
    result.figures |= {"acknowledged by ingest": len(acknowledged), "lost by the broker": len(messages)}
    result.claim("nothing that ingest had acknowledged was lost", bool(acknowledged) and not gauges.forgotten, gauges.forgotten[:3])
    if keeps_all:
        result.claim("nothing that the broker had acknowledged was lost", not messages, messages[:3])
        return
    worst = max(gauges.ages(kills.struck_at), default=0.0)
    result.claim(f"what Mosquitto lost had come within {AUTOSAVE:g} s before a kill", worst <= AUTOSAVE, f"{worst:.2f} s")
    result.figures["s from coming to the kill, worst"] = round(worst, 2)


@dataclass(slots=True)
class Gauges:
    """All gauges, and their broker: they keep what they have sent until it is stored, and send again what is missed."""

    here: Stage
    told: Story
    publisher: Publisher
    lost: list[tuple[int, Message]] = field(default_factory=list)
    """What the broker had acknowledged and nobody has: how many it had acknowledged before it, and the message."""
    forgotten: list[Message] = field(default_factory=list)
    """What ingest had acknowledged by the time it was missed: there must be nothing."""
    trace: list[tuple[float, int]] = field(default_factory=list)
    """Monotonic seconds, number of messages acknowledged by the broker by then."""
    kills: int = 0

    def progress(self) -> int:
        """Give the number of messages that the broker has acknowledged, and note when that was."""
        acknowledged = self.publisher.acknowledged
        if not self.trace or self.trace[-1][1] != acknowledged:
            self.trace.append((time.monotonic(), acknowledged))
        return acknowledged

    def work(self) -> int:
        """Give the number of connections in which ingest has acknowledged something."""
        self.progress()
        return self.here.relay.useful

    def kill_broker(self) -> None:
        """Kill the broker; each second time with a backlog in it, since ingest was killed a little earlier."""
        self.kills += 1
        if self.kills % 2 == 0:
            self.here.town.kill("ingest")
            until = time.monotonic() + BACKLOG
            while time.monotonic() < until:
                self.progress()
                time.sleep(0.005)
        self.here.broker.kill()

    def start_broker(self) -> None:
        """Start what was killed."""
        self.here.broker.start()
        if "ingest" not in self.here.town.running:
            self.here.town.start("ingest")

    def ages(self, struck_at: list[float]) -> list[float]:
        """Give for each lost message the seconds from its acknowledgement to the next kill; both are known to READ."""
        known_at = [next(at for at, count in self.trace if count > before) for before, _ in self.lost]
        return [max(0.0, next((kill for kill in struck_at if kill >= at - READ), inf) - at) for at in known_at]

    def sending_again(self, during: During) -> During:
        """Give what also sends again what is missed, once a phase is published and nothing arrives any more."""

        def sending(phase: Phase, over: Over) -> None:
            before = self.progress()
            quiet: list[tuple[int, float]] = [(-1, 0.0)]

            def over_or_again() -> bool:
                return over() or self._send_again(phase, before, quiet)

            during(phase, over_or_again)

        return sending

    def _send_again(self, phase: Phase, before: int, quiet: list[tuple[int, float]]) -> bool:
        received = self.here.town.books().get("received", 0)
        if received != quiet[0][0] or self.progress() < before + len(phase.messages):
            quiet[0] = received, time.monotonic()
        elif time.monotonic() - quiet[0][1] > GIVEN_UP.get(self.here.broker.kind, QUIET):
            lacking = missing(self.here.town, self.told, phase.messages)
            missed = [phase.messages[number] for number in lacking]
            self.lost += [(before + number, phase.messages[number]) for number in lacking]
            self.forgotten += [message for message in missed if message in self.here.relay.acknowledged]
            self.publisher.publish(missed)
            quiet[0] = -1, 0.0
        return False
