"""The curves of the simulator: they meet their points, stay between them, and match the published algorithm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.instants import DAY, HOUR, MINUTE
from devices.series import Crest, Daily, Hydrograph, Origin, Point, Recorded, curve


def points(*values: float) -> list[Point]:
    return [Point(index * HOUR, value, published=True) for index, value in enumerate(values)]


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=12), st.floats(0, 1))
def test_a_curve_never_leaves_the_span_of_the_points_around_it(values: list[float], part: float) -> None:
    line = curve(points(*values))

    for index in range(len(values) - 1):
        found = line.at(int((index + part) * HOUR))
        assert found is not None
        assert min(values[index : index + 2]) - 1e-9 <= found.value <= max(values[index : index + 2]) + 1e-9


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=12))
def test_a_curve_meets_every_point_exactly(values: list[float]) -> None:
    line = curve(points(*values))

    assert [found.value for index in range(len(values)) if (found := line.at(index * HOUR))] == values


def test_slopes_are_those_of_the_published_formula() -> None:
    line = curve([Point(0, 0.0, published=True), Point(HOUR, 1.0, published=True), Point(3 * HOUR, 5.0, published=True)])

    # Widths 1 and 2, secants 1 and 2: weights 2*2+1 and 2+2*1, harmonic mean 9 / (5/1 + 4/2).
    assert line.slopes == pytest.approx((0.0, 9 / 7, 0.0))


def test_a_curve_is_flat_at_its_crest() -> None:
    assert curve(points(0, 3, 1)).slopes[1] == 0


def test_two_points_make_a_straight_line() -> None:
    middle = curve(points(1, 3)).at(30 * MINUTE)

    assert middle is not None
    assert middle.value == pytest.approx(2)


def test_outside_its_points_a_curve_has_no_value() -> None:
    line = curve(points(1, 2))

    assert line.at(-1) is None
    assert line.at(HOUR + 1) is None


def test_a_value_beside_a_made_up_point_is_made_up() -> None:
    line = curve([Point(0, 1, published=True), Point(HOUR, 2, published=True), Point(2 * HOUR, 3, published=False)])

    origins = [found.origin for minutes in (0, 30, 60, 90, 120) if (found := line.at(minutes * MINUTE))]

    assert origins == [Origin.PUBLISHED, Origin.INTERPOLATED, Origin.PUBLISHED, Origin.SYNTHETIC, Origin.SYNTHETIC]


def test_a_hydrograph_crests_at_its_time_and_returns_to_low_water() -> None:
    water = Hydrograph(1.0, (Crest(10 * HOUR, 2.0, 4 * HOUR, 8 * HOUR),))

    values = {hour: found.value for hour in range(24) if (found := water.at(hour * HOUR))}

    assert max(values, key=values.__getitem__) == 10
    assert (values[10], values[6], values[18]) == pytest.approx((3.0, 1.0, 1.0))
    assert values[8] < values[9]


def test_a_daily_series_swings_drifts_and_stays_within_its_bounds() -> None:
    battery = Daily(mean=50, swing=10, highest_at=0, drift=-20, low=5, high=100)

    values = [found.value for days in (0, 0.5, 1, 10) if (found := battery.at(int(days * DAY)))]

    assert values == pytest.approx([60, 30, 40, 5])


def test_a_recorded_series_has_values_at_its_own_instants_only() -> None:
    record = Recorded({HOUR: 1.5})

    assert record.at(HOUR) is not None
    assert record.at(HOUR + 1) is None
