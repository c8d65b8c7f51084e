"""What is frozen when a notice is issued."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from alerts.facts import difference, facts_of, trend_of
from alerts.model import Audience, End, NoticeKind, Told
from alerts.samples import NOW, REGISTRY, alarm_at, samples
from devices.instants import HOUR, MINUTE
from devices.stations import LegalLevel

LEVELS = (LegalLevel(1, "bd1", 1.0), LegalLevel(2, "bd2", 2.0), LegalLevel(3, "bd3", 3.5), LegalLevel(4, "historic", 5.81))
RIVER = REGISTRY.stations["river"]


def facts(value=3.62, kind=NoticeKind.WARNING, level=3, was=0, audience=Audience.RESIDENTS, told=None, **changes):
    alarm = replace(alarm_at(RIVER, value), **changes)
    return facts_of(alarm, kind, level=level, was=was, registry=REGISTRY, now=NOW, audience=audience, told=told)


@pytest.mark.parametrize(
    ("value", "sense", "code", "by"),
    [
        (3.62, "above", "bd3", 0.12),
        (3.5, "at", "bd3", 0.0),
        (3.504, "at", "bd3", 0.0),
        (3.499, "above", "bd2", 1.5),
        (2.0, "at", "bd2", 0.0),
        (0.42, "below", "bd1", 0.58),
        (0.998, "near", "bd1", 0.0),
        (6.0, "above", "historic", 0.19),
        (-0.3, "below", "bd1", 1.3),
    ],
)
def test_a_value_is_held_against_the_highest_level_it_reached_or_the_lowest(value, sense, code, by):
    found = difference(value, LEVELS, 2)

    assert found is not None
    assert (found["sense"], found["level"]["code"], found["by"]) == (sense, code, by)


def test_no_value_and_no_level_make_no_difference():
    assert difference(None, LEVELS, 2) is None
    assert difference(1.0, (), 2) is None


@pytest.mark.parametrize(
    ("per_hour", "family", "word"),
    [
        (0.30, "river", "rising_fast"),
        (0.29, "river", "rising"),
        (0.02, "river", "rising"),
        (0.019, "river", "steady"),
        (-0.019, "river", "steady"),
        (-0.02, "river", "falling"),
        (-0.9, "river", "falling"),
        (0.15, "street", "rising_fast"),
    ],
)
def test_a_trend_has_one_word(per_hour, family, word):
    assert trend_of(per_hour, family) == {"word": word, "per_hour": abs(per_hour)}


def test_an_unknown_trend_stays_unknown():
    assert trend_of(None, "river") is None


def test_facts_are_plain_json_and_have_the_same_keys_always():
    everything = list(samples(every_level=True))

    assert all(json.loads(json.dumps(found)) == found for found in everything)
    assert len({tuple(found) for found in everything}) == 1


def test_facts_name_the_level_and_its_neighbours():
    found = facts(level=3, was=2)

    assert found["level"] == {"number": 3, "code": "bd3", "value": 3.5}
    assert found["was"]["code"] == "bd2"
    assert found["higher"]["code"] == "historic"
    assert found["lower"]["code"] == "bd2"


def test_thresholds_are_those_in_force_when_the_newest_reading_was_taken():
    old = replace(RIVER.thresholds[0], valid_to=NOW - 2 * HOUR, levels=LEVELS[:1], source="the old decision")
    new = replace(RIVER.thresholds[0], valid_from=NOW - 2 * HOUR, source="the new decision")
    registry = replace(REGISTRY, stations={"river": replace(RIVER, thresholds=(old, new))})
    alarm = replace(alarm_at(RIVER, 3.62), observed_at=NOW - 3 * HOUR)

    found = facts_of(alarm, NoticeKind.LOST, level=3, was=3, registry=registry, now=NOW, audience=Audience.RESIDENTS)

    assert found["source"] == "the old decision"
    assert found["difference"]["level"]["code"] == "bd1"


def test_a_level_that_left_the_registry_keeps_its_number():
    assert facts(level=5)["level"] == {"number": 5, "code": "", "value": None}


def test_residents_are_not_told_the_name_of_an_operator():
    assert facts(audience=Audience.RESIDENTS, handled_by="Lê Thị Mai")["by"] is None
    assert facts(audience=Audience.OPERATORS, handled_by="Lê Thị Mai")["by"] == "Lê Thị Mai"


def test_what_was_told_before_is_a_fact():
    told = Told("0123456789abcdef", Audience.RESIDENTS, told_at=NOW - 20 * MINUTE, end=End.CLEARED)

    found = facts(kind=NoticeKind.WARNING_AGAIN, told=told)

    assert (found["told_at"], found["told_end"]) == (NOW - 20 * MINUTE, "cleared")


def test_a_quantity_that_nobody_is_warned_of_is_refused():
    with pytest.raises(ValueError, match="nobody is warned of 'pm2_5'"):
        facts(quantity="pm2_5")


def test_a_ward_that_left_the_registry_is_named_by_its_code():
    registry = replace(REGISTRY, wards={})

    found = facts_of(alarm_at(RIVER, 3.62), NoticeKind.WARNING, level=3, was=0, registry=registry, now=NOW, audience=Audience.RESIDENTS)

    assert found["wards"] == [{"code": "00001", "name": {"vi": "00001", "en": "00001"}}]
