"""
News of the feed -> alarms, notices, things withheld, and the cursor: one step, one transaction.

Rule 1: the alarm and what was told of it decide, not what has just arrived: a step without news tells what is still to be told.
Rule 2: a step that is not committed never was; the next one finds the same differences.
Rule 3: one alarm that cannot be put into words stops no other: it is an incident, and stays owed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection

from alerts.alarms import NOTHING_KNOWN, UPWARDS, Frame, Known, follow, past
from alerts.ledger import alarms, changes, incidents, notices, reading
from alerts.ledger.reading import Silence
from alerts.model import Alarm, Audience, Notice, Status, Told, Withheld
from alerts.plan import Context, Draft, plan, told_after
from alerts.policy import Policy
from alerts.ports import Incident, News
from devices.instants import DAY, Instant, Span
from devices.registry import Registry
from devices.stations import Thresholds
from rules.changes import Kind, Standing

Words: TypeAlias = tuple[dict[str, Any], dict[str, dict[str, str]]]
"""(facts, texts by language) of a notice."""
Compose: TypeAlias = Callable[[Alarm, Draft, Told, Instant], Words]
"""Puts a draft into words; raises LookupError or ValueError where it cannot."""
Place: TypeAlias = tuple[str, str]
"""(station, quantity)."""

DEAF, HEARS = "deaf", "hears"
NO_HEARTBEAT = "no_heartbeat"
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

    def thresholds(self, alarm: Alarm, now: Instant) -> Thresholds | None:
        """Give the levels of an alarm's place at its newest reading."""
        station = self.registry.stations.get(alarm.station)
        return station.thresholds_at(alarm.quantity, alarm.observed_at or now) if station else None

    def is_driving(self, standing: Standing, now: Instant) -> bool:
        """Tell whether a sensor drives the alarm of its place: the primary one, and where it was exchanged, the one that is valid now."""
        valid = self.registry.primary(standing.station, standing.quantity, now)
        return standing.primary and (valid is None or valid.device == standing.device)

    def lowest(self, place: Place, at: Instant) -> float | None:
        """Give the value of the lowest level of a place."""
        station = self.registry.stations.get(place[0])
        thresholds = station.thresholds_at(place[1], at) if station else None
        return thresholds.levels[0].value if thresholds and thresholds.levels else None


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did."""

    notices: tuple[Notice, ...]
    withheld: tuple[Withheld, ...]
    """For the first time."""


def step(connection: Connection, news: News | None, desk: Desk, *, now: Instant, hears: bool, is_alive: bool = True) -> Step:
    """
    Take news into the ledger and tell what differs, within the caller's transaction.

    Args:
        connection: to the ledger, in a transaction.
        news: None where only time has passed.
        desk: the city.
        now: the present instant, by the city's clock.
        hears: whether we hear the sensors (alerts.ports.hears).
        is_alive: whether ingest gives signs of life.

    Returns:
        What was issued and withheld; it is true once the transaction is committed.
    """
    live = {alarm.id: alarm for alarm in alarms.live(connection)}
    memory = Memory(connection)
    touched = take(connection, news, live.values(), memory, desk, now) if news is not None else {}
    _note_health(connection, now, is_alive=is_alive)
    done = tell(connection, list((live | touched).values()), memory, desk, now, hears=hears)
    if news is not None:
        changes.move_cursor(connection, news.cursor.spool, news.cursor.ordinal)
    return done


# ---- news -> alarms


class Memory:
    """The changes of places, as far back as an alarm needs them; each is read once in a step."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[Place, Instant | None], Known] = {}

    def of(self, place: Place, since: Instant | None = None) -> Known:
        """Give what is known of a place, all or from a day before an instant on."""
        key = place, since
        if key not in self._known:
            self._known[key] = changes.known_of(self._connection, *place, None if since is None else since - REACH)
        return self._known[key]


def take(connection: Connection, news: News, live: Collection[Alarm], memory: Memory, desk: Desk, now: Instant) -> dict[str, Alarm]:
    """Write changes, alarms and incidents; give the alarms that changed, by id."""
    changes.store(connection, news.said)
    frame = Frame(desk.status, desk.revision)
    standing_alarms = {(alarm.station, alarm.quantity): alarm for alarm in live}
    said = {
        (each.change.station, each.change.quantity) for _, each in news.said if each.change.kind in UPWARDS | {Kind.CLEAR, Kind.STEP_DOWN}
    }
    touched: dict[str, Alarm] = {}
    for standing in news.standings:
        place = (standing.station, standing.quantity)
        is_of_interest = standing.level > 0 or place in said or place in standing_alarms
        if is_of_interest and desk.is_driving(standing, now):
            touched |= _follow(connection, standing, standing_alarms.get(place), memory, desk, frame, now)
    for place in sorted(said):
        touched |= _write_past(connection, place, memory, desk, frame, now)
    for _, incident in news.incidents:
        _note(connection, incident)
    return touched


def _follow(
    connection: Connection, standing: Standing, live: Alarm | None, memory: Memory, desk: Desk, frame: Frame, now: Instant
) -> dict[str, Alarm]:
    """Take what stands at a place; `live` is its alarm where one is open, or owed."""
    place = (standing.station, standing.quantity)
    before = live or alarms.latest(connection, *place)
    known = memory.of(place, before.opened_at) if before else NOTHING_KNOWN
    lowest = desk.lowest(place, standing.observed_at or now)
    after = follow(before, standing, known, frame, owed=live is not None, lowest=lowest)
    if after is None or after == before:
        return {}
    alarms.save(connection, after)
    return {after.id: after}


def _write_past(connection: Connection, place: Place, memory: Memory, desk: Desk, frame: Frame, now: Instant) -> dict[str, Alarm]:
    """Give alarms to episodes that rose and ended between two looks: the history of operators is complete."""
    sensor = desk.registry.primary(*place, now)
    had = alarms.of_place(connection, *place)
    found = {alarm.id: alarm for alarm in past(memory.of(place), had, frame, sensor.interval if sensor else 0)}
    for alarm in found.values():
        alarms.save(connection, alarm)
    return found


def _note(connection: Connection, incident: Incident) -> None:
    if incident.kind == DEAF:
        incidents.begin(connection, DEAF, incident.detail, incident.at)
    elif incident.kind == HEARS:
        incidents.end(connection, DEAF, incident.at)
    else:
        incidents.note(connection, str(incident.kind), incident.detail, incident.at)


def _note_health(connection: Connection, now: Instant, *, is_alive: bool) -> None:
    if is_alive:
        incidents.end(connection, NO_HEARTBEAT, now)
    else:
        incidents.begin(
            connection, NO_HEARTBEAT, "ingest gives no sign of life: no reading is taken in, and nothing is known of the present", now
        )


# ---- alarms -> notices


def tell(connection: Connection, found: list[Alarm], memory: Memory, desk: Desk, now: Instant, *, hears: bool) -> Step:
    """Plan for each alarm and audience, and write what is decided."""
    told = alarms.told_of(connection, [alarm.id for alarm in found])
    earlier = notices.withheld_of(connection, [alarm.id for alarm in found])
    silences = reading.silences(connection, now)
    issued: list[Notice] = []
    withheld: list[Withheld] = []
    for alarm in found:
        known = memory.of((alarm.station, alarm.quantity), alarm.opened_at)
        for audience in Audience:
            before = told.get((alarm.id, audience), Told(alarm.id, audience))
            mine = [each for each in earlier if (each.alarm, each.audience) == (alarm.id, audience)]
            context = _context(alarm, before, known, desk, silences, mine, now, hears=hears)
            decisions = plan(alarm, before, desk.policy, context, now)
            withheld += _withhold(connection, decisions, mine)
            issued += _issue(connection, decisions, alarm, before, desk, now)
    return Step(tuple(issued), tuple(withheld))


def _context(
    alarm: Alarm, told: Told, known: Known, desk: Desk, silences: list[Silence], earlier: Iterable[Withheld], now: Instant, *, hears: bool
) -> Context:
    return Context(
        from_level=desk.policy.from_level(alarm.rule, told.audience, desk.thresholds(alarm, now)),
        highest=known.highest(alarm.opened_at, alarm.ended_at),
        is_told_level_withdrawn=told.level_id in known.withdrawn,
        is_silenced=any(silence.covers(alarm.station, alarm.quantity) for silence in silences),
        hears=hears,
        earlier=frozenset(each.reason for each in earlier),
    )


def _withhold(connection: Connection, decisions: Iterable[Draft | Withheld], earlier: list[Withheld]) -> Iterator[Withheld]:
    known = {(each.kind, each.level, each.reason) for each in earlier}
    for decision in decisions:
        if isinstance(decision, Withheld) and (decision.kind, decision.level, decision.reason) not in known:
            notices.withhold(connection, decision)
            yield decision


def _issue(
    connection: Connection, decisions: Iterable[Draft | Withheld], alarm: Alarm, told: Told, desk: Desk, now: Instant
) -> Iterator[Notice]:
    for draft in decisions:
        words = _words(connection, draft, alarm, told, desk, now) if isinstance(draft, Draft) else None
        if words is None or not isinstance(draft, Draft):
            continue
        sequence = notices.next_sequence(connection, alarm.id, draft.audience)
        expires_at = now + desk.policy.expires_after(draft.kind)
        notice = notices.draft_to_notice(draft, alarm, sequence, words, now=now, expires_at=expires_at)
        notices.issue(connection, notice, draft.why.value, desk.policy.channels_of(alarm.status), now)
        alarms.save_told(connection, told_after(told, draft, alarm, notice.id, now))
        incidents.end(connection, f"{NO_WORDS}:{alarm.id}", now)
        yield notice


def _words(connection: Connection, draft: Draft, alarm: Alarm, told: Told, desk: Desk, now: Instant) -> Words | None:
    try:
        return desk.compose(alarm, draft, told, now)
    except (LookupError, ValueError) as error:  # a station or level that left the city's files while its alarm stands
        incidents.begin(connection, f"{NO_WORDS}:{alarm.id}", f"{draft.kind} to {draft.audience} of {alarm.station}: {error!r}", now)
        return None
