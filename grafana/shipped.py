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
from urllib.parse import urlsplit

ROOM = Path(__file__).resolve().parent
DRAWN = ROOM / "dashboards" / "json"
"""Where the drawn dashboards are committed."""
PROVISIONING = ROOM / "provisioning"
"""What Grafana reads at its start."""
DATASOURCE = "canhbao-influx"
"""The identifier of the data source of all dashboards."""
TAG = "canhbao"
"""On every annotation of ours, and on every dashboard."""
ADDRESS = "http://127.0.0.1:8081"
"""Of the operators' pages, in the dashboards as they are committed: right on the machine itself and through a tunnel. `at_address` puts in another."""
ADDRESS_VARIABLE = "canhbao_url"
"""The variable of a dashboard that holds it."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of Grafana, one a language."""

    uid: str
    title: str
    language: str


@dataclass(frozen=True, slots=True)
class Shipped:
    """A dashboard as it is committed."""

    uid: str
    title: str
    folder: Folder
    json: dict[str, Any]
    """As Grafana exports and takes it; its `id` is absent."""


def folders() -> list[Folder]:
    """Give the folders, Vietnamese first; their titles name the city for which they were drawn."""
    return [Folder(**each) for each in json.loads((DRAWN / "folders.json").read_text(encoding="utf-8"))]


def dashboards() -> list[Shipped]:
    """Give every dashboard, Vietnamese first, by file name."""
    return [_shipped(path, folder) for folder in folders() for path in sorted((DRAWN / folder.language).glob("*.json"))]


def address_of(text: str) -> str:
    """Take the address of the operators' pages; raises ValueError where it is none, for it ends in links that operators trust."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not the address of pages; give one such as https://ioc.example.vn or http://10.0.0.5:8081")
    return text.rstrip("/")


def at_address(drawn: dict[str, Any], address: str) -> dict[str, Any]:
    """Give a dashboard whose links lead to the operators' pages at an address."""
    address = address.rstrip("/")  # what follows in a link begins with one
    moved: dict[str, Any] = json.loads(json.dumps(drawn))
    for variable in moved["templating"]["list"]:
        if variable["name"] == ADDRESS_VARIABLE:
            variable["query"] = address
            variable["current"] |= {"text": address, "value": address}
    return moved


def playlist() -> dict[str, Any]:
    """Give the playlist for a wall, as `POST /api/playlists` takes it: Grafana has no file for playlists."""
    found: dict[str, Any] = json.loads((DRAWN / "playlist.json").read_text(encoding="utf-8"))
    return found


def _shipped(path: Path, folder: Folder) -> Shipped:
    drawn = json.loads(path.read_text(encoding="utf-8"))
    return Shipped(drawn["uid"], drawn["title"], folder, drawn)
