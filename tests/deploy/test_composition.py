"""What docker-compose.yml promises is there and fits: files, commands, variables, ports, secrets; nothing runs as root and little is open."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from rig.composition import Machine, services
from service.secrets import make_secrets
from service.settings import Settings, load_settings
from service.settings_sources import unknown_variables

OURS = ("ingest", "archive", "serve", "web")
LASTING = (*OURS, "mosquitto", "influxdb", "grafana")
MOMENTARY = ("prepare", "influxdb-init")
ASKED = ("selftest",)
"""Runs only when somebody asks for it."""


class Loader(yaml.SafeLoader):
    """Reads the tags of docker compose as what they stand before."""


Loader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def loaded(path: Path) -> dict[str, Any]:
    return dict(yaml.load(path.read_text(encoding="utf-8"), Loader))


@pytest.fixture(scope="module")
def composition(root: Path) -> dict[str, Any]:
    return loaded(root / "docker-compose.yml")


@pytest.mark.parametrize("file", ["docker-compose.yml", "compose.override.example.yml"])
def test_the_files_follow_the_compose_specification(root: Path, file: str) -> None:
    schema = json.loads((root / "tests/deploy/data/compose-spec.json").read_text())

    problems = [f"{'/'.join(map(str, each.absolute_path))}: {each.message}" for each in _problems(schema, loaded(root / file))]

    assert problems == []


def _problems(schema: dict[str, Any], content: dict[str, Any]) -> Iterator[Any]:
    return Draft202012Validator(schema).iter_errors(json.loads(json.dumps(content)))


# ---- what is used is there


def test_every_mounted_file_is_there_and_make_secrets_makes_the_others(tmp_path: Path) -> None:
    make_secrets(tmp_path, ["wl-kim-long"], ["localhost"])

    missing = []
    for service in services().values():
        for target, source in service.mounts.items():
            place = Machine(tmp_path / "volumes", tmp_path, {}, frozenset()).place(service, target)
            if source.startswith("./") and not place.exists():
                missing.append(f"{service.name}: {source}")

    assert missing == []


def test_every_variable_of_ours_is_a_setting_and_every_path_in_one_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_secrets(tmp_path, ["wl-kim-long"], ["localhost"])
    machine = Machine(tmp_path / "volumes", tmp_path, {port: port for port in (1883, 8080, 8081, 8086)}, frozenset(services()))
    for name in (*OURS, "influxdb-init"):
        with monkeypatch.context() as patch:
            for variable, value in machine.environment(services()[name]).items():
                patch.setenv(variable, value)
            assert unknown_variables(Settings) == []
            settings = load_settings()
        assert settings.city.name == "hue"
        assert settings.data.parent in {tmp_path / "volumes", tmp_path}


def test_every_command_of_ours_exists() -> None:
    import typer

    from service.cli import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name in OURS:
        assert services()[name].words == (name,)
        assert name in commands
    assert services()["influxdb-init"].words[:2] == ("archive", "init")
    assert "init" in commands["archive"].commands
    assert services()["selftest"].words[:2] == ("broker", "selftest")
    assert "selftest" in commands["broker"].commands


def test_the_paths_that_the_broker_and_grafana_read_are_mounted(root: Path) -> None:
    for service, files in (
        ("mosquitto", root.glob("docker/mosquitto/**/*.conf")),
        ("grafana", root.glob("grafana/provisioning/**/*.yaml")),
    ):
        mounted = Machine(root, root, {}, frozenset())
        lines = [line for file in files if "2.0" not in file.parts for line in file.read_text().splitlines() if not line.startswith("#")]
        paths = {found for line in lines for found in re.findall(r"(?<![:/\w])/(?:mosquitto|run|etc)/[\w./-]+", line)}
        assert paths, service
        for path in paths:
            mounted.place(services()[service], path)


def test_what_grafana_reads_from_its_environment_is_given(root: Path) -> None:
    text = "".join(path.read_text() for path in root.glob("grafana/provisioning/**/*.yaml"))

    assert set(re.findall(r"\$__env\{(\w+)\}", text)) <= set(services()["grafana"].environment)


def test_who_waits_for_health_waits_for_one_that_tells_it(composition: dict[str, Any]) -> None:
    for name, service in composition["services"].items():
        for other, wanted in service.get("depends_on", {}).items():
            needed = composition["services"][other]
            assert wanted["condition"] != "service_healthy" or "healthcheck" in needed, f"{name} waits for {other}"
            assert (wanted["condition"] == "service_completed_successfully") == (other in MOMENTARY), f"{name} waits for {other}"


def test_without_influxdb_everything_starts_but_what_shows_it(composition: dict[str, Any]) -> None:
    def needed(name: str) -> set[str]:
        others = composition["services"][name].get("depends_on", {})
        return {*others, *(each for other in others for each in needed(other))}

    assert {name for name in composition["services"] if "influxdb" in needed(name)} == {"influxdb-init", "grafana"}


def test_what_is_only_run_when_asked_for_is_not_started_with_the_others(composition: dict[str, Any]) -> None:
    found = composition["services"]

    assert set(found) == {*LASTING, *MOMENTARY, *ASKED}
    assert {name for name, each in found.items() if "profiles" in each} == set(ASKED)
    assert {found[name]["restart"] for name in ASKED} == {"no"}


# ---- little is open, nobody is root


def test_nothing_is_published_but_devices_page_and_grafana(composition: dict[str, Any]) -> None:
    published = {name: each["ports"] for name, each in composition["services"].items() if "ports" in each}

    assert {name: [port.rpartition(":")[2] for port in ports] for name, ports in published.items()} == {
        "mosquitto": ["8883"],
        "web": ["8080"],
        "grafana": ["3000"],
    }
    assert composition["networks"]["inside"] == {"internal": True}
    assert {name for name, each in composition["services"].items() if "outside" in each.get("networks", ())} == {*published, "serve"}


def test_on_a_laptop_everything_is_published_to_the_machine_itself_alone(root: Path, composition: dict[str, Any]) -> None:
    example = loaded(root / "compose.override.example.yml")["services"]

    assert set(example) <= set(composition["services"])
    assert all(port.startswith("127.0.0.1:") for each in example.values() for port in each.get("ports", ()))


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_is_restrained_watched_and_started_again(composition: dict[str, Any], name: str) -> None:
    service = composition["services"][name]

    assert service["user"].startswith("${STACK_UID:-10001}:")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["restart"] == "always", "others stay down when they end after a HUP by `docker compose kill`"
    assert service["mem_limit"]
    assert service["healthcheck"]["test"]
    assert re.fullmatch(r"[\w/-]+:\d+\.\d+[\w.-]*", service["image"]), "an image is named with its version, and no registry"


def test_the_only_root_lasts_a_moment_without_a_network(composition: dict[str, Any]) -> None:
    roots = [name for name, each in composition["services"].items() if each["user"].startswith("0")]

    assert roots == ["prepare"]
    assert composition["services"]["prepare"]["network_mode"] == "none"
    assert composition["services"]["prepare"]["cap_add"] == ["CHOWN"]
    assert set(composition["volumes"]) == set(services()["prepare"].mounts.values())
    assert set(services()["prepare"].mounts) == {word for word in services()["prepare"].words if word.startswith("/")}


def test_a_health_check_of_ours_asks_about_its_own_program(composition: dict[str, Any]) -> None:
    from service.health import WELL

    assert set(WELL) == set(OURS)
    for name in OURS:
        assert composition["services"][name]["healthcheck"]["test"] == ["CMD", "canhbao", "status", "--only", name]


def test_a_program_that_does_not_run_is_not_healthy(tmp_path: Path, free_port: Callable[[], int]) -> None:
    environment = {**os.environ, "CANHBAO_WEB__PORT": str(free_port())}
    for name, status in (("ingest", 1), ("archive", 1), ("web", 1), ("broker", 2)):
        command = [sys.executable, "-m", "service.cli", "status", "--only", name, "--data", str(tmp_path)]
        assert subprocess.run(command, check=False, env=environment, capture_output=True, timeout=60).returncode == status, name


# ---- the image


def copied(root: Path) -> set[str]:
    lines = [
        line.split()[1:-1] for line in (root / "Dockerfile").read_text().splitlines() if line.startswith("COPY ") and "--from" not in line
    ]
    return {name for names in lines for name in names}


def test_secrets_reach_neither_git_nor_an_image(root: Path) -> None:
    assert {"secrets/", ".env", "compose.override.yml", "backups/"} <= set((root / ".gitignore").read_text().splitlines())
    allowed = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert (root / ".dockerignore").read_text().splitlines()[1] == "*"
    assert allowed == copied(root)


def test_the_image_holds_what_the_wheel_packs(root: Path) -> None:
    packaged = set(tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])

    assert packaged <= copied(root)
    assert all((root / name).exists() for name in copied(root))


def test_the_image_takes_the_very_packages_that_the_tests_run_with(root: Path) -> None:
    whole, runtime = pins(root / "requirements.lock"), pins(root / "requirements.runtime.lock")

    assert set(runtime.items()) <= set(whole.items()), "run `make lock`"
    wanted = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[<>=; \[]", each)[0] for each in wanted} <= set(runtime)


def pins(lock: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Give version and hashes of each package."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)(.*?)(?=^[a-z]|\Z)", lock.read_text(), re.MULTILINE | re.DOTALL)
    return {name: (version, frozenset(re.findall(r"sha256:\w+", rest))) for name, version, rest in found}


def test_neither_image_nor_composition_names_a_registry(root: Path) -> None:
    for file in ("Dockerfile", "docker-compose.yml", "compose.override.example.yml"):
        hosts = set(re.findall(r"\w+://([\w.-]+)", (root / file).read_text()))
        assert hosts <= {"influxdb", "grafana", "127.0.0.1"}, file
