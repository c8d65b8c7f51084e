"""
Alarms and what was told of them -> notices, what is withheld, and what is told then.

Rule 1: every alarm that stands or is owed is planned anew each time; nothing is kept in memory between two steps.
Rule 2: one alarm that cannot be put into words stops no other: it is an incident, and stays owed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection

from alerts.alarms import Known
from alerts.ledger import alarms, changes, incidents, notices, reading
from alerts.ledger.reading import Silence
from alerts.model import Alarm, Audience, Notice, Reason, Status, Told, Withheld
from alerts.plan import Context, Draft, plan, told_after
from alerts.policy import Policy
from devices.instants import DAY, Instant, Span
from devices.registry import Registry, Sensor, is_valid
from devices.stations import Thresholds

Words: TypeAlias = tuple[dict[str, Any], dict[str, dict[str, str]]]
"""(facts, texts by language) of a notice."""
Compose: TypeAlias = Callable[[Alarm, Draft, Told, Instant], Words]
"""Puts a draft into words; raises LookupError or ValueError where it cannot."""
Place: TypeAlias = tuple[str, str]
"""(station, quantity)."""

NO_WORDS = "no_words"
REACH: Span = DAY
"""How far before an alarm began its changes are looked at: more than any lateness by which its beginning can move."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the desk knows of the city."""

    registry: Registry
    policy: Policy
    revision: str
    status: Status
    compose: Compose

    def thresholds(self, place: Place, at: Instant) -> Thresholds | None:
        """Give the levels of a place at an instant; None where none is known."""
        station = self.registry.stations.get(place[0])
        return station.thresholds_at(place[1], at) if station else None

    def driving(self, now: Instant) -> dict[Place, Sensor]:
        """Give the sensor that drives the alarm of each place now; where one was exchanged for another, the one that is valid."""
        primary = (sensor for sensor in self.registry.sensors() if sensor.primary)
        return {(sensor.station, sensor.quantity): sensor for sensor in primary if is_valid(sensor, now)}


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did."""

    notices: tuple[Notice, ...]
    withheld: tuple[Withheld, ...]
    """For the first time."""


class Memory:
    """The changes of places, as far back as an alarm needs them; each is read once in a step."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[Place, Instant | None], Known] = {}

    def fetch(self, found: Collection[Alarm]) -> None:
        """Read for all of these alarms at once."""
        wanted = [alarm for alarm in found if (place_of(alarm), alarm.opened_at) not in self._known]
        known = changes.known_of_alarms(self._connection, [alarm.id for alarm in wanted], REACH)
        self._known |= {(place_of(alarm), alarm.opened_at): known[alarm.id] for alarm in wanted}

    def of(self, place: Place, since: Instant | None = None) -> Known:
        """Give what is known of a place, all or from a day before an instant on."""
        key = place, since
        if key not in self._known:
            self._known[key] = changes.known_of(self._connection, *place, None if since is None else since - REACH)
        return self._known[key]


@dataclass(frozen=True, slots=True)
class Planned:
    """A draft with what it came from."""

    draft: Draft
    alarm: Alarm
    told: Told


def tell(connection: Connection, found: Sequence[Alarm], memory: Memory, desk: Desk, now: Instant, *, hears: bool) -> Step:
    """Plan for each alarm and audience, and write what is decided."""
    memory.fetch(found)
    told = alarms.told_of(connection, [alarm.id for alarm in found])
    earlier = _by_audience(notices.withheld_of(connection, [alarm.id for alarm in found]))
    silences = reading.silences(connection, now)
    planned: list[Planned] = []
    withheld: list[Withheld] = []
    for alarm in found:
        for audience in Audience:
            before = told.get((alarm.id, audience), Told(alarm.id, audience))
            kept = earlier.get((alarm.id, audience), [])
            context = _context(alarm, before, memory, desk, silences, kept, now, hears=hears)
            for decision in plan(alarm, before, desk.policy, context, now):
                if isinstance(decision, Draft):
                    planned.append(Planned(decision, alarm, before))
                elif not any(_is_same(decision, each) for each in kept):
                    withheld.append(decision)
    notices.withhold(connection, withheld)
    return Step(tuple(_issue(connection, planned, desk, now)), tuple(withheld))


def place_of(alarm: Alarm) -> Place:
    """Give the place of an alarm."""
    return alarm.station, alarm.quantity


def _context(
    alarm: Alarm, told: Told, memory: Memory, desk: Desk, silences: list[Silence], kept: list[Withheld], now: Instant, *, hears: bool
) -> Context:
    known = memory.of(place_of(alarm), alarm.opened_at)
    thresholds = desk.thresholds(place_of(alarm), alarm.observed_at or now)
    return Context(
        from_level=desk.policy.from_level(alarm.rule, told.audience, thresholds),
        highest=known.highest(alarm.opened_at, alarm.ended_at),
        is_told_level_withdrawn=told.level_id in known.withdrawn,
        is_silenced=any(silence.covers(alarm.station, alarm.quantity) for silence in silences),
        hears=hears,
        not_current_since=min((each.at for each in kept if each.reason is Reason.NOT_CURRENT), default=None),
        earlier=frozenset(each.reason for each in kept),
    )


def _issue(connection: Connection, planned: list[Planned], desk: Desk, now: Instant) -> list[Notice]:
    if not planned:
        return []
    sequences = notices.sequences(connection, {each.alarm.id for each in planned})
    wordless = incidents.open_kinds(connection)
    issued: list[tuple[Notice, str]] = []
    for each in planned:
        words = _words(connection, each, desk, now)
        if words is None:
            continue
        sequence = sequences.get((each.alarm.id, each.draft.audience), 0) + 1
        expires_at = now + desk.policy.expires_after(each.draft.kind) + desk.policy.slack
        notice = notices.draft_to_notice(each.draft, each.alarm, sequence, words, now=now, expires_at=expires_at)
        alarms.save_told(connection, told_after(each.told, each.draft, each.alarm, notice.id, now), is_new=each.told.notice is None)
        if _no_words(each.alarm) in wordless:
            incidents.end(connection, _no_words(each.alarm), now)
        issued.append((notice, each.draft.why.value))
    notices.issue(connection, issued, desk.policy.channels_of(desk.status), now)
    return [notice for notice, _ in issued]


def _words(connection: Connection, planned: Planned, desk: Desk, now: Instant) -> Words | None:
    draft, alarm = planned.draft, planned.alarm
    try:
        return desk.compose(alarm, draft, planned.told, now)
    except (LookupError, ValueError) as error:  # a station or level that left the city's files while its alarm stands
        incidents.begin(connection, _no_words(alarm), f"{draft.kind} to {draft.audience} of {alarm.station}: {error!r}", now)
        return None


def _no_words(alarm: Alarm) -> str:
    return f"{NO_WORDS}:{alarm.id}"


def _by_audience(withheld: Sequence[Withheld]) -> Mapping[tuple[str, Audience], list[Withheld]]:
    found: dict[tuple[str, Audience], list[Withheld]] = {}
    for each in withheld:
        found.setdefault((each.alarm, each.audience), []).append(each)
    return found


def _is_same(one: Withheld, other: Withheld) -> bool:
    return (one.kind, one.level, one.reason) == (other.kind, other.level, other.reason)
