"""The configuration of docker-compose.yml without containers: the flood of October 2025 through Mosquitto, InfluxDB and the four programs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
@pytest.mark.mosquitto
@pytest.mark.influx
@pytest.mark.timeout(280)
def test_a_flood_through_the_real_stack_is_told_to_its_end_and_influxdb_has_every_reading(
    tmp_path: Path, root: Path, influxd: Any, free_port: Callable[[], int]
) -> None:
    pages = {"CANHBAO_WEB__PORT": str(free_port()), "CANHBAO_OPERATORS__PORT": str(free_port())}
    command = [sys.executable, "-m", "rig.stack", "--until-end", "--plain", "--speed", "36000", "--data", str(tmp_path / "data")]

    done = subprocess.run(
        command, check=False, env={**os.environ, **pages, "INFLUXD": influxd.program}, cwd=root, capture_output=True, text=True, timeout=260
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "InfluxDB has all 33507 readings that were archived." in done.stdout
    assert "everybody who was warned was told the end" in done.stdout


@pytest.mark.parametrize("lacking", ["mosquitto", "influxd"])
def test_what_is_not_installed_is_said_with_the_fix(tmp_path: Path, root: Path, lacking: str) -> None:
    environment = {**os.environ, "PATH": str(tmp_path), "INFLUXD": str(tmp_path / "influxd")}
    if lacking == "influxd":
        environment["PATH"] += ":/usr/sbin:/usr/bin:/bin"
    done = subprocess.run(
        [sys.executable, "-m", "rig.stack"], check=False, env=environment, cwd=root, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 69
    assert "there is no " in done.stderr
    assert "install it" in done.stderr
