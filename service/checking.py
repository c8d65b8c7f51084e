"""
A city's folder -> all that is wrong with its files, and the outcome of the tests that its rules carry.

Rule 1: a rule that does what it says but fails its own test is a failure, not a problem of a file.
Rule 2: scenarios are checked too, although they are not applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from devices.documents import ConfigurationError, Problem
from devices.registry import Registry
from devices.scenario import scenario_of
from rules.testing import Result, run_tests
from service.configuration import City, build, read_city
from service.scenarios import FOLDER, read_scenario


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found."""

    folder: Path
    city: City | None
    """None where the files have problems."""
    scenarios: int
    problems: tuple[Problem, ...]
    tests: tuple[Result, ...]

    @property
    def failures(self) -> list[Result]:
        """Give the tests of rules that did not pass."""
        return [test for test in self.tests if not test.passed]

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "folder": str(self.folder),
            "revision": self.city.revision if self.city else None,
            "problems": [asdict(problem) for problem in self.problems],
            "tests": [{"rule": test.rule, "name": test.name, "passed": test.passed} for test in self.tests],
        }


def check_city(folder: Path) -> Checked:
    """Check the files of a city."""
    try:
        city = build(read_city(folder))
    except ConfigurationError as error:
        return Checked(folder, None, 0, error.problems, ())
    names = sorted(path.stem for path in (folder / FOLDER).glob("*.yaml"))
    problems = tuple(problem for name in names for problem in _scenario_problems(folder, name, city.registry))
    return Checked(folder, city, len(names), problems, tuple(run_tests(city.rules)))


def described(found: Checked) -> str:
    """Give what was found as people read it: a line for each problem and each failure, then the sum."""
    lines = [str(problem) for problem in found.problems]
    lines += [f"FAILED {test}" for test in found.failures]
    if found.city is None:
        return "\n".join([*lines, f"{found.folder}: {len(found.problems)} problems; the city is not applied before they are mended"])
    registry = found.city.registry
    lines.append(
        f"{found.folder}: {len(registry.stations)} stations, {len(registry.devices)} devices, {len(found.city.rules)} rules, "
        f"{found.scenarios} scenarios; {len(found.tests) - len(found.failures)} of {len(found.tests)} tests of rules passed; "
        f"{len(found.problems)} problems; revision {found.city.revision}"
    )
    return "\n".join(lines)


def _scenario_problems(folder: Path, name: str, registry: Registry) -> Iterator[Problem]:
    try:
        scenario_of(read_scenario(folder, name), registry)
    except ConfigurationError as error:
        yield from error.problems
