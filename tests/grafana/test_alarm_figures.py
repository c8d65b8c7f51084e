"""The alarms that stand in a real ledger are the figures from which Grafana lists warnings; what ended, or cannot be read, is in none."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk_town import NOW, Town, alarm, policy, standing

from alerts.ledger.acting import acknowledge
from alerts.ledger.opening import ledger_url, open_ledger_to_read
from alerts.model import Handling
from devices.instants import HOUR, MINUTE
from grafana.dashboards.words import HANDLINGS, LEVELS, TOLD
from ingest.archive.own_figures import lines_of
from rules.changes import Phase
from service.ledger_figures import OfLedger, ledger_figures, open_alarms
from service.own_figures import HANDLINGS as NUMBERS
from service.own_figures import alarm_figures


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path / "ledger.db", policy=policy(single_gauge_public=True))


def read(town: Town) -> list[tuple[str, int, int, Handling]]:
    """Give (station, level, what residents were told, handling) of each alarm, as another process reads them."""
    found = open_alarms(open_ledger_to_read(ledger_url(town.path)))
    return [(each.station, each.level, told, each.handling) for each, told in found]


def test_an_alarm_is_among_them_from_its_raise_to_its_end(town: Town) -> None:
    assert read(town) == []

    town.step(standing(1))
    town.step(standing(3, at=NOW + 10 * MINUTE, opened_at=NOW))
    town.step(standing(1, at=NOW + 10 * MINUTE, station="weir"))
    assert sorted(read(town)) == [("bridge", 3, 3, Handling.OPEN), ("weir", 1, 0, Handling.OPEN)], "level 1 is not for residents here"

    ((bridge, _),) = (each for each in open_alarms(town.engine) if each[0].station == "bridge")
    with town.engine.begin() as connection:
        acknowledge(connection, bridge.id, "An", town.now)
    assert ("bridge", 3, 3, Handling.ACKNOWLEDGED) in read(town)

    town.step(standing(0, at=NOW + 5 * HOUR, level_at=NOW + 5 * HOUR))
    assert [station for station, *_ in read(town)] == ["weir"]


def test_the_number_of_them_is_the_figure_of_open_alarms(town: Town) -> None:
    def counted() -> OfLedger:
        return ledger_figures(open_ledger_to_read(ledger_url(town.path)))

    assert (counted()[1]["alarms_open"], len(read(town))) == (0, 0)
    town.step(standing(2), standing(1, station="weir"))
    assert (counted()[1]["alarms_open"], len(read(town))) == (2, 2)


def test_where_there_is_no_ledger_there_are_none(tmp_path: Path) -> None:
    nowhere = open_ledger_to_read(ledger_url(tmp_path / "ledger.db"))

    assert list(open_alarms(nowhere)) == []
    assert ledger_figures(nowhere) == (None, {}, {})


def test_an_alarm_is_one_line_that_names_it() -> None:
    known = alarm(3, at=NOW, id="0f" * 8, peak=3.9, value=3.7, phase=Phase.LOST, handling=Handling.ACKNOWLEDGED)
    unknown = alarm(1, at=NOW, id="1f" * 8, peak=None, value=None)

    first, second = lines_of(alarm_figures([(known, 2), (unknown, 0)]), NOW + HOUR)

    tags = "device=wl-bridge,quantity=water_level,station=bridge"
    assert first.split(" ") == [
        f"canhbao_alarm,alarm={'0f' * 8},{tags}",
        f"level=3i,told=2i,shown=3.7,peak=3.9,phase=2i,handling=1i,opened_at={NOW // 1000}i",
        str((NOW + HOUR) // 1000),
    ]
    assert second.split(" ")[1] == f"level=1i,told=0i,phase=0i,handling=0i,opened_at={NOW // 1000}i"


def test_the_words_of_the_dashboards_are_as_many_as_the_numbers() -> None:
    assert sorted(NUMBERS.values()) == list(range(len(HANDLINGS)))
    assert set(NUMBERS) == set(Handling)
    assert len(TOLD) == len(LEVELS)
