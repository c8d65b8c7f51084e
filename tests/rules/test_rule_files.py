"""The rule files that are shipped say what their own tests expect, and a file that says nothing sensible is refused with the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.documents import ConfigurationError, Document, read_yaml
from rules.definition import rules_of
from rules.testing import run_tests
from service.configuration import load_city, read_city

HUE = Path(__file__).parents[2] / "config" / "hue"
CITY = load_city(HUE)
RESULTS = run_tests(CITY.rules)


@pytest.mark.parametrize("result", RESULTS, ids=[f"{result.rule}: {result.name}" for result in RESULTS])
def test_a_shipped_rule_says_what_its_file_expects(result):
    assert result.found == result.expected


def test_a_rule_that_does_not_say_what_its_test_expects_fails_with_both():
    documents = _with("rules/street-depth.yaml", "confirm: 2", "confirm: 1")

    failed = [str(result) for result in run_tests(rules_of(documents, CITY.registry)) if not result.passed]

    assert failed[0] == (
        "street-depth: a wave of a lorry raises nothing: expected nothing, but the rule said raise to level 1 after 10 min"
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("street-depth", "kind: levels", "kind: level", "rules/street-depth.yaml:3: kind: there is no kind of rule 'level'"),
        ("street-depth", "max_gap: 24 intervals", "max_gap: 2 h", "write a number of intervals, for example '24 intervals'"),
        ("street-depth", "  hold: 3", "  holt: 3", "there is no field 'holt' here; did you mean 'hold'?"),
        ("street-depth", "stations: all", "stations: [kim-lung]", "there is no station 'kim-lung'; name one of stations.yaml"),
        ("street-depth", "rule: street-depth", "rule: river-levels", "is the name of the rule in rules/river-levels.yaml too"),
        ("street-depth", "quantity: water_depth", "quantity: water_level", "is judged by 'river-levels' already"),
        ("river-levels", "  level: bd3", "  level: bd4", "no station has a level 'bd4'; use one of:"),
        ("freshness", "lost_after: 12 intervals", "lost_after: 1 intervals", "a sensor is stale before it is lost"),
    ],
)
def test_a_mistake_in_a_rule_file_is_told_with_its_fix(file, old, new, told):
    with pytest.raises(ConfigurationError) as refused:
        rules_of(_with(f"rules/{file}.yaml", old, new), CITY.registry)

    assert told in str(refused.value)


def test_a_rule_file_without_tests_is_refused():
    name = "rules/street-depth.yaml"
    text = (HUE / name).read_text().partition("tests:")[0]

    with pytest.raises(ConfigurationError, match="the field 'tests' is missing; add it"):
        rules_of({**read_city(HUE), name: read_yaml(name, text)}, CITY.registry)


def _with(name: str, old: str, new: str) -> dict[str, Document]:
    text = (HUE / name).read_text()
    assert old in text
    return {**read_city(HUE), name: read_yaml(name, text.replace(old, new, 1))}
