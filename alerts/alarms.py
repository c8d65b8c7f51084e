"""
What stands at a sensor -> the alarm of its place: opened, followed, ended, opened again.

Rule 1: a place (station and quantity) has at most one alarm that is open or whose end somebody still has to hear. While it is,
        whatever stands above level 0 there is that same alarm, even if the change that opened it was revised.
Rule 2: an alarm ends when the rules say so (a CLEAR, or its raise withdrawn) or an operator does; rules that have forgotten end nothing.
Rule 3: an end whose episode turns out to go on is taken back: the same alarm is open again.
Rule 4: an alarm that an operator closed stays closed while its gauge is as silent as it was; a gauge that speaks again, and still of a level, opens it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from alerts.model import Alarm, End, Handling, Status
from devices.instants import Instant, Span
from rules.changes import Change, Kind, Phase, Standing

UPWARDS = frozenset({Kind.RAISE, Kind.STEP_UP})
BELIEVED_AFTER = 3
"""Intervals of new data below every level after which level 0 is believed of rules that have forgotten how the alarm began."""


@dataclass(frozen=True, slots=True)
class Known:
    """Changes of one place that were read so far, as many as a question needs. One that is in neither is not known yet."""

    standing: Mapping[str, Change]
    withdrawn: Mapping[str, Change]

    def has_raise_at(self, at: Instant) -> bool:
        """Tell whether an episode that began at this instant stands."""
        return any(change.kind is Kind.RAISE and change.at == at for change in self.standing.values())

    def lost_raise_at(self, at: Instant) -> bool:
        """Tell whether an episode that began at this instant was withdrawn, and none stands in its place."""
        return not self.has_raise_at(at) and any(change.kind is Kind.RAISE and change.at == at for change in self.withdrawn.values())

    def episodes(self) -> Iterator[tuple[Change, Change]]:
        """Give each RAISE that stands with the CLEAR that ended it, in order."""
        begun: Change | None = None
        for change in sorted(self.standing.values(), key=lambda each: (each.at, each.level)):
            if change.kind is Kind.RAISE:
                begun = change
            elif change.kind is Kind.CLEAR and begun is not None:
                yield begun, change
                begun = None


NOTHING_KNOWN = Known({}, {})


@dataclass(frozen=True, slots=True)
class Frame:
    """What is the same for all alarms of a step."""

    status: Status
    revision: str


def follow(alarm: Alarm | None, standing: Standing, known: Known, frame: Frame, *, owed: bool, lowest: float | None) -> Alarm | None:
    """
    Give the alarm of a place after what now stands there.

    Args:
        alarm: its latest one, None where there never was one.
        standing: of its primary sensor.
        known: the raises at the instant at which that alarm began, those that were withdrawn too.
        frame: status and revision.
        owed: somebody was told of the alarm and not yet of its end.
        lowest: value of the lowest level of the place now, None where none is known.

    Returns:
        The alarm as it is now, which may be another one; None where there is none.
    """
    if standing.level > 0:
        if alarm is None or _is_another(alarm, standing, owed=owed):
            return opened(standing, frame)
        if alarm.end is End.CLOSED and not (is_heard_again(alarm, standing) and _speaks_of_a_level(standing, lowest)):
            return alarm
        return _above(alarm, standing, known, frame)
    if alarm is None or alarm.end is End.CLOSED or (alarm.ended_at is not None and not owed):
        return alarm
    return _below(alarm, standing, known, frame, lowest)


def opened(standing: Standing, frame: Frame) -> Alarm:
    """Open an alarm from a standing above level 0."""
    begun = _begun_at(standing)
    return Alarm(
        id=str(standing.opened_id),
        rule=standing.rule,
        station=standing.station,
        quantity=standing.quantity,
        device=standing.device,
        status=frame.status,
        level=standing.level,
        level_id=standing.level_id,
        opened_at=begun,
        level_at=begun if standing.level_at is None else standing.level_at,
        peak=standing.peak,
        peak_at=standing.peak_at,
        ended_at=None,
        end=None,
        handling=Handling.OPEN,
        handled_by=None,
        handled_at=None,
        handling_reason=None,
        revision=frame.revision,
        **_observed(standing),
    )


def past(known: Known, alarms: Iterable[Alarm], frame: Frame, interval: Span) -> Iterator[Alarm]:
    """
    Give an ended alarm for each episode that rose and ended before anybody looked.

    Args:
        known: the changes of a place, from the beginning of an episode on.
        alarms: those of the place that were open then, or began later.
        frame: status and revision.
        interval: expected span between two readings of its sensor.
    """
    had = list(alarms)
    for begun, over in known.episodes():
        if not any(alarm.id == begun.id or _overlaps(alarm, begun.at, over.at) for alarm in had):
            yield _ended_before(begun, over, frame, interval)


def is_heard_again(alarm: Alarm, standing: Standing) -> bool:
    """Tell whether a gauge whose alarm an operator closed has spoken since, and of the present."""
    if standing.phase is not Phase.FRESH or standing.observed_at is None or standing.received_at is None:
        return False
    is_newer = alarm.observed_at is None or standing.observed_at > alarm.observed_at
    return is_newer and alarm.ended_at is not None and standing.received_at > alarm.ended_at


def _speaks_of_a_level(standing: Standing, lowest: float | None) -> bool:
    """Rules hold the old level until enough low readings have come; a gauge that comes back dry raises nothing meanwhile."""
    return lowest is None or standing.value is None or standing.value >= lowest


def _is_another(alarm: Alarm, standing: Standing, *, owed: bool) -> bool:
    """Another episode, and nobody still believes in the old alarm."""
    if alarm.ended_at is None or (owed and alarm.end is not End.CLOSED) or standing.opened_id == alarm.id:
        return False
    return _begun_at(standing) > alarm.ended_at


def _above(alarm: Alarm, standing: Standing, known: Known, frame: Frame) -> Alarm:
    opened_at = _opened_at(alarm, standing, known)
    was_closed = alarm.handling is Handling.CLOSED
    return replace(
        alarm,
        rule=standing.rule,
        device=standing.device,
        level=standing.level,
        level_id=standing.level_id,
        opened_at=opened_at,
        level_at=opened_at if standing.level_at is None else standing.level_at,
        ended_at=None,
        end=None,
        handling=Handling.OPEN if was_closed else alarm.handling,
        handled_by=None if was_closed else alarm.handled_by,
        handled_at=None if was_closed else alarm.handled_at,
        handling_reason=None if was_closed else alarm.handling_reason,
        revision=frame.revision,
        **_peak(alarm, standing, opened_at),
        **_observed(standing),
    )


def _below(alarm: Alarm, standing: Standing, known: Known, frame: Frame, lowest: float | None) -> Alarm:
    end = _end_of(alarm, standing, known, lowest)
    if end is None and alarm.ended_at is None:
        return replace(alarm, phase=standing.phase, phase_at=standing.phase_at)
    if end is None:
        return replace(alarm, **_observed(standing))
    how, ended_at = end
    return replace(
        alarm,
        level=0,
        level_id=standing.level_id,
        level_at=ended_at,
        ended_at=ended_at,
        end=how,
        revision=frame.revision,
        **_observed(standing),
    )


def _end_of(alarm: Alarm, standing: Standing, known: Known, lowest: float | None) -> tuple[End, Instant] | None:
    """How and when an alarm at level 0 ended; None where the rules do not say that it did."""
    cleared = standing.level_id is not None and standing.level_at is not None
    if cleared and standing.level_at is not None and standing.level_at >= alarm.opened_at:
        return End.CLEARED, standing.level_at
    if known.lost_raise_at(alarm.opened_at):
        return End.WITHDRAWN, max(alarm.opened_at, standing.observed_at or alarm.opened_at)
    if standing.observed_at is not None and _is_believed(alarm, standing, lowest):
        return End.CLEARED, standing.observed_at
    return None


def _is_believed(alarm: Alarm, standing: Standing, lowest: float | None) -> bool:
    """Rules that lost their memory say level 0 of a flood too, until it is confirmed anew: so the water itself must say it, for a while."""
    if lowest is None or standing.value is None or standing.observed_at is None or standing.phase is not Phase.FRESH:
        return False
    known_at = alarm.opened_at if alarm.observed_at is None else alarm.observed_at
    return standing.value < lowest and standing.observed_at - known_at >= BELIEVED_AFTER * standing.interval


def _opened_at(alarm: Alarm, standing: Standing, known: Known) -> Instant:
    """The first episode's beginning if that still stands: it may have ended and risen again between two looks."""
    begun = _begun_at(standing)
    return alarm.opened_at if begun > alarm.opened_at and known.has_raise_at(alarm.opened_at) else begun


def _begun_at(standing: Standing) -> Instant:
    begun = standing.opened_at if standing.opened_at is not None else standing.level_at
    return standing.phase_at if begun is None else begun


def _peak(alarm: Alarm, standing: Standing, opened_at: Instant) -> dict[str, Any]:
    is_later_episode = opened_at < _begun_at(standing) and alarm.peak is not None
    if is_later_episode and (standing.peak is None or standing.peak < (alarm.peak or 0.0)):
        return {"peak": alarm.peak, "peak_at": alarm.peak_at}
    return {"peak": standing.peak, "peak_at": standing.peak_at}


def _observed(standing: Standing) -> dict[str, Any]:
    return {
        "value": standing.value,
        "observed_at": standing.observed_at,
        "received_at": standing.received_at,
        "trend": standing.trend,
        "interval": standing.interval,
        "phase": standing.phase,
        "phase_at": standing.phase_at,
    }


def _ended_before(begun: Change, over: Change, frame: Frame, interval: Span) -> Alarm:
    return Alarm(
        id=begun.id,
        rule=begun.rule,
        station=begun.station,
        quantity=begun.quantity,
        device=over.device,
        status=frame.status,
        level=0,
        level_id=over.id,
        opened_at=begun.at,
        level_at=over.at,
        value=over.value,
        observed_at=over.at,
        received_at=None,
        trend=None,
        peak=over.peak,
        peak_at=None,
        interval=interval,
        ended_at=over.at,
        end=End.CLEARED,
        phase=Phase.FRESH,
        phase_at=over.at,
        handling=Handling.OPEN,
        handled_by=None,
        handled_at=None,
        handling_reason=None,
        revision=frame.revision,
    )


def _overlaps(alarm: Alarm, from_at: Instant, to_at: Instant) -> bool:
    return from_at <= (to_at if alarm.ended_at is None else alarm.ended_at) and alarm.opened_at <= to_at
