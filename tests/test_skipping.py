"""The run itself: what cannot be tested here is skipped with a reason, and fails the run where it is required."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

TESTS = """
import subprocess, sys
import pytest

@pytest.mark.shared
def test_of_real_series(): ...

def test_of_nothing(): ...

def test_that_leaves_a_process():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
"""


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Run:
    """Run tests in a project of its own, which has no folder of real series beside it."""
    tests = tmp_path / "project" / "tests"
    tests.mkdir(parents=True)
    shutil.copy(root / "pyproject.toml", tests.parent)
    shutil.copy(root / "tests" / "conftest.py", tests)
    (tests / "test_some.py").write_text(TESTS)

    def begin(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
        return subprocess.run(command, check=False, cwd=tests.parent, capture_output=True, text=True)

    return begin


def test_what_was_skipped_is_told_with_its_reason(run: Run) -> None:
    told = run("-k", "not leaves")

    assert told.returncode == 0
    assert "1  no folder ../shared/data beside the project" in told.stdout


def test_what_is_required_and_was_skipped_fails_the_run(run: Run) -> None:
    told = run("-k", "not leaves", "--require", "shared")

    assert told.returncode == 1
    assert "REQUIRED but skipped: tests of 'shared'" in told.stdout


def test_a_misspelt_requirement_is_an_error(run: Run) -> None:
    told = run("--require", "shard")

    assert told.returncode == 4
    assert "--require knows mosquitto, browser, shared, influx, systemd; not shard" in told.stderr


def test_a_process_that_was_left_running_fails_the_run(run: Run) -> None:
    told = run("-k", "leaves")

    assert told.returncode == 1
    assert "processes were left running" in told.stdout
