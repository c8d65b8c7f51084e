"""Children: started again when they end, gone when their parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.supervisor import Child, Program

# A program that supervises two children which write their process ids; the second refuses to end.
PARENT = """
import sys
from pathlib import Path
from service.supervisor import Program, Supervisor

folder = Path(sys.argv[1])
write = "import os, signal, sys, time; {deaf} open(sys.argv[1], 'a').write(f'{{os.getpid()}}\\\\n'); time.sleep(600)"
deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
programs = [
    Program("willing", [sys.executable, "-c", write.format(deaf=""), str(folder / "willing")]),
    Program("deaf", [sys.executable, "-c", write.format(deaf=deaf), str(folder / "deaf")], wave=1),
    Program("brief", [sys.executable, "-c", "pass"], once=True),
]
with Supervisor(programs) as supervisor:
    while supervisor.step():
        pass
print(supervisor.ends_by, supervisor.children["willing"].restarts, supervisor.children["brief"].restarts, flush=True)
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True, start_new_session=True)
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def until(true: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_kill_9_of_the_parent_leaves_nothing_running(parent: subprocess.Popen[str], tmp_path: Path) -> None:
    until(lambda: bool(pids(tmp_path / "willing") and pids(tmp_path / "deaf")))
    children = pids(tmp_path / "willing") + pids(tmp_path / "deaf")

    parent.kill()

    until(lambda: not any(is_there(pid) for pid in children), within=2.0)


def test_a_child_that_is_killed_is_started_again_and_counted(parent: subprocess.Popen[str], tmp_path: Path) -> None:
    until(lambda: len(pids(tmp_path / "willing")) == 1)

    os.kill(pids(tmp_path / "willing")[0], signal.SIGKILL)
    until(lambda: len(pids(tmp_path / "willing")) == 2)
    parent.send_signal(signal.SIGTERM)

    assert parent.communicate(timeout=5)[0].splitlines()[-1].split() == ["SIGTERM", "1", "0"]


@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM])
def test_everything_ends_within_three_seconds_even_who_refuses(parent: subprocess.Popen[str], tmp_path: Path, wish: signal.Signals) -> None:
    until(lambda: bool(pids(tmp_path / "willing") and pids(tmp_path / "deaf")))
    children = pids(tmp_path / "willing") + pids(tmp_path / "deaf")
    began = time.monotonic()

    parent.send_signal(wish)
    parent.wait(5)

    assert time.monotonic() - began < 3.0
    assert not any(is_there(pid) for pid in children)


def test_a_pause_doubles_up_to_the_cap_and_is_short_again_after_a_steady_time() -> None:
    child = Child(Program("fails", ["/bin/false"]))
    pauses = []

    for second in range(9):
        child.started = second
        child.ended(1, now=second)
        assert child.due is not None
        pauses.append(child.due - second)
    child.ended(1, now=100)

    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0])
    assert child.due == pytest.approx(100.2)
    assert child.restarts == 10


def test_where_the_kernel_cannot_help_the_wrapper_stays_and_watches(tmp_path: Path, root: Path) -> None:
    script = f"""
import subprocess, sys, os
sys.path.insert(0, {str(root / "service")!r})
code = "import sys; sys.path.insert(0, {str(root / "service")!r}); import child; sys.platform = 'other'; sys.exit(child.main(sys.argv[1:]))"
write = "import os, sys, time; open(sys.argv[1], 'w').write(f'{{os.getpid()}}\\\\n'); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", code, str(os.getpid()), sys.executable, "-c", write, {str(tmp_path / "pid")!r}]).wait()
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    until(lambda: bool(pids(tmp_path / "pid")))

    parent.kill()
    parent.wait()

    until(lambda: not is_there(pids(tmp_path / "pid")[0]), within=3.0)
