"""
What stands now -> whether the service is well, and if not, what to do.

Rule 1: a program that says nothing is not well; nothing is assumed of it.
Rule 2: everything that is wrong is a sentence with its fix.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from alerts.ledger.holding import HELD
from devices.instants import SECOND, format_instant
from ingest.trim import MARKS
from rules.changes import Phase
from service.acting import answers
from service.clock import RealClock, clock_of
from service.disk import budget_of
from service.observation import LedgerNow, SinkNow, SpoolNow, StoreNow, ledger_now, spool_now, store_now
from service.running import STATE, address
from service.settings import Settings
from service.tables import table

LONGEST_SILENCE = 10 * SECOND
"""Age of a heartbeat from which `canhbao ingest` counts as away."""
MOST_BEHIND = 200
"""Batches by which the store or the ledger may be behind the spool."""
WELL = {"ingest": "hears the broker", "archive": "follows", "serve": "answers", "web": "answers"}
"""Program -> what is said of it when it is well."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the service is."""

    clock: Mapping[str, Any]
    programs: Mapping[str, str]
    """Program -> how it is, in words."""
    restarts: Mapping[str, int]
    spool: SpoolNow | None
    store: StoreNow | None
    ledger: LedgerNow | None
    troubles: tuple[str, ...]
    budget: int
    """Bytes that the spool may hold."""

    @property
    def is_well(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.troubles

    @property
    def lags(self) -> dict[str, int | None]:
        """Give by how many batches the store, what is beside it, and the ledger are behind; None where that is not known."""
        readers = {"store": self.store, **(self.store.others if self.store else {}), "ledger": self.ledger}
        return {name: _lag(self.spool, reader) for name, reader in readers.items()}

    @property
    def refused(self) -> dict[str, int]:
        """Give the lines that the store, and what is beside it, refused; they are in the table `refused` of the store, with reasons."""
        return {"store": self.store.refused, **{name: sink.refused for name, sink in self.store.others.items()}} if self.store else {}

    @property
    def silent(self) -> list[str]:
        """Give the sensors that are silent."""
        standings = self.spool.standings if self.spool else ()
        return [f"{each.device}/{each.quantity} ({each.phase})" for each in standings if each.phase is not Phase.FRESH]

    def as_json(self) -> dict[str, Any]:
        """Give all of it as plain values."""
        return {
            "well": self.is_well,
            "troubles": list(self.troubles),
            "clock": dict(self.clock),
            "programs": dict(self.programs),
            "restarts": dict(self.restarts),
            "balance": {**asdict(self.spool.balance), "holds": self.spool.balance.holds} if self.spool else None,
            "counters": dict(self.spool.counters) if self.spool else {},
            "quarantine": dict(self.spool.reasons) if self.spool else {},
            "lags": self.lags,
            "refused": self.refused,
            "silent": self.silent,
            "alarms": sum(alarm.ended_at is None for alarm in self.ledger.alarms) if self.ledger else None,
            "spool": {"bytes": self.spool.size, "budget": self.budget} if self.spool else None,
            "incidents": _incidents(self.spool, self.store, self.ledger),
        }


def health(settings: Settings) -> Health:
    """Look at the files and the addresses of a service."""
    clock = clock_of(settings.data)
    spool, store, ledger = spool_now(settings.spool_file), store_now(settings.store_file), ledger_now(settings.ledger_file)
    programs = {name: state_of(name, settings) for name in WELL}
    budget = budget_of(settings)
    kind = {"kind": "real"} if isinstance(clock, RealClock) else {"kind": "rehearsal", "speed": clock.speed}
    return Health(
        {**kind, "now": format_instant(clock())},
        programs,
        _restarts(settings),
        spool,
        store,
        ledger,
        (*_troubles(programs, spool, store, ledger), *_fills(spool, budget)),
        budget,
    )


def state_of(program: str, settings: Settings) -> str:
    """Give how one program of WELL is, in words, looking at nothing else."""
    match program:
        case "ingest":
            return _ingest(spool_now(settings.spool_file))
        case "archive":
            return _reader(spool_now(settings.spool_file), store_now(settings.store_file))
        case "serve":
            return _page(settings.operators.host, settings.operators.port)
        case _:
            return _page(settings.web.host, settings.web.port)


def described(found: Health) -> str:
    """Give health as people read it."""
    parts = [f"clock: {found.clock['now']} ({found.clock['kind']})"]
    parts.append(
        table([("program", "state", "restarts"), *((name, state, found.restarts.get(name, 0)) for name, state in found.programs.items())])
    )
    if found.spool:
        balance = found.spool.balance
        sign = "=" if balance.holds else "IS NOT"
        parts.append(
            f"readings: {balance.received} received {sign} {balance.archived} archived + {balance.duplicate} duplicate"
            f" + {balance.quarantined} quarantined; {balance.waiting} waiting"
        )
        parts.append(
            "behind the spool: " + ", ".join(f"{name} {'?' if lag is None else lag}" for name, lag in found.lags.items()) + " batches"
        )
    if any(found.refused.values()):
        parts.append("refused by the archive: " + ", ".join(f"{name} {count}" for name, count in found.refused.items()) + " lines")
    if found.silent:
        parts.append(f"silent: {', '.join(found.silent)}")
    incidents = _incidents(found.spool, found.store, found.ledger)
    if incidents:
        parts.append("\n".join(["incidents:", *(f"  {each['at']}  {each['kind']}  {each['detail']}" for each in incidents)]))
    parts.append("all is well" if found.is_well else "\n".join(f"NOT WELL: {trouble}" for trouble in found.troubles))
    return "\n\n".join(parts)


def _ingest(spool: SpoolNow | None) -> str:
    if spool is None or spool.heartbeat is None:
        return "never ran"
    age = time.time_ns() // 1000 - spool.heartbeat.real_at
    if age > LONGEST_SILENCE:
        return f"away (last heartbeat {age // SECOND} s ago)"
    return "hears the broker" if spool.heartbeat.connected else "deaf: not connected to the broker"


def _reader(spool: SpoolNow | None, store: StoreNow | None) -> str:
    if store is None:
        return "never ran"
    lag = _lag(spool, store)
    return "follows" if lag is not None and lag <= MOST_BEHIND else "behind"


def _page(host: str, port: int) -> str:
    return "answers" if answers(address(host, port)) else "does not answer"


def _lag(spool: SpoolNow | None, reader: StoreNow | SinkNow | LedgerNow | None) -> int | None:
    if spool is None or reader is None or reader.spool not in {None, spool.identity}:
        return None
    return spool.ordinal - reader.ordinal


def _troubles(programs: Mapping[str, str], spool: SpoolNow | None, store: StoreNow | None, ledger: LedgerNow | None) -> Iterator[str]:
    if programs["ingest"] != "hears the broker":
        yield f"ingest: {programs['ingest']}; start `canhbao run`, or look at the broker and its log"
    for name in ("serve", "web"):
        if programs[name] != "answers":
            yield f"{name} does not answer at the address of the settings; start `canhbao run`, or look at its log"
    if spool and not spool.balance.holds:
        yield "readings are missing from the balance; keep the data folder and report this"
    for name, reader in (("store", store), ("ledger", ledger)):
        lag = _lag(spool, reader)
        if spool and (lag is None or lag < 0):
            yield f"the {name} does not follow this spool; see the incidents, and start its program"
        elif spool and lag is not None and lag > MOST_BEHIND:
            yield f"the {name} is {lag} batches behind; it catches up by itself if its program runs"
    for name, sink in (store.others if store else {}).items():
        yield from _sink_troubles(name, sink, _lag(spool, sink))
    for name, away in (store.waits if store else {}).items():
        yield f"{name} waits since {format_instant(away.since_at)}: {away.what}; {away.fix}"
    for incident in ledger.incidents if ledger else ():
        if incident.kind == HELD:
            yield f"nothing is sent to anybody: {incident.detail}"
    if spool and spool.heartbeat and not spool.heartbeat.hearing:
        yield f"we do not hear the devices since {format_instant(spool.heartbeat.hearing_since_at)}; look at the broker and the network"


def _fills(spool: SpoolNow | None, budget: int) -> Iterator[str]:
    percent = 100 * spool.size // budget if spool else 0
    if percent >= MARKS[0]:
        yield (
            f"the spool holds {percent} % of its {budget / 2**20:,.0f} MiB; see which part of the archive is behind, or raise spool.budget_bytes;"
            " above 100 % batches go that only the store has"
        )


def _sink_troubles(name: str, sink: SinkNow, lag: int | None) -> Iterator[str]:
    if sink.away is not None:
        yield f"readings wait for {name} since {format_instant(sink.away.since_at)}: {sink.away.what}; {sink.away.fix}"
    elif lag is not None and lag > MOST_BEHIND:
        yield f"{name} is {lag} batches behind; it catches up by itself if `canhbao archive` runs"


def _incidents(spool: SpoolNow | None, store: StoreNow | None, ledger: LedgerNow | None) -> list[dict[str, Any]]:
    """Give the newest of ingest and of the archive, and those of serve that have not ended."""
    found = [(each.at, str(each.kind), each.detail) for each in (spool.incidents if spool else ())]
    found += store.incidents if store else ()
    found += [(each.opened_at, each.kind, each.detail) for each in (ledger.incidents if ledger else ())]
    return [{"at": format_instant(at), "kind": kind, "detail": detail} for at, kind, detail in sorted(found, reverse=True)]


def _restarts(settings: Settings) -> dict[str, int]:
    try:
        state = json.loads((settings.data / STATE).read_text())
    except FileNotFoundError:
        return {}
    return {name: each["restarts"] for name, each in state["programs"].items()}
