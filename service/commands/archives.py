"""What is done once for an archive: making organisation, buckets and tokens on a server of InfluxDB."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from service.exits import CommandError, Exit

_TOKEN_FILE = typer.Option(
    "--operator-token-file",
    metavar="FILE",
    help="Token that may make buckets and tokens, for a server that is in use. An empty server needs none.",
)


def add_to(archive: typer.Typer) -> None:
    """Add these commands to those of the archive."""
    archive.command()(init)


def init(
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Data folder of the service, instead of the setting `data`.")
    ] = None,
    operator_token_file: Annotated[Path | None, _TOKEN_FILE] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for machines.")] = False,
) -> None:
    """
    Make organisation, buckets, a token that may only write them and one that may only read them, on the InfluxDB of the settings.

    What is there is kept; how long readings are kept follows the setting `influx.keep_days`.
    """
    from ingest.archive.influx_setup import SetupFailed, set_up
    from service.influx import files_of, server_of
    from service.settings import load_settings

    settings = load_settings(**({} if data is None else {"data": data}))
    server, files = server_of(settings), files_of(settings)
    if server is None:
        raise CommandError("no InfluxDB is named; set CANHBAO_INFLUX__URL, for example to http://127.0.0.1:8086", Exit.CONFIGURATION)
    try:
        files.write.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        report = set_up(server, files, _read(operator_token_file), (settings.influx.keep_days or 0) * 86_400)
    except SetupFailed as failed:
        raise CommandError(str(failed), Exit.UNAVAILABLE) from failed
    from service.influx import described, told

    typer.echo(json.dumps(told(report, server, files), indent=1) if as_json else described(report, server, files))


def _read(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}; write the token there", Exit.USAGE) from error
