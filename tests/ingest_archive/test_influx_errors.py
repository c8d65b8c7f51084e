"""What an answer of InfluxDB means for the lines that were sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.archive.influx_errors import LONGEST_REST, Course, Failure, all_are_refused, failure_of, parts_of, unanswered

UNREADABLE = "unable to parse 'no reading': missing fields\nunable to parse 'nor this': invalid field format"
PARTIAL = "failure writing points to database: partial write: points beyond retention policy dropped=3"


@pytest.mark.parametrize(
    ("status", "message", "course", "fix"),
    [
        (400, UNREADABLE, Course.SPLIT, "nothing needs to be done"),
        (422, PARTIAL, Course.SPLIT, "nothing needs to be done"),
        (400, "invalid precision; valid precision units are ns, us, ms, and s", Course.MEND, "CANHBAO_INFLUX__URL"),
        (401, "unauthorized access", Course.MEND, "canhbao archive init"),
        (403, "insufficient permissions for write", Course.MEND, "CANHBAO_INFLUX__TOKEN_FILE"),
        (404, 'bucket "x" not found', Course.MEND, "CANHBAO_INFLUX__BUCKET"),
        (413, "request too large", Course.HALVE, "raise"),
        (0, "SSLError certificate verify failed", Course.MEND, "CANHBAO_INFLUX__CA"),
        (302, "", Course.MEND, "CANHBAO_INFLUX__URL"),
        (405, "", Course.MEND, "CANHBAO_INFLUX__URL"),
        (408, "", Course.WAIT, "goes on by itself"),
        (429, "", Course.WAIT, "goes on by itself"),
        (500, "unexpected error writing points to database", Course.WAIT, "goes on by itself"),
        (502, "<html>bad gateway</html>", Course.WAIT, "goes on by itself"),
        (503, "", Course.WAIT, "goes on by itself"),
    ],
)
def test_each_status_has_its_course_and_says_what_to_do(status: int, message: str, course: Course, fix: str) -> None:
    failure = failure_of(status, message)

    assert failure.course is course
    assert fix in failure.fix


@given(status=st.integers(min_value=200, max_value=599), message=st.text())
def test_no_answer_but_one_about_lines_makes_a_line_suspect(status: int, message: str) -> None:
    is_about_lines = status == 422 or (status == 400 and "unable to parse '" in message)

    assert (failure_of(status, message).course is Course.SPLIT) == is_about_lines


@pytest.mark.parametrize(("header", "rest"), [("7", 7.0), (" 2 ", 2.0), (None, 0.0), ("soon", 0.0), ("-1", 0.0), ("999999", LONGEST_REST)])
def test_the_rest_that_a_server_asks_for_is_kept_within_reason(header: str | None, rest: float) -> None:
    assert failure_of(429, "", header).rest == rest


def test_what_was_not_answered_may_have_been_written() -> None:
    assert unanswered(TimeoutError("timed out")).is_unknown
    assert failure_of(503, "").is_unknown
    assert not failure_of(429, "").is_unknown


def test_lines_that_the_server_names_come_last_each_alone() -> None:
    lines = [b"a v=1 1", b"no reading", b"b v=1 1", b"  nor this", b"c v=1 1"]

    parts = parts_of(lines, lines, failure_of(400, UNREADABLE))

    assert parts == [[b"a v=1 1", b"b v=1 1", b"c v=1 1"], [b"no reading"], [b"  nor this"]]


def test_all_that_are_counted_as_dropped_are_refused_at_once() -> None:
    assert all_are_refused(failure_of(422, PARTIAL), 3)
    assert not all_are_refused(failure_of(422, PARTIAL), 4)
    assert all_are_refused(failure_of(422, "for some reason"), 1)


@given(lines=st.lists(st.binary(), min_size=2), message=st.text(), course=st.sampled_from([Course.SPLIT, Course.HALVE]))
def test_dividing_loses_no_line_and_makes_each_part_smaller(lines: list[bytes], message: str, course: Course) -> None:
    parts = parts_of(lines, lines, Failure(course, message))

    assert sorted(line for part in parts for line in part) == sorted(lines)
    assert all(0 < len(part) < len(lines) for part in parts)
