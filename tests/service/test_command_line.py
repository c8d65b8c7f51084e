"""The command line: quick to help, clear in error."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

HEAVY = ("pydantic", "sqlalchemy", "fastapi", "paho", "apscheduler", "structlog", "yaml", "urllib3", "uvicorn")


@pytest.fixture
def canhbao(tmp_path: Path) -> Run:
    """Run a command in an empty folder, with nothing of the machine's settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CANHBAO_")}

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "service.cli", *words],
            check=False,
            cwd=tmp_path,
            env={**environment, "COLUMNS": "200", **more},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from service.cli import app
try:
    app(["--help"])
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize("program", ["ingest", "archive", "serve", "web"])
def test_a_program_loads_nothing_for_the_looks_of_a_terminal(program: str) -> None:
    script = f"""
import sys
import service.cli, service.clock, service.priority
from service.memory import leave_out_looks
leave_out_looks()
import service.logs, service.programs.{program}
print(*{{name.split(".")[0] for name, found in sys.modules.items() if found}})
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert not {"rich", "pygments", "markdown_it"} & set(done.stdout.split())


def test_help_answers_at_once(canhbao: Run) -> None:
    took = []

    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert canhbao("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert min(took) < 0.4  # of the processor, so that a busy machine does not matter; 0.25 s where nothing else runs


def test_without_a_word_it_says_what_there_is(canhbao: Run) -> None:
    told = canhbao()

    assert "run" in told.stdout
    assert "demo" in told.stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["alarms"], 69, "has not run on this data folder; start `canhbao run` once, or give its data folder with --data"),
        (["ack", "abc"], 69, "has not run on this data folder"),
        (["alarms", "close", "abc"], 2, "--reason"),
        (["alarms", "silence", "--until", "soon", "--reason", "x"], 2, "write for example '2 h'"),
        (["quarantine", "list"], 69, "there is no spool in data"),
        (["run", "--only", "ingst"], 2, "there is no program 'ingst'; write one of: ingest, archive, serve, web"),
        (["simulate", "flood-2025"], 78, "there is no such scenario; did you mean flood-2025-10?"),
        (["demo", "--scenario", "flood-2025"], 78, "there is no such scenario; did you mean flood-2025-10?"),
        (["reference"], 2, "--write docs/reference"),
        (["check", "no-such-folder"], 1, "there is no such folder; name a city's folder"),
    ],
)
def test_an_error_says_the_fix_and_has_its_status(canhbao: Run, words: list[str], status: int, said: str) -> None:
    told = canhbao(*words)

    assert said in " ".join((told.stdout + told.stderr).split())
    assert told.returncode == status
    assert "Traceback" not in told.stderr


def test_a_wrong_setting_is_status_78(canhbao: Run) -> None:
    told = canhbao("status", CANHBAO_WEB__PORT="many")

    assert told.returncode == 78
    assert "CANHBAO_WEB__PORT" in told.stderr


def test_status_of_nothing_says_what_to_start(canhbao: Run) -> None:
    told = canhbao("status", CANHBAO_WEB__PORT="1", CANHBAO_OPERATORS__PORT="2")

    assert told.returncode == 1
    assert "NOT WELL: ingest: never ran; start `canhbao run`" in told.stdout


def test_a_demonstration_needs_an_empty_folder(canhbao: Run, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "spool.db").write_text("real")

    told = canhbao("demo", "--data", "used")

    assert "used is not empty; a rehearsal needs a new folder" in told.stderr
    assert told.returncode == 1


def test_a_reader_that_goes_away_is_no_error(canhbao: Run) -> None:
    command = f"{sys.executable} -m service.cli --help | head -c 10"

    told = subprocess.run(["bash", "-o", "pipefail", "-c", command], check=False, capture_output=True, text=True)

    assert "Traceback" not in told.stderr
