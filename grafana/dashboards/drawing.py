"""
A city's folder -> every file that is committed: dashboards in both languages, the playlist, the shapes of the wards.

Rule 1: the same folder gives the same bytes, so that a difference is a change of the city or of this code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from devices.city import registry_of
from devices.documents import read_yaml
from devices.registry import Registry
from grafana.dashboards.air import air
from grafana.dashboards.city import city
from grafana.dashboards.devices import devices
from grafana.dashboards.frame import Sheet, drawn, uid_of
from grafana.dashboards.pipeline import pipeline
from grafana.dashboards.shapes import shapes_of
from grafana.dashboards.station import station
from grafana.dashboards.words import LANGUAGES, Tongue, tongue

Draw: TypeAlias = Callable[[Registry, str, Tongue], Sheet]
SHEETS: tuple[Draw, ...] = (city, station, air, devices, pipeline)
DOCUMENTS = ("city.yaml", "wards.yaml", "stations.yaml", "devices.yaml")
ON_THE_WALL = ("city", "station", "air", "pipeline")
EACH = "1m"
"""How long a wall shows one dashboard."""


def files_of(folder: Path) -> Iterator[tuple[str, str]]:
    """
    Draw everything for a city.

    Args:
        folder: of the city's configuration.

    Yields:
        Path below `grafana/dashboards/json`, and text.

    Raises:
        ConfigurationError: the folder is no city.
    """
    registry = registry_of({name: read_yaml(name, (folder / name).read_text(encoding="utf-8")) for name in DOCUMENTS})
    titles: dict[str, str] = {}
    for language in LANGUAGES:
        t = tongue(language)
        for draw in SHEETS:
            sheet = draw(registry, language, t)
            titles[uid_of(sheet.name, language)] = sheet.title
            yield f"{language}/{sheet.name}.json", _text(drawn(sheet, language, registry.time_zone, t).build())
    yield "playlist.json", _text(_playlist(titles))
    yield "wards.geojson", _text(shapes_of(json.loads((folder / "map.json").read_text(encoding="utf-8")), registry), indent=None)


def _playlist(titles: dict[str, str]) -> dict[str, Any]:
    shown = [uid_of(name, "vi") for name in ON_THE_WALL]
    items = [{"type": "dashboard_by_uid", "value": uid, "title": titles[uid]} for uid in shown]
    return {"name": "Canhbao: màn hình trung tâm", "interval": EACH, "items": items}


def _text(value: object, indent: int | None = 1) -> str:
    separators = None if indent is not None else (",", ":")
    return json.dumps(value, cls=JSONEncoder, ensure_ascii=False, indent=indent, sort_keys=True, separators=separators) + "\n"
