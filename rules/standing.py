"""The track of a sensor -> what stands there, as others are told."""

from __future__ import annotations

from bisect import bisect_left

from devices.instants import HOUR
from devices.registry import Sensor
from rules.changes import Standing
from rules.history import Track
from rules.levels import BEGINNING


def standing_of_track(sensor: Sensor, track: Track) -> Standing:
    """Give what stands at a sensor now."""
    fold = track.folds[0] if track.folds else None
    state = BEGINNING if fold is None else fold.state
    value, observed_at = (track.value[-1], track.at[-1]) if track.at else (None, None)
    return Standing(
        rule="" if fold is None else fold.place.rule,
        station=sensor.station,
        quantity=sensor.quantity,
        device=sensor.device,
        primary=sensor.primary,
        level=state.level,
        opened_id=state.opened_id,
        opened_at=state.opened_at,
        level_id=state.level_id,
        level_at=state.level_at,
        peak=state.peak,
        peak_at=state.peak_at,
        value=value,
        observed_at=observed_at,
        received_at=track.freshness.received_at,
        trend=trend(track, sensor.interval),
        phase=track.freshness.phase,
        phase_at=track.freshness.phase_at,
        interval=sensor.interval,
    )


def trend(track: Track, interval: int) -> float | None:
    """
    Give the change per hour between the end points of about the last hour of kept readings.

    End points, not a fit: the figure is that which a person gets from the two readings. At least one and a half intervals are looked
    at, so that an hourly gauge has a trend too; None where that time holds a single reading.
    """
    if not track.at:
        return None
    start = bisect_left(track.at, track.at[-1] - max(HOUR, interval + interval // 2))
    span = track.at[-1] - track.at[start]
    return (track.value[-1] - track.value[start]) * HOUR / span if span else None
