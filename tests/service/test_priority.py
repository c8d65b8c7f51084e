"""Who goes first when the processor is short."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASK = "import os; from service.priority import give_way; before = os.nice(0); give_way({name!r}); print(os.nice(0) - before)"


@pytest.mark.parametrize(("name", "steps"), [("ingest", 0), ("serve", 0), ("archive", 10), ("web", 10)])
def test_showing_and_moving_on_give_way_to_taking_in_and_warning(name, steps):
    said = subprocess.run([sys.executable, "-c", ASK.format(name=name)], capture_output=True, text=True, check=True)

    assert int(said.stdout) == steps
