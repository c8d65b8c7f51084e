"""
A city's folder -> every file that is committed: dashboards in both languages, the folders of Grafana, the playlist, the shapes of the wards.

Rule 1: the same folder gives the same bytes, so that a difference is a change of the city or of this code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
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
from grafana.shipped import ADDRESS, Folder, at_address

Draw: TypeAlias = Callable[[Registry, str, Tongue], Sheet]
SHEETS: tuple[Draw, ...] = (city, station, air, devices, pipeline)
DOCUMENTS = ("city.yaml", "wards.yaml", "stations.yaml", "devices.yaml")
ON_THE_WALL = ("city", "station", "air", "pipeline")
EACH = "1m"
"""How long a wall shows one dashboard."""
JSON = "dashboards/json"
_PROVIDERS = """\
# The dashboards, a folder a language; drawn with them (docs/grafana.md), because a folder has the name of the city.
# What is provisioned is not edited in Grafana: copy a dashboard to change it.
apiVersion: 1

providers:
"""
_PROVIDER = """\
  - name: {uid}
    folder: {title}
    folderUid: {uid}
    type: file
    disableDeletion: true
    allowUiUpdates: false
    updateIntervalSeconds: 60
    options:
      path: /etc/canhbao/dashboards/{language}
"""


def files_of(folder: Path, operators: str = ADDRESS) -> Iterator[tuple[str, str]]:
    """
    Draw everything for a city.

    Args:
        folder: of the city's configuration.
        operators: address at which operators open their pages.

    Yields:
        Path below `grafana/`, and text.

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
            plain = json.loads(_text(drawn(sheet, language, registry.time_zone, t).build()))
            yield f"{JSON}/{language}/{sheet.name}.json", _text(at_address(plain, operators))
    folders = [_folder(registry, language) for language in LANGUAGES]
    yield f"{JSON}/folders.json", _text([asdict(each) for each in folders])
    yield "provisioning/dashboards/canhbao.yaml", _PROVIDERS + "".join(map(_provider, folders))
    yield f"{JSON}/playlist.json", _text(_playlist(titles))
    yield f"{JSON}/wards.geojson", _text(shapes_of(json.loads((folder / "map.json").read_text(encoding="utf-8")), registry), indent=None)


def _folder(registry: Registry, language: str) -> Folder:
    t, city = tongue(language), registry.city[language]
    return Folder(f"canhbao-{language}", t(f"Cảnh báo {city}", f"Warnings, {city}"), language)


def _provider(folder: Folder) -> str:
    title = json.dumps(folder.title, ensure_ascii=False).replace("$", "$$")  # which Grafana would take for a variable
    return _PROVIDER.format(uid=folder.uid, title=title, language=folder.language)


def _playlist(titles: dict[str, str]) -> dict[str, Any]:
    shown = [uid_of(name, "vi") for name in ON_THE_WALL]
    items = [{"type": "dashboard_by_uid", "value": uid, "title": titles[uid]} for uid in shown]
    return {"name": "Canhbao: màn hình trung tâm", "interval": EACH, "items": items}


def _text(value: object, indent: int | None = 1) -> str:
    separators = None if indent is not None else (",", ":")
    return json.dumps(value, cls=JSONEncoder, ensure_ascii=False, indent=indent, sort_keys=True, separators=separators) + "\n"
