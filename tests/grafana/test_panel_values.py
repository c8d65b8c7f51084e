"""Every query of every committed dashboard shows what the archive holds: the same numbers, under the same names, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import isclose
from typing import Any

import pytest
from asking import Answer, Range, panels_of, statement_of
from expected import EXPECTED, expectation, is_legal
from expecting import Archive, Asked, Shown, archive_of
from flood import BEFORE_AT, FROM_AT, TO_AT
from loading import DRAWN, PEAK_AT, WHOLE, Loaded

from devices.instants import DAY, HOUR, MILLISECOND, MINUTE, from_datetime, parse_span
from devices.registry import Registry
from grafana.dashboards.words import tongue

pytestmark = [pytest.mark.influx, pytest.mark.shared]

PANELS = [(uid, panel) for uid in DRAWN for panel in panels_of(DRAWN[uid]) if panel.get("targets")]
EACH = pytest.mark.parametrize(("uid", "panel"), PANELS, ids=[f"{uid}-{panel['id']:02}" for uid, panel in PANELS])
END_AT = TO_AT - 30 * MINUTE
"""The last figures."""
FOUL_AT = from_datetime(datetime.fromisoformat("2025-11-24T08:00:00+07:00"))
"""When the air was very bad."""
LATE_AT = FROM_AT + 250 * HOUR
"""When a gauge was late, and we were deaf."""
DOUBTED_AT = FROM_AT + 95 * HOUR
"""When no reading of the air had passed for some hours."""
UNTIL_LATE, UNTIL_DOUBTED = (Range(WHOLE.from_ms, at // MILLISECOND) for at in (LATE_AT, DOUBTED_AT))
YEAR = Range(WHOLE.to_ms - 365 * 86_400_000, WHOLE.to_ms)
"""Seen from far away: several points to an interval."""
BEFORE = Range(BEFORE_AT // MILLISECOND, (BEFORE_AT + 4 * DAY) // MILLISECOND)
CHOICES: Mapping[str, Sequence[dict[str, str]]] = {
    "city": [{}, {"station": "phu-oc"}],
    "station": [{"station": each} for each in ("kim-long", "phu-oc", "thuong-nhat", "dap-da", "ba-trieu", "nguyen-hoang")],
    "air": [{}, {"station": "air-thuan-hoa"}],
    "devices": [{}, {"device": "wl-phu-oc"}],
    "pipeline": [{}],
}
RIGHTLY_EMPTY = {
    ("station", "Water: ${station}", "L2"): "these levels ended before the flood; the days before show them",
}
"""Queries that show nothing at the height, and where they do. Every other one shows something there."""


@pytest.fixture(scope="module")
def archive(loaded: Loaded, registry: Registry) -> Archive:
    return archive_of(loaded.month, registry)


@EACH
def test_a_query_shows_what_the_archive_holds(loaded: Loaded, archive: Archive, uid: str, panel: Mapping[str, Any]) -> None:
    for looked in ranges_of(uid, panel):
        for chosen in CHOICES[name_of(uid)]:
            for target in panel["targets"]:
                expected = expected_of(archive, uid, panel, target, chosen, looked)
                found = found_of(loaded, uid, panel, target, chosen, looked)

                assert not list(differences(expected, found)), (target["query"], chosen, looked)


@EACH
def test_a_query_shows_something_at_the_height_of_the_flood_or_of_the_foul_air(loaded: Loaded, uid: str, panel: Mapping[str, Any]) -> None:
    for target in panel["targets"]:
        found = found_of(loaded, uid, panel, target, where_it_shows(uid, target), at_height(uid, panel))

        is_rightly_empty = (name_of(uid), english(uid, panel), target["refId"]) in RIGHTLY_EMPTY
        assert bool(found) is not is_rightly_empty, target["query"]


@EACH
def test_a_query_that_is_empty_at_the_height_shows_something_before(loaded: Loaded, uid: str, panel: Mapping[str, Any]) -> None:
    for target in panel["targets"]:
        if (name_of(uid), english(uid, panel), target["refId"]) in RIGHTLY_EMPTY:
            assert found_of(loaded, uid, panel, target, where_it_shows(uid, target), BEFORE), target["query"]


@EACH
def test_what_is_shown_as_the_present_ends_with_the_figures(loaded: Loaded, uid: str, panel: Mapping[str, Any]) -> None:
    if "timeFrom" in panel:
        for target in panel["targets"]:
            assert found_of(loaded, uid, panel, target, CHOICES[name_of(uid)][0], window(panel, TO_AT + 4 * HOUR)) == {}


def test_nothing_is_drawn_that_was_not_promised_and_nothing_promised_is_lacking() -> None:
    drawn = {
        (name_of(uid), panel["title"], target["refId"])
        for uid, panel in PANELS
        if uid.endswith("-en")
        for target in panel["targets"]
        if not is_legal(target["refId"])
    }

    assert drawn == {(name, *query) for name, queries in EXPECTED.items() for query in queries}
    assert drawn >= {query for query in RIGHTLY_EMPTY if not is_legal(query[2])}


# ---- what is asked


def name_of(uid: str) -> str:
    return uid.split("-")[1]


def english(uid: str, panel: Mapping[str, Any]) -> str:
    return next(str(each["title"]) for each in panels_of(DRAWN[f"{uid[:-2]}en"]) if each["id"] == panel["id"])


def window(panel: Mapping[str, Any], at: int) -> Range:
    """Give what a panel of the present looks at."""
    span = parse_span(re.sub(r"(\d)([a-z])", r"\1 \2", panel["timeFrom"].replace("m", "min")))
    return Range((at - span) // MILLISECOND, at // MILLISECOND)


def at_height(uid: str, panel: Mapping[str, Any]) -> Range:
    """Give the present of a tile, or the three days of a chart, when it was worst."""
    at = FOUL_AT if name_of(uid) == "air" else PEAK_AT
    return window(panel, at) if "timeFrom" in panel else Range((at - 3 * DAY) // MILLISECOND, at // MILLISECOND)


def ranges_of(uid: str, panel: Mapping[str, Any]) -> list[Range]:
    others = [window(panel, END_AT), window(panel, LATE_AT), UNTIL_LATE, UNTIL_DOUBTED] if "timeFrom" in panel else [BEFORE, YEAR]
    return [at_height(uid, panel), WHOLE, *others]


def where_it_shows(uid: str, target: Mapping[str, Any]) -> dict[str, str]:
    """Give the choice of a station: the one that a query names; else the first."""
    named = re.search("\"station\" = '([a-z-]+)'", target["query"])
    return {"station": named[1]} if named else CHOICES[name_of(uid)][0]


# ---- what is shown


def expected_of(
    archive: Archive, uid: str, panel: Mapping[str, Any], target: Mapping[str, Any], chosen: Mapping[str, str], looked: Range
) -> Shown:
    asked = Asked(archive, looked, looked.interval(panel.get("maxDataPoints", 1_000)), tongue(uid[-2:]), **chosen)
    return expectation(name_of(uid), english(uid, panel), target["refId"])(asked)


def found_of(
    loaded: Loaded, uid: str, panel: Mapping[str, Any], target: Mapping[str, Any], chosen: Mapping[str, str], looked: Range
) -> Shown:
    answers = loaded.ask(statement_of(target, panel, DRAWN[uid], chosen, looked))
    if target["resultFormat"] == "table":
        return {tuple(each.tags[tag] for tag in sorted(each.tags)): row_of(each) for each in answers}
    series = {name: points for answer in answers for name, points in series_of(answer, target.get("alias", ""))}
    return {name: points[-1][1] for name, points in series.items() if points} if panel["type"] == "stat" else series


def row_of(answer: Answer) -> dict[str, Any]:
    (row,) = answer.rows
    return {name: value for name, value in zip(answer.columns, row, strict=True) if name != "time"}


def series_of(answer: Answer, alias: str) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Give the series of an answer under the names that Grafana gives them."""
    for column in answer.columns[1:]:
        names = {"m": answer.name, "col": column, **{f"tag_{tag}": value for tag, value in answer.tags.items()}}
        name = re.sub(r"\$(\w+)", lambda found, names=names: names[found[1]], alias)
        yield name, [(at, value) for at, value in zip(answer.column("time"), answer.column(column), strict=True) if value is not None]


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """Tell where two values are not alike; numbers may differ by what adding in another order makes."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        for key in expected:
            yield from differences(expected[key], found[key], f"{where} {key}")
    elif isinstance(expected, list | tuple) and isinstance(found, list | tuple) and len(expected) == len(found):
        for place, pair in enumerate(zip(expected, found, strict=True)):
            yield from differences(*pair, f"{where} {place}")
    elif isinstance(expected, int | float) and isinstance(found, int | float):
        if not isclose(expected, found, rel_tol=1e-12, abs_tol=1e-12):
            yield f"{where}: {expected} and not {found}"
    elif expected != found:
        yield f"{where}: {expected!r} and not {found!r}"
