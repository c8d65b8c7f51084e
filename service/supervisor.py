"""
A list of programs -> running children that are started again when they end, and that end when we do.

Rule 1: children are started from the main thread only: the kernel kills them when that thread ends (service/child.py), also on kill -9.
Rule 2: a child that ends is started again after a pause that doubles up to a cap; that it ended is said and counted.
Rule 3: asked to end, everything is gone within `GRACE` seconds: programs first, the broker after them, so that what was acknowledged
        to it is settled; who does not go is killed.
Rule 4: a key in a terminal reaches us alone (children have sessions of their own), so that the order of the end is ours.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 15.0
"""Seconds. What made a child end may be over at any moment; half a minute later everything runs again."""
STEADY = 60.0
"""Seconds after which a child counts as running well: its next pause is the first again."""
GRACE = 2.5
"""Seconds from the wish to end until nothing is left, shared by the waves of the end."""
_WRAPPER = Path(__file__).with_name("child.py")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Program:
    """Something to keep running."""

    name: str
    command: Sequence[str]
    """The first word is the path of an executable."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to ours."""
    output: Path | None = None
    """File to append what it prints to; ours without one."""
    wave: int = 0
    """Order of the end: 0 first."""
    once: bool = False
    """True for what may end by itself: it is not started again."""


@dataclass(slots=True)
class Child:
    """One program as it runs now."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    pause: float = FIRST_PAUSE
    due: float | None = 0.0
    """When to start it (monotonic seconds); None while it runs or is not to run again."""
    status: int | None = None
    """Exit status of its last end; negative: the signal."""

    @property
    def is_running(self) -> bool:
        """Tell whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def ended(self, status: int, now: float) -> None:
        """Note that the process ended, and when to start it again."""
        self.process, self.status = None, status
        if self.program.once:
            log.info("program ended", name=self.program.name, status=status)
            return
        if now - self.started >= STEADY:
            self.pause = FIRST_PAUSE
        self.due = now + self.pause
        self.restarts += 1
        log.warning("program ended and is started again", name=self.program.name, status=status, after=self.pause, restarts=self.restarts)
        self.pause = min(self.pause * 2, LONGEST_PAUSE)


class Supervisor:
    """Keeps programs running; call `step` again and again from the main thread, inside `with supervisor:`."""

    def __init__(self, programs: Iterable[Program]) -> None:
        self.children = {program.name: Child(program) for program in programs}
        self.ends_by: str | None = None
        """Name of the signal that asked us to end."""
        self._before: list[tuple[int, Any]] = []
        self._wakeup_before = -1

    def __enter__(self) -> Supervisor:
        """Take over the signals and start everything."""
        self._ours, self._theirs = socket.socketpair()
        self._ours.settimeout(0)
        self._theirs.settimeout(0)
        self._wakeup_before = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before.append((number, signal.signal(number, self._asked)))
        self._before.append((signal.SIGCHLD, signal.signal(signal.SIGCHLD, lambda *_: None)))  # a handler, so that it wakes us
        self._start_due()
        return self

    def __exit__(self, *_: object) -> None:
        """End everything and give the signals back."""
        self.end()
        signal.set_wakeup_fd(self._wakeup_before)
        for number, before in self._before:
            signal.signal(number, before)
        self._ours.close()
        self._theirs.close()

    def step(self, timeout: float | None = None) -> bool:
        """
        Wait until something happens, look after the children, and tell whether to go on.

        Args:
            timeout: at most so many seconds; None: until a child ends, one is due, or we are asked to end.

        Returns:
            False once we were asked to end.
        """
        if self.ends_by is None:
            self._wait(self._patience(timeout))
            self._reap()
        if self.ends_by is None:
            self._start_due()
        return self.ends_by is None

    def add(self, program: Program) -> None:
        """Start one more program."""
        self.children[program.name] = Child(program)
        self._start_due()

    def end(self) -> None:
        """End all children, wave by wave, within GRACE seconds."""
        deadline = time.monotonic() + GRACE
        for child in self.children.values():
            child.due = None
        waves = sorted({child.program.wave for child in self.children.values()})
        for position, wave in enumerate(waves, start=1):
            living = [child for child in self.children.values() if child.program.wave == wave and child.is_running]
            _end_all(living, deadline - (len(waves) - position) * 0.7)

    # ---- inside

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        self.ends_by = signal.Signals(number).name

    def _patience(self, timeout: float | None) -> float | None:
        """Give the seconds until the next thing is due."""
        times = [max(0.0, child.due - time.monotonic()) for child in self.children.values() if child.due is not None]
        return min([*times, *([] if timeout is None else [timeout])], default=None)

    def _wait(self, seconds: float | None) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._ours, selectors.EVENT_READ)
            selector.select(seconds)
        with contextlib.suppress(BlockingIOError):
            while self._ours.recv(4096):
                pass

    def _reap(self) -> None:
        for child in self.children.values():
            if child.process is not None and child.process.poll() is not None:
                child.ended(child.process.returncode, time.monotonic())

    def _start_due(self) -> None:
        for child in self.children.values():
            if child.due is not None and child.due <= time.monotonic():
                child.process, child.started, child.due = start(child.program), time.monotonic(), None


def start(program: Program) -> subprocess.Popen[bytes]:
    """Start a program that ends when we do; from the main thread."""
    command = [sys.executable, "-I", "-S", str(_WRAPPER), str(os.getpid()), *program.command]
    environment = {**os.environ, **program.environment}
    with _output(program.output) as output:
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        yield file


def _end_all(children: Sequence[Child], deadline: float) -> None:
    """Ask children to end, and kill those that are left at the deadline."""
    for child in children:
        if child.process is not None:
            child.process.terminate()
    for child in children:
        if child.process is None:
            continue
        try:
            child.status = child.process.wait(max(0.05, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("program did not end and is killed", name=child.program.name)
            child.process.kill()
            child.status = child.process.wait()
        child.process = None
