"""The units of systemd, as the alternative to containers: systemd reads them without a word, and they start what there is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = ("canhbao@.service", "canhbao.target", "canhbao-backup.service", "canhbao-backup.timer")


@pytest.mark.systemd
def test_systemd_finds_nothing_to_say(tmp_path: Path, root: Path) -> None:
    installed = str(Path(sys.executable).parent.parent.parent)
    for name in UNITS:
        text = (root / "deploy" / "systemd" / name).read_text(encoding="utf-8")
        text = text.replace("/opt/canhbao/.venv/bin/canhbao", str(Path(sys.executable).with_name("canhbao"))).replace(
            "/opt/canhbao", installed
        )
        for outside in ("mosquitto.service", "influxdb.service"):  # of the distribution, which need not be installed here
            text = text.replace(f" {outside}", "")
        (tmp_path / name.replace("@.", "@ingest.")).write_text(text, encoding="utf-8")
    for name in ("archive", "serve", "web"):
        shutil.copy(tmp_path / "canhbao@ingest.service", tmp_path / f"canhbao@{name}.service")

    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(path) for path in sorted(tmp_path.iterdir()))],
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    ours = [line for line in said.stderr.splitlines() if "canhbao" in line]
    assert ours == []
    assert said.returncode == 0, said.stderr


def test_the_target_starts_the_four_programs(root: Path) -> None:
    from service.running import PROGRAMS

    wanted = re.findall(r"canhbao@(\w+)\.service", (root / "deploy/systemd/canhbao.target").read_text())

    assert tuple(wanted) == PROGRAMS


def test_commands_of_units_exist(root: Path) -> None:
    import typer

    from service.cli import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    spoken = {word for path in (root / "deploy/systemd").iterdir() for word in re.findall(r"bin/canhbao ([a-z]+)", path.read_text())}

    assert spoken == {"backup"}
    assert spoken <= set(commands)
