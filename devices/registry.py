"""
The registry: which device may say what, for which station, and when.

Rule 1: device -> station -> thresholds are resolved as of `observed_at`, so that a sensor which moves keeps its history right.
Rule 2: one primary sensor per station and quantity drives its alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from devices.instants import Instant, Span
from devices.stations import Station, Ward, Words


@dataclass(frozen=True, slots=True)
class Sensor:
    """One quantity of one device at one station, during a time of validity."""

    device: str
    quantity: str
    station: str
    primary: bool
    interval: Span
    """Expected time between two readings."""
    low: float
    high: float
    """What the instrument can report in this mount, in the unit of the quantity. Outside: quarantine with reason `range`."""
    user_low: float | None = None
    user_high: float | None = None
    """What is plausible here. Outside: flagged SUSPECT, still kept and still judged by the rules."""
    mount_height: float | None = None
    """Metres above the station datum of a sensor that looks down, for information."""
    valid_from: Instant = 0
    valid_to: Instant | None = None
    """Exclusive; None while in force."""

    @property
    def subject(self) -> str:
        """Give what rules speak about: `station/quantity`."""
        return f"{self.station}/{self.quantity}"


@dataclass(frozen=True, slots=True)
class Device:
    """A piece of hardware with an identity: its id is its MQTT user, its client id and a segment of its topic."""

    id: str
    model: str
    sensors: tuple[Sensor, ...]
    example: bool = False


@dataclass(frozen=True, slots=True)
class Registry:
    """The whole of what is out there."""

    city: Words
    time_zone: str
    """An IANA name, for what people read."""
    hotline: str
    stations: dict[str, Station]
    devices: dict[str, Device]
    wards: dict[str, Ward]
    emergency: dict[str, str] = field(default_factory=dict)
    """Numbers to call in danger, by service: `rescue`, `police`, `fire`, `ambulance`."""
    _primaries: dict[tuple[str, str], list[Sensor]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By place; made when it is first asked for, as not every program asks."""

    def sensors(self) -> Iterator[Sensor]:
        """Give every sensor."""
        for device in self.devices.values():
            yield from device.sensors

    def primary(self, station: str, quantity: str, observed_at: Instant) -> Sensor | None:
        """Give the sensor that drives the alarm of a station and quantity at an instant."""
        if not self._primaries:
            self._primaries.update(_primaries(self.sensors()))
        return next((sensor for sensor in self._primaries.get((station, quantity), ()) if is_valid(sensor, observed_at)), None)


def _primaries(sensors: Iterable[Sensor]) -> dict[tuple[str, str], list[Sensor]]:
    found: dict[tuple[str, str], list[Sensor]] = {}
    for sensor in sensors:
        if sensor.primary:
            found.setdefault((sensor.station, sensor.quantity), []).append(sensor)
    return found


def is_valid(sensor: Sensor, observed_at: Instant) -> bool:
    """Tell whether a sensor stood where the registry says at an instant."""
    return sensor.valid_from <= observed_at and (sensor.valid_to is None or observed_at < sensor.valid_to)
