"""
News of the feed -> alarms, notices, things withheld, and the cursor: one step, one transaction.

Rule 1: the alarm and what was told of it decide, not what has just arrived: a step without news tells what is still to be told.
Rule 2: a step that is not committed never was; the next one finds the same differences.
Rule 3: news of some places needs the alarms of those places alone, however many stand elsewhere; what time brings is found by whole steps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from alerts.alarms import NOTHING_KNOWN, UPWARDS, Frame, Known, follow, past
from alerts.ledger import alarms, changes, incidents
from alerts.model import Alarm
from alerts.ports import Incident, News
from alerts.telling import Desk, Place, Step, place_of, tell
from devices.instants import Instant
from devices.registry import Sensor
from rules.changes import Kind, Standing

DEAF, HEARS = "deaf", "hears"
NO_HEARTBEAT = "no_heartbeat"


def step(
    connection: Connection, news: News | None, desk: Desk, *, now: Instant, hears: bool, is_alive: bool = True, is_whole: bool = True
) -> Step:
    """
    Take news into the ledger and tell what differs, within the caller's transaction.

    Args:
        connection: to the ledger, in a transaction.
        news: None where only time has passed.
        desk: the city.
        now: the present instant, by the city's clock.
        hears: whether we hear the sensors (alerts.ports.hears).
        is_alive: whether ingest gives signs of life.
        is_whole: whether all alarms are looked at, or those alone of whose places there is news.

    Returns:
        What was issued and withheld; it is true once the transaction is committed.
    """
    found = alarms.live(connection) if is_whole or news is None else alarms.live_at(connection, places_of(news))
    live = {alarm.id: alarm for alarm in found}
    touched = take(connection, news, live.values(), desk, now) if news is not None else {}
    _note_health(connection, now, is_alive=is_alive)
    done = tell(connection, list((live | touched).values()), desk, now, hears=hears)
    if news is not None:
        changes.move_cursor(connection, news.cursor.spool, news.cursor.ordinal)
    return done


def places_of(news: News) -> frozenset[Place]:
    """Give the places of which something is new."""
    said = ((each.change.station, each.change.quantity) for _, each in news.said)
    return frozenset((*said, *((standing.station, standing.quantity) for standing in news.standings)))


# ---- news -> alarms


def take(connection: Connection, news: News, live: Collection[Alarm], desk: Desk, now: Instant) -> dict[str, Alarm]:
    """Write changes, alarms and incidents; give the alarms that changed, by id."""
    changes.store(connection, news.said)
    places = places_of(news)
    frame = Frame(desk.status, desk.revision)
    standing_alarms = {place_of(alarm): alarm for alarm in live}
    known = changes.known_of_beginnings(connection, [alarm.id for place, alarm in standing_alarms.items() if place in places])
    since = _looked_at_from(news)
    driving = desk.driving(now, places)
    touched: dict[str, Alarm] = {}
    for standing in news.standings:
        place = (standing.station, standing.quantity)
        is_of_interest = standing.level > 0 or place in since or place in standing_alarms
        if is_of_interest and _drives(standing, driving.get(place)):
            after = _follow(connection, standing, standing_alarms.get(place), known, desk, frame, now)
            if after is not None:
                touched[after.id] = after
                if after.id not in known:  # at once: what stands beside it at its place must find it
                    alarms.save(connection, after)
    alarms.save_known(connection, [alarm for alarm in touched.values() if alarm.id in known])
    for place in sorted(since):
        touched |= _write_past(connection, place, since[place], frame, driving.get(place))
    for _, incident in news.incidents:
        _note(connection, incident)
    return touched


def _looked_at_from(news: News) -> dict[Place, Instant]:
    """Give the first instant at which news makes or unmakes an episode, by place."""
    since: dict[Place, Instant] = {}
    for _, said in news.said:
        change = said.change
        if change.kind in UPWARDS | {Kind.CLEAR, Kind.STEP_DOWN}:
            place = (change.station, change.quantity)
            since[place] = min(change.at, since.get(place, change.at))
    return since


def _follow(
    connection: Connection, standing: Standing, live: Alarm | None, known: Mapping[str, Known], desk: Desk, frame: Frame, now: Instant
) -> Alarm | None:
    """
    Give the alarm of a place where it is another one after what now stands there.

    `live` is its alarm where one is open, or owed, and `known` how those began.
    """
    place = (standing.station, standing.quantity)
    before = live or alarms.latest(connection, *place)
    beginnings = NOTHING_KNOWN
    if before is not None:
        beginnings = known.get(before.id) or changes.known_of_beginnings(connection, [before.id])[before.id]
    thresholds = desk.thresholds(place, standing.observed_at or now)
    lowest = thresholds.levels[0].value if thresholds and thresholds.levels else None
    after = follow(before, standing, beginnings, frame, owed=live is not None, lowest=lowest)
    return None if after == before else after


def _drives(standing: Standing, valid: Sensor | None) -> bool:
    return standing.primary and (valid is None or valid.device == standing.device)


def _write_past(connection: Connection, place: Place, since: Instant, frame: Frame, sensor: Sensor | None) -> dict[str, Alarm]:
    """Give alarms to episodes that rose and ended between two looks: the history of operators is complete."""
    known = changes.known_from(connection, *place, since)
    had = alarms.of_place(connection, *place, from_at=min((change.at for change in known.standing.values()), default=since))
    missed = past(known, had, frame, sensor.interval if sensor else 0)
    found = {alarm.id: alarm for alarm in missed if alarms.find(connection, alarm.id) is None}
    for alarm in found.values():
        alarms.save(connection, alarm, is_new=True)
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
