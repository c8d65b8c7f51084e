"""What is said and what goes on when the disk of the data folder refuses."""

from __future__ import annotations

import errno
import io
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from service.disk import BROKEN, FULL, advice
from service.logs import configure_logs
from service.running import write_state
from service.settings import LogSettings
from service.supervisor import LONGEST_PAUSE, Supervisor


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """Give what `canhbao archive` logs; logging is as before afterwards."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    configure_logs(LogSettings(format="json"), "archive", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def full_database(tmp_path: Path) -> sqlite3.OperationalError:
    """Give what SQLite raises where there is no room."""
    connection = sqlite3.connect(tmp_path / "small.db")
    connection.execute("PRAGMA max_page_count=2")
    connection.execute("CREATE TABLE a (b TEXT)")
    with pytest.raises(sqlite3.OperationalError) as found:
        connection.execute("INSERT INTO a VALUES (zeroblob(100000))")
    connection.close()
    return found.value


def test_a_full_disk_is_known_through_whatever_it_was_wrapped_in(full_database: sqlite3.OperationalError) -> None:
    wrapped = RuntimeError("the ledger")
    wrapped.__cause__ = full_database
    assert advice(wrapped) == {"fix": FULL}


def test_an_error_of_the_operating_system_is_told_apart_by_its_number() -> None:
    assert advice(OSError(errno.ENOSPC, "full")) == {"fix": FULL}
    assert advice(OSError(errno.EIO, "broken")) == {"fix": BROKEN}
    assert advice(OSError(errno.ECONNREFUSED, "no broker")) == {}


def test_a_database_that_cannot_be_opened_is_a_matter_of_rights_or_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as found:
        sqlite3.connect(tmp_path / "no" / "such.db")
    assert advice(found.value) == {"fix": BROKEN}
    assert advice(ValueError("a mistake of ours")) == advice(None) == {}


def test_a_line_of_any_thread_names_its_program_the_file_and_what_to_do(full_database: sqlite3.OperationalError, told: io.StringIO) -> None:
    def work() -> None:
        try:
            raise full_database
        except sqlite3.OperationalError:
            structlog.get_logger().exception("ended")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    line = json.loads(told.getvalue())
    assert (line["program"], line["file"], line["fix"]) == ("archive", "store.db", FULL)


def test_a_supervisor_that_cannot_write_down_what_runs_goes_on(tmp_path: Path) -> None:
    write_state(tmp_path / "no such folder", Supervisor([]))


def test_no_pause_before_a_restart_is_so_long_that_all_does_not_run_again_within_half_a_minute() -> None:
    assert LONGEST_PAUSE <= 15
