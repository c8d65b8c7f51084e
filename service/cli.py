"""
The command line: words -> one of the programs, or one question or action.

Rule 1: a module is imported by the command that needs it: `canhbao --help` answers in a fraction of a second.
Rule 2: an error says what is wrong and what to do, on standard error, with an exit status of service/exits.py; a traceback is a fault of ours.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands import archives, backups, brokers, deployment, grafana, operators, questions, rehearsals
from service.exits import MEANINGS, CommandError, Exit, leave

if TYPE_CHECKING:
    from service.settings import Settings

Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder of everything that is kept, instead of the setting `data`.")
]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="PROGRAM", help="Run this program only; may be given again.")]

app = typer.Typer(
    name="canhbao",
    help="Takes in what river, flood and air sensors publish over MQTT, decides when a place is in danger, and warns its people.",
    epilog="Exit statuses: " + "; ".join(f"{status:d} {meaning}" for status, meaning in MEANINGS.items()) + ".",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def run(data: Data = None, only: Only = None) -> None:
    """Run the whole service: the four programs, and the embedded broker where the settings name no broker."""
    from service import running

    settings = _prepared("run", data)
    unknown = [name for name in only or () if name not in running.PROGRAMS]
    if unknown:
        raise CommandError(f"there is no program {unknown[0]!r}; write one of: {', '.join(running.PROGRAMS)}", Exit.USAGE)
    leave(running.run(settings, only or running.PROGRAMS))


@app.command()
def ingest(data: Data = None) -> None:
    """Take readings from the broker, judge them, and keep them (spool.db)."""
    _program("ingest", data)


archive = typer.Typer(invoke_without_command=True)
archives.add_to(archive)
app.add_typer(archive, name="archive")


@archive.callback()
def archive_runs(context: typer.Context, data: Data = None) -> None:
    """Move readings from the spool to the store (store.db) and, where the settings name one, to InfluxDB."""
    if context.invoked_subcommand is None:
        _program("archive", data)


@app.command()
def serve(data: Data = None) -> None:
    """Turn changes into alarms and notices, deliver them, and let operators act (ledger.db)."""
    _program("serve", data)


@app.command()
def web(data: Data = None) -> None:
    """Show the residents' page and the open interface."""
    _program("web", data)


rehearsals.add_to(app)
questions.add_to(app)
brokers.add_to(app)
operators.add_to(app)
backups.add_to(app)
deployment.add_to(app)
grafana.add_to(app)


def _program(name: str, data: Path | None) -> None:
    from service.clock import clock_of
    from service.memory import arrange_heap, keep_giving_back, leave_out_looks
    from service.priority import give_way

    arrange_heap()
    leave_out_looks()
    settings = _prepared(name, data)
    give_way(name)
    keep_giving_back()
    threading.excepthook = _end_with_its_thread
    leave(importlib.import_module(f"service.programs.{name}").run(settings, clock_of(settings.data)))


def _prepared(name: str, data: Path | None) -> Settings:
    from service.logs import configure_logs
    from service.settings import load_settings

    settings = load_settings(**({} if data is None else {"data": data}))
    configure_logs(settings.log, name)
    return settings


def _end_with_its_thread(ended: threading.ExceptHookArgs) -> None:
    """A program that lost a thread is not the program any more: it ends, and is started again."""
    import structlog

    structlog.get_logger().error("a thread ended by an error", thread=ended.thread.name if ended.thread else None, exc_info=ended.exc_value)
    sys.stderr.flush()
    os._exit(Exit.FAULT)


def main() -> None:
    """Run the command line and end the process with its exit status."""
    try:
        app()
    except CommandError as error:
        print(f"canhbao: {error}", file=sys.stderr)  # noqa: T201 - what a command line is for
        sys.exit(error.status)
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FINE)
    except Exception as error:
        leave(_failed(error))  # at once: to close a file is to write it, and it may be what has failed


def _failed(error: Exception) -> Exit:
    from devices.documents import ConfigurationError

    if isinstance(error, ConfigurationError):
        print(f"{error}\ncanhbao: the city's files cannot be used; mend the lines above, then try again", file=sys.stderr)  # noqa: T201
        return Exit.CONFIGURATION
    import structlog

    if structlog.is_configured():
        structlog.get_logger().error("ended by an error that is not handled", exc_info=error)
    else:  # a question, not a program: there is no log
        traceback.print_exception(error)
    return Exit.FAULT


if __name__ == "__main__":
    main()
