"""The ledger -> what the residents' page shows of it, in one short read."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.exc import DatabaseError

from alerts.ledger import reading
from alerts.ledger.opening import ledger_url, open_ledger_to_read
from alerts.model import Audience
from devices.instants import DAY, Instant
from web.public.situation import Ledger

MOST_ALARMS = 500
MOST_NOTICES = 100


class LedgerFile:
    """Reads the ledger of a data folder; each question opens and closes its own transaction."""

    def __init__(self, path: Path) -> None:
        self._engine = open_ledger_to_read(ledger_url(path))

    def now(self, now: Instant) -> Ledger | None:
        """Give open alarms, those that ended within two days, what residents were told, and their notices; None where it cannot be read."""
        try:
            with self._engine.connect() as connection:
                alarms = tuple(reading.recent_alarms(connection, now - 2 * DAY, MOST_ALARMS))
                told = reading.told(connection, Audience.RESIDENTS, [alarm.id for alarm in alarms])
                notices = tuple(reading.recent_notices(connection, audience=Audience.RESIDENTS, most=MOST_NOTICES))
        except DatabaseError:  # it is not there, not made yet, or locked for long
            return None
        finally:
            self._engine.dispose()  # a file that was exchanged must not be read on
        return Ledger(alarms, told, notices)
