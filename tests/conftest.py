"""
What the tests share: folders, real brokers on free ports, a browser, and the account of what was skipped.

Rule 1: a test that needs something the machine lacks is skipped with a reason; `--require mosquitto,browser,shared,influx,systemd` makes that
        an error.
Rule 2: no test leaves a process running; the run fails if one does.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count as numbered
from pathlib import Path

import pytest

from rig.brokers import Broker, embedded_in, mosquitto_in, mosquitto_program
from rig.brokers import free_port as new_port
from rig.influxd import FIX, Influxd, influxd_in, influxd_program

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
REASONS = {
    "mosquitto": "no mosquitto on PATH; install it from the distribution",
    "browser": "no chromium on PATH; install it from the distribution",
    "shared": "no folder ../shared/data beside the project; it holds real series that are not part of it",
    "influx": f"no server of InfluxDB 2; {FIX}",
    "systemd": "no systemd-analyze on PATH; install systemd from the distribution, it need not run",
}


# ---- what was skipped


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require", default="", help=f"markers, by comma, whose tests must not be skipped: {','.join(REASONS)}")


def pytest_configure(config: pytest.Config) -> None:
    unknown = set(_required(config)) - set(REASONS)
    if unknown:
        raise pytest.UsageError(f"--require knows {', '.join(REASONS)}; not {', '.join(sorted(unknown))}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip at collection what cannot run here, so that no fixture is made for nothing; the slow ones come first, so that none is left alone."""
    items.sort(key=lambda item: "slow" not in item.keywords)
    lacking = {name for name in REASONS if not _is_at_hand(name)}
    for item in items:
        for name in lacking:
            if name in item.keywords:
                item.add_marker(pytest.mark.skip(reason=REASONS[name]))


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Iterator[None]:
    yield
    missing = _missing(session.config)
    if missing and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
        skipped[reason] = skipped.get(reason, 0) + 1
    if skipped:
        terminalreporter.section("skipped, and why")
    for reason, count in sorted(skipped.items()):
        terminalreporter.write_line(f"{count:4}  {reason}")
    for name in _missing(config):
        terminalreporter.write_line(f"REQUIRED but skipped: tests of '{name}': {REASONS[name]}", red=True)


def _required(config: pytest.Config) -> list[str]:
    return [name for name in str(config.getoption("--require")).split(",") if name]


def _missing(config: pytest.Config) -> list[str]:
    return [name for name in _required(config) if not _is_at_hand(name)]


def _is_at_hand(name: str) -> bool:
    if name == "shared":
        return SHARED.is_dir()
    return {"mosquitto": mosquitto_program, "browser": _chromium, "influx": influxd_program, "systemd": _systemd}[name]() is not None


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _systemd() -> str | None:
    return shutil.which("systemd-analyze")


# ---- no leftover processes


@pytest.fixture(scope="session", autouse=True)
def no_leftover_processes(worker_mark: str) -> Iterator[None]:
    """Fail the run if a process that was started by a test is still there, however far down; children inherit the mark."""
    os.environ["TEST_RUN_MARK"] = worker_mark
    yield
    deadline = time.monotonic() + 3
    while (left := _marked(worker_mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"processes were left running (and are killed now): {left}"


@pytest.fixture(scope="session")
def worker_mark() -> str:
    return f"{os.getpid()}-{time.monotonic_ns()}"


def _marked(mark: str) -> dict[int, str]:
    """Give the other living processes that carry a mark in their environment (Linux; elsewhere none are found)."""
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            carries = f"TEST_RUN_MARK={mark}".encode() in (folder / "environ").read_bytes()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended, or is not ours
            continue
        if carries and line and int(folder.name) != os.getpid():
            found[int(folder.name)] = line
    return found


# ---- places


@pytest.fixture(scope="session")
def root() -> Path:
    """Give the folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def hue(root: Path) -> Path:
    """Give the folder of the shipped city."""
    return root / "config" / "hue"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of real series (mark the test `shared`)."""
    if not SHARED.is_dir():
        pytest.skip(REASONS["shared"])
    return SHARED


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Give a function that gives a port of 127.0.0.1 on which nobody listens."""
    return new_port


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of a Chromium (mark the test `browser`); start it with --no-sandbox when root."""
    path = _chromium()
    if path is None:
        pytest.skip(REASONS["browser"])
    return path


# ---- brokers


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    """Give a running Mosquitto without passwords, which keeps sessions (mark the test `mosquitto`)."""
    if mosquitto_program() is None:
        pytest.skip(REASONS["mosquitto"])
    with mosquitto_in(tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
def embedded_broker(tmp_path: Path) -> Iterator[Broker]:
    """Give a running embedded broker (nats-server); `username` is that of ingest, `publisher` speaks for any device."""
    with embedded_in(tmp_path / "embedded") as broker:
        yield broker


# ---- InfluxDB


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """Give a running InfluxDB that is set up, one for all tests; each takes a bucket of its own (mark the test `influx`)."""
    if influxd_program() is None:
        pytest.skip(REASONS["influx"])
    with influxd_in(tmp_path_factory.mktemp("influxd")) as server:
        server.set_up()
        yield server


@pytest.fixture
def new_influxd(tmp_path: Path) -> Iterator[Callable[[], Influxd]]:
    """Give servers that a test has for itself, running and not set up (mark the test `influx`)."""
    if influxd_program() is None:
        pytest.skip(REASONS["influx"])
    with ExitStack() as servers:
        numbers = numbered()
        yield lambda: servers.enter_context(influxd_in(tmp_path / f"influxd-{next(numbers)}"))
