"""What stands against what was told: every case of the plan, each with a sentence that says what it shows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from desk_town import INTERVAL, NOW, OPERATORS, RESIDENTS, alarm, policy

from alerts.model import Audience, End, NoticeKind, Reason, Status, Told, Withheld
from alerts.plan import Context, Draft, Why, plan, told_after
from devices.instants import HOUR, MINUTE
from rules.changes import Phase

CONTEXT = Context(from_level=1, highest=3, is_told_level_withdrawn=False, is_silenced=False, hears=True)
CLEARED = {"level": 0, "ended_at": NOW, "end": End.CLEARED}
OLD = {"observed_at": NOW - 3 * INTERVAL, "received_at": NOW - 3 * INTERVAL}
JUST_IN = {"observed_at": NOW - 3 * INTERVAL, "received_at": NOW}


@dataclass(frozen=True)
class Case:
    name: str
    audience: Audience
    level: int = 0
    told: int = 0
    alarm: dict[str, Any] = field(default_factory=dict)
    told_more: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    says: tuple[NoticeKind, int] | None = None
    keeps: tuple[Reason, int] | None = None


K, R = NoticeKind, Reason
CASES = [
    Case("operators hear of level 1 at once", OPERATORS, 1, 0, says=(K.WARNING, 1)),
    Case("residents do not hear of a level under theirs", RESIDENTS, 1, 0, context={"from_level": 2}, keeps=(R.BELOW_AUDIENCE, 1)),
    Case("residents hear of their level", RESIDENTS, 2, 0, context={"from_level": 2}, says=(K.WARNING, 2)),
    Case("a rule without residents is not public", RESIDENTS, 3, 0, context={"from_level": None}, keeps=(R.NOT_PUBLIC, 3)),
    Case("who was warned hears that it is worse", RESIDENTS, 3, 2, context={"from_level": 2}, says=(K.WORSE, 3)),
    Case("who was warned hears of the easing below its own level", RESIDENTS, 1, 2, context={"from_level": 2}, says=(K.EASING, 1)),
    Case("who was eased below its level hears that it is worse", RESIDENTS, 2, 1, context={"from_level": 2}, says=(K.WORSE, 2)),
    Case("what was observed is old and still comes in, so operators wait", OPERATORS, 3, 0, alarm=JUST_IN, keeps=(R.NOT_CURRENT, 3)),
    Case(
        "readings that are old for ever do not keep a level from operators",
        OPERATORS,
        3,
        0,
        alarm={**JUST_IN, "phase": Phase.STALE, "phase_at": NOW - HOUR},
        context={"not_current_since": NOW - HOUR},
        says=(K.WARNING, 3),
    ),
    Case(
        "but residents hear of no old level",
        RESIDENTS,
        3,
        0,
        alarm={**JUST_IN, "phase": Phase.STALE, "phase_at": NOW - HOUR},
        context={"not_current_since": NOW - HOUR},
        keeps=(R.NOT_CURRENT, 3),
    ),
    Case("nothing is said twice", RESIDENTS, 2, 2, context={"from_level": 2}),
    Case("a moved instant or peak is nothing", OPERATORS, 2, 2, alarm={"level_id": "another", "level_at": NOW - HOUR, "peak": 9.0}),
    Case("the end is told to who was warned", RESIDENTS, 0, 1, alarm=CLEARED, context={"from_level": 2}, says=(K.ALL_CLEAR, 0)),
    Case("who was never warned is not cleared", RESIDENTS, 0, 0, alarm=CLEARED, told_more={"highest": 2, "end": End.CLEARED}),
    Case("a raise that never was is corrected", RESIDENTS, 0, 2, alarm={**CLEARED, "end": End.WITHDRAWN}, says=(K.CORRECTION, 0)),
    Case("a correction needs no present reading", RESIDENTS, 0, 2, alarm={**CLEARED, **OLD, "end": End.WITHDRAWN}, says=(K.CORRECTION, 0)),
    Case(
        "a higher level that never was is corrected, not eased",
        OPERATORS,
        1,
        3,
        context={"is_told_level_withdrawn": True, "highest": 1},
        says=(K.CORRECTION, 1),
    ),
    Case(
        "a level that was reached at another instant has eased",
        OPERATORS,
        1,
        2,
        context={"is_told_level_withdrawn": True, "highest": 2},
        says=(K.EASING, 1),
    ),
    Case(
        "an operator's end is told as such, without a reading",
        RESIDENTS,
        0,
        2,
        alarm={**CLEARED, **OLD, "end": End.CLOSED},
        says=(K.CLOSED, 0),
    ),
    Case(
        "an end that did not hold is a warning again",
        RESIDENTS,
        2,
        0,
        told_more={"highest": 2, "end": End.CLEARED},
        says=(K.WARNING_AGAIN, 2),
    ),
    Case(
        "an end that did not hold is taken back at any level",
        RESIDENTS,
        1,
        0,
        told_more={"highest": 2, "end": End.CLEARED},
        context={"from_level": 2},
        says=(K.WARNING_AGAIN, 1),
    ),
    Case(
        "after a correction residents are told from their level again",
        RESIDENTS,
        1,
        0,
        told_more={"highest": 2, "end": End.WITHDRAWN},
        context={"from_level": 2},
    ),
    # ---- the present
    Case("residents are not warned of the past", RESIDENTS, 2, 0, alarm=OLD, keeps=(R.NOT_CURRENT, 2)),
    Case("exactly two intervals are the present", RESIDENTS, 2, 0, alarm={"observed_at": NOW - 2 * INTERVAL}, says=(K.WARNING, 2)),
    Case("one microsecond more is not", RESIDENTS, 2, 0, alarm={"observed_at": NOW - 2 * INTERVAL - 1}, keeps=(R.NOT_CURRENT, 2)),
    Case("a gauge without a reading says nothing of the present", RESIDENTS, 2, 0, alarm={"observed_at": None}, keeps=(R.NOT_CURRENT, 2)),
    Case("operators wait while something arrives", OPERATORS, 2, 0, alarm=JUST_IN, keeps=(R.NOT_CURRENT, 2)),
    Case("operators hear of the past when nothing arrives", OPERATORS, 2, 0, alarm=OLD, says=(K.WARNING, 2)),
    Case("an old easing reaches operators too", OPERATORS, 1, 2, alarm=OLD, says=(K.EASING, 1)),
    Case("nobody is cleared without a present reading", OPERATORS, 0, 2, alarm={**CLEARED, **OLD}, keeps=(R.NOT_CURRENT, 0)),
    Case("what rose and ended unheard is history", OPERATORS, 0, 0, alarm=CLEARED, keeps=(R.HISTORIC, 3)),
    Case("history is nothing to who would not have been told", RESIDENTS, 0, 0, alarm=CLEARED, context={"from_level": 2, "highest": 1}),
    Case(
        "what was withheld for want of approval is no history",
        RESIDENTS,
        0,
        0,
        alarm=CLEARED,
        context={"earlier": frozenset({R.NO_APPROVAL})},
    ),
    Case("what never was is no history", OPERATORS, 0, 0, alarm={**CLEARED, "end": End.WITHDRAWN}),
    # ---- silent gauges
    Case("a silent gauge is told once", RESIDENTS, 2, 2, alarm={"phase": Phase.STALE}, says=(K.LOST, 2)),
    Case("and not again when it is silent for longer", RESIDENTS, 2, 2, alarm={"phase": Phase.LOST}, told_more={"lost": True}),
    Case("residents do not hear that it is back", RESIDENTS, 2, 2, told_more={"lost": True}),
    Case("operators hear that it is back", OPERATORS, 2, 2, told_more={"lost": True}, says=(K.FOUND, 2)),
    Case(
        "a gauge that was not told of is not lost",
        RESIDENTS,
        1,
        0,
        alarm={"phase": Phase.STALE},
        context={"from_level": 2},
        keeps=(R.BELOW_AUDIENCE, 1),
    ),
    Case(
        "a gauge lost above what was told is told as lost at what was told",
        RESIDENTS,
        3,
        2,
        alarm={**OLD, "phase": Phase.STALE},
        says=(K.LOST, 2),
        keeps=(R.NOT_CURRENT, 3),
    ),
    Case(
        "a gauge that falls silent at the end is lost, not cleared",
        RESIDENTS,
        0,
        2,
        alarm={**CLEARED, **OLD, "phase": Phase.LOST},
        says=(K.LOST, 2),
        keeps=(R.NOT_CURRENT, 0),
    ),
    # ---- earnest, silences, deafness
    Case("in earnest one gauge warns no resident", RESIDENTS, 2, 0, alarm={"status": Status.ACTUAL}, keeps=(R.NO_APPROVAL, 2)),
    Case("nor worsens what was told", RESIDENTS, 3, 2, alarm={"status": Status.ACTUAL}, keeps=(R.NO_APPROVAL, 3)),
    Case(
        "unless the city allows it",
        RESIDENTS,
        2,
        0,
        alarm={"status": Status.ACTUAL},
        policy={"single_gauge_public": True},
        says=(K.WARNING, 2),
    ),
    Case("what was told in earnest is followed by its easing", RESIDENTS, 1, 2, alarm={"status": Status.ACTUAL}, says=(K.EASING, 1)),
    Case("and by its end", RESIDENTS, 0, 2, alarm={**CLEARED, "status": Status.ACTUAL}, says=(K.ALL_CLEAR, 0)),
    Case("operators hear in earnest", OPERATORS, 1, 0, alarm={"status": Status.ACTUAL}, says=(K.WARNING, 1)),
    Case("a silence holds back a warning from operators", OPERATORS, 1, 0, context={"is_silenced": True}, keeps=(R.SILENCED, 1)),
    Case("and a lower level", OPERATORS, 1, 2, context={"is_silenced": True}, keeps=(R.SILENCED, 1)),
    Case("and a silent gauge", OPERATORS, 1, 1, alarm={"phase": Phase.STALE}, context={"is_silenced": True}, keeps=(R.SILENCED, 1)),
    Case("but no end", OPERATORS, 0, 2, alarm=CLEARED, context={"is_silenced": True}, says=(K.ALL_CLEAR, 0)),
    Case(
        "and no correction", OPERATORS, 0, 2, alarm={**CLEARED, "end": End.WITHDRAWN}, context={"is_silenced": True}, says=(K.CORRECTION, 0)
    ),
    Case("residents hear through a silence", RESIDENTS, 2, 0, context={"is_silenced": True}, says=(K.WARNING, 2)),
    Case("while we are deaf no resident is warned", RESIDENTS, 2, 0, context={"hears": False}, keeps=(R.HEADQUARTERS_DEAF, 2)),
    Case("nor cleared", RESIDENTS, 0, 2, alarm=CLEARED, context={"hears": False}, keeps=(R.HEADQUARTERS_DEAF, 0)),
    Case(
        "nor told that a gauge is silent",
        RESIDENTS,
        2,
        2,
        alarm={"phase": Phase.STALE},
        context={"hears": False},
        keeps=(R.HEADQUARTERS_DEAF, 2),
    ),
    Case(
        "an operator's end goes out all the same",
        RESIDENTS,
        0,
        2,
        alarm={**CLEARED, "end": End.CLOSED},
        context={"hears": False},
        says=(K.CLOSED, 0),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_plan_is_the_difference(case: Case) -> None:
    told = Told("a" * 16, case.audience, level=case.told, highest=case.told, level_id="level-x")
    told = replace(told, **case.told_more)

    decisions = plan(alarm(**{"level": case.level, **case.alarm}), told, policy(**case.policy), replace(CONTEXT, **case.context), NOW)

    said = [(each.kind, each.level) for each in decisions if isinstance(each, Draft)]
    kept = [(each.reason, each.level) for each in decisions if isinstance(each, Withheld)]
    assert said == ([case.says] if case.says else [])
    assert kept == ([case.keeps] if case.keeps else [])


def test_a_draft_says_from_what_to_what_and_why() -> None:
    told = Told("a" * 16, OPERATORS, level=1, highest=1)

    (draft,) = plan(alarm(3), told, policy(), CONTEXT, NOW)

    assert draft == Draft("a" * 16, OPERATORS, NoticeKind.WORSE, 3, 1, Why.ROSE)


def test_what_was_told_old_tells_that_the_gauge_is_silent_too() -> None:
    told = Told("a" * 16, OPERATORS)
    silent = alarm(2, phase=Phase.STALE, **OLD)
    (draft,) = plan(silent, told, policy(), CONTEXT, NOW)
    assert isinstance(draft, Draft)

    after = told_after(told, draft, silent, "n1", NOW)

    assert draft.why is Why.OLD
    assert after.lost
    assert plan(silent, after, policy(), CONTEXT, NOW + 10 * MINUTE) == ()


def test_a_level_told_anew_makes_a_later_silence_worth_a_word() -> None:
    told = Told("a" * 16, RESIDENTS, level=2, highest=2, lost=True)
    (draft,) = plan(alarm(3), told, policy(), CONTEXT, NOW)
    assert isinstance(draft, Draft)

    after = told_after(told, draft, alarm(3), "n2", NOW)

    assert (after.level, after.highest, after.lost, after.notice) == (3, 3, False, "n2")


def test_the_end_is_remembered_with_how_it_came() -> None:
    told = Told("a" * 16, RESIDENTS, level=2, highest=3)
    over = alarm(**CLEARED)
    (draft,) = plan(over, told, policy(), CONTEXT, NOW)
    assert isinstance(draft, Draft)

    after = told_after(told, draft, over, "n3", NOW)

    assert (after.level, after.highest, after.end) == (0, 3, End.CLEARED)
    assert plan(over, after, policy(), CONTEXT, NOW) == ()
