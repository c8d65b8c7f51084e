"""
A city's folder -> the committed files of `grafana/dashboards/json`.

Usage: python -m grafana.dashboards [CITY [FOLDER]], for example: python -m grafana.dashboards config/hue
"""

from __future__ import annotations

import sys
from pathlib import Path

from grafana.dashboards.drawing import files_of
from grafana.shipped import DRAWN


def main(city: str = "config/hue", folder: str = str(DRAWN)) -> None:
    """Write what was drawn; a file that is no longer drawn is left for a person to remove."""
    for name, text in files_of(Path(city)):
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


main(*sys.argv[1:])
