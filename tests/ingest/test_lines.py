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


hostile = st.text(st.sampled_from('az0_- ,="\\\n\r\t\0#iêệ🌊\u2028\u0660') | st.characters(), max_size=40)
at_work = st.tuples(values, st.sampled_from(Quality), milliseconds, milliseconds)


@given(hostile, hostile, hostile, at_work)
def test_any_text_is_refused_as_a_name_or_read_back_as_it_was(quantity, station, device, rest):
    value, quality, received_at, observed_at = rest
    try:
        head = series(quantity, station, device)
    except ValueError:
        return
    line = encode(head, value, quality, received_at, observed_at)

    assert len(line.splitlines()) == 1
    assert parse(line) == Reading(station, device, quantity, value, quality, observed_at * 1000, received_at * 1000)


@given(quantities, ids, ids, at_work, st.integers(0, 200), hostile)
def test_a_line_into_which_something_fell_is_none_or_a_reading_like_any_other(quantity, station, device, rest, place, fallen):
    line = encode(series(quantity, station, device), *rest)
    try:
        found = parse(line[:place] + fallen + line[place:])
    except ValueError:
        return
    head = series(found.quantity, found.station, found.device)

    assert parse(encode(head, found.value, found.quality, found.received_at // 1000, found.observed_at // 1000)) == found


@pytest.mark.parametrize(
    "name",
    ["water level", "", "a=b", "a,b", "A", "x" * 33, "é", "a\n", "\na", "a\\", 'a"', "a\r", "a\0", "mực-nước", "🌊", "\u0660", " a", "#a"],
)
def test_a_name_that_needs_an_escape_is_no_name(name):
    with pytest.raises(ValueError, match="not a name"):
        series(name, "st", "wl")
    with pytest.raises(ValueError, match="not a name"):
        series("water_level", "st", name)
