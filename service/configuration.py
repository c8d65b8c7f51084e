"""
The files of a city's folder -> documents -> all that the programs need to know of the city.

Rule 1: `canhbao ingest` alone reads the folder; what it has applied stands in the spool, and the other programs build the city from there.
Rule 2: a city is applied whole or not at all; every problem of every file is told at once.
Rule 3: the revision depends on what the files say, not on their comments, order of fields or line ends.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from devices.documents import ConfigurationError, Document, Documents, Problem, read_json, read_yaml

if TYPE_CHECKING:
    from alerts.policy import Policy
    from alerts.texts import Texts
    from devices.registry import Registry
    from rules.definition import Rule

T = TypeVar("T")

REQUIRED = ("city.yaml", "wards.yaml", "stations.yaml", "devices.yaml", "policy.yaml", "map.json")
FOLDERS = ("rules", "texts")
"""Folders with any number of YAML files."""
APART = ("scenarios",)
"""Folders that are not part of what is applied."""


@dataclass(frozen=True, slots=True)
class City:
    """A city's configuration, checked."""

    revision: str
    """16 hexadecimal digits; equal for equal content."""
    documents: Documents
    registry: Registry
    rules: tuple[Rule, ...]
    policy: Policy
    texts: Texts


@dataclass(frozen=True, slots=True)
class Watched:
    """The part of a city that judging readings needs, and the whole as text, for the spool."""

    revision: str
    documents: str
    """The content of all files by name, as JSON; empty where the spool has it."""
    registry: Registry
    rules: tuple[Rule, ...]


def read_city(folder: Path) -> Documents:
    """
    Read the files of a city.

    Args:
        folder: for example config/hue.

    Returns:
        The documents by name relative to the folder, such as `rules/river-levels.yaml`.

    Raises:
        ConfigurationError: for each file that is missing, not known here, or not YAML (map.json: JSON).
    """
    if not folder.is_dir():
        raise ConfigurationError([Problem(str(folder), None, "", "there is no such folder; name a city's folder, for example config/hue")])
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not _is_apart(path.relative_to(folder))
    )
    problems = [problem for name in names if (problem := _misplaced(name))]
    problems += [
        Problem(name, None, "", "this file is missing; add it, see docs/reference/city.md") for name in REQUIRED if name not in names
    ]
    documents: dict[str, Document] = {}
    for name in names:
        try:
            documents[name] = _read(folder, name)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return documents


def build(documents: Documents) -> City:
    """
    Build a city from its documents, wherever they came from.

    Raises:
        ConfigurationError: with the problems of all rooms.
    """
    # A program that only hands documents on needs none of these.
    from alerts.policy import policy_of
    from alerts.texts import texts_of
    from devices.city import registry_of
    from rules.definition import rules_of

    problems: list[Problem] = []
    registry = _collect(lambda: registry_of(documents), problems)
    rules = _collect(lambda: rules_of(documents, registry), problems) if registry is not None else None
    policy = _collect(lambda: policy_of(documents, registry), problems)
    texts = _collect(lambda: texts_of(documents, registry), problems)
    if registry is None or rules is None or policy is None or texts is None:
        raise ConfigurationError(problems)
    return City(revision_of(documents), documents, registry, rules, policy, texts)


def watched(revision: str, documents: Documents) -> Watched:
    """Build what judging readings needs from documents that were checked and are in the spool as this revision; raises ConfigurationError."""
    from devices.city import registry_of
    from rules.definition import rules_of

    registry = registry_of(documents)
    return Watched(revision, "", registry, rules_of(documents, registry))


def to_apply(city: City) -> Watched:
    """Give what judging readings needs of a checked city, with its text, to be applied."""
    return Watched(city.revision, text_of(city.documents), city.registry, city.rules)


def load_city(folder: Path) -> City:
    """Read and build in one step; raises ConfigurationError."""
    return build(read_city(folder))


def to_snapshot(documents: Documents) -> dict[str, Any]:
    """Give documents as plain JSON values by file name, as the spool keeps them."""
    return {name: documents[name].content for name in sorted(documents)}


def text_of(documents: Documents) -> str:
    """Give documents as the text that the spool keeps."""
    return json.dumps(to_snapshot(documents), ensure_ascii=False)


def from_snapshot(snapshot: Mapping[str, Any]) -> Documents:
    """Give the documents of a snapshot; their lines are not known."""
    return {name: Document(name, content) for name, content in snapshot.items()}


def revision_of(documents: Documents) -> str:
    """Give 16 hexadecimal digits of BLAKE2b over the canonical JSON of what the documents say."""
    text = json.dumps(to_snapshot(documents), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _read(folder: Path, name: str) -> Document:
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError([Problem(name, None, "", f"this is not UTF-8 text (byte {error.start}); save it as UTF-8")]) from error
    except OSError as error:
        raise ConfigurationError(
            [Problem(name, None, "", f"it cannot be read: {error.strerror}; make it readable for this user")]
        ) from error
    return read_json(name, text) if name.endswith(".json") else read_yaml(name, text)


def _is_apart(path: Path) -> bool:
    return path.parts[0] in APART or any(part.startswith(".") for part in path.parts) or path.suffix in {".md", ".txt"}


def _misplaced(name: str) -> Problem | None:
    path = PurePosixPath(name)
    if name in REQUIRED or (len(path.parts) == 2 and path.parts[0] in FOLDERS and path.suffix == ".yaml"):
        return None
    near = difflib.get_close_matches(name, REQUIRED, n=1)
    fix = f"did you mean {near[0]}?" if near else "rules stand in rules/*.yaml and texts in texts/*.yaml; move or remove it"
    return Problem(name, None, "", f"no file of this name belongs to a city; {fix}")


def _collect(make: Callable[[], T], problems: list[Problem]) -> T | None:
    try:
        return make()
    except ConfigurationError as error:
        problems += [problem for problem in error.problems if problem not in problems]
        return None
