"""What is done with a Grafana: bringing our dashboards to it, and looking whether operators see there what they should."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from service.exits import CommandError, Exit

AsJson = Annotated[bool, typer.Option("--json", help="JSON, for machines.")]

group = typer.Typer(help="Bring the dashboards to a Grafana, and check it.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(group, name="grafana")


@group.command()
def sync(
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also replace what was edited in Grafana.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring folders, dashboards and the playlist to the Grafana of the settings. What was edited there is kept. Status 1: something failed."""
    from grafana.client import GrafanaError
    from grafana.shipped import playlist
    from grafana.syncing import Done, Wish
    from grafana.syncing import sync as bring
    from service.grafana import client_of, lines_as_json, lines_described, shipped_of
    from service.settings import load_settings

    settings = load_settings()
    try:
        lines = bring(client_of(settings), shipped_of(settings), playlist(), Wish(overwrite, dry_run))
    except GrafanaError as error:
        raise CommandError(str(error), Exit.UNAVAILABLE) from error
    typer.echo(json.dumps(lines_as_json(lines), ensure_ascii=False, indent=1) if as_json else lines_described(lines, dry_run=dry_run))
    raise typer.Exit(Exit.FOUND if any(line.done is Done.FAILED for line in lines) else Exit.FINE)


@group.command()
def check(as_json: AsJson = False) -> None:
    """Look whether Grafana answers, its data source is well, the dashboards are as shipped, and warnings may be shown there. Status 1: something is not well."""
    import time

    from grafana.checking import check as look
    from grafana.shipped import DATASOURCE, playlist
    from service.grafana import client_of, findings_as_json, findings_described, shipped_of
    from service.settings import load_settings

    settings = load_settings()
    found = look(client_of(settings), shipped_of(settings), playlist(), DATASOURCE, time.time_ns() // 1000)
    typer.echo(json.dumps(findings_as_json(found), ensure_ascii=False, indent=1) if as_json else findings_described(found))
    raise typer.Exit(Exit.FINE if all(each.is_well for each in found) else Exit.FOUND)
