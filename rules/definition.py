"""
The rule files of a city -> rules, checked.

Rule 1: a closed vocabulary: kinds and fields that are written here, no expressions.
Rule 2: every rule file carries its own tests; one without is refused.
Rule 3: the values of levels are legal facts of the stations; a rule says only how they are judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, FiniteFloat

from devices.documents import ConfigurationError, Document, Documents, Form, Problem, SpanText, validated
from devices.forms import Id, LevelCode, QuantityName
from devices.instants import Span
from devices.registry import Registry, Sensor

_INTERVALS = re.compile(r"(\d+(?:\.\d+)?) intervals?")


class Intervals(Form):
    """So many times the expected interval of the sensor."""

    count: float

    def span(self, interval: Span) -> Span:
        """Give the span for a sensor of this interval."""
        return round(self.count * interval)


def _intervals(value: object) -> object:
    if isinstance(value, str) and (found := _INTERVALS.fullmatch(value.strip())):
        return {"count": float(found[1])}
    if isinstance(value, Intervals):
        return value
    raise ValueError(f"is {value!r}; write a number of intervals, for example '24 intervals'")


InIntervals = Annotated[Intervals, BeforeValidator(_intervals)]
Count = Annotated[int, Field(ge=1, le=100)]
Margin = Annotated[FiniteFloat, Field(ge=0)]


class Judging(Form):
    """How one level is judged."""

    confirm: Count
    """So many readings in a row at or above it raise it."""
    hold: Count
    """So many readings in a row below its margin end it."""
    clear_margin: Margin
    """In the unit of the quantity: only values below level minus margin speak for its end."""


class JudgingOf(Form):
    """What is different for one level."""

    confirm: Count | None = None
    hold: Count | None = None
    clear_margin: Margin | None = None


class AtOnceForm(Form):
    """When a single reading is enough."""

    level: LevelCode
    above: FiniteFloat
    """Added to the level."""
    if_previous: LevelCode
    within: InIntervals


class LevelsCase(Form):
    """A series and what the rule must say of it."""

    name: str
    levels: dict[LevelCode, FiniteFloat]
    """The levels of the station of this test, from the lowest."""
    every: SpanText
    values: Annotated[list[FiniteFloat | None], Field(min_length=1)]
    """One value each `every`, beginning at 0; null where none was observed."""
    expect: list[tuple[SpanText, Literal["raise", "step_up", "step_down", "clear"], int]]
    """When (since the first value), what, and the level that stands then."""


class LevelsRule(Form):
    """Alarm levels of a quantity."""

    rule: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    kind: Literal["levels"]
    quantity: QuantityName
    stations: Literal["all"] | list[Id] = "all"
    defaults: Judging
    max_gap: InIntervals
    lateness: SpanText
    """How late a reading may come and still count; at least two intervals are taken."""
    levels: dict[LevelCode, JudgingOf] = Field(default_factory=dict)
    at_once: AtOnceForm | None = None
    tests: Annotated[list[LevelsCase], Field(min_length=1)]

    def judges(self, sensor: Sensor) -> bool:
        """Tell whether this rule judges a sensor: primary ones only drive an alarm."""
        return sensor.primary and sensor.quantity == self.quantity and (self.stations == "all" or sensor.station in self.stations)

    def judging(self, code: str) -> Judging:
        """Give how a level is judged."""
        own = self.levels.get(code)
        return self.defaults if own is None else self.defaults.model_copy(update=own.model_dump(exclude_none=True))


class FreshnessCase(Form):
    """A series of receipts and what must be said of the silence."""

    name: str
    interval: SpanText
    received: list[SpanText]
    """When readings arrive, since the start."""
    until: SpanText
    expect: list[tuple[SpanText, Literal["stale", "lost", "fresh"]]]


class FreshnessRule(Form):
    """Silence of all sensors."""

    rule: Literal["freshness"]
    kind: Literal["freshness"]
    stale_after: InIntervals
    lost_after: InIntervals
    tests: Annotated[list[FreshnessCase], Field(min_length=1)]


Rule: TypeAlias = LevelsRule | FreshnessRule


def rules_of(documents: Documents, registry: Registry) -> tuple[Rule, ...]:
    """
    Build the rules from every file under `rules/`.

    Raises:
        ConfigurationError: with every problem, also where what rules say of each other or of the stations does not fit.
    """
    problems: list[Problem] = []
    found: list[tuple[Document, Rule]] = []
    for name in sorted(name for name in documents if name.startswith("rules/")):
        try:
            found.append((documents[name], _rule(documents[name])))
        except ConfigurationError as error:
            problems += error.problems
    problems += _cross_checks(found, registry)
    if not problems and not any(isinstance(rule, FreshnessRule) for _, rule in found):
        problems.append(Problem("rules/freshness.yaml", None, "", "no rule judges silence; add a file of kind freshness"))
    if problems:
        raise ConfigurationError(problems)
    return tuple(rule for _, rule in found)


def _rule(document: Document) -> Rule:
    kind = document.content.get("kind") if isinstance(document.content, dict) else None
    match kind:
        case "levels":
            return validated(LevelsRule, document)
        case "freshness":
            return _in_order(document, validated(FreshnessRule, document))
        case _:
            raise ConfigurationError([document.problem(("kind",), f"there is no kind of rule {kind!r}; write levels or freshness")])


def _in_order(document: Document, rule: FreshnessRule) -> FreshnessRule:
    if rule.lost_after.count > rule.stale_after.count:
        return rule
    raise ConfigurationError([document.problem(("lost_after",), "is not more than stale_after; a sensor is stale before it is lost")])


def _cross_checks(found: list[tuple[Document, Rule]], registry: Registry) -> Iterable[Problem]:
    names: dict[str, str] = {}
    judged: dict[tuple[str, str], str] = {}
    for document, rule in found:
        if rule.rule in names:
            yield document.problem(("rule",), f"{rule.rule!r} is the name of the rule in {names[rule.rule]} too; give another one")
        names[rule.rule] = document.name
        if isinstance(rule, LevelsRule):
            yield from _levels_checks(document, rule, registry, judged)


def _levels_checks(document: Document, rule: LevelsRule, registry: Registry, judged: dict[tuple[str, str], str]) -> Iterable[Problem]:
    named = [] if rule.stations == "all" else rule.stations
    for index, station in enumerate(named):
        if station not in registry.stations:
            yield document.problem(("stations", index), f"there is no station {station!r}; name one of stations.yaml")
    codes = {level.code for each in registry.stations.values() for known in each.thresholds for level in known.levels}
    wanted = [*rule.levels, *([rule.at_once.level, rule.at_once.if_previous] if rule.at_once else [])]
    for code in wanted:
        if code not in codes:
            yield document.problem((), f"no station has a level {code!r}; use one of: {', '.join(sorted(codes))}")
    for sensor in registry.sensors():
        if rule.judges(sensor):
            other = judged.setdefault((sensor.station, sensor.quantity), rule.rule)
            if other != rule.rule:
                yield document.problem(("stations",), f"{sensor.subject} is judged by {other!r} already; name the stations of each")
