"""A small town for the tests of the desk: two gauges, a policy, and short ways to standings, alarms and news."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from alerts.channels.log import LogSettings
from alerts.desk import step
from alerts.ledger.migrating import migrate
from alerts.ledger.opening import ledger_url, open_ledger
from alerts.ledger.recipients import sync_recipients
from alerts.model import Alarm, Audience, Handling, Status, Told
from alerts.plan import Draft
from alerts.policy import Policy, PolicyRecipient, RulePolicy
from alerts.telling import Desk, Step
from devices.instants import HOUR, MINUTE, Instant, parse_instant
from devices.registry import Device, Registry, Sensor
from devices.stations import LegalLevel, Station, Thresholds
from rules.changes import Change, Kind, Phase, Said, Standing, Verb, change_id

NOW: Instant = parse_instant("2025-10-27T07:00:00+07:00")
INTERVAL = 10 * MINUTE
LEVELS = (("bd1", 1.0), ("bd2", 2.0), ("bd3", 3.5))
RULE = "river-levels"
OPERATORS, RESIDENTS = Audience.OPERATORS, Audience.RESIDENTS


def station(name: str, levels: Sequence[tuple[str, float]] = LEVELS) -> Station:
    legal = tuple(LegalLevel(number, code, value) for number, (code, value) in enumerate(levels, 1))
    thresholds = (Thresholds("water_level", legal, 0, None, "a source"),)
    return Station(name, {"vi": name, "en": name}, {"vi": "sông", "en": "river"}, 0.0, 0.0, (), thresholds)


def registry(*stations: Station) -> Registry:
    places = stations or (station("bridge"), station("weir"))
    devices = [
        Device(f"wl-{each.id}", "native", (Sensor(f"wl-{each.id}", "water_level", each.id, True, INTERVAL, -1.0, 60.0),)) for each in places
    ]
    return Registry(
        {"vi": "TP", "en": "Town"}, "Asia/Ho_Chi_Minh", "1900", {each.id: each for each in places}, {each.id: each for each in devices}, {}
    )


def policy(**changed: Any) -> Policy:
    given: dict[str, Any] = {
        "rules": {RULE: RulePolicy(("bd1", "bd2", "bd3", "historic"), "bd2")},
        "single_gauge_public": False,
        "currency": 2,
        "tell_old_after": 10 * MINUTE,
        "expiry": 6 * HOUR,
        "expiry_of_ends": 72 * HOUR,
        "channels": {
            "log": LogSettings(kind="log"),
            "drill": LogSettings(kind="log", status=Status.EXERCISE),
            "drill-2": LogSettings(kind="log", status=Status.EXERCISE),
        },
        "recipients": (
            PolicyRecipient(OPERATORS, "log", "ops", "vi"),
            PolicyRecipient(OPERATORS, "drill", "ops", "vi"),
            PolicyRecipient(RESIDENTS, "log", "people", "vi"),
            PolicyRecipient(RESIDENTS, "drill", "people", "vi"),
        ),
    }
    return Policy(**{**given, **changed})


def standing(level: int = 0, *, at: Instant = NOW, value: float | None = None, **changed: Any) -> Standing:
    """Give what stands after a reading at `at`, received at once."""
    opened_at = changed.pop("opened_at", at if level else None)
    level_at = changed.pop("level_at", at)
    place = changed.get("station", "bridge")
    raise_id = change_id(RULE, place, "water_level", Kind.RAISE, 1, opened_at or 0)
    given: dict[str, Any] = {
        "rule": RULE,
        "station": "bridge",
        "quantity": "water_level",
        "device": f"wl-{place}",
        "primary": True,
        "level": level,
        "opened_id": raise_id if level else None,
        "opened_at": opened_at,
        "level_id": f"level-{level}-{level_at // MINUTE}"[:16] if level_at is not None else None,
        "level_at": level_at,
        "peak": value,
        "peak_at": at,
        "value": (0.5, 1.2, 2.2, 3.7)[level] if value is None else value,
        "observed_at": at,
        "received_at": at,
        "trend": 0.1,
        "phase": Phase.FRESH,
        "phase_at": at,
        "interval": INTERVAL,
    }
    return Standing(**{**given, **changed})


def alarm(level: int = 1, *, at: Instant = NOW, **changed: Any) -> Alarm:
    given: dict[str, Any] = {
        "id": "a" * 16,
        "rule": RULE,
        "station": "bridge",
        "quantity": "water_level",
        "device": "wl-bridge",
        "status": Status.EXERCISE,
        "level": level,
        "level_id": f"level-{level}",
        "opened_at": at,
        "level_at": at,
        "value": 2.2,
        "observed_at": at,
        "received_at": at,
        "trend": 0.1,
        "peak": 2.2,
        "peak_at": at,
        "interval": INTERVAL,
        "ended_at": None,
        "end": None,
        "phase": Phase.FRESH,
        "phase_at": at,
        "handling": Handling.OPEN,
        "handled_by": None,
        "handled_at": None,
        "handling_reason": None,
        "revision": "r1",
    }
    return Alarm(**{**given, **changed})


def change(kind: Kind, level: int, at: Instant, *, was: int = 0, place: str = "bridge") -> Change:
    return Change(
        change_id(RULE, place, "water_level", kind, level, at), RULE, place, "water_level", f"wl-{place}", kind, level, was, at, 2.0, 2.5
    )


def issued(*changes: Change) -> list[Said]:
    return [Said(Verb.ISSUED, each) for each in changes]


def withdrawn(*changes: Change) -> list[Said]:
    return [Said(Verb.WITHDRAWN, each) for each in changes]


@dataclass(frozen=True)
class Place:
    spool: str
    ordinal: int


@dataclass(frozen=True)
class Happened:
    at: Instant
    kind: str
    detail: str = ""


@dataclass(frozen=True)
class Pulse:
    real_at: Instant
    hearing: bool = True


@dataclass(frozen=True)
class Reported:
    """News, as the feed gives them."""

    cursor: Place
    said: Sequence[tuple[int, Said]] = ()
    standings: Sequence[Standing] = ()
    incidents: Sequence[tuple[int, Happened]] = ()
    heartbeat: Pulse | None = None


def words(alarm: Alarm, draft: Draft, told: Told, now: Instant) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    return {"kind": draft.kind.value, "level": draft.level}, {"vi": {"title": "t", "body": "b", "short": "s"}}


@dataclass
class Town:
    """A ledger in a file, and a desk before it."""

    path: Path
    status: Status = Status.EXERCISE
    policy: Policy = field(default_factory=policy)
    registry: Registry = field(default_factory=registry)
    ordinal: int = 0
    now: Instant = NOW
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.open()
        with self.engine.begin() as connection:
            sync_recipients(connection, self.policy.recipients, self.now)

    def open(self) -> None:
        """Open the file, as a start of the program does."""
        self.engine = open_ledger(ledger_url(self.path))
        migrate(self.engine)

    def reopen(self) -> None:
        """Lose everything but the file."""
        self.engine.dispose()
        self.open()

    @property
    def desk(self) -> Desk:
        return Desk(self.registry, self.policy, "r1", self.status, words)

    def step(
        self,
        *standings: Standing,
        said: Sequence[Said] = (),
        now: Instant | None = None,
        hears: bool = True,
        is_alive: bool = True,
        is_whole: bool = True,
    ) -> Step:
        """Take news and commit; without a `now`, at the newest receipt."""
        received = [each.received_at for each in standings if each.received_at is not None]
        self.now = now if now is not None else max([self.now, *received])
        self.ordinal += 1
        news = Reported(Place("spool", self.ordinal), [(self.ordinal, each) for each in said], standings)
        with self.engine.begin() as connection:
            return step(connection, news, self.desk, now=self.now, hears=hears, is_alive=is_alive, is_whole=is_whole)

    def wait(self, until: Instant, *, hears: bool = True, is_alive: bool = True) -> Step:
        """Let time pass without news."""
        self.now = until
        with self.engine.begin() as connection:
            return step(connection, None, self.desk, now=until, hears=hears, is_alive=is_alive)


def spoken(done: Step) -> list[tuple[str, str, int, int]]:
    """Give what was told in a step: (audience, kind, from, to)."""
    return [(each.audience.value, each.kind.value, each.was, each.level) for each in done.notices]


def kept(done: Step) -> list[tuple[str, str, int, str]]:
    """Give what was withheld in a step: (audience, kind, level, reason)."""
    return [(each.audience.value, each.kind.value, each.level, each.reason.value) for each in done.withheld]
