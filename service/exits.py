"""
How a command ends: the exit statuses, and the error that carries one to the command line.

Rule 1: the text of an error says what is wrong and what to do about it.
"""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import NoReturn


class Exit(IntEnum):
    """Exit statuses; those above 63 are those of sysexits.h."""

    FINE = 0
    FOUND = 1
    """The command worked and the answer is no: a problem was found, an action was refused, a balance does not hold."""
    USAGE = 2
    """A wrong option or argument."""
    UNAVAILABLE = 69
    """Something that is needed does not run or cannot be reached."""
    FAULT = 70
    """A program met an error that it does not handle; its supervisor starts it again."""
    CONFIGURATION = 78
    """Settings or a city's files cannot be used."""


MEANINGS: dict[Exit, str] = {
    Exit.FINE: "it worked",
    Exit.FOUND: "it worked, and the answer is no: a problem was found, an action was refused, the balance does not hold",
    Exit.USAGE: "a wrong option or argument",
    Exit.UNAVAILABLE: "something that is needed does not run or cannot be reached",
    Exit.FAULT: "a program met an error that it does not handle",
    Exit.CONFIGURATION: "settings or a city's files cannot be used",
}


class CommandError(Exception):
    """A command cannot go on; the text goes to standard error, the status to the shell."""

    status: Exit = Exit.FOUND

    def __init__(self, message: str, status: Exit | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status


def leave(status: int) -> NoReturn:
    """End the process at once: programs leave nothing to clean up, and the interpreter would take a second over it on a busy machine."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
