"""
A city's folder -> the files of `grafana/` that are drawn: dashboards, and the folders of Grafana in which they are.

Usage: python -m grafana.dashboards [CITY [FOLDER]] [--operators URL], for example: python -m grafana.dashboards config/hue
"""

from __future__ import annotations

import argparse
from pathlib import Path

from grafana.dashboards.drawing import files_of
from grafana.shipped import ADDRESS, ROOM, address_of


def main() -> None:
    """Write what was drawn; a file that is no longer drawn is left for a person to remove."""
    parser = argparse.ArgumentParser(prog="python -m grafana.dashboards", description="Draw the dashboards of a city.")
    parser.add_argument("city", nargs="?", default=Path("config/hue"), type=Path, help="folder of its configuration")
    parser.add_argument("folder", nargs="?", default=ROOM, type=Path, help="where to write; without one, the committed files")
    parser.add_argument("--operators", default=ADDRESS, metavar="URL", help="address at which operators open their pages")
    given = parser.parse_args()
    try:
        address = address_of(given.operators)
    except ValueError as error:
        parser.error(str(error))
    for name, text in files_of(given.city, address):
        path = given.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
