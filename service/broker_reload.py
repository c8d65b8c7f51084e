"""
Changed files of users -> a running Mosquitto that knows them, or a sentence that says how to tell it.

On SIGHUP, Mosquitto 2 reads its files anew and looks at everybody who is connected: who has no valid password any more is disconnected at
once, who lost a right is heard no more on that topic. Without it, nothing changes for anybody.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from service.exits import CommandError, Exit

_WRITTEN = "the files are written, but the broker does not know it yet"
_PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Reloading:
    """How the broker is told; both None: not by us."""

    pid_file: Path | None = None
    command: str | None = None


def tell(way: Reloading, *, changed: bool) -> str:
    """
    Have the broker read its files.

    Args:
        way: how; it is gone whether or not something changed, since an earlier attempt may have failed.
        changed: whether the files changed.

    Returns:
        What was done, or is to be done; empty where nothing is.

    Raises:
        CommandError: where it could not be told.
    """
    if way.pid_file is not None:
        return _signalled(way.pid_file)
    if way.command is not None:
        return _ran(way.command)
    fix = "send it SIGHUP, for example: docker compose kill -s HUP mosquitto; or give --pid-file or --reload-command"
    return f"{_WRITTEN}, and whoever was shut out is still connected: {fix}" if changed else ""


def _signalled(pid_file: Path) -> str:
    try:
        pid = int(pid_file.read_text(encoding="utf-8"))
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError) as error:
        message = f"{_WRITTEN}: {pid_file} does not lead to it ({error}); start it, or name the right file with --pid-file"
        raise CommandError(message, Exit.UNAVAILABLE) from error
    return f"the broker, process {pid}, was told to read its files"


def _ran(command: str) -> str:
    try:
        done = subprocess.run(shlex.split(command), check=False, capture_output=True, text=True, timeout=_PATIENCE)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise CommandError(f"{_WRITTEN}: {command!r} cannot be run ({error}); mend it and run this again", Exit.UNAVAILABLE) from error
    if done.returncode:
        message = f"{_WRITTEN}: {command!r} ended with {done.returncode}: {done.stderr.strip()}; mend it and run this again"
        raise CommandError(message, Exit.UNAVAILABLE)
    return f"the broker was told to read its files: {command}"
