"""
A river -> what people believe of it. Everything between is real, on real files, but for threads and the broker: ingest's decider and
committer, the spool, the rules, the feed, the desk, the ledger. Time is an argument: minutes of the river.
"""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from alerts.desk import step
from alerts.ledger import changes, reading
from alerts.ledger.migrating import migrate
from alerts.ledger.opening import ledger_url, open_ledger
from alerts.ledger.recipients import sync_recipients
from alerts.model import Audience, Notice, NoticeKind, Status, Withheld
from alerts.telling import Desk
from devices.documents import Document, Documents
from devices.instants import HOUR, MINUTE, Instant, parse_instant
from ingest.commit import Committer, Keeping
from ingest.decide import Decider, Wires
from ingest.feed import Cursor, Feed
from ingest.inbox import Deaf, Heard, Inbound, Receipt
from ingest.restart import newest_states, resume
from ingest.session import Pulse
from ingest.spool import open_reader, open_spool, suspect
from rules.changes import Change, said_of, standing_of
from service.configuration import City, build, read_city, to_apply, watched
from service.programs.ingest import configuration_of
from service.programs.serve import composing

PULSE = Pulse(connected=True, hears=True, generation=1, waiting=0, turned_at=0.0, heard_at=0.0)
LOOK = HOUR
"""Of the river: without anything said, a step is made so often."""


# ---- a city of these stations


@dataclass(frozen=True)
class Gauged:
    """A station, its levels and how often its gauge speaks."""

    id: str
    levels: tuple[float, float, float]
    minutes: int = 10


KIM_LONG = Gauged("kim-long", (1.0, 2.0, 3.5))
CUNG_SON = Gauged("cung-son", (29.5, 32.0, 34.5))


def river_city(hue: Path, *stations: Gauged) -> Documents:
    """Give the shipped city with other stations: rules, policy and texts are those of Hue."""
    shipped = read_city(hue)
    streets = ("rules/street-depth.yaml",)
    kept = {name: found for name, found in shipped.items() if name not in streets}
    policy = {**shipped["policy.yaml"].content, "rules": {"river-levels": {"levels": ["bd1", "bd2", "bd3"], "residents": "bd2"}}}
    return {
        **kept,
        "policy.yaml": Document("policy.yaml", policy),
        "stations.yaml": Document("stations.yaml", {"stations": [_station(each) for each in stations]}),
        "devices.yaml": Document("devices.yaml", {"devices": [_device(each) for each in stations]}),
    }


def _station(station: Gauged) -> dict[str, Any]:
    levels = [{"code": code, "value": value} for code, value in zip(("bd1", "bd2", "bd3"), station.levels, strict=True)]
    thresholds = {"quantity": "water_level", "valid_from": "2000-01-01T00:00:00+07:00", "source": "as published", "levels": levels}
    names = {"vi": station.id, "en": station.id}
    return {"id": station.id, "name": names, "river": names, "latitude": 16.4, "longitude": 107.5, "wards": [], "thresholds": [thresholds]}


def _device(station: Gauged) -> dict[str, Any]:
    sensor = {
        "quantity": "water_level",
        "station": station.id,
        "primary": True,
        "interval": f"{station.minutes} min",
        "range": [-2.0, 99.0],
    }
    return {"id": f"wl-{station.id}", "model": "native", "sensors": [sensor]}


# ---- water


@dataclass(frozen=True, order=True)
class Arrival:
    """A message with some readings of one gauge."""

    at: Instant
    station: str
    readings: tuple[tuple[Instant, float], ...]


Series = list[tuple[Instant, float]]


def published(shared: Path, file: str, start: str, end: str, minutes: int = 10) -> Series:
    """Give a published series, joined linearly, in whole centimetres; the days are local, the last one included."""
    path = shared / "vn-central-rivers-2025" / file
    with path.open(encoding="utf-8") as rows:
        points = sorted({(local(row["time_local_gmt7"]), float(row["level_m"])) for row in csv.DictReader(rows) if row["level_m"]})
    first, last, every = local(f"{start} 00:00"), local(f"{end} 23:50"), minutes * MINUTE
    return [(at, round(_between(points, at), 2)) for at in range(first, last + 1, every)]


def local(text: str) -> Instant:
    """Give an instant of Vietnam: `2025-11-17 05:00`."""
    return parse_instant(f"{text.replace(' ', 'T')}:00+07:00")


def _between(points: list[tuple[Instant, float]], at: Instant) -> float:
    after = next((index for index, (there, _) in enumerate(points) if there >= at), len(points) - 1)
    (a, low), (b, high) = points[max(after - 1, 0)], points[after]
    return high if at >= b or a == b else low + (high - low) * (at - a) / (b - a)


def at_once(station: Gauged, series: Series) -> list[Arrival]:
    """Every reading arrives when it is made."""
    return [Arrival(at, station.id, ((at, value),)) for at, value in series]


# ---- the town


@dataclass
class River:
    """The service at a river, one thing after the other."""

    folder: Path
    city_of: Callable[..., Documents]
    start_at: Instant
    status: Status = Status.EXERCISE
    clock_at: Instant = field(init=False)
    looked_at: Instant = 0
    hears: bool = True
    unsettled: list[Arrival] = field(default_factory=list)
    """Taken and not committed, so not acknowledged: the broker gives them again."""

    def __post_init__(self) -> None:
        self.clock_at = self.start_at
        self.city = build(self.city_of())
        self.start(is_first=True)

    # -- life

    def start(self, *, is_first: bool = False) -> None:
        """Make all objects from the files."""
        self.waiting: list[Any] = []
        spool = self.folder / "spool.db"
        open_spool(spool).close()
        with closing(open_reader(spool)) as reader:
            resumed = resume(reader, configuration_of(watched(self.city.revision, self.city.documents)))
        keeping = Keeping(spool, self.folder / "store.db", "scenario")
        self.committer = Committer(keeping, lambda _: None, lambda: PULSE, lambda: self.clock_at)
        self.thread = threading.Thread(target=self.committer.run, daemon=True)
        self.thread.start()
        wires = Wires(
            self.waiting.append,
            self.settle,
            lambda: _states(spool),
            lambda d, at: suspect(spool, d, at),
            lambda: self.clock_at,
        )
        self.decider = Decider(resumed.intake, wires)
        self.feed = Feed(spool, said_of, standing_of)
        self.ledger: Engine = open_ledger(ledger_url(self.folder / "ledger.db"))
        migrate(self.ledger)
        if is_first:
            self.handle(configuration_of(to_apply(self.city)))
            with self.ledger.begin() as connection:
                sync_recipients(connection, self.city.policy.recipients, self.clock_at)
        self.looked_at = 0

    def kill(self) -> None:
        """Lose everything but the files; what was taken and not committed comes again."""
        again = list(self.unsettled)
        self.waiting.clear()
        self.stop()
        self.start()
        for arrival in again:
            self.arrive(replace(arrival, at=self.clock_at))
        self.look()

    def stop(self) -> None:
        self.committer.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.ledger.dispose()

    # -- what happens

    def play(self, arrivals: Iterable[Arrival], until: Instant | None = None) -> None:
        """Let messages arrive in their order, and time pass between and after them."""
        for arrival in sorted(arrivals):
            self.pass_to(arrival.at)
            self.arrive(arrival)
        if until is not None:
            self.pass_to(until)

    def arrive(self, arrival: Arrival) -> None:
        """Take one message; what is said is committed and told at once."""
        self.clock_at = arrival.at
        objects = [{"v": 1, "at": at // 1000, "m": {"water_level": value}} for at, value in arrival.readings]
        payload = json.dumps(objects).encode()
        message = (f"canhbao/v1/wl-{arrival.station}/up".encode(), payload, b"\0\1", 1, False, False)
        self.unsettled.append(arrival)
        self.handle(Inbound(Receipt(1, [b"\0\1"], len(payload)), arrival.at, [message]))

    def deaf(self, at: Instant) -> None:
        """The broker is away from here on."""
        self.pass_to(at)
        self.hears = False
        self.handle(Deaf(at, "the broker is away"))

    def heard(self, at: Instant) -> None:
        """The broker is back, and nothing waits there any more."""
        self.clock_at, self.hears = at, True
        self.handle(Heard(at))

    def apply(self, *stations: Gauged) -> None:
        """Apply a city with other levels."""
        self.city = build(self.city_of(*stations))
        self.handle(configuration_of(to_apply(self.city)))

    def act(self, verb: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Let an operator act."""
        with self.ledger.begin() as connection:
            return verb(connection, *arguments, **more)

    def handle(self, event: Any) -> None:
        self.decider.handle(event)
        if any(taken.said or taken.incidents or taken.applied for taken in self.waiting):
            self.look()

    def pass_to(self, at: Instant) -> None:
        """Let time pass, looking often enough."""
        while self.clock_at < at:
            self.clock_at = min(at, self.clock_at + LOOK)
            self.decider.tick()
            said = any(taken.said for taken in self.waiting)
            if said or self.clock_at - self.looked_at >= LOOK:
                self.look()

    def look(self) -> None:
        """Commit what was taken and what moved, and let the desk make its step."""
        self.decider.tick()
        self.settle()
        self.step()

    def settle(self) -> None:
        for taken in self.waiting:
            self.committer.put(taken)
        self.waiting.clear()
        self.committer.settle()
        self.unsettled.clear()

    def step(self, *, commit: bool = True) -> None:
        """Let the desk take the news; without a commit, as a kill would have it."""
        with self.ledger.connect() as connection:
            known = changes.cursor_of(connection)
            news = self.feed.read(Cursor(*known) if known else None)
            desk = Desk(self.city.registry, self.city.policy, self.city.revision, self.status, composing(self.city))
            step(connection, news, desk, now=self.clock_at, hears=self.hears)
            if commit:
                connection.commit()
        self.looked_at = self.clock_at

    # -- what came of it

    def notices(self, audience: Audience = Audience.OPERATORS, station: str | None = None) -> list[Notice]:
        with self.ledger.connect() as connection:
            found = reading.recent_notices(connection, audience=audience, most=10_000)
            places = {each.id: each.station for each in reading.recent_alarms(connection, 0, 10_000)}
        mine = [each for each in found if station in (None, places[each.alarm])]
        return sorted(mine, key=lambda each: (each.issued_at, each.alarm, each.sequence))

    def kinds(self, audience: Audience = Audience.OPERATORS, station: str | None = None) -> list[NoticeKind]:
        return [each.kind for each in self.notices(audience, station)]

    def withheld(self) -> list[Withheld]:
        with self.ledger.connect() as connection:
            return reading.withheld(connection, most=10_000)

    def history(self, station: str) -> list[Change]:
        with self.ledger.connect() as connection:
            return [each for each in reading.level_history(connection, station, "water_level", 0) if each.rule == "river-levels"]

    def beliefs(self, audience: Audience, station: str) -> Series:
        """Give what an audience believes from each instant on."""
        return [(each.issued_at, float(each.level)) for each in self.notices(audience, station)]


def _states(spool: Path) -> dict[str, bytes]:
    with closing(open_reader(spool)) as reader:
        return newest_states(reader)


# ---- the score


@dataclass(frozen=True)
class Episode:
    """A time above one level; `end` None: it goes on."""

    level: int
    begin: Instant
    end: Instant | None


def truth(series: Series, levels: Sequence[float], confirm: int = 2, hold: int = 3, margin: float = 0.10) -> list[Episode]:
    """Give the episodes of each level by themselves: `confirm` readings in a row at or above it, until `hold` below it minus the margin."""
    return [episode for number, value in enumerate(levels, 1) for episode in _episodes(series, number, value, confirm, hold, margin)]


def _episodes(series: Series, number: int, level: float, confirm: int, hold: int, margin: float) -> Iterable[Episode]:
    begin: Instant | None = None
    row = 0
    for at, value in series:
        row = row + 1 if (value >= level if begin is None else value < round(level - margin, 6)) else 0
        if begin is None and row == confirm:
            begin, row = at, 0
        elif begin is not None and row == hold:
            yield Episode(number, begin, at)
            begin, row = None, 0
    if begin is not None:
        yield Episode(number, begin, None)


def believed(beliefs: Series, highest: int = 3) -> list[Episode]:
    """Give the episodes of each level as somebody believes in them; a higher level implies the lower ones."""
    found = []
    for number in range(1, highest + 1):
        begin: Instant | None = None
        for at, level in beliefs:
            if level >= number and begin is None:
                begin = at
            elif level < number and begin is not None:
                found.append(Episode(number, begin, at))
                begin = None
        if begin is not None:
            found.append(Episode(number, begin, None))
    return found


@dataclass(frozen=True)
class Score:
    """What was wrong."""

    false: int = 0
    """Told without cause, or ended while it stood."""
    missed: int = 0
    doubled: int = 0
    missing_ends: int = 0
    latest: Instant = 0
    """Longest delay of a raise or an end."""

    @property
    def faults(self) -> tuple[int, int, int, int]:
        return self.false, self.missed, self.doubled, self.missing_ends


def score(real: Sequence[Episode], told: Sequence[Episode]) -> Score:
    """Hold what was believed against what was."""
    false = missed = doubled = missing = 0
    latest = 0
    for episode in real:
        mine = [each for each in told if each.level == episode.level and _overlap(episode, each)]
        missed += not mine
        doubled += max(0, len(mine) - 1)
        if mine:
            latest = max(latest, mine[0].begin - episode.begin)
            last = mine[-1].end
            missing += episode.end is not None and last is None
            false += last is not None and (episode.end is None or last < episode.end)
            latest = max(latest, last - episode.end) if last and episode.end else latest
    false += sum(not any(each.level == episode.level and _overlap(episode, each) for episode in real) for each in told)
    return Score(false, missed, doubled, missing, latest)


def _overlap(one: Episode, other: Episode) -> bool:
    return (other.end is None or one.begin <= other.end) and (one.end is None or other.begin <= one.end)


__all__ = [
    "CUNG_SON",
    "KIM_LONG",
    "Arrival",
    "City",
    "Gauged",
    "River",
    "Score",
    "at_once",
    "believed",
    "published",
    "river_city",
    "score",
    "truth",
]
