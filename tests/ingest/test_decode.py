"""From payload to samples: every form, every fault, and the parsing suite."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import decode as module
from ingest.decode import Reason, decode

AT = 1_763_798_400_000
RANK = 7 << 32 | 1


def up(**more):
    return {"v": 1, "boot": 7, "seq": 1, "at": AT, "m": {"water_level": 3.62}, **more}


class Read(NamedTuple):
    samples: list
    faults: list
    unknown: int


def read(payload):
    return Read(*decode(payload if isinstance(payload, bytes) else json.dumps(payload).encode()))


def reasons(payload):
    return [reason for reason, _, _ in read(payload).faults]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(up(), id="object"),
        pytest.param(up(at="2025-11-22T15:00:00+07:00"), id="time as text"),
        pytest.param(up(at="2025-11-22T08:00:00Z"), id="time in UTC"),
        pytest.param([up()], id="array"),
        pytest.param({"v": 1, "boot": 7, "seq": 1, "series": [{"at": AT, "m": {"water_level": 3.62}}]}, id="series"),
        pytest.param({"v": 1, "series": [{"boot": 7, "seq": 1, "at": AT, "m": {"water_level": 3.62}}]}, id="series with its own seq"),
    ],
)
def test_every_native_form_gives_the_same_sample(payload):
    decoded = read(payload)

    assert decoded == ([(AT, RANK, {"water_level": 3.62})], [], 0)


@pytest.mark.parametrize(
    ("more", "rank"),
    [
        ({"boot": None}, -1),
        ({"boot": "7"}, -1),
        ({"boot": True}, -1),
        ({"seq": -1}, -1),
        ({"seq": 1 << 32}, -1),
        ({"boot": 1 << 31}, -1),
        ({"boot": 0, "seq": 0}, 0),
        ({"boot": (1 << 31) - 1, "seq": (1 << 32) - 1}, (1 << 63) - 1),
    ],
)
def test_a_rank_needs_both_boot_and_seq_and_fits_64_bits(more, rank):
    assert read(up(**more)).samples[0][1] == rank


def test_unknown_fields_are_counted_and_cost_nothing():
    decoded = read(up(firmware="1.2:3", extra={"a": [1, {"b": None}]}))

    assert (len(decoded.samples), decoded.faults, decoded.unknown) == (1, [], 2)


def test_unknown_fields_are_counted_in_every_form():
    payload = [up(x=1), {"v": 1, "y": 1, "series": [{"at": AT, "m": {"a": 1}, "z": 1}]}]

    assert read(payload).unknown == 3


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.JSON),
        (b"\xff\x00", Reason.JSON),
        (b"[" * 200_000, Reason.JSON),
        (b'{"v":1,"at":1763798400000,"m":{"water_level":NaN}}', Reason.JSON),
        (b'{"v":1,"at":1763798400000,"m":{"water_level":-Infinity}}', Reason.JSON),
        (b"{} {}", Reason.JSON),
        (b"[]", Reason.SHAPE),
        (b"[1]", Reason.SHAPE),
        (b"null", Reason.SHAPE),
        (b'"text"', Reason.SHAPE),
        (up(v=2), Reason.SHAPE),
        (up(v=True), Reason.SHAPE),
        (up(v=1.0), Reason.SHAPE),
        ({"at": AT, "m": {"a": 1}}, Reason.SHAPE),
        (up(m={}), Reason.SHAPE),
        (up(m=[1]), Reason.SHAPE),
        ({"v": 1, "series": []}, Reason.SHAPE),
        ({"v": 1, "series": {}}, Reason.SHAPE),
        ({"v": 1, "series": [5]}, Reason.SHAPE),
        (up(at="2025-11-22T07:00:00"), Reason.NO_TIME),
        (up(at="yesterday"), Reason.NO_TIME),
        (up(at=1763798400000.0), Reason.NO_TIME),
        (up(at=True), Reason.NO_TIME),
        (up(at=[AT]), Reason.NO_TIME),
    ],
)
def test_what_cannot_be_read_gives_one_fault_and_no_sample(payload, reason):
    assert (read(payload).samples, reasons(payload)) == ([], [reason])


@pytest.mark.parametrize(
    "payload",
    [
        b'{"v":1,"v":1,"at":1763798400000,"m":{"a":1}}',
        b'{"v":1,"at":1763798400000,"m":{"a":1,"a":2}}',
        b'{"v":1,"at":1763798400000,"m":{"a":1},"m":{"b":2}}',
        b'{"v":1,"at":1763798400000,"\\u0061t":1763798400001,"m":{"a":1}}',
        b'{"v":1,"at":"2025-11-22T15\\u003a00:00+07:00","seq":1,"seq":2,"m":{"a":1}}',
        b'{"v":1,"at":1763798400000,"m":{"a":1},"x":[{"y":1,"y":2}]}',
        b'[{"v":1,"at":1763798400000,"m":{"a":1,"a":1}}]',
        b'{"v":1,"series":[{"at":1763798400000,"at":1,"m":{"a":1}}]}',
    ],
)
def test_a_field_that_stands_twice_costs_the_whole_payload(payload):
    assert (read(payload).samples, reasons(payload)) == ([], [Reason.JSON])


def test_values_beside_a_series_are_refused_not_dropped_silently():
    decoded = read(up(series=[{"at": AT, "m": {"a": 1}}]))

    assert ([sample[2] for sample in decoded.samples], [fault[0] for fault in decoded.faults]) == ([{"a": 1}], [Reason.SHAPE])


def test_one_bad_part_does_not_cost_the_others():
    decoded = read([up(), 5, up(at="yesterday"), {"v": 1, "series": [{"at": AT, "m": {"a": 1}}, {}]}])

    assert [sample[2] for sample in decoded.samples] == [{"water_level": 3.62}, {"a": 1}]
    assert [fault[0] for fault in decoded.faults] == [Reason.SHAPE, Reason.NO_TIME, Reason.SHAPE]


def test_samples_of_a_series_without_a_time_do_not_share_the_seq_of_their_message():
    decoded = read({"v": 1, "boot": 7, "seq": 1, "series": [{"m": {"a": 1}}, {"m": {"a": 2}}]})

    assert [sample[:2] for sample in decoded.samples] == [(None, -1), (None, -1)]


keys = st.sampled_from(["v", "at", "m", "boot", "seq", "x", 'q"', "c:d"])
members = st.lists(st.tuples(keys, st.sampled_from(["1", '"a:b"', '"\\u003a"', '{"k":1}', '{"k":1,"k":2}', "[]"])), max_size=6)


@settings(max_examples=400, deadline=None)
@given(members)
def test_twins_are_found_exactly_where_they_are(pairs):
    text = '{"v":1,"at":1763798400000,"m":{"a":1}' + "".join(f",{json.dumps(key)}:{value}" for key, value in pairs) + "}"

    names = ["v", "at", "m", *(key for key, _ in pairs)]
    twins = len(set(names)) < len(names) or any(value.count('"k"') > 1 for _, value in pairs)
    assert (reasons(text.encode()) == [Reason.JSON]) is twins


@pytest.mark.shared
def test_the_parsing_suite_is_kept_or_refused_as_it_says(shared):
    wrong = []
    for path in sorted((shared / "json-test-suite").glob("[yn]_*.json")):
        raw = path.read_bytes()
        refused = Reason.JSON in reasons(raw)
        within = read(b'{"v":1,"at":1763798400000,"m":{"a":1},"x":' + raw + b"}")
        kept = path.name.startswith("y_") and "duplicated_key" not in path.name  # two of the same name are valid JSON, but not for us
        if kept and (refused or len(within.samples) != 1 or within.faults or within.unknown != 1):
            wrong.append(path.name)
        if not kept and not refused:
            wrong.append(path.name)

    assert wrong == []


numbers = st.sampled_from([0, 1, 7, -1, 1 << 31, 1 << 32, 1 << 70, AT, 3.62, True, None, "7"])
measured = st.one_of(st.dictionaries(st.sampled_from(["water_level", "battery", "a:b", "é"]), numbers, max_size=3), numbers)
fields = {"v": st.sampled_from([1, 1, 1, 2, True, 1.0]), "boot": numbers, "seq": numbers, "at": numbers, "m": measured, "more": numbers}
natives = st.fixed_dictionaries(
    {"v": fields["v"], "m": measured, "at": st.sampled_from([AT, AT, None])},
    optional={name: fields[name] for name in ("boot", "seq", "more")},
)


@settings(max_examples=500, deadline=None)
@given(natives, st.sampled_from(["", '"boot":7,', '"m":{"battery":5},', '"v":1,', '"\\u0076":1,']), st.booleans())
def test_the_short_way_of_the_usual_message_reads_what_the_long_one_reads(native, twin, ascii_only):
    payload = ("{" + twin + json.dumps(native, ensure_ascii=ascii_only)[1:]).encode()
    short = decode(payload)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_usual", lambda *_: None)
        assert repr(short) == repr(decode(payload))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.fixed_dictionaries({"m": measured}, optional={"at": numbers, "boot": numbers, "seq": numbers}), min_size=1, max_size=4))
def test_a_sample_in_a_series_is_read_like_one_alone_with_the_same_rank(series):
    whole = read({"v": 1, "series": series})
    alone = [read({"v": 1, **sample}) for sample in series]

    assert repr(whole.samples) == repr([sample for one in alone for sample in one.samples])
    assert whole.faults == [fault for one in alone for fault in one.faults]
