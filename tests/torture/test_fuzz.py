"""Short forms of the fuzzing: nothing that is sent makes decode, take, the frame splitter or the lines fail, stall or lose a reading."""

from __future__ import annotations

from random import Random
from time import thread_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.decode import decode
from torture.fuzz import Tally, count_chunk, fuzz, run, tried
from torture.mutation import LARGE, large, payload
from torture.streams import Stream
from torture.trials import Trial, cut, judge_cut, judge_decoded, trials

CASES = 20_000
PATIENCE = 1.0
"""Seconds for a case on a machine that does other things too: nothing may stall. The long form asks for 50 ms."""
some = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
chances = st.randoms(use_true_random=False, note_method_calls=False)


def named(name: str) -> Trial:
    return next(trial for trial in trials() if trial.name == name)


@pytest.mark.slow
def test_no_case_of_the_short_form_goes_wrong_or_stalls() -> None:
    result = run(CASES, seed=20_251_027, processes=1, limit=PATIENCE)

    assert result.ok, result.failed()
    assert result.figures["cases"] == CASES


def test_the_same_seed_gives_the_same_cases() -> None:
    first, again, other = (Random(seed) for seed in (7, 7, 8))

    made = [[payload(chance) for _ in range(500)] for chance in (first, again, other)]

    assert made[0] == made[1] != made[2]


def test_cases_are_near_enough_to_good_ones_to_get_far() -> None:
    chance = Random(3)

    read = [decode(payload(chance)) for _ in range(3_000)]

    with_samples = sum(bool(samples) for samples, _, _ in read)
    assert 0.2 < with_samples / len(read) < 0.9
    assert len({reason for _, faults, _ in read for reason, _, _ in faults}) >= 3


@some
@given(st.binary(max_size=400) | chances.map(payload) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_what_cannot_be_json_for_the_standard_library_is_none_for_us_and_the_reverse(content: bytes) -> None:
    assert not judge_decoded(content, decode(content))


@some
@given(st.lists(chances, min_size=1, max_size=8))
def test_every_reading_of_any_hand_over_ends_in_one_place(found: list[Random]) -> None:
    trial = named("take")

    for chance in found:
        inbound = trial.make(chance)
        assert not trial.judge(inbound, trial.act(inbound))


@some
@given(st.binary(max_size=300), st.booleans(), st.lists(st.integers(1, 60), max_size=8))
def test_bytes_of_any_kind_are_cut_the_same_however_they_come(data: bytes, v5: bool, cuts: list[int]) -> None:
    stream = Stream(data, v5, tuple(cuts), None)

    assert not judge_cut(stream, cut(stream))


@pytest.mark.parametrize("shape", range(len(LARGE)))
def test_the_largest_payload_of_every_costly_shape_does_not_stall(shape: int) -> None:
    class Chosen(Random):
        """Draws the shape, then the full size."""

        drawn = iter([(shape + 0.5) / len(LARGE), 0.0, 0.0, 0.9])

        def random(self) -> float:
            return next(self.drawn)

    take = named("take")
    inbound = take.make(Random(1))
    topic = b"canhbao/v1/wl-0/up"
    message = (topic, large(Chosen()), b"\0\1", 1, False, False)

    took, what = tried(take, type(inbound)(inbound.receipt, inbound.received_at, [message]), PATIENCE)

    assert not what
    assert took > 0


# ---- what finds a mistake


def test_an_exception_a_wrong_answer_and_a_slow_one_are_found() -> None:
    def works(_: object) -> object:
        until = thread_time() + 0.06
        while thread_time() < until:
            pass
        return "good"

    def fails(_: object) -> object:
        raise LookupError("x")

    def judge(_: object, found: object) -> str:
        return "" if found == "good" else "not good"

    broken = Trial("t", 1.0, str, fails, judge)
    wrong = Trial("t", 1.0, str, lambda _: "bad", judge)
    slow = Trial("t", 1.0, str, works, judge)
    fine = Trial("t", 1.0, str, lambda _: "good", judge)

    told = [tried(trial, "")[1] for trial in (broken, wrong, slow, fine)]

    assert [text.split()[0] if text else "" for text in told] == ["LookupError,", "not", "takes", ""]


def test_a_pause_of_the_machine_is_not_held_against_the_code() -> None:
    from time import sleep

    pauses = iter([0.06, 0.06, 0.0])
    trial = Trial("t", 1.0, str, lambda _: sleep(next(pauses)), lambda *_: "")

    assert tried(trial, "")[1] == ""


def test_a_reading_that_is_lost_is_found() -> None:
    trial = named("take")
    chance = Random(5)
    while True:
        inbound = trial.make(chance)
        taken = trial.act(inbound)
        if taken.lines:
            break
    taken.lines.pop()
    taken.ranks.pop()

    assert "readings went in" in trial.judge(inbound, taken)


def test_a_tally_keeps_the_first_failures_and_counts_all() -> None:
    total = Tally()

    for _ in range(3):
        total.add(count_chunk((1, 0, 50, PATIENCE)))

    assert (total.cases.total(), total.failed) == (150, 0)
    assert fuzz(50, 1, 1).cases == count_chunk((1, 0, 50, PATIENCE)).cases
