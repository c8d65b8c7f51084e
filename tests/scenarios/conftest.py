"""Lets the scenarios import their river, and gives each one a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = str(Path(__file__).parent)
if FOLDER not in sys.path:
    sys.path.append(FOLDER)

from river import River, river_city  # noqa: E402 - found by the path above


@pytest.fixture
def river(tmp_path: Path, hue: Path) -> Iterator[Callable[..., River]]:
    """Give a function that makes a river of stations, with all that is real behind it."""
    made: list[River] = []

    def make(*stations: Any, start_at: int, **more: Any) -> River:
        folder = tmp_path / f"river-{len(made)}"
        folder.mkdir()
        made.append(River(folder, lambda *edited: river_city(hue, *(edited or stations)), start_at, **more))
        return made[-1]

    yield make
    for one in made:
        one.stop()
