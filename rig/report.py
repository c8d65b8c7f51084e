"""
Claims that were tried -> a report as Markdown and as JSON.

Rule 1: a claim says what was wanted and what was found; a result is good when every claim of it is.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

Figure = float | int | str


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that must hold."""

    what: str
    ok: bool
    found: str = ""


@dataclass(slots=True)
class Result:
    """What became of one run."""

    title: str
    claims: list[Claim] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    seconds: float = 0.0

    def claim(self, what: str, ok: bool, found: object = "") -> None:
        """Note whether something holds, and what was found."""
        self.claims.append(Claim(what, ok, str(found)))

    @property
    def ok(self) -> bool:
        """Tell whether everything holds; a run without a claim proves nothing."""
        return bool(self.claims) and all(claim.ok for claim in self.claims)

    def failed(self) -> str:
        """Give what does not hold, for people."""
        return "; ".join(f"{claim.what}: {claim.found}" for claim in self.claims if not claim.ok) or (
            "" if self.claims else "nothing was claimed"
        )


def timed(title: str, run: Callable[[Result], None]) -> Result:
    """Do a run; an error in it is a claim that failed, so that the runs after it go on."""
    result, start = Result(title), time.monotonic()
    try:
        run(result)
    except Exception as error:
        result.claim("the run came to its end", False, f"{type(error).__name__}: {error}")  # noqa: FBT003
    result.seconds = round(time.monotonic() - start, 1)
    return result


def machine() -> str:
    """Describe the machine in a line."""
    python, load = platform.python_version(), os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.machine()}, CPython {python}, SQLite {sqlite3.sqlite_version}, load {load:.1f}"


def write(results: Iterable[Result], folder: Path, name: str) -> None:
    """Write `name`.json and `name`.md."""
    done = list(results)
    folder.mkdir(parents=True, exist_ok=True)
    told = {"machine": machine(), "ok": all(result.ok for result in done), "runs": [{**asdict(result), "ok": result.ok} for result in done]}
    (folder / f"{name}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False))
    (folder / f"{name}.md").write_text(_markdown(name, done))


def _markdown(name: str, results: list[Result]) -> str:
    head = [f"# {name.capitalize()}", "", machine(), "", "| run | holds | seconds | figures |", "|---|---|---|---|"]
    rows = [f"| {each.title} | {'yes' if each.ok else '**no**'} | {each.seconds:g} | {_told(each.figures)} |" for each in results]
    claims = [line for each in results for line in ("", f"## {each.title}", "", *(_line(claim) for claim in each.claims))]
    return "\n".join([*head, *rows, *claims, ""])


def _line(claim: Claim) -> str:
    return f"- [{'x' if claim.ok else ' '}] {claim.what}" + (f": {claim.found}" if claim.found else "")


def _told(figures: dict[str, Figure]) -> str:
    return ", ".join(f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}" for name, value in figures.items())
