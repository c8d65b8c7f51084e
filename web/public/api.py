"""
Requests of the open interface -> answers, or a short reason.

Rule 1: residents' view only: what residents were not told is no alarm here, and no operator's name leaves the house.
Rule 2: a question has a bound: 366 days, 2,000 points, 100 notices.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query

from devices.instants import DAY, HOUR, Instant, Span, from_datetime
from devices.quantities import QUANTITIES
from devices.stations import Station
from ingest.archive.query import Archive, ArchiveAway, bucket_width
from web.public.answers import Said
from web.public.editions import Editions
from web.public.models import AlarmsOut, ErrorOut, NoticesOut, OneStationOut, ReadingsOut, StationsOut

LONGEST: Span = 366 * DAY
MOST_POINTS = 2_000
StationId = Annotated[str, Path(pattern="^[a-z0-9-]{1,32}$", description="Id of a station.")]
When = Annotated[datetime | None, Query(description="RFC 3339 with an offset; write the plus sign as %2B.")]
_PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorOut} for status in (400, 404, 503)}


def routes(editions: Editions, archive: Archive) -> APIRouter:
    """Give the routes below /api/v1."""
    router = APIRouter(prefix="/api/v1", responses=_PROBLEMS, tags=["v1"])

    @router.get("/stations")
    def stations() -> StationsOut:
        """All stations with their newest values."""
        return _said(editions).stations()

    @router.get("/stations/{station}")
    def station(station: StationId) -> OneStationOut:
        """One station."""
        return _said(editions).station(_station(editions, station))

    @router.get("/stations/{station}/readings")
    def readings(
        station: StationId,
        quantity: Annotated[str, Query(description="For example `water_level`.")] = "water_level",
        from_: Annotated[When, Query(alias="from")] = None,
        to: When = None,
        points: Annotated[int, Query(ge=1, le=MOST_POINTS, description="At most so many spans.")] = 288,
    ) -> ReadingsOut:
        """The readings of the primary sensor of a station, downsampled. Without from and to: the last 48 hours."""
        return _readings(editions, archive, station, quantity, (from_, to), points)

    @router.get("/alarms")
    def alarms() -> AlarmsOut:
        """The warnings in force, the highest first, and those that ended within a day."""
        return _said(editions).alarms()

    @router.get("/notices")
    def notices(limit: Annotated[int, Query(ge=1, le=100)] = 50) -> NoticesOut:
        """The newest notices to residents."""
        return _said(editions).notices(limit)

    return router


def _said(editions: Editions) -> Said:
    seen = editions.seen
    if seen is None:
        raise HTTPException(503, "no city was applied yet; `canhbao ingest` applies it at its start")
    return Said(seen.situation, seen.state)


def _station(editions: Editions, name: str) -> Station:
    situation = editions.situation
    found = situation.city.registry.stations.get(name) if situation else None
    if found is None:
        raise HTTPException(404, f"there is no station {name!r}; see /api/v1/stations")
    return found


def _readings(
    editions: Editions, archive: Archive, name: str, quantity: str, span: tuple[datetime | None, datetime | None], points: int
) -> ReadingsOut:
    said, station = _said(editions), _station(editions, name)
    if quantity not in QUANTITIES:
        raise HTTPException(400, f"there is no quantity {quantity!r}; write one of: {', '.join(QUANTITIES)}")
    assert editions.situation is not None
    from_at, to_at = _span(span, editions.situation.now)
    sensor = editions.situation.city.registry.primary(station.id, quantity, editions.situation.now)
    device, longer = (sensor.device, 3 * sensor.interval) if sensor else (None, HOUR)
    width = bucket_width(from_at, to_at, points)
    try:
        buckets = archive.downsampled(station.id, quantity, from_at, to_at, points, device)
        gaps = archive.gaps(station.id, quantity, from_at, to_at, longer, device)
    except ArchiveAway as error:
        raise HTTPException(503, "the archive cannot be read now; try again in a few seconds") from error
    return said.readings(station.id, quantity, (from_at, to_at), width, buckets, gaps)


def _span(span: tuple[datetime | None, datetime | None], now: Instant) -> tuple[Instant, Instant]:
    to_at = _instant(span[1], "to") if span[1] else now + 1
    from_at = _instant(span[0], "from") if span[0] else to_at - 48 * HOUR
    if not from_at < to_at:
        raise HTTPException(400, "from lies after to; exchange them")
    if to_at - from_at > LONGEST:
        raise HTTPException(400, "more than 366 days; ask for a shorter span")
    return from_at, to_at


def _instant(moment: datetime, name: str) -> Instant:
    if moment.tzinfo is None:
        raise HTTPException(400, f"{name} needs an offset from UTC, for example 2025-10-27T07:00:00%2B07:00")
    return from_datetime(moment)
