"""
News of the feed -> alarms, notices, things withheld, and the cursor: one step, one transaction.

Rule 1: the alarm and what was told of it decide, not what has just arrived: a step without news tells what is still to be told.
Rule 2: a step that is not committed never was; the next one finds the same differences.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from alerts.alarms import NOTHING_KNOWN, UPWARDS, Frame, follow, past
from alerts.ledger import alarms, changes, incidents
from alerts.model import Alarm
from alerts.ports import Incident, News
from alerts.telling import Desk, Memory, Place, Step, place_of, tell
from devices.instants import Instant
from devices.registry import Sensor
from rules.changes import Kind, Standing

DEAF, HEARS = "deaf", "hears"
NO_HEARTBEAT = "no_heartbeat"


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


def take(connection: Connection, news: News, live: Collection[Alarm], memory: Memory, desk: Desk, now: Instant) -> dict[str, Alarm]:
    """Write changes, alarms and incidents; give the alarms that changed, by id."""
    changes.store(connection, news.said)
    memory.fetch(live)
    frame = Frame(desk.status, desk.revision)
    standing_alarms = {place_of(alarm): alarm for alarm in live}
    said = {
        (each.change.station, each.change.quantity) for _, each in news.said if each.change.kind in UPWARDS | {Kind.CLEAR, Kind.STEP_DOWN}
    }
    driving = desk.driving(now) if news.standings or said else {}
    touched: dict[str, Alarm] = {}
    for standing in news.standings:
        place = (standing.station, standing.quantity)
        is_of_interest = standing.level > 0 or place in said or place in standing_alarms
        if is_of_interest and _drives(standing, driving.get(place)):
            touched |= _follow(connection, standing, standing_alarms.get(place), memory, desk, frame, now)
    for place in sorted(said):
        touched |= _write_past(connection, place, memory, frame, driving.get(place))
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
    thresholds = desk.thresholds(place, standing.observed_at or now)
    lowest = thresholds.levels[0].value if thresholds and thresholds.levels else None
    after = follow(before, standing, known, frame, owed=live is not None, lowest=lowest)
    if after is None or after == before:
        return {}
    alarms.save(connection, after, is_new=before is None)
    return {after.id: after}


def _drives(standing: Standing, valid: Sensor | None) -> bool:
    return standing.primary and (valid is None or valid.device == standing.device)


def _write_past(connection: Connection, place: Place, memory: Memory, frame: Frame, sensor: Sensor | None) -> dict[str, Alarm]:
    """Give alarms to episodes that rose and ended between two looks: the history of operators is complete."""
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
