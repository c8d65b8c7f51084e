"""
A story told to a city while something of it is killed again and again -> what is left, held against a run in which nothing was killed.

Rule 1: kills come at chosen points of a progress, inside the phases; who was killed is started again at once, by the run.
Rule 2: the pictures must be equal, with one exception that is stated: a refused message whose acknowledgement was lost with the killed
        program comes again, and is refused again, since only readings have an identity. So quarantines are compared without repeats,
        and the repeats must be exact and no more than what was delivered again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

from rig.brokers import Broker, embedded_in, mosquitto_in, mosquitto_program
from rig.city import write_city
from rig.picture import Picture, Rows, differences, faults, picture_of
from rig.publisher import Publisher
from rig.receiver import Receiver
from rig.report import Result
from rig.town import Town, town_in
from torture.relay import Relay, relaying
from torture.story import PATIENCE, During, Over, Phase, Size, Story, missing, play, refused, story

INTERVAL = "30 min"
"""Of the gauges: nobody is silent, and all is of the present, for as long as a run lasts."""
EAGER = "eager mosquitto"
"""A kind of broker: it saves at each turn, the usual one every two seconds."""
FAST = 5_000.0
"""Messages a second where nothing is killed."""
LOOK = 0.05


@dataclass(slots=True)
class Kills:
    """Kills and starts one thing at points of a progress, and notes how long its work was away."""

    kill: Callable[[], None]
    start: Callable[[], None]
    progress: Callable[[], int]
    work: Callable[[], int]
    """Grows with what is done by what is killed."""
    points: list[int]
    """Of the progress; the next one first."""
    is_unasked: bool = False
    """Its work is done whether or not readings come."""
    away: list[float] = field(default_factory=list)
    """Seconds from each kill to the first work after it, where there was work left."""
    struck_at: list[float] = field(default_factory=list)
    """Monotonic seconds."""

    @property
    def is_due(self) -> bool:
        """Tell whether the next point is reached."""
        return bool(self.points) and self.progress() >= self.points[0]

    def strike(self, over: Over) -> None:
        """Kill, start again, and wait for the first work, or for the end of the phase."""
        self.points.pop(0)
        self.kill()
        at, before = time.monotonic(), self.work()
        self.struck_at.append(at)
        self.start()
        while (nothing := self.work() <= before) and (self.is_unasked or not over()):
            if time.monotonic() - at > PATIENCE:
                raise TimeoutError(f"no work within {PATIENCE:g} s after a kill")
            time.sleep(0.005)
        if not nothing:
            self.away.append(time.monotonic() - at)


def killing(*all_kills: Kills) -> During:
    """Give what kills during the phases of a story; it raises TimeoutError where a phase does not end."""

    def during(_: Phase, over: Over) -> None:
        looked_at = changed_at = time.monotonic()
        was: list[int] = []
        while time.monotonic() - changed_at < PATIENCE:
            due = [kills for kills in all_kills if kills.is_due]
            for kills in due:
                kills.strike(over)
            if not due and time.monotonic() - looked_at > LOOK:
                if over():
                    return
                looked_at = time.monotonic()
            if due or was != [kills.progress() for kills in all_kills]:
                was, changed_at = [kills.progress() for kills in all_kills], time.monotonic()
            time.sleep(0.002)
        raise TimeoutError(f"a phase did not end within {PATIENCE:g} s after the last progress, which was {was}")

    return during


def points(total: int, count: int, seed: int) -> list[int]:
    """Choose so many points of a progress: one at random in each of as many equal parts, none in the last twentieth."""
    chance, part = Random(seed), total * 0.95 / count
    return [max(1, int((number + chance.random()) * part)) for number in range(count)]


# ---- a stage


@dataclass(frozen=True, slots=True)
class Stage:
    """A city with its broker and the far end of its webhook."""

    town: Town
    receiver: Receiver
    broker: Broker
    relay: Relay
    """Between ingest and the broker."""


@contextmanager
def stage(kind: str, size: Size, more: Mapping[str, str] = {}) -> Iterator[Stage]:
    """Set a city up on a broker of a kind, with all programs at work, which may be given more settings; all is gone at the end."""
    with TemporaryDirectory(prefix="canhbao-") as name, Receiver() as receiver:
        folder = Path(name)
        city = write_city(folder / "city", size.gauges, receiver.url, INTERVAL)
        running = embedded_in(folder) if kind == "embedded" else mosquitto_in(folder, eager=kind == EAGER)
        with running as broker, relaying(broker.port) as relay, town_in(folder, city, replace(broker, port=relay.port), more=more) as town:
            town.start()
            town.ready()
            yield Stage(town, receiver, broker, relay)


@contextmanager
def publishing(broker: Broker) -> Iterator[Publisher]:
    """Give a publisher that leaves at the end."""
    publisher = Publisher(broker)
    try:
        yield publisher
    finally:
        publisher.close()


# ---- what is left


@dataclass(frozen=True, slots=True)
class Left:
    """What a run has left."""

    picture: Picture
    """Its quarantine without repeats."""
    books: dict[str, int]
    faults: list[str]
    missing: int
    fallen: list[str]
    repeated_refusals: int
    """Rows of the quarantine that say again what another one says."""
    distrust: list[str]
    """Incidents that no kill may cause."""


def left(town: Town, told: Story, receiver: Receiver) -> Left:
    """Read everything back."""
    picture = picture_of(town, told.base, receiver.arrivals)
    rows = refused(town)
    once: Rows = Counter((topic, reason, readings) for topic, _, reason, readings in rows)
    messages = [message for phase in told.phases for message in phase.messages]
    kinds = "'replay_differs', 'poison', 'session_lost', 'malformed', 'clock_went_back'"
    return Left(
        replace(picture, quarantine=once),
        town.books(),
        faults(town, receiver.arrivals),
        len(missing(town, told, messages)),
        town.fallen(),
        picture.quarantine.total() - len(rows),
        [f"{kind}: {detail}" for kind, detail in town.rows("spool.db", f"SELECT kind, detail FROM incident WHERE kind IN ({kinds})")],
    )


@cache
def unkilled(size: Size) -> Left:
    """Tell the story to a city that is left alone; what is left does not depend on the broker, so it is Mosquitto where there is one."""
    told = story(size)
    with stage(usual_broker(), size) as here, publishing(here.broker) as publisher:
        play(here.town, told, publisher, FAST)
        return left(here.town, told, here.receiver)


def usual_broker() -> str:
    """Give the kind of broker that a city has, as far as this machine has it."""
    return "embedded" if mosquitto_program() is None else "mosquitto"


def judge(result: Result, told: Story, alone: Left, found: Left, publisher: Publisher, *, forgets: bool = False) -> None:
    """Hold a run in which something was killed against one that was left alone; `forgets`: a broker that may have lost repeats too."""
    books, last = found.books, told.last
    again = books.get("received", 0) - last.published
    result.claim("the run that was left alone is without fault", not alone.faults, alone.faults)
    result.claim("it took every message once", alone.books.get("received") == last.published and not alone.repeated_refusals, alone.books)
    result.claim("the run with kills is without fault", not found.faults, found.faults)
    result.claim("0 messages are missing", found.missing == 0, found.missing)
    result.claim("everything that was published was received, or more", again >= 0 or forgets, books)
    result.claim("archived as often as without kills", books.get("archived") == alone.books.get("archived") == last.stored, books)
    result.claim(
        "store, changes, alarms, notices and quarantine are equal", not (differs := differences(alone.picture, found.picture)), differs
    )
    most = books.get("received", 0) - last.stored - last.refused if forgets else again
    result.claim("refusals came again only by redelivery", 0 <= found.repeated_refusals <= most, found.repeated_refusals)
    result.claim("no program ended by itself", not found.fallen, found.fallen)
    result.claim("nothing is doubted", not found.distrust, found.distrust)
    result.figures |= {"readings": last.stored, "published": last.published, "sent": publisher.sent, "redelivered": again}


def tell(result: Result, kills: Kills, count: int, what: str = "first reading", whom: str = "") -> None:
    """Note the kills of a run, of which there may be several."""
    of = f"{whom} " if whom else ""
    result.claim(f"{of}{count} kills were made", len(kills.struck_at) == count, len(kills.struck_at))
    result.figures[f"{of}kills"] = len(kills.struck_at)
    if kills.away:
        result.figures[f"s to {what}, median"] = round(median(kills.away), 2)
        result.figures[f"s to {what}, worst"] = round(max(kills.away), 2)
