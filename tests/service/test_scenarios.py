"""Scenarios by name, and their shift to another time."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.documents import ConfigurationError
from devices.instants import DAY
from devices.simulate import stream_of
from service.scenarios import known_scenario, read_scenario, shifted
from service.settings import Settings


def test_a_scenario_that_is_not_there_names_the_one_that_was_meant(hue: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no such scenario; did you mean flood-2025-10\?"):
        read_scenario(hue, "flood-2025-01")


def test_a_shift_moves_every_instant_and_nothing_else(hue: Path) -> None:
    document = read_scenario(hue, "quiet")

    moved = shifted(document, DAY)

    assert (document.content["start"], moved.content["start"]) == ("2025-08-10T00:00:00+07:00", "2025-08-10T17:00:00Z")
    assert shifted(moved, -DAY).content["seed"] == document.content["seed"]


def test_the_shipped_scenario_has_messages_from_its_start_to_its_end(hue: Path) -> None:
    scenario, registry = known_scenario(Settings(city=hue), "flood-2025-10")

    due = [message.due_at for message in stream_of(scenario, registry)]

    assert due == sorted(due)
    assert scenario.start <= due[0] < scenario.start + DAY
    assert due[-1] > scenario.end - DAY
