"""S0: two real floods, as they were: every exceedance told once, every end told once, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from river import CUNG_SON, KIM_LONG, River, at_once, believed, published, score, truth

from alerts.model import Audience
from devices.instants import MINUTE

pytestmark = pytest.mark.shared


def test_every_level_of_two_real_floods_is_told_once_and_ended_once(river: Callable[..., River], shared: Path) -> None:
    waters = {
        KIM_LONG: published(shared, "river_71520_kim-long.csv", "2025-11-14", "2025-11-20"),
        CUNG_SON: published(shared, "river_71558_cung-son.csv", "2025-11-16", "2025-11-23"),
    }
    town = river(*waters, start_at=waters[KIM_LONG][0][0] - 10 * MINUTE)

    town.play(arrival for station, series in waters.items() for arrival in at_once(station, series))

    for station, series in waters.items():
        real = truth(series, station.levels)
        found = score(real, believed(town.beliefs(Audience.OPERATORS, station.id)))
        print(station.id, len(real), sum(each.end is not None for each in real), found)
        assert found.faults == (0, 0, 0, 0)
        assert found.latest == 0
