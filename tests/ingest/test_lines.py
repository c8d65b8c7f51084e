"""A reading and its line say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.readings import Quality, Reading
from ingest.archive.points import point_of
from ingest.lines import encode, parse, series

quantities = st.from_regex(r"[a-z0-9_]{1,32}", fullmatch=True)
ids = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)
values = st.floats(allow_nan=False, allow_infinity=False)
milliseconds = st.integers(0, 10**14)


@given(quantities, ids, ids, values, st.sampled_from(Quality), milliseconds, milliseconds)
def test_a_line_read_back_is_the_reading(quantity, station, device, value, quality, received_at, observed_at):
    line = encode(series(quantity, station, device), value, quality, received_at, observed_at)

    assert parse(line) == Reading(station, device, quantity, value, quality, observed_at * 1000, received_at * 1000)


@given(quantities, ids, ids, values, st.sampled_from(Quality), milliseconds, milliseconds)
def test_every_line_is_a_point_of_the_store(quantity, station, device, value, quality, received_at, observed_at):
    line = encode(series(quantity, station, device), value, quality, received_at, observed_at)

    head = f"{quantity},device={device},station={station}"
    assert point_of(line) == (head, observed_at * 1000, value, quality, received_at * 1000)


@pytest.mark.parametrize("name", ["water level", "", "a=b", "a,b", "A", "x" * 33, "é"])
def test_a_name_that_needs_an_escape_is_no_name(name):
    with pytest.raises(ValueError, match="not a name"):
        series(name, "st", "wl")
    with pytest.raises(ValueError, match="not a name"):
        series("water_level", "st", name)
