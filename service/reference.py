"""
The code -> the pages of docs/reference: settings, the files of a city, rule kinds, channels, commands.

Rule 1: nothing is written by hand that the code knows; `tests/test_docs.py` compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from service.exits import MEANINGS
from service.form_tables import default_of, form_section, kind_of, parts_of, sentence_of, table_of
from service.settings import Settings
from service.settings_sources import DEFAULT_FILE, FILE_VARIABLE, is_secret, leaves, variable

_HEAD = "<!-- Written by `make docs` from the code; changes are lost. -->\n\n"


def reference_pages() -> dict[str, str]:
    """Give the pages by file name."""
    return {
        name: _HEAD + text
        for name, text in (
            ("settings.md", settings_page()),
            ("city.md", city_page()),
            ("rules.md", rules_page()),
            ("channels.md", channels_page()),
            ("commands.md", commands_page()),
        )
    }


def differences(pages: Mapping[str, str], folder: Path) -> list[str]:
    """Give the names of pages that differ from those of a folder."""
    return [name for name, text in pages.items() if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text]


def settings_page() -> str:
    """Give the page of settings."""
    rows = [("setting", "environment", "default", "meaning")]
    for where, field in leaves(Settings):
        name, environment = ".".join(where), f"`{variable(where)}`"
        if is_secret(field.annotation) and where != ("secrets",):
            environment += f" or `{variable(where)}_FILE`"
        rows.append(
            (
                f"`{name}`",
                environment if where != ("secrets",) else "`CANHBAO_SECRETS__NAME` or `..._FILE`",
                default_of(field),
                sentence_of(field),
            )
        )
    return f"""# Settings

Settings are about the machine; what is true of the city stands in its folder. They come from, the strongest first: the command line, the
environment, the file `{DEFAULT_FILE}` of the working directory (or the one that `{FILE_VARIABLE}` names), the default. In the file, a dot is a table:
`web.port` is `port` under `[web]`. A secret may be given as a file that holds it: `password_file` in the file, a name ending in `_FILE` in the environment.
A name that is not in this table is an error. Relative paths count from the working directory.

{table_of(rows)}
"""


def city_page() -> str:
    """Give the page of a city's files."""
    from alerts.policy import PolicyForm
    from devices.forms import CityForm, DevicesForm, StationsForm, WardsForm
    from devices.quantities import QUANTITIES
    from devices.scenario import Scenario

    files: dict[str, type[BaseModel]] = {
        "city.yaml": CityForm,
        "wards.yaml": WardsForm,
        "stations.yaml": StationsForm,
        "devices.yaml": DevicesForm,
        "policy.yaml": PolicyForm,
        "scenarios/*.yaml": Scenario,
    }
    quantities = table_of([("quantity", "unit"), *((f"`{each.name}`", each.unit) for each in QUANTITIES.values())])
    return f"""# The files of a city

A city is a folder of text files. `canhbao check` tells what does not fit, with file, line and fix. Spans are written with their unit (`10 min`, `6 h`),
instants with their offset (`"2025-10-27T06:00:00+07:00"`). Beside the files below: `rules/*.yaml` ([rule kinds](rules.md)), `texts/<language>.yaml`
(all templates of a language; copy one that is there), and `map.json` (the shapes of the wards, made from open data).

## Quantities

{quantities}

{chr(10).join(f"{form_section(f'`{name}`', form)}{chr(10)}" for name, form in files.items())}"""


def rules_page() -> str:
    """Give the page of rule kinds."""
    from rules.definition import Rule

    kinds = "\n\n".join(form_section(f"`kind: {kind_of(form)}`", form) for form in parts_of(Rule))
    return f"# Rule kinds\n\nEach file of a city's folder `rules/` is one rule. `canhbao check` tells what does not fit, and runs the tests that a rule carries.\n\n{kinds}\n"


def channels_page() -> str:
    """Give the page of channels."""
    from alerts.channels.catalogue import ChannelSettings

    kinds = "\n\n".join(form_section(f"`kind: {kind_of(form)}`", form) for form in parts_of(ChannelSettings))
    return f"# Channels\n\nChannels stand in `policy.yaml` by name. Secrets never stand there: `secret` is a name, and the settings `secrets` give its value.\n\n{kinds}\n"


def commands_page() -> str:
    """Give the page of commands."""
    import typer

    from service.cli import app

    commands = "\n\n".join(_command("canhbao", name, command) for name, command in _tree(typer.main.get_command(app)))
    statuses = table_of([("status", "meaning"), *((f"{status:d}", meaning) for status, meaning in MEANINGS.items())])
    return f"# Commands\n\n{commands}\n\n## Exit statuses\n\n{statuses}\n"


# ---- commands


def _tree(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield f"{before}{name}", command
        if hasattr(command, "commands"):
            yield from _tree(command, f"{before}{name} ")


def _command(program: str, name: str, command: Any) -> str:
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    arguments = " ".join(_metavar(parameter) for parameter in parameters if parameter.param_type_name == "argument")
    usage = " ".join(part for part in (program, name, arguments) if part)
    rows = [("option", "meaning"), *((_option(parameter), _meaning(parameter)) for parameter in parameters)]
    return f"## {program} {name}\n\n{(command.help or '').strip()}\n\n`{usage}`" + (f"\n\n{table_of(rows)}" if parameters else "")


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _option(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_metavar(parameter)}`"
    value = "" if parameter.is_flag else f" {parameter.metavar or 'NUMBER'}"
    return f"`{parameter.opts[0]}{value}`"


def _meaning(parameter: Any) -> str:
    text = str(getattr(parameter, "help", None) or "")
    if parameter.required and parameter.param_type_name == "option":
        return f"{text} Required."
    shown = parameter.default not in (None, "", False) and not callable(parameter.default)
    return f"{text} Default: {parameter.default}." if shown and not parameter.required else text
