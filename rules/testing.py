"""The tests inside rule files -> what each found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from devices.instants import DAY, HOUR, MINUTE, Instant, Span
from devices.registry import Device, Registry, Sensor
from devices.stations import LegalLevel, Station, Thresholds
from rules.changes import Said
from rules.definition import FreshnessCase, FreshnessRule, LevelsCase, LevelsRule, Rule
from rules.engine import Engine

_START: Instant = 10 * DAY
_PATIENT = FreshnessRule.model_validate(
    {
        "rule": "freshness", "kind": "freshness", "stale_after": "1000 intervals", "lost_after": "2000 intervals",
        "tests": [{"name": "none", "interval": "1 h", "received": [], "until": "1 h", "expect": []}],
    }
)  # fmt: skip
Found = tuple[Span, str, int]
"""(since the start, kind of change, level)."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one test of a rule file found."""

    rule: str
    name: str
    expected: tuple[Found, ...]
    found: tuple[Found, ...]

    @property
    def passed(self) -> bool:
        """Tell whether the rule said what its test expects."""
        return self.expected == self.found

    def __str__(self) -> str:
        if self.passed:
            return f"{self.rule}: {self.name}: ok"
        return f"{self.rule}: {self.name}: expected {_spoken(self.expected)}, but the rule said {_spoken(self.found)}"


def run_tests(rules: Iterable[Rule]) -> list[Result]:
    """Run the tests of rules."""
    return [result for rule in rules for result in _results(rule)]


def _results(rule: Rule) -> Iterator[Result]:
    for case in rule.tests:
        if isinstance(case, LevelsCase):
            assert isinstance(rule, LevelsRule)
            expected = tuple((since, str(kind), level) for since, kind, level in case.expect)
            yield Result(rule.rule, case.name, expected, tuple(_levels(rule, case)))
        else:
            assert isinstance(rule, FreshnessRule)
            yield Result(rule.rule, case.name, tuple((since, str(kind), 0) for since, kind in case.expect), tuple(_freshness(rule, case)))


def _levels(rule: LevelsRule, case: LevelsCase) -> Iterator[Found]:
    sensor = _sensor(rule.quantity, case.every)
    levels = tuple(LegalLevel(number, code, value) for number, (code, value) in enumerate(case.levels.items(), start=1))
    engine = _engine(rule.model_copy(update={"stations": "all"}), sensor, (Thresholds(rule.quantity, levels, 0, None, "test"),))
    memory = engine.memory(sensor)
    for index, value in enumerate(case.values):
        if value is not None:
            at = _START + index * case.every
            outcome = memory.observe(at, value, -1, at)
            yield from _found(() if outcome is None else outcome.said)


def _freshness(rule: FreshnessRule, case: FreshnessCase) -> Iterator[Found]:
    sensor = _sensor("water_level", case.interval)
    engine = Engine(_registry(sensor, ()), (rule,), _START)
    for since in case.received:
        yield from _found(engine.tick(_START + since), silence=True)
        outcome = engine.memory(sensor).observe(_START + since, 1.0, -1, _START + since)
        yield from _found(() if outcome is None else outcome.said, silence=True)
    yield from _found(engine.tick(_START + case.until), silence=True)


def _sensor(quantity: str, interval: Span) -> Sensor:
    return Sensor(device="test", quantity=quantity, station="test", primary=True, interval=interval, low=-1e9, high=1e9)


def _engine(rule: LevelsRule, sensor: Sensor, thresholds: tuple[Thresholds, ...]) -> Engine:
    return Engine(_registry(sensor, thresholds), (rule, _PATIENT), _START)


def _registry(sensor: Sensor, thresholds: tuple[Thresholds, ...]) -> Registry:
    station = Station("test", {"en": "test"}, None, 0.0, 0.0, (), thresholds)
    return Registry({"en": "test"}, "UTC", "", {"test": station}, {"test": Device("test", "test", (sensor,))}, {})


def _found(said: Sequence[Said], *, silence: bool = False) -> Iterator[Found]:
    for each in said:
        if silence or each.change.rule != "freshness":
            yield each.change.at - _START, str(each.change.kind), each.change.level


def _spoken(found: tuple[Found, ...]) -> str:
    return ", ".join(f"{kind} to level {level} after {_span(since)}" for since, kind, level in found) or "nothing"


def _span(span: Span) -> str:
    return f"{span / HOUR:g} h" if span >= HOUR else f"{span / MINUTE:g} min"
