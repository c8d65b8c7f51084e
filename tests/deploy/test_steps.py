"""The steps of docs/deploy.md that need no container, in their order, for another city; and what else of the Makefile starts the real stack."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from rig.composition import services

CITY, DEVICE = "da-nang", "wl-cam-le"
OF_MAKE = ("ARGS", "STACK", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
"""What a `make` that runs these tests hands on."""


def clean(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in OF_MAKE and not name.startswith("CANHBAO_")}
    return {**kept, **more}


@pytest.fixture
def server(tmp_path: Path, root: Path) -> Path:
    """Give a folder after step 2, with a city of its own, and a `docker` that only says how it was called."""
    folder = tmp_path / "canhbao"
    shutil.copytree(root / "config" / "hue", folder / "config" / CITY)
    for file in folder.glob("config/**/*.yaml"):
        file.write_text(file.read_text(encoding="utf-8").replace("wl-kim-long", DEVICE), encoding="utf-8")
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(root / name, folder)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "canhbao").symlink_to(Path(sys.executable).with_name("canhbao"))
    (folder / ".venv" / ".ready").touch()
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\necho "$@" >> "$0.said"\n')
    docker.chmod(0o755)
    return folder


def follow(server: Path, root: Path, command: str) -> None:
    """Run a command, which the steps must name."""
    named = re.sub(rf"{DEVICE}(-\d)?", "DEVICE", command.replace(CITY, "NAME"))
    assert f"`{named}`" in steps(root), f"docs/deploy.md does not say `{named}`"
    run(server, shlex.split(command))


def run(server: Path, words: list[str]) -> str:
    path = f"{server.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(words, check=False, cwd=server, env=clean(PATH=path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def steps(root: Path) -> str:
    return (root / "docs" / "deploy.md").read_text(encoding="utf-8").partition("## Ten steps")[2].partition("\n## ")[0]


def variables(server: Path) -> Mapping[str, str]:
    return dict(line.split("=", 1) for line in (server / ".env").read_text().splitlines())


def users(file: Path) -> set[str]:
    return {line.partition(":")[0] for line in file.read_text().splitlines()}


# ---- the steps


def test_another_city_is_that_of_users_and_containers(server: Path, root: Path) -> None:
    assert "`STACK_CITY=NAME`" in steps(root)
    (server / ".env").write_text(f"STACK_CITY={CITY}")  # step 3; not every editor ends the line
    follow(server, root, f".venv/bin/canhbao check config/{CITY}")
    for _ in range(2):
        follow(server, root, 'make secrets ARGS="--host mqtt.example.org"')

        assert (server / ".env").read_text() == f"STACK_CITY={CITY}\nSTACK_UID={(server / 'secrets').stat().st_uid}\n"
        for file in ("users/passwords", "devices"):
            assert DEVICE in users(server / "secrets" / file)
            assert "wl-kim-long" not in users(server / "secrets" / file)
    assert services(variables=variables(server))["ingest"].environment["CANHBAO_CITY"] == f"/config/{CITY}"


@pytest.mark.parametrize(
    ("before", "added", "device"),
    [
        (None, "STACK_UID=", "wl-kim-long"),
        (f"STACK_CITY='{CITY}'\nSTACK_WEB=127.0.0.1:8080\n", "STACK_UID=", DEVICE),
        ("STACK_UID=4242\n", None, "wl-kim-long"),
    ],
)
def test_who_makes_the_secrets_is_the_user_of_containers_unless_env_says_another(
    server: Path, before: str | None, added: str | None, device: str
) -> None:
    if before is not None:
        (server / ".env").write_text(before)

    run(server, ["make", "secrets"])

    line = "" if added is None else f"{added}{(server / 'secrets').stat().st_uid}\n"
    assert (server / ".env").read_text() == (before or "") + line
    assert device in users(server / "secrets" / "devices")


def test_devices_come_and_go_and_the_broker_is_told_each_time(server: Path, root: Path) -> None:
    (server / ".env").write_text(f"STACK_CITY={CITY}\n")
    run(server, ["make", "secrets"])
    devices, said = server / "config" / CITY / "devices.yaml", server.parent / "bin" / "docker.said"
    devices.write_text(devices.read_text(encoding="utf-8").replace("id: wl-phu-oc", f"id: {DEVICE}-3"), encoding="utf-8")

    follow(server, root, "make users")
    assert f"{DEVICE}-3" in users(server / "secrets" / "devices") & users(server / "secrets" / "users" / "passwords")
    follow(server, root, f'make users ARGS="--revoke {DEVICE}-3"')
    assert f"{DEVICE}-3" not in users(server / "secrets" / "devices") | users(server / "secrets" / "users" / "passwords")
    follow(server, root, f'make users ARGS="--rotate {DEVICE}-3"')
    assert f"{DEVICE}-3" in users(server / "secrets" / "devices") & users(server / "secrets" / "users" / "passwords")

    assert said.read_text().splitlines() == ["compose kill -s HUP mosquitto"] * 3


def test_the_command_that_is_shown_is_that_of_make(server: Path, root: Path) -> None:
    (server / ".env").write_text(f"STACK_CITY={CITY}\n")

    told = run(server, ["make", "-n", "users", f"ARGS=--revoke {DEVICE}"]).replace("\\\n", " ").split()

    (block,) = re.findall(r"```sh\n(.*?)```", steps(root), re.DOTALL)
    assert block.replace("NAME", CITY).replace("DEVICE", DEVICE).replace("\\\n", " ").split() == told


def test_the_dashboards_of_another_city_are_drawn_by_the_command_that_is_named(server: Path, root: Path) -> None:
    assert "`.venv/bin/python -m grafana.dashboards config/NAME`" in steps(root)
    stations = server / "config" / CITY / "stations.yaml"
    stations.write_text(stations.read_text(encoding="utf-8").replace("Kim Long", "Cẩm Lệ"), encoding="utf-8")

    run(server, [sys.executable, "-m", "grafana.dashboards", f"config/{CITY}", "drawn"])

    (drawn,) = (server / "drawn").rglob("vi/city.json")
    assert "Cẩm Lệ" in drawn.read_text(encoding="utf-8")


# ---- the real stack


def test_the_real_stack_to_look_at_is_the_one_that_is_checked(root: Path) -> None:
    def last(*words: str) -> list[str]:
        done = subprocess.run(["make", "-n", *words], check=True, cwd=root, env=clean(), capture_output=True, text=True, timeout=60)
        return done.stdout.splitlines()[-1].split()

    looked_at, checked = last("demo", "STACK=real", "ARGS=--speed 60"), last("stack", "ARGS=--speed 60")

    assert looked_at == [".venv/bin/python", "-m", "rig.stack", "--speed", "60"]
    assert [word for word in checked if word not in {"--until-end", "--plain"}] == looked_at
    assert last("demo") == [".venv/bin/canhbao", "demo"]
