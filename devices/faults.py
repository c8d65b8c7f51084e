"""
What can go wrong with a simulated device, as it is written in a scenario file.

Rule 1: the instrument lies (spike, stuck, raving), the clock lies (clock), the way fails (silence, outage, dead, duplicate, late).
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, FiniteFloat, model_validator

from devices.documents import Form, InstantText, SpanText
from devices.forms import QuantityName


class Lasting(Form):
    """A fault with a beginning and an end."""

    since: InstantText
    until: InstantText

    @model_validator(mode="after")
    def _ordered(self) -> Lasting:
        if self.until <= self.since:
            raise ValueError("until is not later than since; exchange them")
        return self


class Silence(Lasting):
    """No power: nothing is measured. The device boots again afterwards."""

    kind: Literal["silence"]


class Outage(Lasting):
    """No radio: readings are kept by the device and sent as one packed message at the end."""

    kind: Literal["outage"]


class Stuck(Lasting):
    """A quantity keeps the value that it had at the beginning."""

    kind: Literal["stuck"]
    quantity: QuantityName


class Raving(Lasting):
    """Every so many readings one is replaced by the next of some wild values; the readings between stay right."""

    kind: Literal["raving"]
    quantity: QuantityName
    every: Annotated[int, Field(ge=2)]
    values: Annotated[list[FiniteFloat], Field(min_length=1)]


class Clock(Lasting):
    """The device's clock is ahead, or behind where `by` is led by `behind: true`."""

    kind: Literal["clock"]
    by: SpanText
    behind: bool = False


class Dead(Form):
    """Nothing comes any more."""

    kind: Literal["dead"]
    since: InstantText


class Spike(Form):
    """The first reading at or after an instant is replaced."""

    kind: Literal["spike"]
    at: InstantText
    quantity: QuantityName
    value: FiniteFloat


class Duplicate(Form):
    """The message of the first reading at or after an instant comes again."""

    kind: Literal["duplicate"]
    at: InstantText
    after: SpanText
    times: Annotated[int, Field(ge=1)] = 1


class Late(Form):
    """The message of the first reading at or after an instant comes later than those after it."""

    kind: Literal["late"]
    at: InstantText
    by: SpanText


Fault: TypeAlias = Annotated[
    Silence | Outage | Stuck | Raving | Clock | Dead | Spike | Duplicate | Late,
    Field(discriminator="kind"),
]
