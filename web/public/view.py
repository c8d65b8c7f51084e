"""
A situation -> what the residents' page shows. Pure.

Rule 1: no warning is only said where gauges report and the ledger speaks of now; silence is never "all clear".
Rule 2: a ward for which a silent gauge speaks is not known, warned or not.
Rule 3: our own deafness is ours: it is never put on a gauge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from alerts.model import Alarm, End
from devices.instants import HOUR, MINUTE, Instant
from devices.registry import Registry
from devices.stations import Ward
from ingest.archive.query import bucket_width
from web.public.gauges import (
    AIR,
    RIVER,
    STREET,
    Accounts,
    accounts_of,
    against_of,
    gauge_of,
    gauges_of,
    interval_of,
    nearest_heard,
    severity_of,
)
from web.public.inforce import just_ended, warnings_in_force
from web.public.situation import Deafness, Ledger, Situation, deafness_of, is_ledger_known
from web.public.state import Air, Ended, Gauge, Head, History, InForce, PageState, Signal, WardState

HISTORY = 48 * HOUR
POINTS = 576
"""Of the chart, at most; a gauge that reports more often than each five minutes is downsampled to this."""
HIGH = 2
"""Severity from which no page looks calm, warned of or not: alarm level 2, where water begins to do harm."""
NOTHING = Ledger((), {}, ())


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is made before the page: everything but the featured gauge."""

    gauges: tuple[Gauge, ...]
    streets: tuple[Gauge, ...]
    in_force: tuple[InForce, ...]
    ended: tuple[Ended, ...]
    deaf: Deafness | None


def build(situation: Situation) -> PageState:
    """Build the page of a moment."""
    accounts = accounts_of(situation)
    parts = _parts(situation, accounts)
    registry = situation.city.registry
    head = _head(parts, is_ledger_known=is_ledger_known(situation))
    featured = _featured(parts, head)
    return PageState(
        now=situation.now,
        status=situation.status,
        speed=situation.speed,
        city=registry.city,
        time_zone=registry.time_zone,
        hotline=registry.hotline,
        rescue=registry.emergency.get("rescue"),
        head=head,
        deaf=parts.deaf,
        is_ledger_known=is_ledger_known(situation),
        in_force=parts.in_force,
        ended=parts.ended,
        featured=featured,
        nearest=nearest_heard(featured, parts.gauges) if featured and not featured.is_heard else None,
        gauges=parts.gauges,
        streets=parts.streets,
        air=tuple(_air(situation, accounts)),
        wards=_wards(registry, parts),
        history=_history(situation, featured),
    )


def featured_place(state: PageState) -> tuple[str, str] | None:
    """Give station and quantity whose last 48 hours the page needs."""
    return (state.featured.station.id, state.featured.quantity) if state.featured else None


def with_history(state: PageState, situation: Situation) -> PageState:
    """Give a page of this same moment with the last 48 hours that are in a situation by now."""
    return replace(state, history=_history(situation, state.featured))


def essence(state: PageState) -> Any:
    """Give what makes a page another page: all of it but the time that passes."""
    history = state.history
    return replace(state, now=0, history=None), history and history.buckets


def _parts(situation: Situation, accounts: Accounts) -> _Parts:
    registry, ledger = situation.city.registry, situation.ledger or NOTHING
    gauges, streets = tuple(gauges_of(situation, accounts, RIVER)), tuple(gauges_of(situation, accounts, STREET))
    known = {(each.station.id, each.quantity): each for each in (*gauges, *streets)}

    def gauge_for(alarm: Alarm) -> Gauge:
        return known.get((alarm.station, alarm.quantity)) or _gauge_of_alarm(situation, alarm)

    in_force = warnings_in_force(ledger, registry, gauge_for)
    return _Parts(gauges, streets, in_force, just_ended(ledger, registry, gauge_for, situation.now), deafness_of(situation))


def _gauge_of_alarm(situation: Situation, alarm: Alarm) -> Gauge:
    """A warning whose sensor the registry has no longer is shown with what the alarm itself knows."""
    station = situation.city.registry.stations[alarm.station]
    thresholds = station.thresholds_at(alarm.quantity, alarm.observed_at or situation.now)
    levels = thresholds.levels if thresholds else ()
    against = against_of(alarm.value, levels, alarm.quantity)
    severity = severity_of(against.level) if against and against.is_reached else 0
    return Gauge(station, alarm.quantity, Signal.SILENT, alarm.value, alarm.observed_at, alarm.received_at, None, levels, against, severity)


def _head(parts: _Parts, *, is_ledger_known: bool) -> Head:
    if parts.in_force:
        return Head.IN_FORCE
    if parts.deaf or not is_ledger_known:
        return Head.UNKNOWN
    if parts.ended and _stands(parts.ended[0]):
        return Head.ENDED
    if _highest_heard(parts) is not None:
        return Head.HIGH_WATER
    return Head.NONE if any(gauge.is_heard for gauge in parts.gauges) else Head.UNKNOWN


def _stands(ended: Ended) -> bool:
    """An all-clear fills the head only while its gauge still says so; an operator's end never rested on one."""
    return ended.gauge.is_heard or ended.end is not End.CLEARED


def _highest_heard(parts: _Parts) -> Gauge | None:
    """Give the gauge that stands highest above its levels, if that is high enough to warn of."""
    high = [gauge for gauge in (*parts.gauges, *parts.streets) if gauge.is_heard and gauge.severity >= HIGH]
    return max(high, key=lambda gauge: gauge.severity, default=None)


def _featured(parts: _Parts, head: Head) -> Gauge | None:
    if head is Head.IN_FORCE:
        return parts.in_force[0].gauge
    if head is Head.ENDED:
        return parts.ended[0].gauge
    if head is Head.HIGH_WATER:
        return _highest_heard(parts)
    ranked = sorted(parts.gauges, key=lambda gauge: (not gauge.is_heard, gauge.value is None, not gauge.levels))
    return ranked[0] if ranked else None


def _wards(registry: Registry, parts: _Parts) -> dict[str, WardState]:
    unknown = {code for gauge in (*parts.gauges, *parts.streets) if not gauge.is_heard for code in gauge.station.wards}
    warned = {(each.gauge.station.id, each.gauge.quantity) for each in parts.in_force}
    unwarned = (gauge for gauge in (*parts.gauges, *parts.streets) if (gauge.station.id, gauge.quantity) not in warned)
    unknown |= {code for gauge in unwarned if gauge.severity >= HIGH for code in gauge.station.wards}  # without a warning, but not safe
    unknown |= {ward.code for each in parts.in_force if not each.gauge.is_heard for ward in each.wards}
    return {code: _ward(ward, parts.in_force, is_known=not parts.deaf and code not in unknown) for code, ward in registry.wards.items()}


def _ward(ward: Ward, in_force: Sequence[InForce], *, is_known: bool) -> WardState:
    highest = next((each for each in in_force if ward in each.wards), None)  # they come the highest first
    return WardState(ward, highest.severity if highest else 0, highest.level if highest else None, is_known)


def _history(situation: Situation, gauge: Gauge | None) -> History | None:
    if gauge is None:
        return None
    from_at, to_at = history_span(situation.now)
    buckets = situation.series.get((gauge.station.id, gauge.quantity), ())
    interval = interval_of(situation.city.registry, gauge.station.id, gauge.quantity, situation.now) or HOUR
    return History(gauge, from_at, to_at, buckets, 3 * max(interval, bucket_width(from_at, to_at, POINTS)))


def history_span(now: Instant) -> tuple[Instant, Instant]:
    """Give the span of the chart: whole minutes, so that it moves with them."""
    to_at = now - now % MINUTE + MINUTE
    return to_at - HISTORY, to_at


def _air(situation: Situation, accounts: Accounts) -> list[Air]:
    registry = situation.city.registry
    found = []
    for station in registry.stations.values():
        sensors = [registry.primary(station.id, quantity, situation.now) for quantity in AIR]
        values = [gauge_of(situation, accounts, station, sensor) for sensor in sensors if sensor]
        known = tuple(gauge for gauge in values if gauge.value is not None)
        if known:
            newest = max(gauge.observed_at or 0 for gauge in known)
            found.append(Air(station, known, newest, all(gauge.is_heard for gauge in known)))
    return found
