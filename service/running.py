"""
Settings -> the broker and the programs of a machine, running as supervised children.

Rule 1: the programs see the embedded broker as they see any other: through settings, its password through a file.
Rule 2: a data folder has one service: a second one is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import structlog

from devices.city import registry_of
from devices.documents import ConfigurationError
from ingest.configuration import read_snapshot
from ingest.spool import open_reader
from service import broker as embedded
from service.configuration import from_snapshot, read_city
from service.disk import advice
from service.exits import CommandError, Exit
from service.settings import Settings
from service.supervisor import Program, Supervisor

PROGRAMS = ("ingest", "archive", "serve", "web")
BROKER = "broker"
STATE = "run.json"
"""In the data folder: what runs, for `canhbao status`."""
_BROKER_WAVE = 1

log = structlog.get_logger()


def run(settings: Settings, names: Sequence[str] = PROGRAMS) -> int:
    """
    Run the service until a signal asks to end.

    Args:
        settings: of the machine.
        names: the programs to run.

    Returns:
        The exit status.

    Raises:
        CommandError: where another service holds the data folder, or the embedded broker cannot be started.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    with only_one(settings.data), Supervisor([]) as supervisor:
        environment = {"CANHBAO_DATA": str(settings.data)}
        if settings.broker.host is None:
            prepared = start_broker(settings, supervisor)
            if prepared is None:
                return Exit.FINE
            environment |= environment_of(prepared, prepared.accounts.ingest)
        for name in names:
            supervisor.add(program(name, environment))
        log.info("running", programs=list(supervisor.children), **pages(settings))
        write_state(settings.data, supervisor)
        while supervisor.step():
            write_state(settings.data, supervisor)
        log.info("ending", asked_by=supervisor.ends_by)
    (settings.data / STATE).unlink(missing_ok=True)
    return Exit.FINE


def start_broker(settings: Settings, supervisor: Supervisor, output: Path | None = None) -> embedded.Broker | None:
    """Start the embedded broker and wait until it is ready; None if we were asked to end meanwhile."""
    prepared = embedded.prepare(settings.data, settings.broker.port, known_devices(settings))
    supervisor.add(Program(BROKER, prepared.command, output=output, wave=_BROKER_WAVE))
    return prepared if embedded.wait_until_ready(prepared, pause=supervisor.step) else None


def environment_of(prepared: embedded.Broker, account: embedded.Account) -> dict[str, str]:
    """Give the settings by which a program connects to an embedded broker."""
    return {
        "CANHBAO_BROKER__HOST": prepared.host,
        "CANHBAO_BROKER__PORT": str(prepared.port),
        "CANHBAO_BROKER__USERNAME": account.username,
        "CANHBAO_BROKER__PASSWORD_FILE": str(account.password_file),
        "CANHBAO_BROKER__CLIENT_ID": account.client_id,
    }


def program(
    name: str, environment: Mapping[str, str], arguments: Sequence[str] = (), output: Path | None = None, *, once: bool = False
) -> Program:
    """Give one of our own commands as a program to supervise."""
    return Program(name, (sys.executable, "-m", "service.cli", name, *arguments), dict(environment), output, once=once)


def known_devices(settings: Settings) -> list[str]:
    """Give the ids of the city's devices, from its folder, or from what was applied where the folder has problems now."""
    try:
        return list(registry_of(read_city(settings.city)).devices)
    except ConfigurationError:
        if not settings.spool_file.exists():
            raise
        with contextlib.closing(open_reader(settings.spool_file)) as spool:
            applied = read_snapshot(spool)
        if applied is None:
            raise
        log.warning("the city's files have problems; what was applied stays", see="canhbao check")
        return list(registry_of(from_snapshot(applied.documents)).devices)


def pages(settings: Settings) -> dict[str, str]:
    """Give the addresses of the pages."""
    return {
        "residents": address(settings.web.host, settings.web.port),
        "operators": address(settings.operators.host, settings.operators.port),
    }


def address(host: str, port: int) -> str:
    """Give a web address that works on this machine."""
    name = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - read, not bound
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


@contextlib.contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data folder's lock; raises CommandError where another service holds it. The kernel frees it however we end."""
    with (data / "run.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another canhbao runs on the data folder {data}; end that one, or give another folder with --data"
            raise CommandError(message, Exit.UNAVAILABLE) from None
        yield


def write_state(data: Path, supervisor: Supervisor) -> None:
    """Write what runs, for `canhbao status`; a disk that refuses is said, for the programs must be kept running on it all the same."""
    state = {
        "pid": os.getpid(),
        "written_at": time.time_ns() // 1000,
        "programs": {
            name: {"pid": child.process.pid if child.process else None, "restarts": child.restarts, "last_status": child.status}
            for name, child in supervisor.children.items()
        },
    }
    draft = data / f"{STATE}.new"
    try:
        draft.write_text(json.dumps(state))
        draft.replace(data / STATE)
    except OSError as error:
        log.warning("what runs cannot be written down; `canhbao status` shows what ran before", file=str(draft), **advice(error))
