"""What every archive answers where readings are gone and the history is left, asked through the port only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.instants import HOUR, MINUTE, SECOND, Instant
from devices.readings import Quality, Reading
from ingest.archive.query import Archive, Bucket, Gap

KeepFrom = Callable[[Sequence[Reading], Instant], Archive]
Make = Callable[..., Reading]
LONG_AGO, FAR_AHEAD = 0, 4_000_000_000_000_000
START = 1_761_523_200_000_000


def hours_of(readings: Sequence[Reading]) -> dict[Instant, list[float]]:
    """Group what an archive keeps of readings that came in this order."""
    groups: dict[Instant, list[float]] = defaultdict(list)
    for at, value in sorted({reading.observed_at: reading.value for reading in readings}.items()):
        groups[at // HOUR * HOUR].append(value)
    return groups


def test_an_hour_stands_for_its_readings_with_mean_worst_flag_and_last_receipt(keep_from: KeepFrom, reading: Make) -> None:
    old = [reading(minute=minute, value=value) for minute, value in ((61, 1.0), (70, 2.0), (119, 6.0))]
    old[1] = replace(old[1], quality=Quality.SUSPECT)
    new = [reading(minute=120, value=9.0), reading(minute=121, value=8.0)]

    archive = keep_from([*old, *new], new[0].observed_at)

    hour = replace(old[2], value=3.0, quality=Quality.SUSPECT, observed_at=START + HOUR)
    assert list(archive.series("kim-long", "water_level", LONG_AGO, FAR_AHEAD)) == [hour, *new]
    assert list(archive.series("kim-long", "water_level", LONG_AGO, new[0].observed_at)) == [hour]
    assert list(archive.series("kim-long", "water_level", START + HOUR + 1, FAR_AHEAD)) == new
    assert archive.count(LONG_AGO, FAR_AHEAD) == 5
    assert archive.count(LONG_AGO, START + 2 * HOUR) == 3


def test_one_bucket_may_hold_hours_and_readings(keep_from: KeepFrom, reading: Make) -> None:
    archive = keep_from([reading(minute=minute, value=minute) for minute in range(180)], START + 2 * HOUR)

    one, two = (list(archive.downsampled("kim-long", "water_level", START, START + 3 * HOUR, points)) for points in (1, 2))

    assert one == [Bucket(START, 180, 0.0, 89.5, 179.0)]
    assert two == [Bucket(START, 120, 0.0, 59.5, 119.0), Bucket(START + 90 * MINUTE, 60, 120.0, 149.5, 179.0)]


def test_an_hour_of_the_history_has_no_gap(keep_from: KeepFrom, reading: Make) -> None:
    readings = [reading(minute=minute) for minute in (0, 55, 60, 190, 240, 241)]
    archive = keep_from(readings, START + 4 * HOUR)

    gaps = archive.gaps("kim-long", "water_level", START, START + 4 * HOUR + 2 * MINUTE, longer_than=10 * MINUTE)

    assert [(gap.from_at // SECOND * SECOND + SECOND, gap.to_at) for gap in gaps] == [(START + 2 * HOUR, START + 3 * HOUR)]
    assert list(archive.gaps("kim-long", "water_level", START, START + HOUR, longer_than=MINUTE)) == []
    assert list(archive.gaps("kim-long", "rainfall", START, START + HOUR, longer_than=MINUTE)) == [Gap(START, START + HOUR)]


def test_each_device_has_hours_of_its_own(keep_from: KeepFrom, reading: Make) -> None:
    archive = keep_from([reading(device="a", value=1.0), reading(device="b", value=2.0), reading(station="phu-oc")], START + 2 * HOUR)

    answer = archive.series("kim-long", "water_level", LONG_AGO, FAR_AHEAD)

    assert [(each.device, each.value) for each in answer] == [("a", 1.0), ("b", 2.0)]
    assert [each.value for each in archive.series("kim-long", "water_level", LONG_AGO, FAR_AHEAD, device="b")] == [2.0]


def test_a_gauge_whose_readings_are_gone_is_still_among_the_latest(keep_from: KeepFrom, reading: Make) -> None:
    archive = keep_from([reading(station="phu-oc", value=4.9), reading(minute=300)], START + 2 * HOUR)

    assert {each.station: each.value for each in archive.latest()} == {"phu-oc": 4.9, "kim-long": 1.0}


@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 5 * 60 - 1), st.floats(-1e6, 1e6, allow_nan=False)),
        min_size=1,
        max_size=40,
        unique_by=lambda pair: pair[0],
    ),
    border=st.integers(0, 5),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hours_are_those_of_the_definition(keep_from: KeepFrom, reading: Make, pairs: list[tuple[int, float]], border: int) -> None:
    readings = [reading(minute=minute, value=value) for minute, value in pairs]
    from_at = START + border * HOUR
    archive = keep_from(readings, from_at)

    buckets = archive.downsampled("kim-long", "water_level", START, START + 5 * HOUR, 5)

    expected = hours_of(readings)
    assert [(each.start_at, each.count, each.low, each.high) for each in buckets] == [
        (hour_at, len(values), min(values), max(values)) for hour_at, values in expected.items()
    ]
    for each in buckets:
        values = expected[each.start_at]
        assert each.mean == pytest.approx(sum(values) / len(values), rel=1e-9, abs=1e-6)
    old = [hour_at for hour_at in expected if hour_at < from_at]
    new = sorted(each.observed_at for each in readings if each.observed_at >= from_at)
    assert [each.observed_at for each in archive.series("kim-long", "water_level", START, FAR_AHEAD)] == [*old, *new]
    assert archive.count(LONG_AGO, FAR_AHEAD) == len(readings)
