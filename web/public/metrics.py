"""
Figures and the situation -> what Prometheus reads.

Rule 1: the balance of readings is shown whole: received = archived + duplicate + quarantined + waiting; what is missing has a metric of its own.
Rule 2: what cannot be read is absent, never zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from devices.instants import SECOND
from web.public.ports import Figures
from web.public.situation import Heartbeat, Situation, deafness_of

FATES = ("archived", "duplicate", "quarantined")
Number: TypeAlias = int | float


def metrics(figures: Figures, situation: Situation | None, listeners: int) -> bytes:
    """Give the text of the metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found([*_found(figures, situation), _gauge("canhbao_web_listeners", "Open pages.", listeners)]))
    return generate_latest(registry)


class _Found:
    """What a registry collects."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        yield from self._found


def _found(figures: Figures, situation: Situation | None) -> Iterator[Metric]:
    heartbeat = situation.heartbeat if situation else None
    if figures.counters is not None:
        yield from _balance(dict(figures.counters), heartbeat.waiting_readings if heartbeat else 0)
    yield from _lags(figures)
    if heartbeat is not None and situation is not None:
        yield from _heartbeat(heartbeat, situation)
    if situation is not None:
        yield _gauge("canhbao_deaf", "1: nothing is heard, by a fault of ours.", int(deafness_of(situation) is not None))
    for name, count in figures.counts.items():
        yield _gauge(f"canhbao_ledger_{name}", f"Of the ledger: {name.replace('_', ' ')}.", count)
    deliveries = GaugeMetricFamily("canhbao_deliveries", "Deliveries (a notice by a channel) by state.", labels=["channel", "state"])
    for labels, count in sorted(figures.deliveries.items()):
        deliveries.add_metric(list(labels), count)
    yield deliveries


def _balance(counters: dict[str, int], waiting: int) -> Iterator[Metric]:
    received = counters.get("received", 0) + waiting  # a reading that waits was received, too
    fates = CounterMetricFamily("canhbao_readings", "Readings by what became of them.", labels=["fate"])
    for fate in FATES:
        fates.add_metric([fate], counters.get(fate, 0))
    reasons = CounterMetricFamily("canhbao_readings_quarantined", "Readings in quarantine by reason.", labels=["reason"])
    for name, count in sorted(counters.items()):
        if name.startswith("quarantined:"):
            reasons.add_metric([name.partition(":")[2]], count)
    yield CounterMetricFamily("canhbao_readings_received", "Readings taken from the broker.", value=received)
    yield from (fates, reasons)
    yield _gauge("canhbao_readings_waiting", "Readings that are taken and not on disk yet; the broker keeps them, too.", waiting)
    missing = received - waiting - sum(counters.get(fate, 0) for fate in FATES)
    yield _gauge("canhbao_readings_unaccounted", "0: received = archived + duplicate + quarantined + waiting.", missing)
    yield CounterMetricFamily("canhbao_messages", "Messages taken from the broker.", value=counters.get("messages", 0))
    yield CounterMetricFamily("canhbao_readings_late", "Readings older than the bound of lateness.", value=counters.get("late", 0))


def _lags(figures: Figures) -> Iterator[Metric]:
    behind = GaugeMetricFamily("canhbao_batches_behind", "Batches of the spool that a program has not read yet.", labels=["program"])
    for program, ordinal in (("archive", figures.store_ordinal), ("serve", figures.ledger_ordinal)):
        if figures.ordinal is not None and ordinal is not None:
            behind.add_metric([program], figures.ordinal - ordinal)
    yield behind


def _heartbeat(heartbeat: Heartbeat, situation: Situation) -> Iterator[Metric]:
    age = (situation.real_now - heartbeat.real_at) / SECOND
    yield _gauge("canhbao_heartbeat_age_seconds", "Age of the last sign of life of ingest, real time.", age)
    yield _gauge("canhbao_hearing", "1: connected to the broker, and nothing older waits.", int(heartbeat.hearing))


def _gauge(name: str, text: str, value: Number) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))
