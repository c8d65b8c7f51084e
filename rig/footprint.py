"""A process or a folder -> what it takes of the machine: memory, processor, descriptors, threads, bytes of files (Linux)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """One program at one moment."""

    at: float
    """Seconds since the beginning."""
    memory: float
    """MB, pages of files left out."""
    descriptors: int
    threads: int


def sample_of(pid: int, at: float) -> Sample | None:
    """Look at a process; None where it has ended."""
    place = Path(f"/proc/{pid}")
    try:
        status = (place / "status").read_text()
        return Sample(at, _kilobytes(place, status) / 1024, len([*(place / "fd").iterdir()]), _number(status, "Threads"))
    except (OSError, ValueError):
        return None


def memory_of(pid: int) -> float:
    """Give what a process holds in memory, in MB (10^6 bytes), pages that it shares included."""
    return _number(Path(f"/proc/{pid}/status").read_text(), "VmRSS") * 1024 / 1e6


def cpu_of(pid: int) -> float:
    """Give the seconds of processor that a process has taken since its start, without its children."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def sizes(folder: Path) -> dict[str, int]:
    """Give the bytes of each file of a folder; one that goes meanwhile is left out."""
    found = {}
    for path in folder.iterdir():
        try:
            found[path.name] = path.stat().st_size
        except OSError:
            continue
    return found


def _kilobytes(place: Path, status: str) -> int:
    """Give what is its own, where the kernel tells it: of the pages of files its share moves with whoever else has them open."""
    try:
        return _number((place / "smaps_rollup").read_text(), "Pss_Anon")
    except (OSError, ValueError):
        return _number(status, "VmRSS")


def _number(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"there is no {name}")
    return int(found[1])
