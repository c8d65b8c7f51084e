"""
A command that serves -> a child of ours that may be ended, killed, frozen and let go.

Rule 1: it is gone when it was ended, however it was treated before.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Serving:
    """What brokers and databases have in common; each says how it is launched and when it is ready."""

    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def command_line(self) -> list[str]:
        """Give what starts it."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Tell whether it answers and can work."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Give its process id; it must run."""
        assert self.process is not None, f"{self.command_line()[0]} does not run"
        return self.process.pid

    def launch(self) -> None:
        """Start it; returns at once."""
        self.process = subprocess.Popen(self.command_line(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self, patience: float = 15.0) -> None:
        """Start it, and wait until it is ready; raises AssertionError after so many seconds."""
        self.launch()
        deadline = time.monotonic() + patience
        while not self.is_ready():
            assert self.process is not None
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.process.args!r}"
            assert time.monotonic() < deadline, f"it is not ready within {patience:g} s: {self.process.args!r}"
            time.sleep(0.02)

    def stop(self) -> None:
        """Ask it to end; it writes what it holds."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
