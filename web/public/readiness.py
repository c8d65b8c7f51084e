"""What could be read -> whether the page can be trusted, and if not, which part fails."""

from __future__ import annotations

from typing import Any

from devices.instants import SECOND
from web.public.situation import HEARTBEAT_LIMIT, Situation, is_ledger_known, standstill_of


def readiness(situation: Situation | None) -> tuple[bool, dict[str, Any]]:
    """Tell whether all is at hand, and give each part with its state."""
    if situation is None:
        return False, {"city": "none was applied yet; start `canhbao ingest`"}
    checks = {
        "city": situation.city.revision,
        "heartbeat": _heartbeat(situation),
        "store": "readable" if situation.latest is not None else "cannot be read; start `canhbao archive`",
        "ledger": "readable" if situation.ledger is not None else "cannot be read; start `canhbao serve`",
        "serve": _desk(situation),
    }
    heartbeat = situation.heartbeat
    is_alive = heartbeat is not None and situation.real_now - heartbeat.real_at <= HEARTBEAT_LIMIT
    return is_alive and situation.latest is not None and is_ledger_known(situation), checks


def _desk(situation: Situation) -> str:
    span = standstill_of(situation)
    return (
        "decides"
        if span is None
        else f"has decided nothing for {span / SECOND:.0f} s while readings came; see whether `canhbao serve` runs"
    )


def _heartbeat(situation: Situation) -> str:
    if situation.heartbeat is None:
        return "none; start `canhbao ingest`"
    age = (situation.real_now - situation.heartbeat.real_at) / SECOND
    hears = "hears the broker" if situation.heartbeat.hearing else "does not hear the broker"
    return f"{age:.1f} s old, {hears}"
