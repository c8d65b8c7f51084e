"""Hostile messages beside good ones: each ends where it belongs, and the good ones do not notice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.accept import Intake, intake_of, take
from ingest.inbox import Inbound, Receipt
from rig.city import write_city
from rules.engine import Engine
from service.configuration import load_city
from torture import hostile
from torture.bad_input import SHORT, run
from torture.hostile import ARCHIVED, DUPLICATE, NOWHERE, Bad, material, unknown, unknown_readings

GAUGES = 20
NOW = time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def bads() -> list[Bad]:
    return material(range(GAUGES), NOW - 120_000)


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    city = load_city(write_city(tmp_path / "city", GAUGES))
    return intake_of(city.registry, Engine(city.registry, city.rules, NOW * 1000))


def fates(intake: Intake, bad: Bad) -> Iterator[tuple[str, int]]:
    """Give what becomes of each part of a message."""
    message = (bad.topic.encode(), bad.payload, b"\0\1", 1, bad.retained, bad.again)
    taken = take(intake, Inbound(Receipt(1, [], 0), NOW * 1000, [message]))
    yield from [(ARCHIVED, 1)] * len(taken.lines)
    yield from [(DUPLICATE, 1)] * taken.duplicates
    yield from [(str(rejection.reason), rejection.readings) for rejection in taken.rejections]


def test_every_hostile_message_has_the_fate_that_was_said_beforehand(intake: Intake, bads: list[Bad]) -> None:
    wrong = []

    for bad in bads:
        found = list(fates(intake, bad))
        exact = len(bad.fates) > 1 or [count for _, count in found] == [bad.readings]
        if bad.fates != (NOWHERE,) and (len(found) != 1 or found[0][0] not in bad.fates or not exact):
            wrong.append((bad.topic, bad.payload[:100], bad.fates, found))

    assert wrong == []


def test_there_is_material_of_every_kind_without_any_shared_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hostile, "SHARED", tmp_path)

    alone = material(range(GAUGES), NOW)

    met = {fate for bad in alone for fate in bad.fates}
    assert met >= {
        ARCHIVED,
        DUPLICATE,
        NOWHERE,
        "json",
        "shape",
        "too_large",
        "too_many",
        "no_time",
        "future",
        "not_a_number",
        "range",
        "conflict",
    }
    assert any(bad.retained for bad in alone)
    assert any(bad.again for bad in alone)


@pytest.mark.shared
def test_the_parsing_suite_and_the_naughty_strings_are_part_of_it(bads: list[Bad], shared: Path) -> None:
    payloads = {bad.payload for bad in bads}

    files = sorted((shared / "json-test-suite").glob("[yni]_*.json"))
    assert len(files) > 200
    assert all(path.read_bytes() in payloads for path in files)
    assert len(hostile.naughty_strings()) > 450


def test_every_reading_that_may_be_archived_has_an_identity_of_its_own(bads: list[Bad]) -> None:
    archived = [bad.identity for bad in bads if ARCHIVED in bad.fates]

    assert len(archived) == len(set(archived)) > 100


def test_unknown_devices_are_all_different_and_some_speak_where_nobody_listens() -> None:
    made = [unknown(number) for number in range(2_000)]

    assert len({topic for topic, _ in made}) == 2_000
    assert sum(topic.endswith("/up") for topic, _ in made) == unknown_readings(2_000)


@pytest.mark.slow
@pytest.mark.mosquitto
def test_hostile_messages_harm_neither_ingest_nor_its_books_nor_any_good_reading() -> None:
    result = run(SHORT, judge_speed=False)

    assert result.ok, result.failed()
