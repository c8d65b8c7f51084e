"""The rules on a flood that happened: hourly levels of six rivers in central Vietnam, 10 November to 4 December 2025."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from devices.instants import DAY, HOUR, Instant, from_datetime
from devices.registry import Device, Registry, Sensor
from devices.stations import LegalLevel, Station, Thresholds
from rules.changes import Kind, Verb
from rules.definition import LevelsRule
from rules.engine import Engine
from service.configuration import load_city

RULES = load_city(Path(__file__).parents[2] / "config" / "hue").rules
SERIES = Path(__file__).parents[3] / "shared" / "data" / "vn-central-rivers-2025"
RIVERS = ("71520_kim-long", "71521_cam-le", "69704_kon-plong", "71549_binh-nghi", "71558_cung-son", "71709_ayunpa")
CUT = "2025-12-05"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SERIES.is_dir(), reason="../shared/data/vn-central-rivers-2025 is not here; it may not be part of the project"),
]


@dataclass(frozen=True)
class River:
    """One gauge's series, with its legal levels and the level that its source states for each reading."""

    levels: tuple[float, ...]
    readings: tuple[tuple[Instant, float], ...]
    stated: tuple[int, ...]

    def engine(self, **judging) -> tuple[Engine, Sensor]:
        sensor = Sensor(device="gauge", quantity="water_level", station="place", primary=True, interval=HOUR, low=-10, high=9000)
        codes = ("bd1", "bd2", "bd3", "historic")
        levels = tuple(LegalLevel(number, codes[number - 1], value) for number, value in enumerate(self.levels, start=1))
        station = Station("place", {"vi": "x"}, None, 0, 0, (), (Thresholds("water_level", levels, 0, None, "the source"),))
        registry = Registry({"vi": "x"}, "UTC", "", {"place": station}, {"gauge": Device("gauge", "test", (sensor,))}, {})
        rules = [_judged(rule, judging) if isinstance(rule, LevelsRule) else rule for rule in RULES]
        return Engine(registry, rules, self.readings[0][0] - DAY), sensor


def _judged(rule: LevelsRule, judging: dict[str, float]) -> LevelsRule:
    return rule.model_copy(update={"defaults": rule.defaults.model_copy(update=judging)})


def river(name: str) -> River:
    with (SERIES / f"river_{name}.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["time_local_gmt7"] < CUT]
    levels = tuple(float(rows[0][column]) for column in ("bd1_m", "bd2_m", "bd3_m", "historic_level_m"))
    times = [from_datetime(datetime.fromisoformat(row["time_local_gmt7"] + "+07:00")) for row in rows]
    return River(
        levels,
        tuple(zip(times, (float(row["level_m"]) for row in rows), strict=True)),
        tuple(int(float(row["source_alert_value"])) for row in rows),
    )


def episodes(river: River) -> list[tuple[int, Instant, Instant | None]]:
    """The oracle: an episode of a level is from the 2nd reading in a row at or above it until the 3rd in a row below it minus 0.10 m."""
    found: list[tuple[int, Instant, Instant | None]] = []
    for level, legal in enumerate(river.levels, start=1):
        begun: Instant | None = None
        row = 0
        for at, value in river.readings:
            speaks = value >= legal if begun is None else value < round(legal - 0.10, 6)
            row = row + 1 if speaks else 0
            if begun is None and row == 2:
                begun, row = at, 0
            elif begun is not None and row == 3:
                found.append((level, begun, at))
                begun, row = None, 0
        if begun is not None:
            found.append((level, begun, None))
    return sorted(found, key=lambda each: (each[0], each[1]))


def episodes_of(changes) -> list[tuple[int, Instant, Instant | None]]:
    """The same, read from changes of the highest level."""
    found, open_since, level = [], {}, 0
    for change in sorted(changes, key=lambda each: each.at):
        for number in range(level + 1, change.level + 1):
            open_since[number] = change.at
        for number in range(level, change.level, -1):
            found += [(number, open_since.pop(number), change.at)]
        level = change.level
    return sorted([*found, *((number, since, None) for number, since in open_since.items())], key=lambda each: (each[0], each[1]))


def standing_set(engine, sensor, arrivals):
    standing = {}
    for at, value in arrivals:
        outcome = engine.memory(sensor).observe(at, value, -1, at)
        for said in outcome.said if outcome is not None else ():
            if said.change.rule == "freshness":
                continue
            if said.verb is Verb.ISSUED:
                standing[said.change.id] = said.change
            else:
                del standing[said.change.id]
    return standing


@pytest.mark.parametrize("name", RIVERS)
def test_with_confirmation_and_hysteresis_off_every_level_is_the_one_its_source_states(name):
    gauge = river(name)
    engine, sensor = gauge.engine(confirm=1, hold=1, clear_margin=0.0)
    memory = engine.memory(sensor)

    judged = []
    for at, value in gauge.readings:
        memory.observe(at, value, -1, at)
        judged.append(memory.level)

    assert tuple(judged) == gauge.stated


@pytest.mark.parametrize("name", RIVERS)
def test_with_the_shipped_settings_episodes_are_those_of_an_independent_oracle(name):
    gauge = river(name)
    engine, sensor = gauge.engine()

    found = episodes_of(standing_set(engine, sensor, gauge.readings).values())

    expected = episodes(gauge)
    assert [each[0] for each in found] == [each[0] for each in expected]
    assert [each[2] for each in found] == [each[2] for each in expected]
    before = {now: earlier for (earlier, _), (now, _) in pairwise(gauge.readings)}
    for (_, begun, _), (_, confirmed, _) in zip(found, expected, strict=True):
        assert begun in {confirmed, before[confirmed]}  # a flash flood is raised at once, one reading earlier


@pytest.mark.parametrize("name", RIVERS)
@pytest.mark.parametrize("seed", range(5))
def test_shuffled_doubled_and_delayed_inside_the_bound_the_standing_history_is_the_same(name, seed):
    gauge, chance = river(name), Random(seed)
    straight = standing_set(*gauge.engine(), gauge.readings)
    delayed = sorted((at + chance.random() * 2 * HOUR, at, value) for at, value in gauge.readings for _ in range(chance.choice((1, 1, 2))))

    shuffled = standing_set(*gauge.engine(), [(at, value) for _, at, value in delayed])

    assert shuffled == straight
    assert any(change.kind is Kind.RAISE for change in straight.values()) == bool(episodes(gauge))
