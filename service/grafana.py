"""
Settings and the ledger -> a client of Grafana, and the alarms of which residents were told, as the room of Grafana takes them.

Rule 1: everything comes from the ledger, words and names of levels too, as they stood when it was said; a city that changed since changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection

from alerts.ledger import reading
from alerts.model import Alarm, Audience, Notice, Status
from devices.instants import Instant
from grafana.annotations import Episode, Said, name_of, tags_of, text_of
from grafana.checking import Finding
from grafana.client import Client, Server
from grafana.shipped import Shipped, at_address, dashboards
from grafana.syncing import Done, Line
from service.exits import CommandError, Exit
from service.settings import Settings
from service.tables import table

MOST = 500
"""Alarms that are shown, those that stand first."""
_MOST_NOTICES = 50


def client_of(settings: Settings) -> Client:
    """Give the client of the Grafana of the settings; raises CommandError where they do not name one, or give no token."""
    wanted = settings.grafana
    if wanted.url is None:
        raise CommandError("no Grafana is named; set CANHBAO_GRAFANA__URL, for example to http://127.0.0.1:3000", Exit.CONFIGURATION)
    if wanted.token is None:
        raise CommandError(
            "there is no token for Grafana; make a service account with the role Editor there (Administration > Users and access), "
            "and give the file of its token as CANHBAO_GRAFANA__TOKEN_FILE",
            Exit.CONFIGURATION,
        )
    return Client(Server(wanted.url, wanted.ca, wanted.verify, wanted.timeout), wanted.token.get_secret_value())


def shipped_of(settings: Settings) -> list[Shipped]:
    """Give the dashboards that are shipped, with links to the operators' pages of this service."""
    pages = settings.grafana.pages or f"http://{settings.operators.host}:{settings.operators.port}"
    return [replace(each, json=at_address(each.json, pages)) for each in dashboards()]


def episodes(connection: Connection, since: Instant) -> list[Episode]:
    """Give the alarms that stand or ended since an instant, and of which residents were told; the newest first."""
    found = []
    for alarm in reading.recent_alarms(connection, since, MOST):
        notices = reading.recent_notices(connection, audience=Audience.RESIDENTS, alarm=alarm.id, most=_MOST_NOTICES)
        if notices:
            found.append(_episode(alarm, notices))
    return found


def _episode(alarm: Alarm, notices: Sequence[Notice]) -> Episode:
    is_exercise = alarm.status is Status.EXERCISE
    name = name_of(alarm.id, is_exercise=is_exercise)
    said = [Said(notice.issued_at, notice.texts) for notice in notices]
    tags = tags_of(name, alarm.station, _level(notices), is_exercise=is_exercise)
    return Episode(name, alarm.opened_at, alarm.ended_at, text_of(said, _time_zone(notices)), tags)


def _level(notices: Sequence[Notice]) -> str | None:
    """Give the code of the highest level that residents were told."""
    highest = max(notices, key=lambda notice: notice.level)
    found = highest.facts.get("level")
    return str(found["code"]) if isinstance(found, dict) and found.get("code") else None


def _time_zone(notices: Sequence[Notice]) -> str:
    return str(notices[0].facts.get("time_zone") or "UTC")


# ---- what the commands say


def lines_described(lines: Sequence[Line], *, dry_run: bool) -> str:
    """Give what was done as people read it."""
    rows = [(line.kind, line.name or "-", line.title, f"would be {line.done}" if dry_run else line.done, line.fix) for line in lines]
    counts = Counter(line.done for line in lines)
    last = ", ".join(f"{counts[done]} {done}" for done in Done if counts[done])
    return f"{table([('what', 'uid', 'title', '', 'to do'), *rows])}\n\n{last}" + (" (nothing was written)" if dry_run else "")


def lines_as_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Give what was done as plain values."""
    return [asdict(line) for line in lines]


def findings_described(found: Sequence[Finding]) -> str:
    """Give what was found as people read it."""
    rows = [(each.what, "well" if each.is_well else "NOT WELL", each.said, each.fix) for each in found]
    return table([("what", "", "found", "to do"), *rows])


def findings_as_json(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Give what was found as plain values."""
    return [asdict(each) for each in found]
