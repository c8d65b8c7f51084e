"""Modules as processes: started with a task as JSON, spoken to by lines, gone afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def child(module: str, given: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """Start a module of ours, such as `bench.publisher`, with its task; it is gone afterwards."""
    command = [sys.executable, "-m", module, json.dumps(given)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answer(process: subprocess.Popen[str]) -> str:
    """Wait for a line; raises where the process has ended."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"{process.args!r} ended with {process.wait()}"
    return line


def tell(process: subprocess.Popen[str], word: str) -> None:
    """Write a line to a process."""
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
