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

from alerts.ledger import alarms, changes, holding, incidents, notices, reading
from alerts.model import Alarm, Audience, Notice, Reason, Status, Told, Withheld
from alerts.plan import Context, Draft, plan, told_after
from alerts.policy import Policy
from devices.instants import Instant
from devices.registry import Registry, Sensor
from devices.stations import Thresholds

Words: TypeAlias = tuple[dict[str, Any], dict[str, dict[str, str]]]
"""(facts, texts by language) of a notice."""
Compose: TypeAlias = Callable[[Alarm, Draft, Told, Instant], Words]
"""Puts a draft into words; raises LookupError or ValueError where it cannot."""
Place: TypeAlias = tuple[str, str]
"""(station, quantity)."""

NO_WORDS = "no_words"


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

    def driving(self, now: Instant, places: Collection[Place]) -> dict[Place, Sensor]:
        """Give the sensor that drives the alarm of each of some places now; where one was exchanged for another, the one that is valid."""
        found = ((place, self.registry.primary(*place, now)) for place in places)
        return {place: sensor for place, sensor in found if sensor is not None}


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did."""

    notices: tuple[Notice, ...]
    withheld: tuple[Withheld, ...]
    """For the first time."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A draft with what it came from."""

    draft: Draft
    alarm: Alarm
    told: Told


def tell(connection: Connection, found: Sequence[Alarm], desk: Desk, now: Instant, *, hears: bool) -> Step:
    """Plan for each alarm and audience, and write what is decided."""
    told = alarms.told_of(connection, [alarm.id for alarm in found])
    highest = changes.highest_of_alarms(connection, [alarm.id for alarm in found])
    withdrawn = changes.withdrawn_of(connection, [each.level_id for each in told.values() if each.level_id is not None])
    earlier = _by_audience(notices.withheld_of(connection, [alarm.id for alarm in found]))
    silences = reading.silences(connection, now)
    is_held = holding.is_held(connection)
    planned: list[Planned] = []
    withheld: list[Withheld] = []
    for alarm in found:
        for audience in Audience:
            before = told.get((alarm.id, audience), Told(alarm.id, audience))
            kept = earlier.get((alarm.id, audience), [])
            context = Context(
                from_level=_from_level(alarm, audience, desk, now),
                highest=highest.get(alarm.id, 0),
                is_told_level_withdrawn=before.level_id in withdrawn,
                is_silenced=any(silence.covers(alarm.station, alarm.quantity) for silence in silences),
                is_held=is_held,
                hears=hears,
                not_current_since=min((each.at for each in kept if each.reason is Reason.NOT_CURRENT), default=None),
                earlier=frozenset(each.reason for each in kept),
            )
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


def _from_level(alarm: Alarm, audience: Audience, desk: Desk, now: Instant) -> int | None:
    thresholds = desk.thresholds(place_of(alarm), alarm.observed_at or now)
    return desk.policy.from_level(alarm.rule, audience, thresholds)


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
