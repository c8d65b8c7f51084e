"""
A panel of a committed dashboard -> what Grafana would send to InfluxDB for it, and what comes back.

Rule 1: interpolation follows Grafana's own: variables in the browser (formats `regex` and `raw`, one, several, all), then `$timeFilter`,
        `$__interval` and `$__interval_ms` in its server, where the interval comes from the range and the width of the panel.
Rule 2: what is left of a variable is an error of the dashboard.
"""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Chosen: TypeAlias = Mapping[str, str | Sequence[str]]
"""Variable -> one value, or several; `$__all` for all."""

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
_SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}/]")
_STEPS = ((10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1_500, 1_000), (3_500, 2_000), (7_500, 5_000))
_LONGER = (
    (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000), (210_000, 120_000), (450_000, 300_000),
    (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000), (2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000),
    (16_200_000, 10_800_000), (32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000),
)  # fmt: skip
"""Below the first: the second, in milliseconds."""


@dataclass(frozen=True)
class Range:
    """What is looked at, in milliseconds."""

    from_ms: int
    to_ms: int

    def interval(self, points: int) -> int:
        raw = (self.to_ms - self.from_ms) / points
        return next((rounded for below, rounded in (*_STEPS, *_LONGER) if raw < below), 604_800_000)


def panels_of(drawn: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for panel in drawn["panels"]:
        yield panel
        yield from panel.get("panels", ())


def statement_of(target: Mapping[str, Any], panel: Mapping[str, Any], drawn: Mapping[str, Any], chosen: Chosen, looked: Range) -> str:
    """Give the statement as it reaches the server of InfluxDB."""
    asked = in_browser(target["query"], drawn, chosen)
    interval = looked.interval(panel.get("maxDataPoints", 1_000))
    asked = asked.replace("$timeFilter", f"time >= {looked.from_ms}ms and time <= {looked.to_ms}ms")
    asked = asked.replace("$__interval_ms", str(interval)).replace("$__interval", f"{interval}ms")
    assert "$" not in re.sub(r"\$/", "", asked), f"a variable is left: {asked}"
    return asked


def in_browser(text: str, drawn: Mapping[str, Any], chosen: Chosen) -> str:
    variables = {variable["name"]: variable for variable in drawn["templating"]["list"]}

    def put(found: re.Match[str]) -> str:
        name, format_ = found[1] or found[3], found[2]
        if name not in variables:
            return found[0]
        return _formatted(chosen.get(name, variables[name].get("current", {}).get("value", "")), variables[name], format_)

    return _VARIABLE.sub(put, text)


def _formatted(value: str | Sequence[str], variable: Mapping[str, Any], format_: str | None) -> str:
    if value in ("$__all", ["$__all"]):
        return str(variable["allValue"])  # one that is given is put in as it stands, whatever the format
    if format_ == "regex":
        return _escaped(value) if isinstance(value, str) else f"({'|'.join(map(_escaped, value))})"
    assert isinstance(value, str), "several values need the format regex"
    return value


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", text)


@dataclass(frozen=True)
class Answer:
    """A series of an answer."""

    name: str
    tags: Mapping[str, str]
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def column(self, name: str) -> list[Any]:
        return [row[self.columns.index(name)] for row in self.rows]


def ask(url: str, token: str, bucket: str, statement: str) -> list[Answer]:
    """Ask as Grafana's server does; an error of the server fails the test."""
    fields = urllib.parse.urlencode({"db": bucket, "epoch": "ms", "q": statement}).encode()
    request = urllib.request.Request(f"{url}/query", data=fields, headers={"Authorization": f"Token {token}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            results = json.loads(answer.read())["results"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.code} {error.read().decode()}: {statement}") from error
    assert len(results) == 1, statement
    assert "error" not in results[0], f"{results[0]['error']}: {statement}"
    return [Answer(each.get("name", ""), each.get("tags", {}), each["columns"], each["values"]) for each in results[0].get("series", ())]
