"""What operators do from a terminal: see alarms, acknowledge, close, silence. Everything goes to `canhbao serve`."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from service.acting import Acting
    from service.settings import Settings

Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Data folder of the service, instead of the setting `data`.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who acts; without it, the user of this terminal.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept, and told where the action ends a warning.")]
AlarmId = Annotated[str, typer.Argument(metavar="ALARM", help="Id of an alarm; its first characters are enough.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for machines.")]

_ALARM = ("id", "station", "quantity", "level", "value", "phase", "handling", "opened_at", "ended_at")
_SILENCE = ("id", "station", "quantity", "until_at", "by", "reason")

alarms = typer.Typer(help="List alarms, or act on them.", invoke_without_command=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.add_typer(alarms, name="alarms")
    app.command()(ack)


@alarms.callback(invoke_without_command=True)
def listed(context: typer.Context, data: Data = None, as_json: AsJson = False) -> None:
    """List alarms, or act on them."""
    if context.invoked_subcommand is None:
        show(data=data, as_json=as_json)


@alarms.command("list")
def show(data: Data = None, as_json: AsJson = False) -> None:
    """List the alarms that stand, and those that ended lately."""
    board = _acting(data).board()
    if as_json:
        typer.echo(json.dumps(board, ensure_ascii=False, indent=1))
        return
    from service.tables import table

    for what, names in (("alarms", _ALARM), ("silences", _SILENCE)):
        rows = [[_cell(name, each.get(name)) for name in names] for each in board[what]]
        typer.echo(table([names, *rows]) if rows else f"no {what}")


@alarms.command()
def close(
    alarm: AlarmId,
    reason: Reason,
    by: By = "",
    force: Annotated[bool, typer.Option("--force", help="Also where the gauge is heard and would end its alarm itself.")] = False,
    data: Data = None,
) -> None:
    """Close an alarm whose gauge cannot say any more that it is over; everybody who was warned is told."""
    acting = _acting(data)
    _say("closed", acting.act("close", {"alarm": _whole(acting, alarm), "by": by or _user(), "reason": reason, "force": force}))


@alarms.command()
def silence(
    until: Annotated[str, typer.Option("--until", metavar="WHEN", help="A span from now such as '2 h', or an instant with its offset.")],
    reason: Reason,
    place: Annotated[str, typer.Argument(metavar="[STATION[/QUANTITY]]", help="Which alarms; without it, all.")] = "",
    by: By = "",
    data: Data = None,
) -> None:
    """Let operators hear less for a time; residents are told as before, and no end is swallowed."""
    settings = _settings(data)
    station, _, quantity = place.partition("/")
    what = {
        "station": station or None,
        "quantity": quantity or None,
        "until_at": _instant(settings, until),
        "by": by or _user(),
        "reason": reason,
    }
    typer.echo(f"silenced; end it with: canhbao alarms lift {_acting(data).act('silence', what)['silence']}")


@alarms.command()
def lift(number: Annotated[int, typer.Argument(metavar="SILENCE", help="Number of the silence.")], by: By = "", data: Data = None) -> None:
    """End a silence before its time."""
    _say("lifted", _acting(data).act("lift", {"silence": number, "by": by or _user()}))


def ack(alarm: AlarmId, by: By = "", data: Data = None) -> None:
    """Acknowledge an alarm: somebody cares for it."""
    acting = _acting(data)
    _say("acknowledged", acting.act("acknowledge", {"alarm": _whole(acting, alarm), "by": by or _user()}))


def _say(done: str, answer: dict[str, Any]) -> None:
    typer.echo(done if answer["changed"] else f"was {done} already")


def _settings(data: Path | None) -> Settings:
    from service.settings import load_settings

    return load_settings(**({} if data is None else {"data": data}))


def _acting(data: Path | None) -> Acting:
    from service.acting import Acting

    return Acting(_settings(data))


def _whole(acting: Acting, beginning: str) -> str:
    """Give the id that begins like this; raises CommandError where it is none or several."""
    from service.exits import CommandError

    found = [str(alarm["id"]) for alarm in acting.board()["alarms"] if str(alarm["id"]).startswith(beginning)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(f"there is no alarm {beginning!r}; see `canhbao alarms`")
    raise CommandError(f"{beginning!r} begins {len(found)} alarms; write more of it: {', '.join(found)}")


def _instant(settings: Settings, text: str) -> int:
    from devices.instants import parse_instant, parse_span
    from service.clock import clock_of
    from service.exits import CommandError, Exit

    with suppress(ValueError):
        return clock_of(settings.data)() + parse_span(text)
    with suppress(ValueError):
        return parse_instant(text)
    raise CommandError(f"--until {text!r} is no span and no instant; write for example '2 h' or 2026-11-24T18:00:00+07:00", Exit.USAGE)


def _user() -> str:
    import getpass

    return getpass.getuser()


def _cell(name: str, value: Any) -> str:
    from devices.instants import format_instant

    if value is None:
        return "-"
    return format_instant(value) if name.endswith("_at") and isinstance(value, int) else str(value)
