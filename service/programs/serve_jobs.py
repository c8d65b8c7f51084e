"""
What `canhbao serve` does by the clock: look after deliveries, forget what is old, check the ledger.

Rule 1: nothing here decides what is told; rules and the desk do that from what stands.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy import Engine

from alerts.ledger import changes, deliveries, incidents
from alerts.ledger.opening import open_ledger_to_read
from devices.instants import DAY, Instant, Span
from service.clock import Clock
from service.schedule import Schedule

KEPT: Span = 400 * DAY
"""How long changes are kept, as the spool keeps them; notices and alarms stay for ever."""
SWEEP = 15.0
"""Real seconds between two looks at deliveries that have expired or wait for a retry."""
SHOW = 15.0
"""Real seconds between two comparisons with Grafana."""
LOOK = 15.0
"""Real seconds between two looks at what waits elsewhere."""
DAMAGED = "ledger_damaged"

log = structlog.get_logger(__name__)


def schedule_jobs(
    clock: Clock,
    time_zone: str,
    engine: Engine,
    wake: Callable[[], None],
    *,
    show: Callable[[Instant], None] | None = None,
    look: Callable[[Instant], None] | None = None,
) -> Schedule:
    """
    Start the periodic jobs.

    Args:
        clock: of the city.
        time_zone: of the city, for what is done at night.
        engine: of the ledger.
        wake: says to the deliverer that there may be something to do.
        show: shows in Grafana what residents were told, where one is named.
        look: looks at what waits elsewhere in the service.

    Returns:
        What ends them.
    """
    schedule = Schedule(clock, time_zone)
    if show is not None:
        schedule.every_real("show warnings in Grafana", SHOW, show)
    if look is not None:
        schedule.every_real("note what waits", LOOK, look)
    schedule.every_real("sweep deliveries", SWEEP, lambda now: sweep(engine, now, wake))
    schedule.daily("forget old changes", 3, 30, lambda now: forget(engine, now))
    schedule.daily("check the ledger", 3, 40, lambda now: check(engine, now))
    schedule.start()
    return schedule


def sweep(engine: Engine, now: Instant, wake: Callable[[], None]) -> None:
    """Close deliveries that are not worth making any more, also of channels that hang, and wake the others."""
    with engine.begin() as connection:
        deliveries.close_overtaken(connection, now)
    wake()


def forget(engine: Engine, now: Instant) -> None:
    """Delete changes that are older than is kept."""
    with engine.begin() as connection:
        gone = changes.forget_before(connection, now - KEPT)
    if gone:
        log.info("old changes forgotten", changes=gone)


def check(engine: Engine, now: Instant) -> None:
    """Let the database look for damage; what it finds is an incident."""
    if engine.dialect.name != "sqlite":
        return
    reader = open_ledger_to_read(engine.url.render_as_string(hide_password=False))  # looking at all pages must hold up no writer
    with reader.connect() as connection:
        found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
    reader.dispose()
    with engine.begin() as connection:
        if found == "ok":
            incidents.end(connection, DAMAGED, now)
        else:
            log.error("the ledger is damaged", found=found, fix="stop, copy the file, and restore it from a copy")
            incidents.begin(connection, DAMAGED, found, now)
