"""
Names of settings -> where they are given, what is not known, and secrets read from their files; for any model of settings.

Rule 1: a mistake is said with the setting, the place where it is set, and the fix.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard, get_args

from pydantic import BaseModel, SecretStr

from service.exits import CommandError, Exit

PREFIX = "CANHBAO_"
FILE_VARIABLE = "CANHBAO_FILE"
DEFAULT_FILE = "canhbao.toml"
_REFERENCE = "see docs/reference/settings.md"


class SettingsError(CommandError):
    """Settings that cannot be used; the text says which one, where to set it, and how."""

    status = Exit.CONFIGURATION


def settings_file() -> Path:
    """Give the path of the settings file, which need not exist."""
    return Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE))


def with_secrets(model: type[BaseModel], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Replace the names of files that hold secrets (`password_file`) by what they hold; raises SettingsError."""
    found = dict(values)
    for name, field in model.model_fields.items():
        place = f"{where}{name}"
        if isinstance(found.get(name), Mapping) and _is_section(field.annotation):
            found[name] = with_secrets(field.annotation, found[name], f"{place}.")
        elif isinstance(found.get(name), Mapping) and is_secret(field.annotation):
            found[name] = _each_read(dict(found[name]), [str(key).removesuffix("_file") for key in found[name]], f"{place}.")
        elif is_secret(field.annotation):
            found = _each_read(found, [name], where)
    return found


def leaves(model: type[BaseModel], where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give the way to each single setting and its field, in order."""
    for name, field in model.model_fields.items():
        if _is_section(field.annotation):
            yield from leaves(field.annotation, (*where, name))
        else:
            yield (*where, name), field


def variable(where: tuple[str, ...]) -> str:
    """Give the environment variable of a setting: ("broker", "port") -> CANHBAO_BROKER__PORT."""
    return PREFIX + "__".join(where).upper()


def unknown_variables(model: type[BaseModel]) -> list[str]:
    """Give a sentence for each variable of the environment that looks like a setting and is none."""
    return [_unknown(model, name) for name in os.environ if name.startswith(PREFIX) and not _is_known(model, name)]


def problem(model: type[BaseModel], location: tuple[int | str, ...], message: str, kind: str) -> str:
    """Give a sentence for something that pydantic found."""
    parts = tuple(str(part) for part in location)
    place = ".".join(parts)
    if kind != "extra_forbidden":
        return f"{place}: {message[:1].lower()}{message[1:]}; set it in {settings_file()} or as {variable(parts)}"
    near = difflib.get_close_matches(place, [".".join(where) for where, _ in leaves(model)], n=1)
    return f"{place} is not a setting; " + (f"did you mean {near[0]}?" if near else f"remove it from {settings_file()}, or {_REFERENCE}")


def _unknown(model: type[BaseModel], name: str) -> str:
    near = difflib.get_close_matches(name, _names(model), n=1)
    return f"the environment variable {name} is not a setting; " + (f"did you mean {near[0]}?" if near else f"unset it, or {_REFERENCE}")


def _each_read(found: dict[str, Any], names: Iterable[str], where: str) -> dict[str, Any]:
    for name in names:
        if f"{name}_file" not in found:
            continue
        if name in found:
            raise SettingsError(f"both {where}{name} and {where}{name}_file are given; keep one of them")
        found[name] = _secret(Path(str(found.pop(f"{name}_file"))), f"{where}{name}")
    return found


def _secret(path: Path, place: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"{place}_file names {path}, which cannot be read ({error.strerror}); write the secret there, readable for this user"
        ) from error


def _is_section(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def is_secret(kind: Any) -> bool:
    """Tell whether a setting holds a secret, or secrets by name."""
    return kind is SecretStr or SecretStr in get_args(kind)


def _names(model: type[BaseModel]) -> set[str]:
    names = {FILE_VARIABLE}
    for where, field in leaves(model):
        names.add(variable(where))
        if is_secret(field.annotation):
            names.add(f"{variable(where)}_FILE")
    return names


def _is_known(model: type[BaseModel], name: str) -> bool:
    by_name = [variable(where) for where, field in leaves(model) if is_secret(field.annotation) and field.annotation is not SecretStr]
    return name in _names(model) or any(name.startswith(f"{each}__") for each in by_name)
