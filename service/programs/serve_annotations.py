"""
What residents were told -> annotations in Grafana, by a job of `canhbao serve`.

Rule 1: it has a thread of its own and reads the ledger beside its writer: however slow Grafana is, no warning waits for it.
Rule 2: Grafana being away is an incident and a line of the log, once; being back is another. Nothing is lost meanwhile: the ledger holds it all.
Rule 3: a service that was put back to an earlier state shows nothing while it is held: Grafana may know more than its ledger.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy import Engine

from alerts.ledger import holding, incidents
from alerts.ledger.opening import open_ledger_to_read
from devices.instants import DAY, HOUR, Instant, Span
from grafana.client import Client, GrafanaError
from grafana.showing import show
from service.exits import CommandError
from service.grafana import client_of, episodes
from service.settings import Settings

KEPT: Span = 30 * DAY
"""An alarm that ended so long ago is not looked after any more; its annotation stays."""
AWAY = "grafana_away"
WELL = "well"

log = structlog.get_logger(__name__)


def annotating(settings: Settings, engine: Engine, now: Instant) -> Callable[[Instant], None] | None:
    """Give the job, or None where no Grafana is named."""
    if settings.grafana.url is not None:
        return Annotating(lambda: client_of(settings), engine)
    with engine.begin() as connection:
        incidents.end(connection, AWAY, now)
    return None


class Annotating:
    """The job: one comparison a call."""

    def __init__(self, connect: Callable[[], Client], engine: Engine) -> None:
        self._connect, self._engine = connect, engine
        self._client: Client | None = None
        self._reader = open_ledger_to_read(engine.url.render_as_string(hide_password=False))
        self._said: str | None = None
        """The state that was said last; None after a start."""

    def __call__(self, now: Instant) -> None:
        """Bring Grafana to what residents were told."""
        with self._reader.begin() as connection:
            if holding.is_held(connection):
                return
            told = episodes(connection, now - KEPT)
        try:
            self._client = self._client or self._connect()
            shown = show(self._client, told, (now - KEPT, now + HOUR), now)
        except GrafanaError as error:
            self._say(f"status {error.status}", str(error), now)
        except CommandError as error:
            self._say("unset", str(error), now)
        else:
            if shown.done:
                log.debug("shown in Grafana", annotations=shown.done, left=shown.left)
            refused = shown.refused[0] if shown.refused else None
            self._say(f"status {refused.status}" if refused else WELL, str(refused or ""), now)

    def _say(self, state: str, why: str, now: Instant) -> None:
        if state == self._said:
            return
        self._said = state
        with self._engine.begin() as connection:
            was_away = incidents.end(connection, AWAY, now)
            if state != WELL:
                incidents.begin(connection, AWAY, why, now)
        if state != WELL:
            log.error("warnings are not shown in Grafana", why=why)
        elif was_away:
            log.info("Grafana shows the warnings again")
