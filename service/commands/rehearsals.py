"""Playing floods: the demonstration, a training on the city's own files, a scenario sent to a broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.exits import leave

DEFAULT_SPEED = 3600.0
DEFAULT_SCENARIO = "flood-2025-10"

Scenario = Annotated[str, typer.Option("--scenario", metavar="NAME", help="A file of the city's folder scenarios/, without its ending.")]
Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder to play in, kept; without it, a new one that is removed at the end.")
]
Plain = Annotated[bool, typer.Option("--plain", help="Lines instead of a live view; always so where the output is not a terminal.")]
UntilEnd = Annotated[bool, typer.Option("--until-end", help="End with the scenario: a summary, and status 1 unless the books balance.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(demo)
    app.command()(rehearse)
    app.command()(simulate)


def demo(
    speed: Annotated[
        float, typer.Option("--speed", min=1, max=36_000, help="How many seconds of the flood pass in one of ours.")
    ] = DEFAULT_SPEED,
    until_end: UntilEnd = False,
    scenario: Scenario = DEFAULT_SCENARIO,
    data: Data = None,
    plain: Plain = False,
) -> None:
    """Play a flood through the whole service, in a folder of its own, and watch it."""
    from service.rehearsal import Rehearsal, play

    leave(play(Rehearsal(scenario, speed, data), until_end=until_end, plain=plain))


def rehearse(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A file of the city's folder scenarios/, without its ending.")],
    speed: Annotated[
        float, typer.Option("--speed", min=1, max=36_000, help="How many seconds of the scenario pass in one of ours.")
    ] = 10.0,
    until_end: UntilEnd = False,
    data: Data = None,
    plain: Plain = False,
) -> None:
    """Train on a scenario of the city, slowly: every page says that it is an exercise, and only exercise channels are used."""
    from service.rehearsal import Rehearsal, play

    leave(play(Rehearsal(scenario, speed, data), until_end=until_end, plain=plain))


def simulate(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A file of the city's folder scenarios/, without its ending.")],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Data folder whose clock is followed, instead of the setting `data`.")
    ] = None,
) -> None:
    """Publish a scenario to the broker of the settings: shifted to begin now, or by a rehearsal's clock."""
    from service.logs import configure_logs
    from service.scenarios import simulate as played
    from service.settings import load_settings

    settings = load_settings(**({} if data is None else {"data": data}))
    configure_logs(settings.log, "simulate")
    leave(played(settings, scenario))
