"""
The files of a rehearsal that was played -> whether it went well, and a page that tells why.

Rule 1: it went well if the readings balance, everything was judged and delivered, and everybody who was warned was told the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alerts.ledger.deliveries import State
from devices.instants import Instant, to_datetime
from devices.registry import Registry
from rules.changes import Change, Kind, Verb
from service.observation import LedgerNow, SpoolNow, feed_of, ledger_now, spool_now, store_now
from service.settings import Settings
from service.tables import table

_LEVELS = {Kind.RAISE, Kind.STEP_UP, Kind.STEP_DOWN, Kind.CLEAR}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it went."""

    faults: tuple[str, ...]
    text: str

    @property
    def holds(self) -> bool:
        """Tell whether it went well."""
        return not self.faults


def judged(settings: Settings, registry: Registry, *, played: bool) -> Verdict:
    """
    Judge a rehearsal.

    Args:
        settings: of its programs.
        registry: of its city.
        played: whether the simulator published all of it.
    """
    spool, ledger = spool_now(settings.spool_file), ledger_now(settings.ledger_file)
    if spool is None or ledger is None:
        return Verdict(("there is no spool or no ledger",), "nothing was played")
    store = store_now(settings.store_file)
    faults = [] if played else ["the simulator did not publish all of the scenario; see logs/simulate.log"]
    faults += _unbalanced(spool, store.ordinal if store else 0, ledger)
    faults += _untold(ledger)
    parts = [
        _levels(settings, registry),
        _notices(ledger),
        _withheld(ledger),
        _balance(spool),
        "\n".join(f"WRONG: {fault}" for fault in faults) or "The balance holds, and everybody who was warned was told the end.",
    ]
    return Verdict(tuple(faults), "\n\n".join(parts))


def _unbalanced(spool: SpoolNow, stored: int, ledger: LedgerNow) -> Iterator[str]:
    if not spool.balance.holds or spool.balance.waiting:
        yield "readings are missing from the balance"
    if spool.balance.received == 0:
        yield "no reading arrived"
    moving = 3  # batches: ticks go on while we look
    if spool.ordinal - stored > moving:
        yield f"the store is {spool.ordinal - stored} batches behind"
    if spool.ordinal - ledger.ordinal > moving:
        yield f"the ledger is {spool.ordinal - ledger.ordinal} batches behind"


def _untold(ledger: LedgerNow) -> Iterator[str]:
    places = {alarm.id: f"{alarm.station}/{alarm.quantity}" for alarm in ledger.alarms}
    for told in ledger.owed:
        yield f"{told.audience} were warned of {places[told.alarm]} and not told the end"
    for (channel, state), count in sorted(ledger.deliveries.items()):
        if state in {State.WAITING, State.RETRYING, State.REFUSED}:
            yield f"{count} notices by {channel} are {state}"
    if ledger.unreached:
        yield f"{ledger.unreached} recipients could not be reached"


def _levels(settings: Settings, registry: Registry) -> str:
    """Give the levels that stood, with their times: what was issued and not withdrawn."""
    standing: dict[str, Change] = {}
    for _, said in feed_of(settings.spool_file).read(None, most=1_000_000).said:
        if said.verb is Verb.ISSUED:
            standing[said.change.id] = said.change
        else:
            standing.pop(said.change.id, None)
    zone = ZoneInfo(registry.time_zone)
    changes = sorted((each for each in standing.values() if each.kind in _LEVELS), key=lambda each: (each.station, each.at))
    rows = [
        (
            _station(registry, each.station),
            _clock(each.at, zone),
            each.kind,
            level_code(registry, each.station, each.quantity, each.level, each.at),
            each.value,
        )
        for each in changes
    ]
    return "Levels\n" + table([("station", "at", "change", "level", "value"), *rows]) if rows else "No level was reached."


def level_code(registry: Registry, station: str, quantity: str, level: int, at: Instant) -> str:
    """Give the code of a level: `bd2`; a dash for none."""
    place = registry.stations.get(station)
    thresholds = place.thresholds_at(quantity, at) if place else None
    codes = {each.number: each.code for each in thresholds.levels} if thresholds else {}
    return codes.get(level, str(level)) if level else "-"


def _notices(ledger: LedgerNow) -> str:
    counts = Counter((notice.audience, notice.kind) for notice in ledger.notices)
    rows = [(audience, kind, count) for (audience, kind), count in sorted(counts.items())]
    return "Notices\n" + table([("audience", "kind", "notices"), *rows]) if rows else "No notice was issued."


def _withheld(ledger: LedgerNow) -> str:
    counts = Counter((each.audience, each.kind, each.reason) for each in ledger.withheld)
    rows = [(*what, count) for what, count in sorted(counts.items())]
    return "Withheld\n" + table([("audience", "kind", "reason", "times"), *rows]) if rows else "Nothing was withheld."


def _balance(spool: SpoolNow) -> str:
    balance = spool.balance
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(spool.reasons.items()))
    return (
        f"Readings: {balance.received} received = {balance.archived} archived + {balance.duplicate} duplicate"
        f" + {balance.quarantined} quarantined{f' ({reasons})' if reasons else ''}; {balance.waiting} waiting"
    )


def _station(registry: Registry, name: str) -> str:
    station = registry.stations.get(name)
    return next(iter(station.name.values())) if station else name


def _clock(at: Instant, zone: ZoneInfo) -> str:
    return f"{to_datetime(at).astimezone(zone):%d.%m. %H:%M}"
