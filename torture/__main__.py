"""
`python -m torture [FAMILY ...]`: try to break every promise, and write what became of it.

Families by name; none: all. --short: the small form of each, as in the tests. The report is written after each run, to build/torture.json
and build/torture.md. Exit status 1 where something does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

from rig.report import Result, machine, write

FAMILIES = {
    "ingest": "ingest killed -9 in mid-stream, on Mosquitto and on the embedded broker",
    "programs": "archive, serve, web, the supervisor and the broker killed -9 in mid-flood",
    "disk": "the archive away, a full disk, errors of writing and of fsync",
    "connections": "the broker killed, frozen, refusing, slow; connections cut, sessions wiped, devices that come and go",
    "clocks": "our clock stepped, and devices in 1970, 2038 and the wrong zone",
    "input": "hostile messages beside good ones, and fuzzing of what reads bytes",
    "influx": "a flood into InfluxDB: ingest, archive and the server killed -9, the server frozen and away, lines that it refuses",
    "soak": "an hour at 2,000 readings a second with faults",
}
"""Name -> what is tried. Each is a module of this folder with `runs(short) -> Iterable[Callable[[], Result]]`."""
BUILD = Path("build")


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", choices=[*FAMILIES, []], metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--short", action="store_true", help="the small form of each run")
    parser.add_argument("--list", action="store_true", help="say what there is, and end")
    parser.add_argument("--out", type=Path, default=BUILD, help="folder of the report (build)")
    asked = parser.parse_args()
    if asked.list:
        print("\n".join(f"{name:12} {what}" for name, what in FAMILIES.items()))
        return 0
    print(machine(), flush=True)
    done: list[Result] = []
    for run in chosen(asked.families or list(FAMILIES), asked.short):
        result = run()
        done.append(result)
        tell(result)
        write(done, asked.out, "torture")
    return 0 if all(result.ok for result in done) else 1


def chosen(names: Iterable[str], short: bool) -> Iterable[Callable[[], Result]]:
    """Give the runs of some families."""
    for name in names:
        yield from import_module(f"torture.{name}").runs(short)


def tell(result: Result) -> None:
    """Print a result."""
    print(f"{'holds' if result.ok else 'FAILS'}  {result.title}, {result.seconds:g} s  {result.figures}", flush=True)
    if not result.ok:
        print(f"       {result.failed()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
