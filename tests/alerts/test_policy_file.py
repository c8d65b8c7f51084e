"""policy.yaml: what it says, and what is said of its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk_town import OPERATORS, RESIDENTS, registry, station

from alerts.model import NoticeKind, Status
from alerts.policy import Policy, policy_of
from devices.documents import ConfigurationError, Documents, read_yaml
from devices.instants import DAY, HOUR, MINUTE
from devices.stations import Thresholds

RULES = "rule: river-levels\n"


@pytest.fixture(scope="session")
def text(hue: Path) -> str:
    return (hue / "policy.yaml").read_text(encoding="utf-8")


def documents(text: str) -> Documents:
    return {"policy.yaml": read_yaml("policy.yaml", text)}


def levels(*codes: str) -> Thresholds:
    place = station("x", [(code, float(number)) for number, code in enumerate(codes, 1)])
    return place.thresholds[0]


def shipped(text: str) -> Policy:
    return policy_of(documents(text))


def test_the_shipped_policy_warns_no_resident_in_earnest_from_one_gauge(text: str) -> None:
    policy = shipped(text)

    assert policy.single_gauge_public is False
    assert (policy.currency, policy.tell_old_after) == (2, 10 * MINUTE)
    assert policy.expires_after(NoticeKind.WARNING) == 6 * HOUR
    assert policy.expires_after(NoticeKind.ALL_CLEAR) == 3 * DAY


def test_the_shipped_policy_has_a_way_for_both_audiences_in_earnest_and_in_exercise(text: str) -> None:
    policy = shipped(text)

    for status in Status:
        ways = {each.audience for each in policy.recipients if each.channel in policy.channels_of(status)}
        assert ways == {OPERATORS, RESIDENTS}


def test_operators_are_told_from_the_first_level_of_any_rule(text: str) -> None:
    assert shipped(text).from_level("unheard-of", OPERATORS, None) == 1


def test_residents_are_told_from_the_code_that_the_city_names(text: str) -> None:
    assert shipped(text).from_level("river-levels", RESIDENTS, levels("bd1", "bd2", "bd3")) == 2


def test_a_station_without_that_code_tells_from_the_next_one(text: str) -> None:
    assert shipped(text).from_level("river-levels", RESIDENTS, levels("bd1", "bd3")) == 2
    assert shipped(text).from_level("river-levels", RESIDENTS, levels("bd3")) == 1


def test_a_station_without_any_such_code_tells_residents_of_no_level(text: str) -> None:
    assert shipped(text).from_level("river-levels", RESIDENTS, levels("bd1")) == 2


def test_where_no_level_is_known_residents_are_told_nothing(text: str) -> None:
    assert shipped(text).from_level("river-levels", RESIDENTS, None) is None
    assert shipped(text).from_level("river-levels", RESIDENTS, levels()) is None


def test_a_rule_that_the_city_does_not_name_is_not_public(text: str) -> None:
    assert shipped(text).from_level("unheard-of", RESIDENTS, levels("bd1")) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("residents: bd2", "residents: bd4", "'bd4' is none of the levels; write one of: bd1, bd2, bd3, historic"),
        ("channel: journal,", "channel: paper,", "there is no channel 'paper'"),
        ("currency: 2 ", "currency: 0 ", "currency"),
        ("tell_old_after: 10 min", "tell_old_after: 10", "10 min"),
        ("single_gauge_public", "single_gage_public", "did you mean 'single_gauge_public'?"),
        ("address: residents", "address: ''", "address"),
        ("kind: log,", "kind: fax,", "fax"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_fix(text: str, old: str, new: str, said: str) -> None:
    assert old in text

    with pytest.raises(ConfigurationError) as found:
        policy_of(documents(text.replace(old, new, 1)))

    assert said in str(found.value)
    assert "policy.yaml:" in str(found.value)


def test_a_rule_that_no_file_has_is_a_mistake(text: str) -> None:
    files = {
        **documents(text.replace("river-levels:", "river-level:", 1)),
        "rules/river-levels.yaml": read_yaml("rules/river-levels.yaml", RULES),
    }

    with pytest.raises(ConfigurationError, match="no file of rules/ has the rule 'river-level'; write one of: river-levels"):
        policy_of(files)


def test_a_language_without_texts_is_a_mistake(text: str) -> None:
    files = {**documents(text), "texts/en.yaml": read_yaml("texts/en.yaml", "language: en\n")}

    with pytest.raises(ConfigurationError, match="there are no texts in 'vi'; write one of: en"):
        policy_of(files)


def test_a_recipient_that_is_told_twice_is_a_mistake(text: str) -> None:
    line = "    - {channel: journal, address: residents, language: vi}\n"

    with pytest.raises(ConfigurationError, match="residents is told twice by journal"):
        policy_of(documents(text.replace(line, line + line, 1)))


def test_a_code_that_no_station_has_is_a_mistake(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no station has a level 'historic'"):
        policy_of(documents(text), registry())


def test_a_folder_without_a_policy_is_told_so() -> None:
    with pytest.raises(ConfigurationError, match="the file is missing"):
        policy_of({})
