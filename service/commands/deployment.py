"""What a deployment needs before its first start: the secrets that containers are given as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command("secrets")(make)


def make(
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help="Where docker-compose.yml looks for them.")] = Path("secrets"),
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME", help="Name or address that devices connect to, for the certificate; may be given again."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for machines.")] = False,
) -> None:
    """Make passwords, tokens, users of the broker and a certificate for containers, each in a file for its owner alone. What is there stays."""
    from devices.city import registry_of
    from service.configuration import read_city
    from service.secrets import make_secrets
    from service.settings import load_settings
    from service.tables import table

    devices = list(registry_of(read_city(load_settings().city)).devices)
    lines = make_secrets(folder, devices, [*(host or ()), "localhost", "127.0.0.1"])
    if as_json:
        typer.echo(json.dumps({str(line.path): line.made for line in lines}, indent=1))
        return
    typer.echo(table([("secret", ""), *((line.path, "made" if line.made else "kept") for line in lines)]))
