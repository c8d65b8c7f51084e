"""
A clock that was set, or time that went on without us -> what is noted of it, so that nobody is judged by time that did not pass.

Rule 1: a leap is deafness from the last instant before it to the first one after it. It stands in its batch as what was heard, so a replay
        leaps at the same place.
Rule 2: forward, silence is measured anew from the new instant.
Rule 3: back, the world's time goes with the clock, and what was received in a future that never came counts as received now. Only here
        does it run backwards.
Rule 4: a clock that went back against what most sensors say of the time is the one that is wrong: it is not followed.
"""

from __future__ import annotations

from collections.abc import Iterable

from devices.instants import HOUR, MILLISECOND, SECOND, Instant
from ingest.accept import FUTURE, Intake
from ingest.engine import Engine, Said
from ingest.inbox import Incident, Trouble
from ingest.taken import Taken


def leap(intake: Intake, at: Instant) -> Taken:
    """Go to an instant that does not follow from the present one by waiting, whether later or earlier."""
    before, (_, hears) = intake.now, intake.hearing
    intake.now = at // MILLISECOND * MILLISECOND
    said = heard_over(intake.engine, before, [(before, False), (intake.now, hears)])
    intake.hearing = intake.now, hears
    incidents = [*_incidents(before, intake.now, hears=hears)]
    return Taken(intake.now, said=said, hearing=[(before, False), intake.hearing], incidents=incidents)


def is_contradicted(intake: Intake, at: Instant) -> bool:
    """Tell whether most sensors that were heard lately have said that it is later; those that have their time from us are no witnesses."""
    witnesses = [source for source in intake.sources.values() if not source.receipts]
    newest = [known.memory.newest for source in witnesses for known in source.sensors.values()]
    later = sum([one > at + FUTURE * MILLISECOND for one in newest])
    return 2 * later > sum([one > at - HOUR for one in newest])


def heard_over(engine: Engine, now: Instant, hearing: Iterable[tuple[Instant, bool]]) -> list[Said]:
    """Let an engine, at an instant, know what was heard since when, in order; an instant before the one before it is a leap back."""
    said: list[Said] = []
    for at, hears in hearing:
        if at < now:
            engine.rewind(at, at + FUTURE * MILLISECOND)
        said += engine.tick(at)
        said += engine.hearing(at, hears)
        now = at
    return said


def _incidents(before: Instant, at: Instant, *, hears: bool) -> Iterable[Incident]:
    span = abs(at - before) / SECOND
    if at < before:
        yield Incident(at, Trouble.CLOCK_WENT_BACK, f"by {span:.1f} s; time goes on from there")
    if hears:
        went = "went back" if at < before else "went on at once"
        yield Incident(min(before, at), Trouble.DEAF, f"the clock {went} by {span:.1f} s: it was set, or ingest did not run")
        yield Incident(at, Trouble.HEARS, "")
