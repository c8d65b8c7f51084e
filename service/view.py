"""
What stands now -> what a terminal shows of a rehearsal: a live page, or a line for each thing that happens.

Rule 1: it reads files as everybody else does; the service does not know that it is watched.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Column, Table
from rich.text import Text

from alerts.model import Notice
from devices.instants import Instant, to_datetime
from devices.quantities import QUANTITIES
from devices.readings import Reading
from devices.registry import Registry
from ingest.archive.reader import StoreArchive
from rules.changes import Phase, Standing
from service.observation import LedgerNow, SpoolNow, ledger_now, spool_now
from service.settings import Settings
from service.summary import level_code

_WATER = ("water_level", "water_depth")
_STYLES = ("", "yellow", "dark_orange", "red", "bold magenta")
_FEWEST = 3
_REST = 36
"""Notices to show at least, and the lines that the rest of the page takes: a tall terminal shows more of them."""


class View(Protocol):
    """A way to show a rehearsal."""

    def opening(self, text: str) -> None:
        """Show what is played, and where the pages are."""

    def show(self, now: Instant, done: list[tuple[Instant, str]]) -> None:
        """Show what stands now, and what operators did since the last time, and when."""

    def line(self, text: str) -> None:
        """Write a text below everything."""

    def close(self) -> None:
        """End what is live."""


class Watched:
    """The files of a rehearsal, and the words for what is in them."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self.registry = registry
        self.zone = ZoneInfo(registry.time_zone)
        self.language = "vi" if os.environ.get("LANG", "").startswith("vi") else "en"
        self._settings = settings
        self._archive = StoreArchive(settings.store_file)

    def spool(self) -> SpoolNow | None:
        """Read the spool."""
        return spool_now(self._settings.spool_file)

    def ledger(self) -> LedgerNow | None:
        """Read the ledger."""
        return ledger_now(self._settings.ledger_file)

    def latest(self) -> list[Reading]:
        """Give the newest reading of each place where water is measured."""
        found = [reading for quantity in _WATER for reading in self._archive.latest(quantity)]
        return [reading for reading in found if self._is_primary(reading)]

    def _is_primary(self, reading: Reading) -> bool:
        sensor = self.registry.primary(reading.station, reading.quantity, reading.observed_at)
        return sensor is not None and sensor.device == reading.device

    def station(self, name: str) -> str:
        """Give the name of a station."""
        station = self.registry.stations.get(name)
        return (station.name.get(self.language) or name) if station else name

    def clock(self, at: Instant) -> str:
        """Give an instant in the time of the city."""
        return f"{to_datetime(at).astimezone(self.zone):%d.%m. %H:%M}"

    def title(self, notice: Notice) -> str:
        """Give the title of a notice in the terminal's language."""
        return (notice.texts.get(self.language) or notice.texts["vi"])["title"]


class PlainView:
    """A line for each notice, each action and, now and then, the balance."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._watched = Watched(settings, registry)
        self._told: set[str] = set()

    def opening(self, text: str) -> None:
        """Show what is played."""
        self.line(text)

    def show(self, now: Instant, done: list[tuple[Instant, str]]) -> None:  # noqa: ARG002 - each line has an instant of its own
        """Write what is new, in the order of its instants."""
        ledger = self._watched.ledger()
        new = [notice for notice in ledger.notices if notice.id not in self._told] if ledger else []
        self._told |= {notice.id for notice in new}
        told = [(notice.issued_at, f"{notice.audience:<9}  {notice.kind:<13}  {self._watched.title(notice)}") for notice in new]
        for at, text in sorted([*done, *told], key=itemgetter(0)):
            self.line(f"{self._watched.clock(at)}  {text}")

    def line(self, text: str) -> None:
        """Write a line at once, also into a pipe."""
        print(text, flush=True)  # noqa: T201 - what a terminal view is for

    def close(self) -> None:
        """Nothing is live."""


class LiveView:
    """A page that is drawn again several times a second."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._watched = Watched(settings, registry)
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._opening = ""
        self._done: list[str] = []

    def opening(self, text: str) -> None:
        """Begin the page."""
        self._opening = text
        self._live.start()

    def show(self, now: Instant, done: list[tuple[Instant, str]]) -> None:
        """Draw the page."""
        self._done += [f"{self._watched.clock(at)}  {text}" for at, text in done]
        self._live.update(self._page(now), refresh=True)

    def line(self, text: str) -> None:
        """Write below the page."""
        self._console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Leave the page as it is."""
        self._live.stop()
        sys.stdout.flush()

    def _page(self, now: Instant) -> Group:
        spool, ledger = self._watched.spool(), self._watched.ledger()
        title = f"EXERCISE  {to_datetime(now).astimezone(self._watched.zone):%A %d %B %Y  %H:%M}"
        foot = _balance(spool) if spool else None
        head = Panel(Text(self._opening), title=title, title_align="left", subtitle=foot, subtitle_align="left")
        parts: list[Any] = [head, self._stations(spool)]
        if ledger:
            parts += [self._alarms(ledger), self._notices(ledger)]
        if self._done:
            parts.append(Text("\n".join(self._done[-3:]), style="cyan"))
        return Group(*parts)

    def _stations(self, spool: SpoolNow | None) -> Table:
        grid = Table(
            "station", "quantity", Column("value", justify="right"), "trend", "level", "observed", "gauge", expand=True, box=SIMPLE_HEAD
        )
        standings = {(each.station, each.quantity): each for each in spool.standings if each.primary} if spool else {}
        for reading in self._watched.latest():
            grid.add_row(*self._station_row(reading, standings.get((reading.station, reading.quantity))))
        return grid

    def _station_row(self, reading: Reading, standing: Standing | None) -> Iterator[Text | str]:
        level = standing.level if standing else 0
        style = _STYLES[min(level, len(_STYLES) - 1)]
        quantity = QUANTITIES[reading.quantity]
        yield Text(self._watched.station(reading.station), style=style)
        yield reading.quantity
        yield Text(f"{reading.value:.{quantity.decimals}f} {quantity.unit}", style=style, justify="right")
        yield _trend(standing)
        yield Text(level_code(self._watched.registry, reading.station, reading.quantity, level, reading.observed_at), style=style)
        yield self._watched.clock(reading.observed_at)
        yield Text("", "") if standing is None or standing.phase is Phase.FRESH else Text(standing.phase, "red")

    def _alarms(self, ledger: LedgerNow) -> Table:
        standing = [alarm for alarm in ledger.alarms if alarm.ended_at is None]
        title = f"{len(standing)} {'alarm' if len(standing) == 1 else 'alarms'}"
        grid = Table(
            "alarm", "level", "since", "peak", "gauge", "handling", expand=True, box=SIMPLE_HEAD, title=title, title_justify="left"
        )
        for alarm in standing:
            style = _STYLES[min(alarm.level, len(_STYLES) - 1)]
            code = level_code(self._watched.registry, alarm.station, alarm.quantity, alarm.level, alarm.level_at)
            peak = "" if alarm.peak is None else f"{alarm.peak:.2f}"
            since = self._watched.clock(alarm.opened_at)
            grid.add_row(self._watched.station(alarm.station), Text(code, style=style), since, peak, alarm.phase, alarm.handling)
        return grid

    def _notices(self, ledger: LedgerNow) -> Table:
        counts = Counter(notice.audience for notice in ledger.notices)
        title = "notices: " + (", ".join(f"{count} to {audience}" for audience, count in sorted(counts.items())) or "none")
        short = [Column(name, no_wrap=True, min_width=width) for name, width in (("issued", 13), ("to", 9), ("kind", 13))]
        text = Column("title", no_wrap=True, overflow="ellipsis", ratio=1)
        grid = Table(*short, text, expand=True, box=SIMPLE_HEAD, title=title, title_justify="left")
        for notice in ledger.notices[-max(_FEWEST, self._console.height - _REST) :]:
            grid.add_row(self._watched.clock(notice.issued_at), notice.audience, notice.kind, self._watched.title(notice))
        return grid


def _trend(standing: Standing | None) -> str:
    if standing is None or standing.trend is None:
        return ""
    arrow = "↑" if standing.trend > 0.02 else "↓" if standing.trend < -0.02 else "→"
    return f"{arrow} {standing.trend:+.2f}/h"


def _balance(spool: SpoolNow) -> str:
    balance = spool.balance
    sign = "=" if balance.holds else "IS NOT"
    return (
        f"{balance.received} readings received {sign} {balance.archived} archived + {balance.duplicate} duplicate"
        f" + {balance.quarantined} quarantined; {balance.waiting} waiting"
    )
