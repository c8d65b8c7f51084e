"""
kill -9 of `canhbao run` -> its whole tree is gone, the embedded broker too, and all goes on where it stood at the next start.

Rule 1: whoever carries the data folder in its environment belongs to the tree (Linux: /proc).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.brokers import Broker, free_port
from rig.city import write_city
from rig.receiver import Receiver
from rig.report import Result
from rig.town import Town
from service.broker import prepare
from torture.kills import INTERVAL, Kills, Left, judge, killing, left, points, publishing, tell
from torture.story import Size, play, story

GONE_WITHIN = 3.0
PATIENCE = 60.0


class Service:
    """`canhbao run` on the data folder of a town."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._process: subprocess.Popen[bytes] | None = None
        self.lasted: list[float] = []
        """Seconds from each kill until nothing was left."""
        self.left: list[str] = []
        """What had to be killed by the run."""

    def start(self) -> None:
        """Start it; returns at once."""
        settings = {name: value for name, value in self._town.environment().items() if name not in _OF_A_BROKER}
        command = [sys.executable, "-m", "service.cli", "run"]
        with self._town.log("run").open("ab") as log:
            self._process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
        self._town.starts["run"] = self._town.starts.get("run", 0) + 1

    def kill(self) -> None:
        """Kill -9, and see that nothing is left."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; gives its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(how)
        start = time.monotonic()
        status = process.wait(PATIENCE)
        while (living := members(self._town.data)) and time.monotonic() - start < GONE_WITHIN:
            time.sleep(0.005)
        self.lasted.append(time.monotonic() - start)
        for pid, line in living.items():
            self.left.append(line)
            os.kill(pid, signal.SIGKILL)
        return status

    def close(self) -> None:
        """Leave nothing behind."""
        if self._process is not None:
            self._end(signal.SIGKILL)


_OF_A_BROKER = {f"CANHBAO_BROKER__{name}" for name in ("HOST", "USERNAME", "PASSWORD", "CLIENT_ID")}
"""Settings that stand for a broker of somebody else."""


def members(data: Path) -> dict[int, str]:
    """Give the processes that work on a data folder, with their command lines."""
    found, mark = {}, f"CANHBAO_DATA={data}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended, or is not ours
            continue
    return found


@contextmanager
def service(folder: Path, size: Size, webhook: str) -> Iterator[tuple[Service, Town]]:
    """Run `canhbao run` with its embedded broker until the end."""
    city, data = write_city(folder / "city", size.gauges, webhook, INTERVAL), folder / "data"
    data.mkdir()
    prepared = prepare(data, free_port(), ())
    gateway = prepared.accounts.gateway
    town = Town(data, city, Broker("embedded", [], prepared.port, publisher=(gateway.username, gateway.password)))
    running = Service(town)
    running.start()
    try:
        town.until(lambda: town.one("spool.db", "SELECT hearing FROM heartbeat"), "ingest to hear the broker")
        town.until(lambda: town.rows("ledger.db", "SELECT 1 FROM cursor"), "serve to keep a cursor")
        yield running, town
    finally:
        running.close()


def supervisor(size: Size, rate: float, count: int, alone: Callable[[], Left], result: Result) -> None:
    """Kill the supervisor as often as is said."""
    told, without = story(size), alone()
    with TemporaryDirectory(prefix="canhbao-") as name, Receiver() as receiver, service(Path(name), size, receiver.url) as (running, town):
        with publishing(town.broker) as publisher:
            taken = lambda: town.books().get("received", 0)  # noqa: E731
            kills = Kills(running.kill, running.start, lambda: publisher.acknowledged, taken, points(told.last.published, count, seed=7))
            play(town, told, publisher, rate, killing(kills))
            judge(result, told, without, left(town, told, receiver), publisher)
        tell(result, kills, count)
        worst = max(running.lasted, default=PATIENCE)
        result.claim(
            f"within {GONE_WITHIN:g} s nothing of its tree is left", not running.left and len(running.lasted) == count, running.left[:3]
        )
        result.claim("asked to end, it ends in order, and nothing is left", running.stop() == 0 and not running.left, running.left[:3])
        result.figures["s until all were gone, worst"] = round(worst, 2)
