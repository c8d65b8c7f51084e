"""What every archive answers, asked through the port only. The fixture `keep` names the kinds of archive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices.instants import HOUR, MILLISECOND, MINUTE, Instant, Span
from devices.readings import Quality, Reading
from ingest.archive.query import Archive, Bucket, Gap, bucket_width, gaps_between

Keep = Callable[[Sequence[Reading]], Archive]
Make = Callable[..., Reading]
LONG_AGO, FAR_AHEAD = 0, 4_000_000_000_000_000

values = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)
instants = st.integers(min_value=0, max_value=4_000).map(lambda millisecond: millisecond * MILLISECOND)


def readings_at(pairs: Sequence[tuple[Instant, float]]) -> list[Reading]:
    return [Reading("kim-long", "wl-kim-long", "water_level", value, Quality.PASS, at, at) for at, value in pairs]


def standing(pairs: Sequence[tuple[Instant, float]], from_at: Instant, to_at: Instant) -> dict[Instant, float]:
    """Give what an archive keeps of readings that came in this order."""
    return {at: value for at, value in dict(pairs).items() if from_at <= at < to_at}


def naive_buckets(kept: dict[Instant, float], from_at: Instant, width: Span) -> dict[Instant, list[float]]:
    groups: dict[Instant, list[float]] = defaultdict(list)
    for at in sorted(kept):
        start_at = from_at
        while start_at + width <= at:
            start_at += width
        groups[start_at].append(kept[at])
    return groups


def test_an_empty_archive_answers_with_nothing(keep: Keep) -> None:
    archive = keep([])

    assert list(archive.latest()) == []
    assert list(archive.series("kim-long", "water_level", LONG_AGO, FAR_AHEAD)) == []
    assert list(archive.downsampled("kim-long", "water_level", LONG_AGO, FAR_AHEAD, 10)) == []
    assert archive.count(LONG_AGO, FAR_AHEAD) == 0


def test_a_reading_comes_back_as_it_was(keep: Keep) -> None:
    reading = Reading("phu-oc", "wl-phu-oc", "water_level", 0.1 + 0.2, Quality.SUSPECT, 1_761_523_200_123_000, 1_761_523_260_456_000)

    archive = keep([reading])

    assert list(archive.series("phu-oc", "water_level", LONG_AGO, FAR_AHEAD)) == [reading]
    assert list(archive.latest()) == [reading]


def test_latest_is_the_newest_observed_not_the_last_to_arrive(keep: Keep, reading: Make) -> None:
    newest, late = reading(minute=10, value=3.6), reading(minute=5, value=3.1)

    archive = keep([reading(minute=0), newest, late])

    assert list(archive.latest()) == [newest]


def test_latest_speaks_for_each_station_device_and_quantity(keep: Keep, reading: Make) -> None:
    level, spare = reading(device="wl-kim-long"), reading(device="wl-kim-long-2")
    battery, other = reading(quantity="battery", value=87.0), reading(station="phu-oc", device="wl-phu-oc")

    archive = keep([level, spare, battery, other])

    assert set(archive.latest()) == {level, spare, battery, other}
    assert set(archive.latest("water_level")) == {level, spare, other}
    assert list(archive.latest("rainfall")) == []


def test_the_same_instant_again_overwrites(keep: Keep, reading: Make) -> None:
    first, second = reading(minute=5, value=3.1), reading(minute=5, value=3.2)

    archive = keep([reading(minute=0), first, second])

    assert list(archive.latest()) == [second]
    assert [kept.value for kept in archive.series("kim-long", "water_level", LONG_AGO, FAR_AHEAD)] == [1.0, 3.2]
    assert archive.count(LONG_AGO, FAR_AHEAD) == 2


def test_a_span_has_its_start_and_not_its_end(keep: Keep, reading: Make) -> None:
    kept = [reading(minute=minute, value=minute) for minute in (0, 5, 10)]
    archive = keep(kept)
    from_at, to_at = kept[0].observed_at, kept[2].observed_at

    assert list(archive.series("kim-long", "water_level", from_at, to_at)) == kept[:2]
    assert archive.count(from_at, to_at) == 2
    assert list(archive.series("kim-long", "water_level", to_at, from_at)) == []


def test_a_series_is_in_order_however_it_came(keep: Keep, reading: Make) -> None:
    archive = keep([reading(minute=minute) for minute in (10, 0, 15, 5)])

    answer = archive.series("kim-long", "water_level", LONG_AGO, FAR_AHEAD)

    assert [kept.observed_at for kept in answer] == [reading(minute=minute).observed_at for minute in (0, 5, 10, 15)]


def test_a_series_is_of_one_device_or_of_all_at_the_station(keep: Keep, reading: Make) -> None:
    first, second = reading(device="a", value=1.0), reading(device="b", value=2.0)
    archive = keep([second, first, reading(station="phu-oc", device="c")])

    assert list(archive.series("kim-long", "water_level", LONG_AGO, FAR_AHEAD)) == [first, second]
    assert list(archive.series("kim-long", "water_level", LONG_AGO, FAR_AHEAD, device="b")) == [second]
    assert [bucket.count for bucket in archive.downsampled("kim-long", "water_level", LONG_AGO, FAR_AHEAD, 1, device="b")] == [1]
    assert [bucket.mean for bucket in archive.downsampled("kim-long", "water_level", LONG_AGO, FAR_AHEAD, 1)] == [1.5]


def test_names_are_compared_and_never_become_part_of_a_question(keep: Keep, reading: Make) -> None:
    archive = keep([reading()])

    for hostile in ("' OR '1'='1", "kim-long'; DROP TABLE reading; --", "%", "kim_long", "KIM-LONG"):
        assert list(archive.series(hostile, "water_level", LONG_AGO, FAR_AHEAD)) == []
        assert list(archive.latest(hostile)) == []
    assert archive.count(LONG_AGO, FAR_AHEAD) == 1


@given(
    pairs=st.lists(st.tuples(instants, values), max_size=40),
    from_at=instants,
    length=st.integers(min_value=-5, max_value=4_000_000),
    points=st.integers(min_value=1, max_value=50),
)
@example(pairs=[(0, 0.1), (1_000, 0.1), (2_000, 0.1)], from_at=0, length=3_000, points=1)
@settings(max_examples=60, deadline=None)
def test_buckets_are_those_of_the_definition(
    keep: Keep, pairs: list[tuple[Instant, float]], from_at: Instant, length: Span, points: int
) -> None:
    width, to_at = bucket_width(from_at, from_at + length, points), from_at + length
    expected = naive_buckets(standing(pairs, from_at, to_at), from_at, width)

    answer = keep(readings_at(pairs)).downsampled("kim-long", "water_level", from_at, to_at, points)

    assert len(answer) <= points
    assert [(bucket.start_at, bucket.count, bucket.low, bucket.high) for bucket in answer] == [
        (start_at, len(group), min(group), max(group)) for start_at, group in expected.items()
    ]
    for bucket in answer:
        group = expected[bucket.start_at]
        assert bucket.mean == pytest.approx(sum(group) / len(group), rel=1e-9, abs=1e-6)
        assert bucket.low <= bucket.mean <= bucket.high


def test_fewer_than_one_point_is_refused(keep: Keep) -> None:
    with pytest.raises(ValueError, match="1 point or more"):
        keep([]).downsampled("kim-long", "water_level", 0, HOUR, 0)


def test_an_hour_of_buckets_starts_where_the_span_does(keep: Keep, reading: Make) -> None:
    archive = keep([reading(minute=minute, value=minute) for minute in (3, 4, 33)])
    from_at = reading(minute=3).observed_at

    answer = archive.downsampled("kim-long", "water_level", from_at, from_at + HOUR, points=2)

    assert list(answer) == [Bucket(from_at, 2, 3.0, 3.5, 4.0), Bucket(from_at + 30 * MINUTE, 1, 33.0, 33.0, 33.0)]


def test_gaps_are_open_at_both_ends_of_the_span(keep: Keep, reading: Make) -> None:
    archive = keep([reading(minute=minute) for minute in (20, 25, 50, 55)])
    from_at, to_at = reading(minute=0).observed_at, reading(minute=90).observed_at

    answer = archive.gaps("kim-long", "water_level", from_at, to_at, longer_than=10 * MINUTE)

    assert list(answer) == [
        Gap(from_at, reading(minute=20).observed_at),
        Gap(reading(minute=25).observed_at, reading(minute=50).observed_at),
        Gap(reading(minute=55).observed_at, to_at),
    ]


def test_no_reading_at_all_is_one_gap(keep: Keep) -> None:
    assert list(keep([]).gaps("kim-long", "water_level", 0, HOUR, longer_than=MINUTE)) == [Gap(0, HOUR)]


def test_a_gap_must_be_longer_than_asked_for(keep: Keep, reading: Make) -> None:
    archive = keep([reading(minute=0), reading(minute=10)])
    from_at, to_at = reading(minute=0).observed_at, reading(minute=10).observed_at + MILLISECOND

    assert list(archive.gaps("kim-long", "water_level", from_at, to_at, longer_than=10 * MINUTE)) == []
    assert len(archive.gaps("kim-long", "water_level", from_at, to_at, longer_than=10 * MINUTE - 1)) == 1


def test_a_second_device_fills_the_gap_of_the_first(keep: Keep, reading: Make) -> None:
    archive = keep([reading(minute=0, device="a"), reading(minute=30, device="b"), reading(minute=59, device="a")])
    span = (reading(minute=0).observed_at, reading(minute=60).observed_at)

    assert list(archive.gaps("kim-long", "water_level", *span, longer_than=40 * MINUTE)) == []
    assert len(archive.gaps("kim-long", "water_level", *span, longer_than=40 * MINUTE, device="a")) == 1


@given(
    pairs=st.lists(st.tuples(instants, values), max_size=20),
    from_at=instants,
    length=st.integers(min_value=0, max_value=4_000_000),
    longer_than=st.integers(min_value=0, max_value=1_000_000),
)
@settings(max_examples=40, deadline=None)
def test_gaps_and_counts_are_those_of_what_was_kept(
    keep: Keep, pairs: list[tuple[Instant, float]], from_at: Instant, length: Span, longer_than: Span
) -> None:
    kept = sorted(standing(pairs, from_at, from_at + length))
    archive = keep(readings_at(pairs))

    answer = archive.gaps("kim-long", "water_level", from_at, from_at + length, longer_than)

    assert list(answer) == gaps_between(kept, from_at, from_at + length, longer_than)
    assert archive.count(from_at, from_at + length) == len(kept)


def test_many_threads_get_the_same_answer(keep: Keep, reading: Make) -> None:
    archive = keep([reading(minute=minute) for minute in range(200)])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: (len(archive.latest()), archive.count(LONG_AGO, FAR_AHEAD)), range(200)))

    assert set(answers) == {(1, 200)}
