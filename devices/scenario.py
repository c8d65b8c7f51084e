"""
A scenario file -> a Scenario: what the water and the air do, which devices measure it, what goes wrong, and what operators do.

Rule 1: everything that happens stands in the file; the simulator adds nothing but noise, which the seed decides.
Rule 2: a figure that was published names its source; all others are marked synthetic.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, FiniteFloat, model_validator

from devices.documents import ConfigurationError, Document, Form, InstantText, Problem, SpanText, validated
from devices.faults import Fault
from devices.forms import Id, QuantityName
from devices.registry import Registry

Text: TypeAlias = Annotated[str, Field(min_length=1)]


class PointForm(Form):
    """One value of a curve."""

    at: InstantText
    value: FiniteFloat
    kind: Literal["observed", "peak", "derived", "synthetic"]
    """How it is known; `derived` is computed from two figures of a bulletin."""
    source: str | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _sourced(self) -> PointForm:
        if (self.kind == "synthetic") == (self.source is not None):
            raise ValueError("a published figure needs its source, and a synthetic one has none; add source, or set kind: synthetic")
        return self


def _rising(points: list[PointForm]) -> list[PointForm]:
    for index, (here, after) in enumerate(pairwise(points), start=1):
        if after.at <= here.at:
            raise ValueError(f"point {index + 1} is not later than the one before it; put the points in the order of their time")
    return points


class Noisy(Form):
    """What every kind of series has."""

    noise: Annotated[float, Field(ge=0)] = 0.0
    """Most that a reading may be off, in the unit of the quantity; published figures are never touched."""
    resolution: Annotated[float, Field(gt=0)] = 0.01


class CurveForm(Noisy):
    """Points joined by a monotone curve."""

    kind: Literal["points"]
    points: Annotated[list[PointForm], Field(min_length=2), AfterValidator(_rising)]


class CrestForm(Form):
    """One wave."""

    at: InstantText
    height: FiniteFloat
    rise: SpanText
    fall: SpanText


class HydrographForm(Noisy):
    """Synthetic waves over low water."""

    kind: Literal["hydrograph"]
    low: FiniteFloat
    crests: Annotated[list[CrestForm], Field(default_factory=list)]


class DailyForm(Noisy):
    """A swing through the day; without `swing` and `drift` a constant."""

    kind: Literal["daily"]
    mean: FiniteFloat
    swing: FiniteFloat = 0.0
    highest_at: InstantText = 0
    drift: FiniteFloat = 0.0
    low: FiniteFloat = -1e9
    high: FiniteFloat = 1e9


class RecordedForm(Noisy):
    """Real readings: in the file, or under the name `record` among those that the caller brings."""

    kind: Literal["recorded"]
    record: str | None = None
    readings: Annotated[list[tuple[InstantText, FiniteFloat]], Field(default_factory=list)]


SeriesForm: TypeAlias = Annotated[CurveForm | HydrographForm | DailyForm | RecordedForm, Field(discriminator="kind")]


class UseForm(Form):
    """Which series a sensor measures, and how far its mount is off."""

    series: str
    plus: FiniteFloat = 0.0


class ActorForm(Form):
    """One device of the registry, at work."""

    device: Id
    boot: Annotated[int, Field(ge=0)] = 1
    delay: SpanText = 2_000_000
    """Between measuring and publishing."""
    values: Annotated[dict[QuantityName, UseForm], Field(min_length=1)]
    faults: Annotated[list[Fault], Field(default_factory=list)]


class Action(Form):
    """What an operator does; the rehearsal does it for them."""

    at: InstantText
    action: Literal["acknowledge", "close", "silence"]
    station: Id
    quantity: QuantityName
    by: Text
    reason: Text
    until: InstantText | None = None
    """Of a silence."""


class Scenario(Form):
    """A piece of time, and all that happens in it."""

    name: Id
    about: dict[str, str]
    """By language, for people."""
    start: InstantText
    end: InstantText
    """Exclusive."""
    seed: int
    series: dict[str, SeriesForm]
    devices: list[ActorForm]
    operator: Annotated[list[Action], Field(default_factory=list)]


def scenario_of(document: Document, registry: Registry) -> Scenario:
    """
    Check a scenario against the city that it plays in.

    Raises:
        ConfigurationError: with every problem, its line and the fix.
    """
    scenario = validated(Scenario, document)
    problems = [
        *_span_problems(document, scenario),
        *_actor_problems(document, scenario, registry),
        *_action_problems(document, scenario, registry),
    ]
    if problems:
        raise ConfigurationError(problems)
    return scenario


def _span_problems(document: Document, scenario: Scenario) -> Iterator[Problem]:
    if scenario.end <= scenario.start:
        yield document.problem(("end",), "the scenario ends before it starts; exchange start and end")
    for name, series in scenario.series.items():
        if isinstance(series, CurveForm) and (series.points[0].at > scenario.start or series.points[-1].at < scenario.end - 1):
            what = f"the curve {name!r} does not reach from start to end; add a first point at start and a last one at end"
            yield document.problem(("series", name, "points"), what)


def _actor_problems(document: Document, scenario: Scenario, registry: Registry) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, actor in enumerate(scenario.devices):
        device = registry.devices.get(actor.device)
        if device is None:
            yield document.problem(("devices", index, "device"), _unknown("device", actor.device, registry.devices))
            continue
        if actor.device in seen:
            yield document.problem(("devices", index, "device"), f"the device {actor.device!r} is used twice; put both parts together")
        seen.add(actor.device)
        measured = {sensor.quantity for sensor in device.sensors}
        for quantity, use in actor.values.items():
            if quantity not in measured:
                yield document.problem(("devices", index, "values", quantity), _unknown("sensor", quantity, measured))
            if use.series not in scenario.series:
                yield document.problem(("devices", index, "values", quantity, "series"), _unknown("series", use.series, scenario.series))


def _action_problems(document: Document, scenario: Scenario, registry: Registry) -> Iterator[Problem]:
    for index, action in enumerate(scenario.operator):
        if action.station not in registry.stations:
            yield document.problem(("operator", index, "station"), _unknown("station", action.station, registry.stations))
        if (action.action == "silence") != (action.until is not None):
            yield document.problem(("operator", index, "action"), "a silence needs until, and nothing else has one; add or remove until")


def _unknown(what: str, given: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=1)
    return f"there is no {what} {given!r}; " + (f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(names)}")
