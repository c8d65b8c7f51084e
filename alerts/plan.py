"""
What stands against what an audience was last told -> what to tell it now, or why not.

Rule 1: a notice is the difference between the two. Nothing is remembered but what was told, so nothing that was missed can be lost.
Rule 2: who was told of a level is followed up and down until the end; only the first word waits for the audience's own level.
Rule 3: what speaks of the present needs a present reading. A correction and an operator's end do not.
Rule 4: ends are never swallowed: no silence and no missing approval withholds them. While all is held they wait, and stay owed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from alerts.model import Alarm, Audience, End, NoticeKind, Reason, Status, Told, Withheld
from alerts.policy import Policy
from devices.instants import Instant
from rules.changes import Phase

OF_THE_PRESENT = frozenset({NoticeKind.WARNING, NoticeKind.WARNING_AGAIN, NoticeKind.WORSE, NoticeKind.EASING, NoticeKind.ALL_CLEAR})
RAISING = frozenset({NoticeKind.WARNING, NoticeKind.WARNING_AGAIN, NoticeKind.WORSE})
SILENCEABLE = RAISING | {NoticeKind.EASING, NoticeKind.LOST, NoticeKind.FOUND}
SILENT = frozenset({Phase.STALE, Phase.LOST})


class Why(StrEnum):
    """Why a notice is issued: what came to differ from what was told."""

    FIRST = "first"
    """A level stands of which nothing was told."""
    ROSE = "rose"
    FELL = "fell"
    NEVER_WAS = "never_was"
    """The readings that arrived since say that what was told never was."""
    END_DID_NOT_HOLD = "end_did_not_hold"
    OLD = "old"
    """It is not of the present, and nothing newer arrives: operators are told what is known."""
    CLEARED = "cleared"
    CLOSED = "closed"
    SILENT = "silent"
    HEARD_AGAIN = "heard_again"


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice that has no words yet."""

    alarm: str
    audience: Audience
    kind: NoticeKind
    level: int
    """What the audience believes after it."""
    was: int
    """What it believed before."""
    why: Why


@dataclass(frozen=True, slots=True)
class Context:
    """What else decides about one alarm and audience."""

    from_level: int | None
    """Number of the level from which the audience is told; None: never of this rule."""
    highest: int
    """The highest level that the alarm is known to have reached, and that stands."""
    is_told_level_withdrawn: bool
    """The change by which the level they believe in was reached is known to be withdrawn."""
    is_silenced: bool
    hears: bool
    """We hear the sensors."""
    not_current_since: Instant | None = None
    """Since when things are withheld from this audience because no reading is of the present."""
    earlier: frozenset[Reason] = frozenset()
    """Why things were withheld from this audience before, about this alarm."""
    is_held: bool = False
    """Nothing is told to anybody until an operator releases."""


def plan(alarm: Alarm, told: Told, policy: Policy, context: Context, now: Instant) -> tuple[Draft | Withheld, ...]:
    """
    Decide what an audience is told of an alarm now.

    Args:
        alarm: as it stands, open or ended.
        told: what the audience was last told of it.
        policy: of the city.
        context: what else decides.
        now: the present instant.

    Returns:
        At most one draft, and at most two things withheld with their reasons; nothing where they believe what stands.
    """
    about_level = _about_level(alarm, told, policy, context, now)
    if isinstance(about_level, Draft):
        return (about_level,)
    about_gauge = _about_gauge(alarm, told, policy, context, now)
    return tuple(decision for decision in (about_level, about_gauge) if decision is not None)


def told_after(told: Told, draft: Draft, alarm: Alarm, notice: str, now: Instant) -> Told:
    """Give what an audience has been told once a draft is issued as a notice."""
    changed = replace(told, notice=notice, told_at=now)
    if draft.kind in (NoticeKind.LOST, NoticeKind.FOUND):
        return replace(changed, lost=draft.kind is NoticeKind.LOST)
    return replace(
        changed,
        level=draft.level,
        level_id=alarm.level_id,
        highest=max(told.highest, draft.level),
        lost=draft.why is Why.OLD,  # its age was told with it
        end=alarm.end if draft.level == 0 else None,
    )


def is_current(alarm: Alarm, policy: Policy, now: Instant) -> bool:
    """Tell whether the newest reading of an alarm's gauge speaks of the present."""
    return alarm.observed_at is not None and now - alarm.observed_at <= policy.currency * alarm.interval + policy.slack


def _about_level(alarm: Alarm, told: Told, policy: Policy, context: Context, now: Instant) -> Draft | Withheld | None:
    level = _level_to_tell(alarm, told, context)
    if level == told.level:
        reason = _reason_of_nothing(alarm, told, context)
        at = context.highest if alarm.ended_at is not None else alarm.level
        return Withheld(alarm.id, told.audience, NoticeKind.WARNING, at, reason, now) if reason else None
    kind, why = _kind(alarm, told, level, context)
    is_old = kind in OF_THE_PRESENT and not is_current(alarm, policy, now)
    is_all_there_is = _nothing_arrives(alarm, policy, now) or _only_old_arrives(alarm, told, policy, context, now)
    may_be_old = told.audience is Audience.OPERATORS and level > 0 and is_all_there_is
    reason = _obstacle(alarm, told.audience, kind, policy, context, is_too_old=is_old and not may_be_old)
    if reason:
        return Withheld(alarm.id, told.audience, kind, level, reason, now)
    return Draft(alarm.id, told.audience, kind, level, told.level, Why.OLD if is_old else why)


def _level_to_tell(alarm: Alarm, told: Told, context: Context) -> int:
    """What they should believe: the level that stands, if they are told of it or of anything of this alarm."""
    if alarm.ended_at is not None:
        return 0
    is_followed = told.level > 0 or told.end in (End.CLEARED, End.CLOSED)
    is_enough = context.from_level is not None and alarm.level >= context.from_level
    return alarm.level if is_followed or is_enough else 0


def _reason_of_nothing(alarm: Alarm, told: Told, context: Context) -> Reason | None:
    """Why an audience that believes nothing, rightly, was not told of an alarm."""
    if told.highest or told.level:
        return None
    if alarm.ended_at is None:
        return Reason.NOT_PUBLIC if context.from_level is None else Reason.BELOW_AUDIENCE
    was_due = context.from_level is not None and context.highest >= context.from_level
    is_explained = context.earlier & {Reason.NO_APPROVAL, Reason.SILENCED}
    return Reason.HISTORIC if alarm.end is End.CLEARED and was_due and not is_explained else None


def _kind(alarm: Alarm, told: Told, level: int, context: Context) -> tuple[NoticeKind, Why]:
    if level > told.level:
        if told.level:
            return NoticeKind.WORSE, Why.ROSE
        return (NoticeKind.WARNING_AGAIN, Why.END_DID_NOT_HOLD) if told.end else (NoticeKind.WARNING, Why.FIRST)
    if level:
        never_was = context.is_told_level_withdrawn and context.highest < told.level
        return (NoticeKind.CORRECTION, Why.NEVER_WAS) if never_was else (NoticeKind.EASING, Why.FELL)
    match alarm.end:
        case End.CLOSED:
            return NoticeKind.CLOSED, Why.CLOSED
        case End.WITHDRAWN:
            return NoticeKind.CORRECTION, Why.NEVER_WAS
        case _:
            return NoticeKind.ALL_CLEAR, Why.CLEARED


def _obstacle(
    alarm: Alarm, audience: Audience, kind: NoticeKind, policy: Policy, context: Context, *, is_too_old: bool = False
) -> Reason | None:
    """The first reason that stands against telling, or None."""
    if context.is_held:
        return Reason.HELD
    residents = audience is Audience.RESIDENTS
    if residents and not context.hears and (kind in OF_THE_PRESENT or kind is NoticeKind.LOST):
        return Reason.HEADQUARTERS_DEAF
    if is_too_old:
        return Reason.NOT_CURRENT
    if not residents and context.is_silenced and kind in SILENCEABLE:
        return Reason.SILENCED
    in_earnest = alarm.status is Status.ACTUAL and not policy.single_gauge_public
    return Reason.NO_APPROVAL if residents and in_earnest and kind in RAISING else None


def _about_gauge(alarm: Alarm, told: Told, policy: Policy, context: Context, now: Instant) -> Draft | Withheld | None:
    """Residents hear once of a silent gauge until their level changes; operators also hear when it is back."""
    if told.level == 0:
        return None
    if alarm.phase in SILENT and not told.lost:
        kind, why = NoticeKind.LOST, Why.SILENT
    elif told.lost and told.audience is Audience.OPERATORS and alarm.phase is Phase.FRESH and is_current(alarm, policy, now):
        kind, why = NoticeKind.FOUND, Why.HEARD_AGAIN
    else:
        return None
    reason = _obstacle(alarm, told.audience, kind, policy, context)
    if reason:
        return Withheld(alarm.id, told.audience, kind, told.level, reason, now)
    return Draft(alarm.id, told.audience, kind, told.level, told.level, why)


def _nothing_arrives(alarm: Alarm, policy: Policy, now: Instant) -> bool:
    return alarm.received_at is None or now - alarm.received_at >= policy.tell_old_after


def _only_old_arrives(alarm: Alarm, told: Told, policy: Policy, context: Context, now: Instant) -> bool:
    """Readings arrive, and for long none of them was of the present: a clock that is slow, not a backlog that is being read up."""
    if context.not_current_since is None or alarm.phase not in SILENT or not context.hears:
        return False
    return now - max(context.not_current_since, alarm.phase_at, told.told_at or 0) >= policy.tell_old_after
