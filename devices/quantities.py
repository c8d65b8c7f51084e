"""
The quantities that sensors measure, with their units and the decimals that people read.

The names are those of the topics, the archive and the interfaces; adding a quantity is adding a row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """The units that readings are kept in. Conversion happens once, where a payload is decoded."""

    METRE = "m"
    MILLIMETRE = "mm"
    MICROGRAM_PER_CUBIC_METRE = "µg/m³"
    DEGREE_CELSIUS = "°C"
    PERCENT = "%"
    VOLT = "V"
    DECIBEL_MILLIWATT = "dBm"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One kind of thing that is measured."""

    name: str
    unit: Unit
    decimals: int
    """Digits after the point when shown to people."""
    low: float
    high: float
    """What any sensor of this quantity can physically report, in `unit`; a sensor usually narrows it."""


QUANTITIES: dict[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity("water_level", Unit.METRE, 2, -10.0, 9_000.0),
        Quantity("water_depth", Unit.METRE, 2, -0.1, 20.0),
        Quantity("rainfall", Unit.MILLIMETRE, 1, 0.0, 2_000.0),
        Quantity("pm2_5", Unit.MICROGRAM_PER_CUBIC_METRE, 1, 0.0, 2_000.0),
        Quantity("pm10", Unit.MICROGRAM_PER_CUBIC_METRE, 1, 0.0, 2_000.0),
        Quantity("o3", Unit.MICROGRAM_PER_CUBIC_METRE, 1, 0.0, 2_000.0),
        Quantity("no2", Unit.MICROGRAM_PER_CUBIC_METRE, 1, 0.0, 5_000.0),
        Quantity("so2", Unit.MICROGRAM_PER_CUBIC_METRE, 1, 0.0, 5_000.0),
        Quantity("co", Unit.MICROGRAM_PER_CUBIC_METRE, 0, 0.0, 200_000.0),
        Quantity("temperature", Unit.DEGREE_CELSIUS, 1, -40.0, 85.0),
        Quantity("humidity", Unit.PERCENT, 0, 0.0, 100.0),
        Quantity("battery", Unit.PERCENT, 0, 0.0, 100.0),
        Quantity("voltage", Unit.VOLT, 2, 0.0, 60.0),
        Quantity("rssi", Unit.DECIBEL_MILLIWATT, 0, -200.0, 50.0),
    )
}
