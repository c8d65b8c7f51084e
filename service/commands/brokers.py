"""What is done for a Mosquitto: writing who may connect and what they may say, and proving on the running one that it does its duty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.exits import CommandError, Exit

if TYPE_CHECKING:
    from service.settings import Settings

Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Data folder of the service, instead of the setting `data`.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for machines.")]
Services = Annotated[
    Path | None,
    typer.Option(
        "--services", metavar="DIR", help="Folder with a password file for each service; without it, broker/services of the data."
    ),
]
Users = Annotated[
    Path | None,
    typer.Option(
        "--users", metavar="DIR", help="Folder of the broker's files `passwords` and `acl`; without it, broker/users of the data."
    ),
]
Rotate = Annotated[
    list[str] | None, typer.Option("--rotate", metavar="USER", help="Give a device or service a new password; may be given again.")
]
Revoke = Annotated[
    list[str] | None,
    typer.Option("--revoke", metavar="USER", help="Shut a device out until it is rotated, whatever devices.yaml says; may be given again."),
]
Further = Annotated[
    list[str] | None,
    typer.Option("--service", metavar="NAME", help="A further service: gateway.NAME, or canhbao-web.NAME; it stays. May be given again."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write new passwords of devices there (mode 0600, a line `user:password` each), not on the terminal."
    ),
]
PidFile = Annotated[Path | None, typer.Option("--pid-file", metavar="FILE", help="Process id of the broker, which is then told (SIGHUP).")]
Reload = Annotated[
    str | None,
    typer.Option("--reload-command", metavar="COMMAND", help="Tells the broker, for example 'docker compose kill -s HUP mosquitto'."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")]

broker = typer.Typer(help="Write the users of a Mosquitto, or prove that a running one does its duty.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(broker, name="broker")


@broker.command()
def users(
    rotate: Rotate = None,
    revoke: Revoke = None,
    service: Further = None,
    out: Out = None,
    folder: Users = None,
    services: Services = None,
    pid_file: PidFile = None,
    reload_command: Reload = None,
    dry_run: DryRun = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write who may connect to Mosquitto, and what each may say, from the city's devices. Who is there keeps the password; a new one is told once."""
    from service.broker_reload import Reloading, tell
    from service.broker_users import Places, Wishes, described, told, write_users

    settings = _settings(data)
    places = Places(folder or settings.data / "broker" / "users", _services(settings, services))
    wishes = Wishes(frozenset(rotate or ()), frozenset(revoke or ()), frozenset(service or ()))
    plan = write_users(places, _devices(settings), wishes, out, dry=dry_run)
    text = json.dumps(told(plan, places, out), indent=1) if as_json else described(plan, places, out, dry=dry_run)
    typer.echo(text)  # before the broker is told: what is made is told once, even where that fails
    if not dry_run:
        said = tell(Reloading(pid_file, reload_command), changed=plan.changes)
        typer.echo(said, err=True) if said else None


@broker.command()
def selftest(services: Services = None, data: Data = None, as_json: AsJson = False) -> None:
    """Try the running broker of the settings: does it keep what waits, and refuse what it must? Status 1: a check failed."""
    from service.broker_rights import SELFTEST, SENDER
    from service.broker_selftest import described
    from service.broker_selftest import selftest as tried
    from service.broker_users import password_in

    settings = _settings(data)
    folder = _services(settings, services)
    outcome = tried(settings.broker, {user: password_in(folder, user) for user in (SELFTEST, SENDER)})
    typer.echo(json.dumps(outcome.as_json(), indent=1) if as_json else described(outcome))
    raise typer.Exit(Exit.FINE if outcome.passed else Exit.FOUND)


def _services(settings: Settings, given: Path | None) -> Path:
    return given or settings.data / "broker" / "services"


def _devices(settings: Settings) -> list[str]:
    from devices.city import registry_of
    from service.configuration import read_city

    if not (found := list(registry_of(read_city(settings.city)).devices)):
        raise CommandError(f"{settings.city} has no devices, and all of the broker's would be shut out; look at its devices.yaml")
    return found


def _settings(data: Path | None) -> Settings:
    from service.settings import load_settings

    return load_settings(**({} if data is None else {"data": data}))
