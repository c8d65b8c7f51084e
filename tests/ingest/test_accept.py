"""From messages to lines: nothing is lost, nothing counts twice, everything has its reason."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.instants import HOUR, MINUTE
from devices.readings import Quality, Reading
from ingest.accept import LARGEST_PAYLOAD, Broken, digest, hear, intake_of, take, tick, topic_of
from ingest.decode import Reason
from ingest.lines import parse


@pytest.fixture
def intake(kit):
    registry = kit.gauges()
    return intake_of(registry, kit.engine(registry))


def refused(taken):
    return {rejection.reason: rejection.readings for rejection in taken.rejections}


def values(taken):
    return [parse(line).value for line in taken.lines]


def test_a_reading_becomes_a_line_and_what_the_rules_say_of_it(kit, intake):
    taken = take(intake, kit.inbound(kit.up(3.62)))

    assert [parse(line) for line in taken.lines] == [Reading("st-0", "wl-0", "water_level", 3.62, Quality.PASS, kit.now, kit.now)]
    assert [said.change.kind for said in taken.said] == ["raise", "fresh"]
    assert (taken.readings, taken.messages, taken.ranks) == (1, 1, [7 << 32 | 1])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.0", Reason.NOT_A_NUMBER),
        (True, Reason.NOT_A_NUMBER),
        (None, Reason.NOT_A_NUMBER),
        ([1.0], Reason.NOT_A_NUMBER),
        (31.0, Reason.RANGE),
        (-5.01, Reason.RANGE),
        (10**400, Reason.RANGE),
    ],
)
def test_a_bad_value_goes_to_quarantine_and_costs_only_itself(kit, intake, value, reason):
    message = kit.up(0.0, m={"water_level": value, "battery": 87})

    taken = take(intake, kit.inbound(message))

    assert (values(taken), refused(taken)) == ([87.0], {reason: 1})
    assert taken.rejections[0].payload == json.dumps(message).encode()


def test_a_number_too_large_for_a_float_is_not_a_number(kit, intake):
    taken = take(intake, kit.inbound(b'{"v":1,"at":1763798400000,"m":{"water_level":1e999,"battery":-1e999}}'))

    assert (values(taken), refused(taken)) == ([], {Reason.NOT_A_NUMBER: 2})


@pytest.mark.parametrize("value", [-5, 30, -5.0, 30.0, -0.0, 5e-324])
def test_the_limits_of_the_instrument_are_within_its_range(kit, intake, value):
    assert values(take(intake, kit.inbound(kit.up(value)))) == [value]


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (946_684_799_999, Reason.NO_TIME),
        (-(10**400), Reason.NO_TIME),
        (1_763_798_400_000 + 300_001, Reason.FUTURE),
        (10**400, Reason.FUTURE),
        ("2026-11-22T07:00:00", Reason.NO_TIME),
    ],
)
def test_a_time_that_cannot_be_is_refused(kit, intake, at, reason):
    raw = json.dumps(kit.up(1.0)).replace("1763798400000", json.dumps(at) if isinstance(at, str) else str(at)).encode()

    assert refused(take(intake, kit.inbound(raw))) == {reason: 1}


def test_a_clock_that_runs_ahead_by_five_minutes_is_believed(kit, intake):
    assert values(take(intake, kit.inbound(kit.up(1.0, at=kit.now // 1000 + 300_000)))) == [1.0]


def test_an_unknown_device_quantity_or_time_of_validity_is_refused_with_its_reason(kit):
    registry = kit.registry_of(kit.sensor(valid_from=kit.now, valid_to=kit.now + HOUR))
    intake = intake_of(registry, kit.engine(registry))

    stranger = take(intake, kit.inbound(kit.up(1.0), device="nobody"))
    rain = take(intake, kit.inbound(kit.up(1.0, m={"rainfall": 1.0})))
    early = take(intake, kit.inbound(kit.up(1.0, at=kit.now // 1000 - 1)))

    assert [refused(taken) for taken in (stranger, rain, early)] == [
        {Reason.UNKNOWN_DEVICE: 1},
        {Reason.UNKNOWN_QUANTITY: 1},
        {Reason.UNKNOWN_QUANTITY: 1},
    ]


def test_a_sensor_that_moved_keeps_its_history_right(kit):
    moved = kit.now - HOUR
    registry = kit.registry_of(kit.sensor(station="old", valid_to=moved), kit.sensor(station="new", valid_from=moved))
    intake = intake_of(registry, kit.engine(registry))

    taken = take(intake, kit.inbound(kit.up(1.0, at=moved // 1000 - 1), kit.up(2.0, at=moved // 1000)))

    assert [parse(line).station for line in taken.lines] == ["old", "new"]


def test_what_is_implausible_is_flagged_and_still_judged(kit):
    registry = kit.registry_of(kit.sensor(user_low=0.0, user_high=3.5))
    intake = intake_of(registry, kit.engine(registry))

    taken = take(intake, kit.inbound(kit.up(3.6)))

    assert parse(taken.lines[0]).quality is Quality.SUSPECT
    assert "raise" in [said.change.kind for said in taken.said]


def test_a_reading_beyond_the_lateness_bound_is_archived_and_counted_late(kit, intake):
    take(intake, kit.inbound(kit.up(1.0)))

    taken = take(intake, kit.inbound(kit.up(4.0, at=(kit.now - 3 * HOUR) // 1000)))

    assert (values(taken), taken.late, taken.said) == ([4.0], 1, [])
    assert parse(taken.lines[0]).quality is Quality.NOT_EVALUATED


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("dup", [False, True])
def test_whether_a_message_was_retained_or_is_said_to_be_a_duplicate_decides_nothing(kit, intake, retain, dup):
    event = kit.inbound(kit.up(1.0), kit.up(1.0, seq=9), kit.up(2.0, at=kit.now // 1000 + 1))
    flagged = replace(event, messages=[(topic, payload, mid, qos, retain, dup) for topic, payload, mid, qos, _, _ in event.messages])

    taken = take(intake, flagged)

    assert (values(taken), taken.duplicates, taken.rejections) == ([1.0, 2.0], 1, [])


@pytest.mark.parametrize(
    ("first", "second", "stands"),
    [
        ({"value": 1.0, "seq": 1}, {"value": 2.0, "seq": 2}, 2.0),
        ({"value": 1.0, "seq": 2}, {"value": 2.0, "seq": 1}, 1.0),
        ({"value": 1.0, "boot": 8, "seq": 1}, {"value": 2.0, "boot": 7, "seq": 9}, 1.0),
        ({"value": 1.0}, {"value": 2.0}, 2.0),
        ({"value": 2.0}, {"value": 1.0}, 2.0),
    ],
)
def test_of_two_values_for_one_instant_the_higher_boot_seq_then_value_stands_and_the_other_is_in_quarantine(
    kit, intake, first, second, stands
):
    taken = take(intake, kit.inbound(kit.up(**first), kit.up(**second)))

    other = 3.0 - stands
    assert values(taken)[-1] == stands
    assert [rejection.reason for rejection in taken.rejections] == [Reason.CONFLICT]
    assert str(other).encode() in taken.rejections[0].payload
    assert taken.readings == 2 == len(taken.lines) - taken.replaced + taken.duplicates + 1


def test_a_message_of_too_many_readings_is_refused_whole(kit, intake):
    taken = take(intake, kit.inbound([kit.up(1.0, at=kit.now // 1000 - n) for n in range(1_001)]))

    assert (taken.lines, refused(taken)) == ([], {Reason.TOO_MANY: 1_001})


def test_a_message_of_a_thousand_readings_is_taken(kit, intake):
    taken = take(intake, kit.inbound([kit.up(1.0, at=kit.now // 1000 - n) for n in range(1_000)]))

    assert (len(taken.lines), taken.rejections) == (1_000, [])


@pytest.mark.parametrize(("size", "reason"), [(LARGEST_PAYLOAD, Reason.JSON), (LARGEST_PAYLOAD + 1, Reason.TOO_LARGE)])
def test_a_payload_that_is_too_large_is_not_read(kit, intake, size, reason):
    assert refused(take(intake, kit.inbound(b" " * size))) == {reason: 1}


def test_a_message_is_kept_once_for_each_reason(kit, intake):
    taken = take(intake, kit.inbound([kit.up(31.0), kit.up(32.0), 5, kit.up("x")]))

    assert refused(taken) == {Reason.SHAPE: 1, Reason.RANGE: 2, Reason.NOT_A_NUMBER: 1}


# ---- devices without a clock


def test_without_a_time_the_first_receipt_is_the_time_and_a_redelivery_the_same_reading(kit, intake):
    message = {"v": 1, "boot": 7, "seq": 1, "m": {"water_level": 1.0}}

    first = take(intake, kit.inbound(message))
    again = take(intake, kit.inbound(message, received_at=kit.now + MINUTE))
    other = take(intake, kit.inbound({**message, "seq": 2}, received_at=kit.now + MINUTE))

    assert [parse(line).observed_at for line in first.lines + other.lines] == [kit.now, kit.now + MINUTE]
    assert (again.lines, again.duplicates) == ([], 1)
    assert first.first_receipts == [("wl-0", 7 << 32 | 1, kit.now)]


@pytest.mark.parametrize("message", [{"v": 1, "m": {"battery": 1}}, {"v": 1, "seq": 1, "m": {"battery": 1}}])
def test_without_a_time_and_without_boot_and_seq_there_is_no_time(kit, intake, message):
    assert refused(take(intake, kit.inbound(message))) == {Reason.NO_TIME: 1}


def test_first_receipts_are_remembered_for_the_lateness_bound_and_not_for_ever(kit, intake):
    for seq in range(300):
        take(intake, kit.inbound({"v": 1, "boot": 7, "seq": seq, "m": {"battery": 50}}, received_at=kit.now + seq * MINUTE))

    receipts = intake.sources[topic_of("wl-0")].receipts
    assert all(7 << 32 | seq in receipts for seq in range(300 - 120, 300))
    assert len(receipts) < 300


# ---- time


def test_what_was_stamped_before_the_last_tick_gets_its_instant(kit, intake):
    tick(intake, kit.now + 5_999)

    taken = take(intake, kit.inbound(kit.up(1.0)))

    assert parse(taken.lines[0]).received_at == kit.now + 5_000 == taken.at


def test_hearing_is_told_to_the_rules_after_the_time_that_passed(kit, intake):
    take(intake, kit.inbound(kit.up(1.0)))

    deaf = hear(intake, kit.now + 30 * MINUTE, "away")
    silent = tick(intake, kit.now + 60 * MINUTE)

    assert [said.change.kind for said in deaf.said] == ["stale"]
    assert (deaf.hearing, silent.said) == ([(kit.now + 30 * MINUTE, False)], [])
    assert [incident.kind for incident in deaf.incidents] == ["deaf"]


# ---- our own mistakes


def test_a_message_that_breaks_us_is_named_and_once_known_not_read_again(kit, intake):
    message = kit.inbound(kit.up(kit.deadly), kit.up(2.0, at=kit.now // 1000 - 1))
    with pytest.raises(Broken) as broken:
        take(intake, message)

    intake.poison = frozenset([broken.value.digest])
    taken = take(intake, message)

    assert broken.value.digest == digest(*message.messages[0][:2])
    assert (values(taken), refused(taken), [i.kind for i in taken.incidents]) == ([2.0], {Reason.POISON: 1}, ["poison"])


# ---- anything at all

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from([1, 1_763_798_400_000, 10**400])
names = st.sampled_from(["v", "at", "m", "series", "boot", "seq", "water_level", "battery"]) | st.text(max_size=3)
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5), max_leaves=12)
near_misses = st.fixed_dictionaries({"v": st.just(1) | leaves}, optional={"at": leaves, "m": trees, "seq": leaves, "series": trees})
payloads = st.binary(max_size=40) | (trees | near_misses | st.lists(near_misses, max_size=3)).map(lambda tree: json.dumps(tree).encode())


@settings(max_examples=600, deadline=None)
@given(payloads)
def test_any_payload_whatever_ends_in_lines_or_reasons(kit, payload):
    registry = kit.gauges()

    taken = take(intake_of(registry, kit.engine(registry)), kit.inbound(payload))

    assert taken.readings >= 1
    assert taken.readings == len(taken.lines) - taken.replaced + taken.duplicates + sum(r.readings for r in taken.rejections)


SEQUENCES = {0.5: 4, 2.7: 4, 3.5: 2}
"""A reading that comes again has the same seq; two that differ may have the same, or the larger value the lower one."""
arrivals = st.lists(st.tuples(st.integers(0, 30), st.sampled_from([*SEQUENCES])), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(arrivals, st.randoms())
def test_what_stands_in_the_archive_and_what_the_rules_say_do_not_depend_on_the_order_of_arrival(kit, readings, chance):
    registry, shuffled = kit.gauges(), [*readings, *readings]
    chance.shuffle(shuffled)

    ended = []
    for order in (readings, shuffled):
        intake = intake_of(registry, kit.engine(registry))
        messages = (kit.up(value, at=kit.now // 1000 - 60_000 * at, seq=SEQUENCES[value]) for at, value in order)
        taken = take(intake, kit.inbound(*messages))
        stands = Counter()
        for said in taken.said:
            stands[said.change.id] += 1 if said.verb == "issued" else -1
        ended.append(({parse(line).observed_at: parse(line).value for line in taken.lines}, +stands))
        assert taken.readings == len(order)

    assert ended[0] == ended[1]
