"""The open interface as its users see it: every answer says whether it is an exercise, and as of when."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

Words = dict[str, str]


class Answer(BaseModel):
    """What all answers have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: str = Field(description="`Actual`, or `Exercise`: then nothing in it is real.")
    as_of: datetime = Field(description="The present instant of the service; in an exercise, that of the exercise.")


class Part(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LevelOut(Part):
    """One legal level."""

    number: int = Field(description="1, 2, 3 ... from the lowest.")
    code: str = Field(description="`bd1`, `bd2`, `bd3`: báo động 1 to 3; `historic`: the highest flood on record.")
    value: float = Field(description="Reached at or above it, in the unit of the quantity.")


class GaugeOut(Part):
    """The newest that is known of one quantity of a station."""

    quantity: str
    unit: str
    signal: str = Field(
        description="`heard`: the value is that of now. `silent`: the gauge does not report. `unheard`: we do not listen. `never`: no value yet."
    )
    value: float | None
    observed_at: datetime | None = Field(description="By the gauge's clock.")
    received_at: datetime | None = Field(description="By ours.")
    trend_per_hour: float | None
    levels: list[LevelOut]
    level: int = Field(description="Number of the highest level that the value reached; 0 for none.")
    difference: float | None = Field(
        description="The value against that level, or against the first where none is reached (then negative)."
    )


class StationOut(Part):
    """A station."""

    id: str
    name: Words
    river: Words | None
    latitude: float
    longitude: float
    example: bool = Field(description="Shows what is possible; it does not exist.")
    wards: list[str] = Field(description="Codes of the wards that are warned for it.")
    gauges: list[GaugeOut]


class StationsOut(Answer):
    """All stations."""

    stations: list[StationOut]


class OneStationOut(Answer):
    """One station."""

    station: StationOut


class BucketOut(Part):
    """The readings of one span of time."""

    at: datetime = Field(description="Begin of the span.")
    count: int
    low: float
    mean: float
    high: float


class GapOut(Part):
    """A time without readings, longer than three intervals."""

    from_at: datetime
    to_at: datetime


class ReadingsOut(Answer):
    """The readings of a station, downsampled; a gap stays a gap."""

    station: str
    quantity: str
    unit: str
    from_at: datetime
    to_at: datetime
    width_seconds: float = Field(description="Width of each span.")
    buckets: list[BucketOut]
    gaps: list[GapOut]


class AlarmOut(Part):
    """A warning that residents were told."""

    id: str
    station: str
    quantity: str
    level: int = Field(description="The level that residents were told last; 0 when they were told the end.")
    highest: int = Field(description="The highest that they were told.")
    value: float | None
    observed_at: datetime | None
    peak: float | None
    peak_at: datetime | None
    is_heard: bool = Field(description="Whether its gauge reports now; the warning stands either way.")
    opened_at: datetime
    told_at: datetime | None
    end: str | None = Field(description="`cleared`, `closed` by an operator because the gauge cannot say, or `withdrawn`: it never was.")
    wards: list[str]


class AlarmsOut(Answer):
    """The warnings in force, and those that ended within a day. Null where the ledger cannot be read: not known, not none."""

    alarms: list[AlarmOut] | None


class NoticeOut(Part):
    """A notice to residents, as it was issued."""

    id: str
    alarm: str
    kind: str
    level: int
    was: int
    sequence: int
    issued_at: datetime
    expires_at: datetime
    texts: dict[str, dict[str, str]] = Field(description="By language: title, body, short.")


class NoticesOut(Answer):
    """The newest notices to residents. Null where the ledger cannot be read."""

    notices: list[NoticeOut] | None


class ErrorOut(BaseModel):
    """Why there is no answer."""

    detail: str
