"""
`python -m bench [--json FILE] [--quick]`: how fast ingest is on this machine, through Mosquitto where there is one, and the embedded broker.

Three runs of each kind, medians with their range; --quick: one short run. The machine's load stands beside every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import sys
from dataclasses import asdict, replace
from pathlib import Path

from bench.runs import Figures, Run, measure, mosquitto

RUNS = (
    Run("10,000/s, one a message", "mosquitto", 100_000, 10_000, rate=10_000),
    Run("flat out, one a message", "mosquitto", 200_000, 10_000),
    Run("flat out, 20 a message", "mosquitto", 20_000, 10_000, packed=20),
    Run("500/s, one a message", "embedded", 5_000, 500, rate=500),
    Run("flat out, one a message", "embedded", 10_000, 500),
    Run("flat out, 20 a message", "embedded", 5_000, 500, packed=20),
)
QUICKER = 5
COLUMNS = ("readings_s", "cpu_us", "commit_p50_ms", "commit_p99_ms", "change_p50_ms", "change_p99_ms", "changes", "mb")


def main() -> int:
    """Measure, print, and write the figures as JSON where asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="one short run of each kind")
    asked = parser.parse_args()
    at_hand = [run for run in RUNS if run.broker == "embedded" or mosquitto()]
    times = 1 if asked.quick else 3
    print(f"{machine()}; {times} run(s) of each kind, median (lowest-highest)")
    print(
        f"cpu_us: CPU of the ingest process for a reading; change: from the publisher's socket to the committed change\n{'':34}" + header()
    )
    results = []
    for run in at_hand:
        asked_run = replace(run, messages=max(run.gauges * 3, run.messages // QUICKER)) if asked.quick else run
        loads, found = [], []
        for _ in range(times):
            found.append(measure(asked_run))
            loads.append(os.getloadavg()[0])
        print(f"{run.broker:10}{run.title:24}" + row(found) + f"  load {min(loads):.1f}-{max(loads):.1f}", flush=True)
        results.append({**asdict(asked_run), "figures": found, "load": loads})
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine(), "runs": results}, indent=1))
    return 0


def machine() -> str:
    """Describe the machine in a line."""
    return f"{os.cpu_count()} cores, {platform.machine()}, CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def header() -> str:
    """Give the names of the columns."""
    return "".join(f"{name:>22}" for name in COLUMNS)


def row(found: list[Figures]) -> str:
    """Give median and range of each column."""
    return "".join(f"{_cell([figures[name] for figures in found if name in figures]):>22}" for name in COLUMNS)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    middle = _short(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({_short(min(values))}-{_short(max(values))})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
