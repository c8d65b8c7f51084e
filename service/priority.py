"""
The order in which programs get a processor that is short: taking readings in and warning come before showing and moving on.

In a flood every gauge reports, everybody opens the page, and the machine is as small as ever.
"""

from __future__ import annotations

import os

AFTER = {"archive": 10, "web": 10}
"""Program -> steps of niceness; the others keep what they were started with."""


def give_way(program: str) -> None:
    """Let the programs that matter more go first. For the process itself, at its start."""
    os.nice(AFTER.get(program, 0))
