"""What a line becomes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.readings import Quality, Reading
from ingest.archive.points import Refusal, Series, point_of, series_of
from ingest.lines import parse

names = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)
quantities = st.from_regex(r"[a-z0-9_]{1,32}", fullmatch=True)
milliseconds = st.integers(min_value=-(10**12), max_value=10**14).map(lambda count: count * 1000)
readings = st.builds(
    Reading,
    names,
    names,
    quantities,
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(Quality),
    milliseconds,
    milliseconds,
)
GOOD = "water_level,device=wl-kim-long,station=kim-long value=3.62,quality=1i,received_at=1763798400000i 1763798400000"


@given(reading=readings)
def test_a_line_read_back_is_the_reading_to_the_last_bit(line: Callable[[Reading], str], reading: Reading) -> None:
    point = point_of(line(reading))

    assert not isinstance(point, Refusal)
    head, *rest = point
    assert series_of(head) == Series(reading.station, reading.quantity, reading.device)
    assert rest == [reading.observed_at, reading.value, reading.quality, reading.received_at]
    assert parse(line(reading)) == reading


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "\0",
        "kim-long",
        GOOD + " ",
        GOOD + "000",
        GOOD + "\r",
        GOOD.replace("quality=1i", "quality=7i"),
        GOOD.replace("quality=1i", "quality=1"),
        GOOD.replace("3.62", "3,62"),
        GOOD.replace("3.62", "nan"),
        GOOD.replace("3.62", "inf"),
        GOOD.replace("3.62", "٣"),
        GOOD.replace("kim-long", "kim long"),
        GOOD.replace("kim-long", "Kim-Long"),
        GOOD.replace("kim-long", "kim\\,long"),
        GOOD.replace("device=wl-kim-long,", ""),
        GOOD.replace("i 1763798400000", "i 1763798400000000"),
        GOOD.encode().replace(b"kim", b"k\xffm").decode(errors="surrogateescape"),
    ],
)
def test_a_line_of_another_form_is_unreadable(line: str) -> None:
    assert point_of(line) is Refusal.UNREADABLE


def test_a_number_too_large_for_a_float_is_refused() -> None:
    assert point_of(GOOD.replace("3.62", "1e999")) is Refusal.NOT_FINITE


@given(line=st.text() | st.binary().map(lambda data: data.decode(errors="surrogateescape")))
def test_no_text_raises(line: str) -> None:
    assert isinstance(point_of(line), Refusal)
