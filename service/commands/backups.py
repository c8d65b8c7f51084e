"""Copies of everything that is kept: making one while the service runs, putting one back, and letting the restored service speak."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from service.backups import Manifest
    from service.settings import Settings

Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Data folder of the service, instead of the setting `data`.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for machines.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(backup)
    app.command()(restore)
    app.command()(release)


def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to be made; it holds secrets of the service too.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Copy spool, store, ledger, tokens and passwords into a new folder, while everything runs."""
    from service.backups import backup as made

    manifest = made(_settings(data), folder)
    typer.echo(manifest.model_dump_json(indent=1) if as_json else f"{folder}: {_described(manifest)}")


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that `canhbao backup` made.")],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="New or empty folder to restore to, instead of the setting `data`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup into a new data folder. The service that starts on it follows the water, and sends nothing before `canhbao release`."""
    from service.restoring import restore as put_back

    settings = _settings(data)
    restored = put_back(folder, settings.data)
    if as_json:
        typer.echo(
            json.dumps({"data": str(settings.data), "closed": restored.closed, "manifest": restored.manifest.model_dump()}, indent=1)
        )
        return
    typer.echo(f"{settings.data}: {_described(restored.manifest)}")
    if restored.closed:
        typer.echo(
            f"{restored.closed} warnings were on their way, counted by channel, and are not sent on; whoever lacks one hears of the next change"
        )
    typer.echo("It is held: start the service, look at `canhbao status` and `canhbao alarms`, then let it speak with `canhbao release`.")


def release(
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who acts; without it, the user of this terminal.")] = "",
    data: Data = None,
) -> None:
    """Let a restored service speak: it tells what differs now from what was told when its backup was made."""
    import getpass

    from service.acting import Acting

    answer = Acting(_settings(data)).act("release", {"by": by or getpass.getuser()})
    typer.echo("released" if answer["changed"] else "was not held")


def _described(manifest: Manifest) -> str:
    from devices.instants import format_instant

    size = sum(copied.bytes for copied in manifest.files.values())
    return f"{len(manifest.files)} files, {size / 1e6:.1f} MB, as of {format_instant(manifest.made_at)}, up to batch {manifest.ordinal}"


def _settings(data: Path | None) -> Settings:
    from service.settings import load_settings

    return load_settings(**({} if data is None else {"data": data}))
