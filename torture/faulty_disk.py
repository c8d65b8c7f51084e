"""
An error of writing or of fsync, put into one system call of one program by strace -> whether it ends there, and what the next start finds.

Rule 1: a case counts only if strace says that it put the error in.
Rule 2: after it, the thread that got it must not write or sync that file again: what a failed fsync has lost, a second one does not tell.
Rule 3: the flow of readings goes on all the time; at the end everything must be as in a town whose disk is sound.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.brokers import mosquitto_in
from rig.city import write_city
from rig.flow import Flow
from rig.picture import faults, picture_of
from rig.report import Result, timed
from rig.town import Town, town_in
from service.disk import FILES
from service.exits import Exit
from torture.twin import judge_against_twin
from torture.waves import waves

GAUGES = 50
STEP = 250
RATE = 200.0
BITES = 25.0
"""Seconds within which a call of that number must have been made."""
AT_WORK = 30.0
"""Seconds within which the next start must be at work."""
AGAIN = re.compile(r"(\d+)\s+(?:pwrite64|fdatasync|fsync)\(")


@dataclass(frozen=True, slots=True)
class Case:
    """Which call of a thread fails, and how."""

    program: str
    call: str
    error: str
    when: int
    """Its number among the calls of a thread, from 1."""

    def words(self, data: Path, trace: Path) -> list[str]:
        """Give the command to put before that of the program: the tracer is no parent, so signals and statuses are the program's own."""
        file = data / FILES[self.program]
        inject = f"inject={self.call}:error={self.error}:when={self.when}"
        paths = [word for path in (file, f"{file}-wal") for word in ("-P", str(path))]
        return ["strace", "-D", "-f", "-qq", "-o", str(trace), *paths, "-e", "trace=pwrite64,fdatasync,fsync", "-e", inject]


CALLS = (("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fdatasync", "EIO"), ("fdatasync", "ENOSPC"))
LONG = tuple(Case(program, *call, when) for program, call, when in product(FILES, CALLS, (1, 2, 7, 20)))
SHORT = (
    Case("ingest", "pwrite64", "ENOSPC", 7),
    Case("ingest", "fdatasync", "EIO", 2),
    Case("archive", "fdatasync", "EIO", 1),
    Case("serve", "pwrite64", "ENOSPC", 2),
)


def lacking() -> str:
    """Say why it cannot be tried here; nothing where it can."""
    if shutil.which("strace") is None:
        return "no strace on PATH; install it from the distribution"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "strace may not trace here (ptrace is not permitted)"


def run(cases: Iterable[Case] = LONG) -> Result:
    """Do a run."""
    wanted = tuple(cases)
    return timed(f"errors of writing and of fsync, {len(wanted)} cases", lambda result: _run(result, wanted))


def _run(result: Result, cases: tuple[Case, ...]) -> None:
    with TemporaryDirectory(prefix="canhbao-faulty-") as name:
        folder = Path(name)
        city, base = write_city(folder / "city", GAUGES), time.time_ns() // 1_000_000 - 3_000
        with mosquitto_in(folder) as broker, town_in(folder, city, broker, "faulty") as town:
            town.start()
            town.ready()
            with Flow(broker, waves(GAUGES, base, STEP), RATE) as flow:
                wrong = [f"{case}: {what}" for case in cases for what in _tried(town, case, folder / "trace")]
                sent = flow.end()
            town.until(lambda: town.settled(sent, unlike=sent), "everything to be settled")
            result.figures |= {"readings": sent, "given again": town.books().get("duplicate", 0)}
            result.claim(
                "each error ends the program, is said, is not tried over, and the next start is at work", not wrong, "; ".join(wrong)
            )
            result.claim("books, files and alarms are in order", not (found := faults(town)), "; ".join(found))
            picture = picture_of(town, base)
        judge_against_twin(result, picture, city, islice(waves(GAUGES, base, STEP), sent), base)


def _tried(town: Town, case: Case, trace: Path) -> Iterator[str]:
    """Try a case; gives what is wrong. Afterwards the program runs as usual."""
    said = town.log(case.program).stat().st_size
    town.stop(case.program)
    trace.unlink(missing_ok=True)
    town.before = {case.program: case.words(town.data, trace)}
    town.start(case.program)
    town.before = {}
    process = town.running[case.program]
    try:
        status = process.wait(BITES)
        time.sleep(0.1)  # the tracer finishes its file
        yield from judged(status, trace.read_text(errors="replace").splitlines(), town.log(case.program).read_bytes()[said:])
    except subprocess.TimeoutExpired:
        yield f"it did not end within {BITES:g} s"
        town.kill(case.program)
    town.running.pop(case.program, None)
    reached = _reached(town, case.program)
    town.start(case.program)
    try:
        town.until(lambda: _reached(town, case.program) > reached, f"{case.program} to be at work", AT_WORK)
    except TimeoutError as error:
        yield str(error)


def judged(status: int, trace: list[str], log: bytes) -> Iterator[str]:
    """Hold the end of a program, what strace wrote and what the program said against what must be; gives what is wrong."""
    at = next((number for number, line in enumerate(trace) if "(INJECTED)" in line), None)
    if at is None:
        yield f"it ended with {status} before the error was put in"
        return
    if status != Exit.FAULT:
        yield f"it ended with {status}"
    thread = trace[at].split()[0]
    if again := [line for line in trace[at + 1 :] if (found := AGAIN.match(line)) and found[1] == thread]:
        yield f"it went on with the file: {again[0][:120]}"
    if not any(line.get("file") and line.get("fix") for line in _errors(log)):
        yield f"it did not say which file, and what to do: {log[-300:]!r}"


def _errors(log: bytes) -> Iterator[dict[str, object]]:
    for line in log.decode(errors="replace").splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if found.get("level") == "error":
            yield found


def _reached(town: Town, program: str) -> int:
    """Give how far a program has come, by the file that it writes."""
    if program == "ingest":
        return town.books().get("received", 0)
    if program == "archive":
        return int(town.one("store.db", "SELECT max(reached) FROM cursor") or 0)
    return int(town.one("ledger.db", "SELECT ordinal FROM cursor WHERE name = 'changes'") or 0)
