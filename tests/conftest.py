"""
What the tests share: folders, real brokers on free ports, a browser, and the account of what was skipped.

Rule 1: a test that needs something the machine lacks is skipped with a reason; `--require mosquitto,browser,shared,influx` makes that an error.
Rule 2: no test leaves a process running; the run fails if one does.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rig.brokers import Broker, embedded_in, mosquitto_in, mosquitto_program
from rig.brokers import free_port as new_port

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
REASONS = {
    "mosquitto": "no mosquitto on PATH; install it from the distribution",
    "browser": "no chromium on PATH; install it from the distribution",
    "shared": "no folder ../shared/data beside the project; it holds real series that are not part of it",
    "influx": "no server of InfluxDB 2; name the binary `influxd` in the variable INFLUXD, or put it on PATH",
}


# ---- what was skipped


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require", default="", help="markers, by comma, whose tests must not be skipped: mosquitto,browser,shared,influx")


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
    return {"mosquitto": mosquitto_program, "browser": _chromium, "influx": _influxd}[name]() is not None


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _influxd() -> str | None:
    """Give the server that is named, that was built for the tests, or that is on PATH."""
    if "INFLUXD" in os.environ:
        return shutil.which(os.environ["INFLUXD"])
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "canhbao"
    return shutil.which(Path(os.environ.get("CANHBAO_TOOLS", cache)) / "influxd-2.7.12") or shutil.which("influxd")


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


@dataclass
class RunningInflux:
    """A real server of InfluxDB 2 that a test may kill, freeze and start again on the same port, with what it kept."""

    program: str
    folder: Path
    port: int
    org: str = "canhbao"
    token: str = "operator-token-of-the-tests"
    """May do everything."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    buckets: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        places = [f"--bolt-path={self.folder}/bolt", f"--sqlite-path={self.folder}/sqlite", f"--engine-path={self.folder}/engine"]
        command = [self.program, *places, f"--http-bind-address=127.0.0.1:{self.port}", "--reporting-disabled", "--log-level=error"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not self._is_ready():
            assert self.process.poll() is None, f"influxd ended with {self.process.returncode}: {command}"
            assert time.monotonic() < deadline, "influxd is not ready"
            time.sleep(0.05)

    def set_up(self) -> None:
        names = {"username": "canhbao", "password": "password-of-the-tests", "org": self.org, "bucket": "first", "token": self.token}
        self.ask("POST", "/api/v2/setup", names)

    def new_bucket(self) -> str:
        """Make an empty bucket, and give its name."""
        self.buckets += 1
        name = f"bucket-{self.buckets}"
        (org,) = self.ask("GET", f"/api/v2/orgs?org={self.org}")["orgs"]
        self.ask("POST", "/api/v2/buckets", {"orgID": org["id"], "name": name, "retentionRules": []})
        return name

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        request = urllib.request.Request(self.url + path, method=method, headers={"Authorization": f"Token {self.token}"})
        if document is not None:
            request.data = json.dumps(document).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=20) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.ask("GET", "/health")["status"] == "pass")
        return False


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningInflux]:
    """Give a running InfluxDB that is set up, one for all tests; each takes a bucket of its own (mark the test `influx`)."""
    server = _new_influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    server.set_up()
    yield server
    server.kill()


@pytest.fixture
def new_influxd(tmp_path: Path) -> Iterator[Callable[[], RunningInflux]]:
    """Give servers that a test has for itself, running and not set up (mark the test `influx`)."""
    servers: list[RunningInflux] = []

    def make() -> RunningInflux:
        servers.append(_new_influxd(tmp_path / f"influxd-{len(servers)}"))
        servers[-1].start()
        return servers[-1]

    yield make
    for server in servers:
        server.kill()


def _new_influxd(folder: Path) -> RunningInflux:
    program = _influxd()
    if program is None:
        pytest.skip(REASONS["influx"])
    folder.mkdir(exist_ok=True)
    return RunningInflux(program, folder, new_port())
