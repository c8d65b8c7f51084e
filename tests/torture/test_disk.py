"""What a disk may do to us, in its short form: the full runs are `python -m torture disk`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from torture import faulty_disk, full_disk, store_away
from torture.disk import not_tried

INJECTED = "7035  fdatasync(7)                       = -1 EIO (Input/output error) (INJECTED)"
SAID = b'{"level": "error", "file": "spool.db", "fix": "check the disk"}\n'


def heavy(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that runs the programs."""
    for mark in (pytest.mark.mosquitto, pytest.mark.slow, pytest.mark.timeout(240)):
        test = mark(test)
    return test


@heavy
@pytest.mark.parametrize("frozen", [False, True], ids=["stopped", "frozen"])
def test_nothing_is_lost_while_the_archive_is_away(frozen: bool) -> None:
    result = store_away.run(store_away.SHORT, frozen=frozen, judge_speed=False)
    assert result.ok, result.failed()


@heavy
def test_a_disk_that_is_full_again_and_again_loses_nothing_and_all_works_again_once_there_is_space() -> None:
    if why := full_disk.lacking():
        pytest.skip(why)
    result = full_disk.run(full_disk.SHORT)
    assert result.ok, result.failed()


@heavy
def test_an_error_of_writing_or_of_fsync_ends_the_program_and_loses_nothing() -> None:
    if why := faulty_disk.lacking():
        pytest.skip(why)
    result = faulty_disk.run(faulty_disk.SHORT)
    assert result.ok, result.failed()


def test_what_was_not_tried_is_told_as_such() -> None:
    result = not_tried("a full disk", "mounting a small disk needs root")
    assert result.title == "NOT TRIED: a full disk"
    assert "needs root" in result.claims[0].what


@pytest.mark.parametrize(
    ("status", "trace", "log", "wrong"),
    [
        (70, [INJECTED, "7036  pwrite64(9, ...) = 4096", "7035  +++ exited with 70 +++"], SAID, ""),
        (70, [INJECTED, "7035  fdatasync(7)                       = 0"], SAID, "went on with the file"),
        (70, ["7035  fdatasync(7)                       = 0"], SAID, "before the error was put in"),
        (0, [INJECTED], SAID, "it ended with 0"),
        (70, [INJECTED], b'{"level": "error", "event": "ended"}\nTraceback\n', "did not say which file"),
    ],
    ids=["as it must be", "tries again", "another error", "as if it were well", "says nothing of use"],
)
def test_a_program_that_goes_on_after_a_failed_sync_is_found_out(status: int, trace: list[str], log: bytes, wrong: str) -> None:
    found = list(faulty_disk.judged(status, trace, log))
    assert [wrong in what for what in found] == ([True] if wrong else [])


def test_every_writing_program_meets_every_error() -> None:
    assert {(case.program, case.call, case.error) for case in faulty_disk.LONG} == {
        (program, call, error)
        for program in ("ingest", "archive", "serve")
        for call in ("pwrite64", "fdatasync")
        for error in ("EIO", "ENOSPC")
    }
