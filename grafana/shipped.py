"""
The committed files of dashboards -> what is shipped, as values.

Rule 1: what is shipped is read from `dashboards/json`, one folder a language; nothing is drawn here, so the library that draws is not needed.
Rule 2: an identifier never changes: bookmarks, playlists and links hold it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DRAWN = Path(__file__).resolve().parent / "dashboards" / "json"
"""Where the drawn dashboards are committed."""
PROVISIONING = Path(__file__).resolve().parent / "provisioning"
"""What Grafana reads at its start."""
DATASOURCE = "canhbao-influx"
"""The identifier of the data source of all dashboards."""
TAG = "canhbao"
"""On every annotation of ours, and on every dashboard."""
ADDRESS = "http://127.0.0.1:8081"
"""Of the operators' pages, in the dashboards as they are committed; `at_address` puts in another."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of Grafana, one a language."""

    uid: str
    title: str
    language: str


FOLDERS = (Folder("canhbao-vi", "Cảnh báo Huế", "vi"), Folder("canhbao-en", "Canhbao (English)", "en"))
"""Vietnamese first."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """A dashboard as it is committed."""

    uid: str
    title: str
    folder: Folder
    json: dict[str, Any]
    """As Grafana exports and takes it; its `id` is absent."""


def dashboards() -> list[Shipped]:
    """Give every dashboard, Vietnamese first, by file name."""
    return [_shipped(path, folder) for folder in FOLDERS for path in sorted((DRAWN / folder.language).glob("*.json"))]


def at_address(drawn: dict[str, Any], address: str) -> dict[str, Any]:
    """Give a dashboard whose links lead to the operators' pages at an address."""
    moved: dict[str, Any] = json.loads(json.dumps(drawn))
    for variable in moved["templating"]["list"]:
        if variable["name"] == "canhbao_url":
            variable["query"] = address
            variable["current"] = {"text": address, "value": address}
    return moved


def playlist() -> dict[str, Any]:
    """Give the playlist for a wall, as `POST /api/playlists` takes it: Grafana has no file for playlists."""
    found: dict[str, Any] = json.loads((DRAWN / "playlist.json").read_text(encoding="utf-8"))
    return found


def _shipped(path: Path, folder: Folder) -> Shipped:
    drawn = json.loads(path.read_text(encoding="utf-8"))
    return Shipped(drawn["uid"], drawn["title"], folder, drawn)
