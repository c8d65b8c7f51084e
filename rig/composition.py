"""
docker-compose.yml -> its services as values, and each of them on this machine: other paths, hosts and ports, every other word as it is shipped.

Rule 1: a path of a container that nothing is mounted at is an error: what would be missing in the container is missing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parent.parent
FILE = PROJECT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the file."""

    name: str
    words: tuple[str, ...]
    """Entrypoint and command."""
    environment: Mapping[str, str]
    mounts: Mapping[str, str]
    """Path in the container -> `./path` of the project, or the name of a volume; secrets among them."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where things are instead."""

    volumes: Path
    """Folder with a folder for each volume."""
    secrets: Path
    """Stands for ./secrets."""
    ports: Mapping[int, int]
    """Port in a container -> port of 127.0.0.1."""
    hosts: frozenset[str]
    """Names of services."""

    def place(self, service: Service, path: str) -> Path:
        """Give what stands for a path of a container; raises LookupError where nothing is mounted there."""
        for target in sorted(service.mounts, key=len, reverse=True):
            if PurePosixPath(path).is_relative_to(target):
                return self._source(service.mounts[target]) / PurePosixPath(path).relative_to(target)
        raise LookupError(f"{service.name} uses {path}, and docker-compose.yml mounts nothing there")

    def environment(self, service: Service) -> dict[str, str]:
        """Give the environment of a service on this machine."""
        return {name: self._value(service, name, value) for name, value in service.environment.items()}

    def words(self, service: Service) -> list[str]:
        """Give entrypoint and command on this machine."""
        return [self._word(service, word) for word in service.words]

    def _source(self, source: str) -> Path:
        if not source.startswith("./"):
            return self.volumes / source
        if source.startswith("./secrets/"):
            return self.secrets / source.removeprefix("./secrets/")
        return PROJECT / source

    def _value(self, service: Service, name: str, value: str) -> str:
        if name.endswith("PORT"):
            return str(self.ports[int(value)])
        if value == "0.0.0.0" or value in self.hosts:
            return "127.0.0.1"
        if found := re.fullmatch(r"http://([a-z]+):(\d+)", value):
            assert found[1] in self.hosts, f"{service.name}: {name} names {found[1]}, which is no service"
            return f"http://127.0.0.1:{self.ports[int(found[2])]}"
        return str(self.place(service, value)) if value.startswith("/") else value

    def _word(self, service: Service, word: str) -> str:
        option, sign, value = word.partition("=")
        if sign and value.startswith(":"):
            return f"{option}=127.0.0.1:{self.ports[int(value[1:])]}"
        if sign and value.startswith("/"):
            return f"{option}={self.place(service, value)}"
        return str(self.place(service, word)) if word.startswith("/") else word


def services(file: Path = FILE, variables: Mapping[str, str] | None = None) -> dict[str, Service]:
    """
    Read a composition.

    Args:
        file: of docker compose, without tags of its own.
        variables: for `${NAME:-default}`.

    Returns:
        Every service, by name.
    """
    text = _VARIABLE.sub(lambda found: (variables or {}).get(found[1], found[2]), file.read_text(encoding="utf-8"))
    content = yaml.safe_load(text)
    return {name: _service(name, each, content["secrets"]) for name, each in content["services"].items()}


def _service(name: str, given: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> Service:
    mounts = dict(_mount(each) for each in given.get("volumes", ()))
    mounts |= {f"/run/secrets/{each}": secrets[each]["file"] for each in given.get("secrets", ())}
    words: Sequence[str] = (*given.get("entrypoint", ()), *given.get("command", ()))
    return Service(name, tuple(words), dict(given.get("environment", {})), mounts)


def _mount(given: str | Mapping[str, Any]) -> tuple[str, str]:
    if isinstance(given, str):
        source, target, *_ = given.split(":")
        return target, source
    return str(given["target"]), str(given["source"])
