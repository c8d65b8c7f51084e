"""
A command -> the same command, in a process that ends when the one that started it ends, however that ends.

Run as a script, with the standard library alone: `python -I -S child.py <pid of the parent> <command> ...`.

Rule 1: on Linux the kernel sends SIGKILL when the parent's thread that started us ends (PR_SET_PDEATHSIG; it outlives exec). So a
        parent starts its children from its main thread.
Rule 2: elsewhere this process stays between the two, and looks four times a second whether its parent is still the same.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Run the command of the arguments; returns its exit status where this process had to stay."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        _die_with(parent)
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    return _stay(parent, command)


def _die_with(parent: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it ended before the kernel was told
        sys.exit("the parent has ended")


def _stay(parent: int, command: list[str]) -> int:
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
        time.sleep(0.25)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
