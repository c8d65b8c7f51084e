"""
All that the residents' page is made of, as plain values: one moment of the whole service.

Rule 1: a situation is complete: nothing is asked of a file or a clock after it was gathered.
Rule 2: what could not be read is None, never empty: no answer and no readings are two things.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alerts.model import Alarm, Notice, Status, Told
from alerts.scripts import Texts
from devices.instants import SECOND, Instant, Span
from devices.readings import Reading
from devices.registry import Registry
from ingest.archive.query import Bucket
from rules.changes import Standing
from web.public.shapes import Shapes

HEARTBEAT_LIMIT: Span = 10 * SECOND
"""Of real time: an older heartbeat says that nobody listens, whatever the store holds."""
HEARING_LIMIT: Span = 10 * SECOND
"""Of the clock of readings: reading up what waited after a reconnect is shorter, and is no deafness to tell residents of."""
STANDSTILL: Span = 60 * SECOND
"""Of real time: what waits longer for `canhbao serve` says that nobody decides on warnings, whatever the ledger holds."""
SLACK: Span = 3 * SECOND
"""Of real time: what the page may lag behind the readings. In a fast rehearsal it is long by the clock of readings."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last sign of life of `canhbao ingest`."""

    real_at: Instant
    """By the machine's clock."""
    clock_at: Instant
    """By the clock of readings, which in a rehearsal is another."""
    connected: bool
    hearing: bool
    """Connected, subscribed, and nothing older waits."""
    hearing_since_at: Instant | None
    """By the clock of readings: since when `hearing` is what it is."""
    waiting_readings: int = 0


@dataclass(frozen=True, slots=True)
class City:
    """What is configured."""

    revision: str
    registry: Registry
    texts: Texts
    shapes: Shapes


@dataclass(frozen=True, slots=True)
class Ledger:
    """What stands in the ledger: open alarms and those that ended lately."""

    alarms: tuple[Alarm, ...]
    told: Mapping[str, Told]
    """What residents were last told, by alarm."""
    notices: tuple[Notice, ...]
    """To residents, the newest first."""
    reached: tuple[str, int] | None = None
    """Spool and ordinal up to which `canhbao serve` has decided; None where it does not say."""


@dataclass(frozen=True, slots=True)
class Situation:
    """One moment."""

    now: Instant
    """By the clock of readings."""
    real_now: Instant
    status: Status
    speed: float
    city: City
    heartbeat: Heartbeat | None
    """None: the spool cannot be read."""
    latest: tuple[Reading, ...] | None
    """The newest reading of every sensor; None: the store cannot be read."""
    standings: tuple[Standing, ...]
    """What the rules last said of the sensors they watch: at hand even where the store is not."""
    ledger: Ledger | None
    """None: the ledger cannot be read."""
    series: Mapping[tuple[str, str], tuple[Bucket, ...]] = field(default_factory=dict)
    """The last 48 hours by station and quantity, of its primary sensor."""
    undecided_since_at: Instant | None = None
    """When the first readings were received that `canhbao serve` has not looked at, by the clock of readings; None where it has seen all."""


@dataclass(frozen=True, slots=True)
class Deafness:
    """We hear nothing; the gauges may be well."""

    since_at: Instant | None
    """By the clock of readings; None where nothing was ever heard."""


def deafness_of(situation: Situation) -> Deafness | None:
    """Tell whether our own ears are shut: no spool, no store, no heartbeat, or a broker that is not heard."""
    heartbeat = situation.heartbeat
    if heartbeat is None:
        return Deafness(None)
    if situation.real_now - heartbeat.real_at > HEARTBEAT_LIMIT:
        return Deafness(heartbeat.clock_at)
    if not heartbeat.hearing:
        since = heartbeat.hearing_since_at
        limit = max(HEARING_LIMIT, int(SLACK * situation.speed))
        return Deafness(since) if since is None or situation.now - since > limit else None
    return Deafness(None) if situation.latest is None and not situation.standings else None


def standstill_of(situation: Situation) -> Span | None:
    """Tell for how long nobody has decided on warnings, by the clock of readings; None where that is no time to speak of."""
    since = situation.undecided_since_at
    span = 0 if since is None else situation.now - since
    return span if span > STANDSTILL * situation.speed else None


def is_ledger_known(situation: Situation) -> bool:
    """Tell whether the ledger says what stands now: it can be read, and somebody writes it."""
    return situation.ledger is not None and standstill_of(situation) is None
