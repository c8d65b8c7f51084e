"""Questions that anybody may ask on the machine of a service: is it well, are the files right, what was refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from service.exits import CommandError, Exit

if TYPE_CHECKING:
    from service.settings import Settings

Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Data folder of the service, instead of the setting `data`.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for machines.")]

quarantine = typer.Typer(help="Look at what was refused, and why.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(status)
    app.command()(check)
    app.add_typer(quarantine, name="quarantine")
    app.command()(reference)


def status(
    data: Data = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="PROGRAM", help="Ask about this program alone, as its container does of itself.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether the programs run, whether every reading is accounted for, what lags, and which sensors are silent. Status 1: something is wrong."""
    from service.health import described, health

    if only is not None:
        _status_of(only, _settings(data))
    found = health(_settings(data))
    typer.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=1) if as_json else described(found))
    raise typer.Exit(Exit.FINE if found.is_well else Exit.FOUND)


def _status_of(program: str, settings: Settings) -> NoReturn:
    from service.health import WELL, state_of

    if program not in WELL:
        raise CommandError(f"there is no program {program!r}; write one of: {', '.join(WELL)}", Exit.USAGE)
    state = state_of(program, settings)
    typer.echo(f"{program}: {state}")
    raise typer.Exit(Exit.FINE if state == WELL[program] else Exit.FOUND)


def check(
    city: Annotated[Path | None, typer.Argument(metavar="[FOLDER]", help="A city's folder; without it, that of the settings.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check all files of a city and run the tests that its rules carry. Status 1: problems were found."""
    from service.checking import check_city, described

    found = check_city(_settings(None).city if city is None else city)
    typer.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=1) if as_json else described(found))
    raise typer.Exit(Exit.FOUND if found.problems or found.failures else Exit.FINE)


@quarantine.command("list")
def listed(
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest first.")] = 50,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List messages that were refused, the newest first."""
    from service import refused

    rows = refused.newest(_settings(data), limit)
    typer.echo(json.dumps([refused.as_json(row) for row in rows], ensure_ascii=False, indent=1) if as_json else refused.described(rows))


@quarantine.command()
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number of a refused message, from the list.")], data: Data = None
) -> None:
    """Show one refused message with its payload."""
    from service import refused

    typer.echo(refused.whole(_settings(data), number))


def reference(
    write: Annotated[Path | None, typer.Option("--write", metavar="FOLDER", help="Write the pages there.")] = None,
    check_in: Annotated[
        Path | None, typer.Option("--check", metavar="FOLDER", help="Tell whether the pages there are those of the code.")
    ] = None,
) -> None:
    """Write the reference of settings, rule kinds, channels and commands from the code."""
    from service.reference import differences, reference_pages

    if write is None and check_in is None:
        raise CommandError("say what to do: --write docs/reference, or --check docs/reference", Exit.USAGE)
    pages = reference_pages()
    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (write / name).write_text(text, encoding="utf-8")
    if check_in is not None and (different := differences(pages, check_in)):
        raise CommandError(f"{', '.join(different)} in {check_in} differ from the code; run `make docs`")


def _settings(data: Path | None) -> Settings:
    from service.settings import load_settings

    return load_settings(**({} if data is None else {"data": data}))
