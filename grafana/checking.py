"""
A Grafana -> whether operators see there what they should: a line for each thing, and the fix of each that fails.

Rule 1: what may be written is tried, not asked for: an annotation is made and removed again; its tag is on no dashboard.
Rule 2: each thing is looked at on its own; only a Grafana that does not answer ends the check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devices.instants import Instant
from grafana.annotations import Region
from grafana.client import Client, GrafanaError, path_of
from grafana.shipped import TAG, Shipped
from grafana.syncing import State, playlist_of, stored_of

PROBE = f"{TAG}-check"
"""The tag of an annotation that is made to see whether that may be done."""
_SYNC = "run `canhbao grafana sync`"
_FIXES = {
    State.MISSING: _SYNC,
    State.OLDER: f"it is of another release: {_SYNC}",
    State.EDITED: f"save it in Grafana under another name, then {_SYNC[:-1]} --overwrite`",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    is_well: bool
    said: str
    fix: str = ""


def check(client: Client, shipped: Sequence[Shipped], playlist: Mapping[str, Any], source: str, now: Instant) -> list[Finding]:
    """
    Look at everything.

    Args:
        client: of the Grafana.
        shipped: the dashboards that should be there.
        playlist: that should be there.
        source: uid of the data source that they ask.
        now: for the annotation that is made and removed.
    """
    first = _tried("Grafana", lambda: _version(client))
    if not first.is_well:
        return [first]
    return [
        first,
        _tried(f"data source {source}", lambda: _source(client, source)),
        *(_tried(f"dashboard {each.uid}", lambda each=each: _standing(stored_of(client, each).state)) for each in shipped),  # type: ignore[misc]
        _tried("playlist", lambda: _standing(playlist_of(client, playlist)[0])),
        _tried("annotations", lambda: _annotations(client, now)),
    ]


def _tried(what: str, look: Callable[[], tuple[bool, str, str]]) -> Finding:
    try:
        return Finding(what, *look())
    except GrafanaError as error:
        said, _, fix = str(error).partition("; ")
        return Finding(what, is_well=False, said=said, fix=fix)


def _version(client: Client) -> tuple[bool, str, str]:
    return True, f"answers, version {client.version()}", ""


def _source(client: Client, source: str) -> tuple[bool, str, str]:
    try:
        answer = client.find(f"/api/datasources{path_of('uid', source, 'health')}")
    except GrafanaError as error:
        if error.status != 400:  # so Grafana says that it could not reach what it asks
            raise
        return (
            False,
            str(error).partition("; ")[0],
            "look at its address, database and token in Grafana; `canhbao archive init` makes the token",
        )
    if answer is None:
        return False, "is missing", "provision it from grafana/provisioning, or add an InfluxDB with InfluxQL under this uid"
    is_well = answer.get("status") == "OK"
    return is_well, str(answer.get("message") or answer.get("status")), "" if is_well else "look at its settings in Grafana"


def _standing(state: State) -> tuple[bool, str, str]:
    return state not in _FIXES, str(state), _FIXES.get(state, "")


def _annotations(client: Client, now: Instant) -> tuple[bool, str, str]:
    client.add_annotation(Region(now, now, "canhbao grafana check", frozenset({PROBE})))
    for held in client.annotations([PROBE]):  # also those of a check that was cut off
        client.remove_annotation(held.id)
    return True, "may be read, written and removed", ""
