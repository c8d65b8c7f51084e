"""
A data folder and a receiver -> everything that a run has left, in a form that two runs can be compared by.

Rule 1: what must be equal is kept whole; what may differ (instants of arrival, ids of rows, ordinals) is left out. Instants of observation
        are given from `base`, the instant at which the run's input begins.
Rule 2: what must not be there twice is counted, not put into a set: upserts alone could hide doubles.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, fields
from functools import partial

from devices.instants import Instant
from rig.receiver import Arrival
from rig.town import Town

Rows = Counter[tuple[Hashable, ...]]


@dataclass(frozen=True)
class Picture:
    """What a run has left. Every table is a count of equal rows."""

    store: Rows
    """(station, quantity, device, observed_at, value, quality)"""
    changes: Rows
    """Changes of level that stand by the spool: (rule, station, quantity, device, kind, level, was, at, value)"""
    ledger: Rows
    """The same by the ledger."""
    alarms: Rows
    """(rule, station, quantity, level, opened_at, has ended, how)"""
    notices: Rows
    """(station, audience, kind, level, was, sequence)"""
    received: Rows
    """Notices that the far end received, once for each key: (station, audience, kind, level)"""
    quarantine: Rows
    """(topic, reason, readings)"""


def picture_of(town: Town, base: Instant = 0, arrivals: Iterable[Arrival] = ()) -> Picture:
    """Read everything back."""
    spool, ledger = partial(town.rows, "spool.db"), partial(town.rows, "ledger.db")
    stored = (
        "SELECT s.station, s.quantity, s.device, r.observed_at - {}, r.value, r.quality FROM reading r JOIN series s ON s.id = r.series"
    )
    what = f"rule, station, quantity, device, kind, level, was, at - {base}, value"
    alarms = f"SELECT rule, station, quantity, level, opened_at - {base}, ended_at IS NOT NULL, end FROM alarm"
    notices = "SELECT a.station, n.audience, n.kind, n.level, n.was, n.sequence FROM notice n JOIN alarm a ON a.id = n.alarm"
    return Picture(
        Counter(town.rows("store.db", stored.format(base))),
        _standing(spool(f"SELECT verb, id, {what} FROM change WHERE kind NOT IN ('stale', 'lost', 'fresh') ORDER BY seq")),
        Counter(ledger(f"SELECT {what} FROM change WHERE standing AND kind NOT IN ('stale', 'lost', 'fresh')")),
        Counter(ledger(alarms)),
        Counter(ledger(notices)),
        Counter(_told(arrival) for arrival in {arrival.key: arrival for arrival in arrivals}.values()),
        Counter(spool("SELECT topic, reason, readings FROM quarantine")),
    )


def differences(one: Picture, other: Picture) -> dict[str, str]:
    """Tell in which tables two pictures differ, and give the first rows of it; empty where they are equal."""
    found = {}
    for field in fields(Picture):
        here, there = getattr(one, field.name), getattr(other, field.name)
        if here != there:
            lacking, more = here - there, there - here
            found[field.name] = f"{lacking.total()} missing, e.g. {_some(lacking)}; {more.total()} too many, e.g. {_some(more)}"
    return found


def faults(town: Town, arrivals: Iterable[Arrival] = (), *, trimmed: bool = False) -> list[str]:
    """
    Tell what is wrong within one run, whatever its input: books, twins, forged or unequal repeats, broken files, people owed an end.

    `trimmed`: the archive forgets what is old, so the store may hold less than the books.
    """
    books, found = town.books(), []
    if books.get("received", 0) != sum(books.get(name, 0) for name in ("archived", "duplicate", "quarantined")):
        found.append(f"the books do not balance: {books}")
    stored = town.one("store.db", "SELECT count(*) FROM reading") or 0
    if stored > books.get("archived", 0) or (not trimmed and stored < books.get("archived", 0) - books.get("late", 0)):
        found.append(f"{books.get('archived', 0)} archived by the books, {stored} in the store")
    checked = {file: town.one(file, "PRAGMA integrity_check") for file in ("spool.db", "store.db", "ledger.db")}
    found += [f"{file}: {said}" for file, said in checked.items() if said != "ok"]
    found += [f"change {number} stands {count} times" for number, count in _times(town) if count not in (0, 1)]
    bodies: dict[str, str] = {}
    for arrival in arrivals:
        if not arrival.genuine:
            found.append(f"the signature of {arrival.key} is not genuine")
        body = json.dumps(arrival.content, sort_keys=True)
        if bodies.setdefault(arrival.key, body) != body:
            found.append(f"{arrival.key} was repeated with another content")
    owed = "SELECT t.alarm, t.audience FROM told t JOIN alarm a ON a.id = t.alarm WHERE t.level > 0 AND a.ended_at IS NOT NULL"
    found += [f"{audience} are owed the end of {alarm}" for alarm, audience in town.rows("ledger.db", owed)]
    return found


def _times(town: Town) -> Iterable[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for verb, number in town.rows("spool.db", "SELECT verb, id FROM change ORDER BY seq"):
        counts[number] += 1 if verb == "issued" else -1
    return counts.items()


def _standing(rows: Iterable[tuple[str, ...]]) -> Rows:
    found: Rows = Counter()
    for verb, _, *what in rows:
        found[tuple(what)] += 1 if verb == "issued" else -1
    return +found


def _told(arrival: Arrival) -> tuple[Hashable, ...]:
    facts = arrival.content["facts"]
    return facts["station"]["id"], arrival.audience, arrival.content["kind"], arrival.content["level"]


def _some(rows: Rows) -> str:
    return ", ".join(str(row) for row in list(rows)[:3]) or "-"
