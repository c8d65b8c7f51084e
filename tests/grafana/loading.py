"""A month and a server -> a bucket that holds it, and what Grafana would get from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from asking import Answer, Range, ask, panels_of, statement_of
from flood import FROM_AT, TO_AT, Month

from devices.instants import MILLISECOND, from_datetime
from grafana.shipped import dashboards
from rig.influxd import Influxd

WHOLE = Range(FROM_AT // MILLISECOND, TO_AT // MILLISECOND)
PEAK_AT = from_datetime(datetime.fromisoformat("2025-11-17T18:00:00+07:00"))
THREE_DAYS = Range(PEAK_AT // MILLISECOND - 72 * 3_600_000, PEAK_AT // MILLISECOND)
DRAWN: Mapping[str, Mapping[str, Any]] = {each.uid: each.json for each in dashboards()}
"""The committed dashboards, by identifier."""


@dataclass(frozen=True)
class Loaded:
    """A bucket with a month in it."""

    url: str
    token: str
    bucket: str
    month: Month

    def ask(self, statement: str) -> list[Answer]:
        return ask(self.url, self.token, self.bucket, statement)

    def of(self, uid: str, title: str, looked: Range = WHOLE, **chosen: Any) -> list[list[Answer]]:
        """Give the answers of a panel, one list a query."""
        (panel,) = (each for each in panels_of(DRAWN[uid]) if each["title"] == title)
        return [self.ask(statement_of(target, panel, DRAWN[uid], chosen, looked)) for target in panel["targets"]]


def loaded_into(server: Influxd, month: Month) -> Loaded:
    """Write a month into a bucket of its own."""
    bucket, lines = server.new_bucket(), iter(month.lines)
    while part := list(islice(lines, 5_000)):
        server.write(bucket, "\n".join(part))
    return Loaded(server.url, server.token, bucket, month)
