"""The ledger -> what the residents' page shows of it, in one short read."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.exc import DatabaseError

from alerts.ledger import changes, reading
from alerts.ledger.opening import ledger_url, open_ledger_to_read
from alerts.model import Audience
from devices.instants import DAY, MINUTE, Instant
from web.public.edits import Edits, Mark
from web.public.situation import Ledger

MOST_ALARMS = 500
MOST_NOTICES = 100


class LedgerFile:
    """Reads the ledger of a data folder when it has changed; each question opens and closes its own transaction."""

    def __init__(self, path: Path) -> None:
        self._engine = open_ledger_to_read(ledger_url(path))
        self._edits = Edits(path)
        self._kept: tuple[Mark, Instant, Ledger] | None = None

    def now(self, now: Instant) -> Ledger | None:
        """Give open alarms, those that ended within two days, what residents were told, their notices; None where it cannot be read."""
        mark = self._edits.mark()  # before reading: what is written in between is read again
        if self._kept is not None and self._kept[0] == mark and 0 <= now - self._kept[1] < MINUTE:
            return self._kept[2]
        ledger = self._read(now)
        self._kept = (mark, now, ledger) if mark is not None and ledger is not None else None
        return ledger

    def close(self) -> None:
        """Let go of the file."""
        self._edits.close()

    def _read(self, now: Instant) -> Ledger | None:
        try:
            with self._engine.connect() as connection:
                alarms = tuple(reading.recent_alarms(connection, now - 2 * DAY, MOST_ALARMS))
                told = reading.told(connection, Audience.RESIDENTS, [alarm.id for alarm in alarms])
                notices = tuple(reading.recent_notices(connection, audience=Audience.RESIDENTS, most=MOST_NOTICES))
                reached = changes.cursor_of(connection)
        except DatabaseError:  # it is not there, not made yet, or locked for long
            return None
        finally:
            self._engine.dispose()  # a file that was exchanged must not be read on
        return Ledger(alarms, told, notices, reached)
