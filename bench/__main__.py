"""
`python -m bench [PART ...] [--json FILE] [--quick]`: how fast the service is on this machine, beside what it should be.

Parts: one, packed, paced, embedded (the way of a reading), warning, restart, influx, sizes, pages; none: all. Three runs of each, medians; --quick: one short run of
each, whose figures say little. Every run reads the store back: nothing missing, nothing twice, nothing bad, else there is no figure.
Exit status 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bench import flow, influx, pages, restart, sizes, warning
from bench.flow import Run
from bench.goals import Row, rows
from rig.brokers import mosquitto_program
from rig.influxd import FIX, influxd_program
from rig.report import machine

ONE = Run("one", "flat out, one a message", "mosquitto", 200_000, 10_000, null=True)
PACKED = Run("packed", "flat out, 20 a message", "mosquitto", 20_000, 10_000, packed=20)
PACED = Run("paced", "10,000/s, one a message", "mosquitto", 150_000, 10_000, rate=10_000)
EMBEDDED = Run("embedded", "flat out, one a message", "embedded", 10_000, 500)
QUICKER = 5
NEEDS_MOSQUITTO = ("one", "packed", "paced", "warning", "restart", "influx", "sizes")
NEEDS_INFLUXD = ("influx", "sizes")


def main() -> int:
    """Measure, print, and write the figures as JSON where asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts(quick=False)))
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="one short run of each")
    asked = parser.parse_args()
    at_hand = parts(quick=asked.quick)
    if unknown := set(asked.parts) - set(at_hand):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(at_hand)}")
    print(machine(), flush=True)
    runs: list[Mapping[str, float]] = []
    loads: list[float] = []
    for name in asked.parts or at_hand:
        if name in NEEDS_MOSQUITTO and mosquitto_program() is None:
            print(f"{name}: left out, there is no mosquitto; install it from the distribution", flush=True)
            continue
        if name in NEEDS_INFLUXD and influxd_program() is None:
            print(f"{name}: left out, there is no influxd; {FIX}", flush=True)
            continue
        for number in range(1 if asked.quick else 3):
            start = time.monotonic()
            runs.append(at_hand[name]())
            loads.append(os.getloadavg()[0])
            print(f"{name}, run {number + 1}: {time.monotonic() - start:.0f} s, load {loads[-1]:.1f}", flush=True)
    found = rows(runs, statistics.median)
    print(table(found))
    if asked.json:
        told = {"machine": machine(), "load": loads, "figures": [row.as_json() for row in found], "runs": runs}
        asked.json.write_text(json.dumps(told, indent=1))
    return 0 if all(row.ok for row in found) else 1


def parts(*, quick: bool) -> dict[str, Callable[[], Mapping[str, float]]]:
    """Give what can be measured: a function for each part that gives figures by their full names."""
    share = QUICKER if quick else 1
    return {
        **{run.name: _flow(run, share) for run in (ONE, PACKED, PACED, EMBEDDED)},
        "warning": lambda: _cut("warning", warning.measure(200 // share)),
        "restart": lambda: _cut("restart", restart.measure(10_000 // share, 100_000 // share)),
        "influx": lambda: _cut("influx", influx.measure(1_000_000 // share, replace(PACED, messages=PACED.messages // share))),
        "sizes": lambda: sizes.measure(30 / share),
        "pages": lambda: _cut("pages", pages.measure(seconds=5 / share)),
    }


def _flow(run: Run, share: int) -> Callable[[], Mapping[str, float]]:
    def figures() -> Mapping[str, float]:
        asked = Run(run.name, run.title, run.broker, run.messages // share, run.gauges // share, run.packed, run.rate, run.null)
        found = {f"{run.name}.{name}": value for name, value in flow.measure(asked).items()}
        if run.null:
            found["one.of_null"] = found["one.readings_s"] / found["one.null_s"]
        return found

    return figures


def _cut(part: str, found: Mapping[str, float]) -> dict[str, float]:
    """Give figures the name of their part: `page_p99_ms` of pages becomes `pages.p99_ms`."""
    own = part.removesuffix("s") + "_"
    return {f"{part}.{name.removeprefix(part + '_').removeprefix(own)}": value for name, value in found.items()}


def table(found: list[Row]) -> str:
    """Give the rows for a terminal."""
    head = f"{'figure':24}{'median':>12}  {'(lowest-highest)':24}{'goal':>14}  "
    lines = [
        f"{row.name:24}{_short(row.value):>12}  {f'({_short(row.lowest)}-{_short(row.highest)}) {row.unit}':24}{row.goal:>14}  "
        f"{'  ' if row.goal == '-' else 'ok' if row.ok else 'MISSED'}  {row.what}"
        for row in found
    ]
    return "\n".join([head, *lines])


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
