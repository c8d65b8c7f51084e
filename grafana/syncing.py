"""
Shipped dashboards and a Grafana that we do not provision -> the same dashboards there, in their folders, and the playlist.

Rule 1: a dashboard that somebody edited in Grafana is kept and said, unless it is to be overwritten. What was saved by us is known by the message of its newest
        version, which holds the fingerprint of what was shipped: so Grafana may bring a dashboard to a newer form without that being an edit.
Rule 2: it stays in the folder into which somebody moved it.
Rule 3: what is provisioned from files belongs to these files, and is not touched.
Rule 4: what fails stops nothing else; each line that failed says what to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from grafana.client import Client, GrafanaError, path_of
from grafana.shipped import Folder, Shipped

_SAVED = "canhbao "
"""Begins the message of a version that we saved."""
_OF_GRAFANA = frozenset({"id", "version", "iteration"})
"""What Grafana itself writes into a dashboard."""


class State(StrEnum):
    """How a thing stands in Grafana."""

    MISSING = "missing"
    SAME = "same"
    OLDER = "older"
    """Ours, of another release, and not edited since."""
    EDITED = "edited"
    PROVISIONED = "provisioned"
    """Grafana reads it from a file."""


class Done(StrEnum):
    """What became of a thing; in a dry run, what would."""

    MADE = "made"
    UPDATED = "updated"
    SAME = "same"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing, and what became of it."""

    kind: str
    name: str
    title: str
    done: Done
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A dashboard as it stands in Grafana."""

    state: State
    version: int = 0
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """How to go about it."""

    overwrite: bool = False
    dry_run: bool = False


def sync(client: Client, shipped: Sequence[Shipped], playlist: Mapping[str, Any], wish: Wish) -> list[Line]:
    """
    Bring a Grafana to what is shipped.

    Args:
        client: of the Grafana.
        shipped: the dashboards, with their folders.
        playlist: as `POST /api/playlists` takes it.
        wish: whether to overwrite, whether to write at all.

    Raises:
        GrafanaError: Grafana is away; what was done until then stays, and the next run goes on.
    """
    folders = dict.fromkeys(each.folder for each in shipped)
    lines = [_line(client, "folder", each.uid, each.title, _Folder(each), wish) for each in folders]
    lines += [_line(client, "dashboard", each.uid, each.title, _Dashboard(each), wish) for each in shipped]
    name = str(playlist["name"])
    return [*lines, _line(client, "playlist", "", name, _Playlist(playlist), wish)]


def stored_of(client: Client, shipped: Shipped) -> Stored:
    """Tell how a dashboard stands in Grafana."""
    path = f"/api/dashboards{path_of('uid', shipped.uid)}"
    found = client.find(path)
    if found is None:
        return Stored(State.MISSING)
    meta, dashboard = found.get("meta") or {}, found.get("dashboard") or {}
    version, folder = int(dashboard.get("version") or 0), meta.get("folderUid")
    if meta.get("provisioned"):
        return Stored(State.PROVISIONED, version, folder)
    saved = _newest_message(client.ask("GET", f"{path}/versions?limit=10"))
    if saved == message_of(shipped.json) or _holds(dashboard, shipped.json):
        return Stored(State.SAME, version, folder)
    return Stored(State.OLDER if saved.startswith(_SAVED) else State.EDITED, version, folder)


def playlist_of(client: Client, wanted: Mapping[str, Any]) -> tuple[State, str]:
    """Tell how the playlist stands in Grafana, and its uid there."""
    name = str(wanted["name"])
    listed = client.ask("GET", f"/api/playlists?limit=1000&query={path_of(name)[1:]}")
    found = [each for each in listed or () if each.get("name") == name]
    if not found:
        return State.MISSING, ""
    uid = str(found[0]["uid"])
    held = client.find(f"/api/playlists{path_of(uid)}")
    if held is None:
        return State.MISSING, ""
    return State.SAME if _plays(held) == _plays(wanted) else State.EDITED, uid


def message_of(shipped: Mapping[str, Any]) -> str:
    """Give the message of a version that holds what is shipped."""
    written = json.dumps(shipped, sort_keys=True, ensure_ascii=False).encode()
    return _SAVED + blake2b(written, digest_size=8).hexdigest()


# ---- one thing each


class _Folder:
    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def state(self, client: Client) -> State:
        return State.MISSING if client.find(f"/api/folders{path_of(self._folder.uid)}") is None else State.SAME

    def write(self, client: Client, state: State, *, overwrite: bool) -> None:  # noqa: ARG002 - a folder is only ever made
        client.ask("POST", "/api/folders", {"uid": self._folder.uid, "title": self._folder.title})


class _Dashboard:
    def __init__(self, shipped: Shipped) -> None:
        self._shipped = shipped
        self._stored = Stored(State.MISSING)

    def state(self, client: Client) -> State:
        self._stored = stored_of(client, self._shipped)
        return self._stored.state

    def write(self, client: Client, state: State, *, overwrite: bool) -> None:
        place = self._shipped.folder.uid if state is State.MISSING else self._stored.folder
        document = {**self._shipped.json, "id": None, "version": self._stored.version}
        wanted = {"dashboard": document, "folderUid": place, "message": message_of(self._shipped.json), "overwrite": overwrite}
        client.ask("POST", "/api/dashboards/db", wanted)


class _Playlist:
    def __init__(self, wanted: Mapping[str, Any]) -> None:
        self._wanted = dict(wanted)
        self._uid = ""

    def state(self, client: Client) -> State:
        state, self._uid = playlist_of(client, self._wanted)
        return state

    def write(self, client: Client, state: State, *, overwrite: bool) -> None:  # noqa: ARG002 - Grafana keeps no versions of it
        if state is State.MISSING:
            client.ask("POST", "/api/playlists", self._wanted)
        else:
            client.ask("PUT", f"/api/playlists{path_of(self._uid)}", {**self._wanted, "uid": self._uid})


def _line(client: Client, kind: str, name: str, title: str, thing: _Folder | _Dashboard | _Playlist, wish: Wish) -> Line:
    try:
        state = thing.state(client)
        done = _done(state, wish)
        if done in {Done.MADE, Done.UPDATED} and not wish.dry_run:
            thing.write(client, state, overwrite=wish.overwrite)
    except GrafanaError as error:
        if error.is_away:
            raise
        return Line(kind, name, title, Done.FAILED, _advice(error))
    return Line(kind, name, title, done, _reason(state, done))


def _done(state: State, wish: Wish) -> Done:
    if state is State.EDITED:
        return Done.UPDATED if wish.overwrite else Done.KEPT
    return {State.MISSING: Done.MADE, State.OLDER: Done.UPDATED, State.SAME: Done.SAME, State.PROVISIONED: Done.KEPT}[state]


def _reason(state: State, done: Done) -> str:
    if state is State.PROVISIONED:
        return "Grafana reads it from a file; change that file"
    return "it was edited in Grafana; save it there under another name, then run with --overwrite" if done is Done.KEPT else ""


def _advice(error: GrafanaError) -> str:
    if error.is_conflict and error.kind == "version-mismatch":
        return "somebody saved it while we did; run again, which keeps what they saved"
    if error.is_conflict and error.kind == "name-exists":
        return "another one has this title in this folder; rename or remove that one, then run again"
    return str(error)


# ---- comparing


def _newest_message(versions: Any) -> str:
    """Give the message of the newest version: in a list, which is below `versions` since Grafana 11."""
    listed: Iterable[Mapping[str, Any]] = (versions.get("versions") if isinstance(versions, dict) else versions) or ()
    newest = max(listed, key=lambda each: int(each.get("version") or 0), default={})
    return str(newest.get("message") or "")


def _holds(stored: Any, shipped: Any) -> bool:
    """Tell whether all that is shipped stands there as it is; Grafana may have added what it takes for granted."""
    if isinstance(shipped, dict):
        return isinstance(stored, dict) and all(_holds(stored.get(key), value) for key, value in shipped.items() if key not in _OF_GRAFANA)
    if isinstance(shipped, list):
        return isinstance(stored, list) and len(stored) == len(shipped) and all(map(_holds, stored, shipped))
    return bool(stored == shipped)


def _plays(playlist: Mapping[str, Any]) -> tuple[Any, list[tuple[Any, Any]]]:
    def items() -> Iterator[tuple[Any, Any]]:
        yield from ((each.get("type"), each.get("value")) for each in playlist.get("items") or ())

    return playlist.get("interval"), list(items())
