"""The coordinates of staff gauge, bar, chart and map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest

from devices.instants import HOUR, MINUTE
from devices.stations import LegalLevel
from web.languages import LANGUAGES
from web.public.citymap import draw, inset_of, patches
from web.public.drawing import bar_of, chart_of, rows_of, staff_of
from web.public.scale import Scale, bands_of, scale_of, ticks_of
from web.public.situation import City
from web.public.state import PageState

KIM_LONG = tuple(
    LegalLevel(index, code, value) for index, (code, value) in enumerate([("bd1", 1.0), ("bd2", 2.0), ("bd3", 3.5), ("historic", 5.81)], 1)
)
UPPER = (LegalLevel(1, "bd1", 59.0), LegalLevel(2, "bd2", 61.0))
HUE = ZoneInfo("Asia/Ho_Chi_Minh")


def test_a_scale_begins_at_zero_where_the_levels_lie_near_it() -> None:
    assert scale_of(KIM_LONG, [3.62]).low == 0.0


def test_a_scale_of_a_gauge_far_above_zero_begins_below_its_first_level() -> None:
    assert scale_of(UPPER, [60.59]).low == 56.0


@pytest.mark.parametrize("value", [-0.4, 0.0, 3.62, 5.81, 9.0])
def test_every_value_lies_on_its_scale(value: float) -> None:
    scale = scale_of(KIM_LONG, [value])

    assert 0.0 <= scale.part(value) <= 1.0
    assert scale.low <= value <= scale.high


def test_bands_fill_the_scale_without_overlap() -> None:
    bands = bands_of(KIM_LONG, scale_of(KIM_LONG, [3.62]))

    assert [band.severity for band in bands] == [0, 1, 2, 3, 4]
    assert bands[0].from_part == 0.0
    assert bands[-1].to_part == 1.0
    assert all(one.to_part == other.from_part for one, other in pairwise(bands))


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.4), (56.0, 61.5), (0.0, 0.58), (-0.3, 0.2)])
def test_ticks_are_few_and_round(low: float, high: float) -> None:
    ticks = ticks_of(Scale(low, high))

    assert 2 <= len(ticks) <= 9
    assert all(low - 1e-6 <= tick <= high + 1e-6 for tick in ticks)


def test_a_gap_breaks_the_line_and_is_hatched(scenes: ModuleType, state_of: Callable[..., PageState]) -> None:
    scene = scenes.warning()
    missing = (scenes.at("2025-10-26 00:00"), scenes.at("2025-10-26 06:00"))
    readings = tuple(each for each in scene.readings if not missing[0] <= each.observed_at < missing[1])

    history = state_of(replace(scene, readings=readings)).history

    assert history is not None
    chart = chart_of(history, HUE)
    assert chart.line.count("M") == 2
    assert len(chart.gaps) == 1
    assert chart.gaps[0][1] == pytest.approx(324 * 6 / 48, abs=1.5)


def test_a_silent_gauge_is_hatched_to_the_end_of_its_chart(scenes: ModuleType, state_of: Callable[..., PageState]) -> None:
    history = state_of(scenes.silent_alone()).history

    assert history is not None
    (x, width) = chart_of(history, HUE).gaps[-1]
    assert x + width == pytest.approx(354.0, abs=0.2)


def test_a_lone_reading_is_drawn(scenes: ModuleType, state_of: Callable[..., PageState]) -> None:
    history = state_of(scenes.warning()).history

    assert history is not None
    chart = chart_of(replace(history, buckets=history.buckets[-1:]), HUE)
    assert chart.line.startswith("M")
    assert chart.last is not None


def test_names_of_near_levels_do_not_touch() -> None:
    near = (LegalLevel(1, "d1", 0.30), LegalLevel(2, "d2", 0.31))
    scenes_levels = _gauge(near)

    marks = staff_of(scenes_levels).marks

    assert marks[0].text_y - marks[1].text_y >= 14.0


def _gauge(levels: tuple[LegalLevel, ...]) -> object:
    from types import SimpleNamespace

    return SimpleNamespace(levels=levels, value=0.1)


def test_the_bar_of_a_gauge_without_levels_is_left_out(scenes: ModuleType, state_of: Callable[..., PageState]) -> None:
    by_id = {gauge.station.id: gauge for gauge in state_of(scenes.warning()).gauges}

    assert bar_of(by_id["phong-binh"]) is None
    assert bar_of(by_id["kim-long"]) is not None


def test_the_table_has_the_newest_and_the_highest_reading(scenes: ModuleType, state_of: Callable[..., PageState]) -> None:
    history = state_of(scenes.over()).history

    assert history is not None
    rows = rows_of(history.buckets)
    assert rows[0] == history.buckets[-1]
    assert max(rows, key=lambda row: row.high).high == max(bucket.high for bucket in history.buckets)
    assert len(rows) <= 20
    assert [row.start_at for row in rows] == sorted((row.start_at for row in rows), reverse=True)


def test_a_chart_of_nothing_has_no_line(scenes: ModuleType, state_of: Callable[..., PageState]) -> None:
    history = state_of(scenes.warning()).history

    assert history is not None
    chart = chart_of(replace(history, buckets=()), HUE)
    assert (chart.line, chart.last) == ("", None)
    assert chart.gaps == [(30.0, 324.0)]
    assert history.to_at - history.from_at == 48 * HOUR
    assert history.to_at % MINUTE == 0


def test_wards_under_a_warning_are_drawn_last(scenes: ModuleType, state_of: Callable[..., PageState], city: City) -> None:
    state = state_of(scenes.warning())

    looks = [patch.look for patch in patches(city.shapes.views.river, state)]

    assert looks[-5:] == ["l3"] * 5
    assert looks.count("l3") == 5


def test_every_ward_of_the_city_has_a_shape_and_every_shape_a_ward(city: City) -> None:
    assert set(city.shapes.views.city.wards) == set(city.registry.wards)


def test_the_city_fits_into_its_small_frame(city: City) -> None:
    frame = city.shapes.views.city

    inset = inset_of(frame)

    assert inset.x >= 0
    assert inset.y >= 0
    assert inset.x + frame.width * inset.scale <= 100.1
    assert inset.y + frame.height * inset.scale <= 68.1


def test_names_of_gauges_hide_no_other_gauge(scenes: ModuleType, state_of: Callable[..., PageState], city: City) -> None:
    state = state_of(scenes.warning())
    drawing = draw(city.shapes.views.river, state, LANGUAGES["vi"], {"kim-long": "Kim Long 3,62 m", "phu-oc": "Phú Ốc 4,56 m"})

    for pin in drawing.pins:
        for label in (other.label for other in drawing.pins if other.label):
            assert not (label.x <= pin.x <= label.x + 80 and label.y - 10 <= pin.y <= label.y + 3)
