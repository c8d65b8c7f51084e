"""
Levels, flags and air -> colours and words of Grafana.

Rule 1: no colour stands without its word: every scale here is a value mapping, too.
Rule 2: no green below level 1 and none for silence; the colours of VN_AQI are for air alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import (
    DashboardRangeMapOptions,
    DashboardRegexMapOptions,
    RangeMap,
    RegexMap,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from devices.stations import Thresholds
from grafana.dashboards.words import AIR, HANDLINGS, LEVELS, PHASES, QUALITIES, TOLD, Tongue

LEVEL_COLOURS = ("#4f97c2", "#f5c531", "#e9760f", "#b81a27", "#6d1a58")
"""Below level 1, levels 1 to 3, above the record: as on the operators' pages, in the dark."""
PHASE_COLOURS = ("#4f97c2", "#e7b34a", "#9aa7ad", "#59666d")
QUALITY_COLOURS = {1: "#4f97c2", 2: "#8aa5b5", 3: "#e9760f", 4: "#b81a27", 9: "#9aa7ad"}
RAIN, INK, TROUBLE, LATE, WELL = "#3d6bf0", "#10181c", "#b81a27", "#e7b34a", "#4f97c2"

AIR_COLOURS = ("#00e400", "#ffff00", "#ff7e00", "#ff0000", "#8f3f97", "#7e0023")
"""Decision 1459/QĐ-TCMT of 12 November 2019, table 1: RGB 0;228;0, 255;255;0, 255;126;0, 255;0;0, 143;63;151, 126;0;35."""
AIR_BREAKPOINTS = {
    "pm2_5": (25.0, 50.0, 80.0, 150.0, 250.0),
    "pm10": (50.0, 150.0, 250.0, 350.0, 420.0),
    "o3": (160.0, 200.0, 300.0, 400.0, 800.0),
    "no2": (100.0, 200.0, 700.0, 1_200.0, 2_350.0),
}
"""
The same decision, table 2, in µg/m³: where VN_AQI 50, 100, 150, 200 and 300 are reached (O3: mean of an hour).

They colour concentrations. VN_AQI itself is another figure: for dust its hour is a weighted mean of twelve (NowCast), its day one of 24.
"""


def numbered(words: Iterable[tuple[str, str]], colours: Sequence[str], t: Tongue) -> list[ValueMapping]:
    """Give the mapping of 0, 1, 2 ... to words and colours."""
    return _mapping((number, t(*pair), colours[number]) for number, pair in enumerate(words))


def levels(t: Tongue) -> list[ValueMapping]:
    """Give the mapping of the number of a level."""
    return numbered(LEVELS, LEVEL_COLOURS, t)


def phases(t: Tongue) -> list[ValueMapping]:
    """Give the mapping of how current a sensor is."""
    return numbered(PHASES, PHASE_COLOURS, t)


def handlings(t: Tongue) -> list[ValueMapping]:
    """Give the mapping of what operators did about an alarm."""
    return numbered(HANDLINGS, (TROUBLE, WELL, WELL), t)


def told(t: Tongue) -> list[ValueMapping]:
    """Give the mapping of the level that residents believe to stand."""
    return numbered(TOLD, LEVEL_COLOURS, t)


def qualities(t: Tongue) -> list[ValueMapping]:
    """Give the mapping of the flags of quality."""
    return _mapping((flag, t(*pair), QUALITY_COLOURS[flag]) for flag, pair in QUALITIES.items())


def yes_no(yes: str, no: str) -> list[ValueMapping]:
    """Give the mapping of what should be 1."""
    return _mapping([(1, yes, WELL), (0, no, TROUBLE)])


def named(names: Iterable[tuple[str, str]]) -> list[ValueMapping]:
    """Give the mapping of identifiers to names."""
    return [ValueMap(options={identifier: ValueMappingResult(text=name) for identifier, name in names})]


def called(text: str) -> list[ValueMapping]:
    """Give the mapping of every text to one word: for a link, whose value is part of its address."""
    return [RegexMap(options=DashboardRegexMapOptions(pattern="/^.+$/", result=ValueMappingResult(text=text)))]


def air(quantity: str, t: Tongue) -> list[ValueMapping]:
    """Give the mapping of a concentration to the category that its breakpoints say; a breakpoint belongs to the better one."""
    edges = (None, *AIR_BREAKPOINTS[quantity], None)
    return [
        RangeMap(
            options=DashboardRangeMapOptions(
                from_val=edges[index], to=edges[index + 1], result=ValueMappingResult(text=t(*words), color=AIR_COLOURS[index], index=index)
            )
        )
        for index, words in enumerate(AIR)
    ]


def air_steps(quantity: str) -> ThresholdsConfig:
    """Give the bands of a concentration."""
    return steps(AIR_COLOURS, AIR_BREAKPOINTS[quantity])


def level_steps(thresholds: Thresholds | None) -> list[Threshold]:
    """Give the bands of the legal levels of a station; a single one, of no colour, where none is known."""
    known = () if thresholds is None else thresholds.levels
    top = {"historic": 4}
    bands = [Threshold(value=level.value, color=LEVEL_COLOURS[min(top.get(level.code, level.number), 4)]) for level in known]
    return [Threshold(value=None, color="transparent"), *bands]


def steps(colours: Sequence[str], values: Sequence[float]) -> ThresholdsConfig:
    """Give thresholds: the first colour below the first value."""
    pairs = zip((None, *values), colours, strict=True)
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(value=value, color=colour) for value, colour in pairs])


def _mapping(rows: Iterable[tuple[int, str, str]]) -> list[ValueMapping]:
    options = {str(number): ValueMappingResult(text=text, color=colour, index=index) for index, (number, text, colour) in enumerate(rows)}
    return [ValueMap(options=options)]
