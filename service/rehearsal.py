"""
A scenario and a speed -> the whole service in a folder of its own, played through and judged at the end.

Rule 1: a rehearsal never touches what is real: its own folder, broker, ports and clock, and an anchor that makes everything an exercise.
Rule 2: what plays is the service itself: the same programs, supervised in the same way, fed through a real broker.
Rule 3: its end is judged by its files, not by its screen: readings balance, everybody who was warned was told the end.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from devices.registry import Registry
from devices.scenario import Scenario
from service import broker as embedded
from service.acting import answers
from service.clock import RehearsalClock, anchor, hold
from service.drill import Drill
from service.exits import CommandError, Exit
from service.logs import configure_logs
from service.observation import spool_now
from service.running import BROKER, PROGRAMS, address, environment_of, only_one, program, start_broker, write_state
from service.scenarios import known_scenario
from service.settings import Settings, load_settings
from service.summary import judged
from service.supervisor import Supervisor
from service.view import LiveView, PlainView, View

READY_WITHIN = 60.0
"""Seconds; a machine with nothing else to do needs about five."""
SETTLE_WITHIN = 30.0
"""Seconds after the last message within which everything must be on disk, judged and delivered."""
LOOK = 0.25
SIMULATOR = "simulate"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is to be played."""

    scenario: str
    speed: float
    data: Path | None
    """None: a new folder, removed at the end."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where it is played."""

    settings: Settings
    scenario: Scenario
    registry: Registry
    speed: float

    @property
    def environment(self) -> dict[str, str]:
        """Give the settings of the programs."""
        settings = self.settings
        return {
            "CANHBAO_DATA": str(settings.data),
            "CANHBAO_CITY": str(settings.city.absolute()),
            "CANHBAO_BROKER__TLS": "false",
            "CANHBAO_WEB__HOST": settings.web.host,
            "CANHBAO_WEB__PORT": str(settings.web.port),
            "CANHBAO_OPERATORS__HOST": settings.operators.host,
            "CANHBAO_OPERATORS__PORT": str(settings.operators.port),
            "CANHBAO_LOG__FORMAT": "json",
        }

    def log(self, name: str) -> Path:
        """Give the file of a program's log."""
        return self.settings.data / "logs" / f"{name}.log"


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the programs are given to find their way."""

    programs: Mapping[str, Mapping[str, str]]
    """Program -> settings."""
    simulator: Mapping[str, str]
    """Settings of who speaks for every device."""
    broker: str
    """Its address, for people."""


class Ground(Protocol):
    """What the four programs stand on: a broker, and whatever else they use."""

    def start(self, stage: Stage, supervisor: Supervisor) -> Wiring | None:
        """Start it and wait until it is ready; None if we were asked to end meanwhile."""

    def faults(self, stage: Stage) -> Sequence[str]:
        """Say what is wrong with it at the end, while everything still runs."""


class Embedded:
    """The embedded broker, and nothing beside it."""

    def start(self, stage: Stage, supervisor: Supervisor) -> Wiring | None:
        """Start the broker."""
        prepared = start_broker(stage.settings, supervisor, stage.log(BROKER))
        if prepared is None:
            return None
        ingest, gateway = (environment_of(prepared, account) for account in (prepared.accounts.ingest, prepared.accounts.gateway))
        return Wiring(dict.fromkeys(PROGRAMS, ingest), gateway, f"{prepared.host}:{prepared.port}")

    def faults(self, stage: Stage) -> Sequence[str]:  # noqa: ARG002 - of any ground
        """Say nothing: the files of the service tell all."""
        return ()


def play(rehearsal: Rehearsal, *, until_end: bool, plain: bool, ground: Ground | None = None) -> int:
    """
    Play a scenario through the whole service.

    Args:
        rehearsal: what to play.
        until_end: end with the scenario and judge it; else go on until a signal.
        plain: lines instead of a live view.
        ground: what the programs stand on; None: the embedded broker.

    Returns:
        The exit status.

    Raises:
        CommandError: where it cannot start.
        ConfigurationError: for problems of the scenario or the city.
    """
    with _folder(rehearsal.data) as data:
        stage = _stage(rehearsal, data)
        _log_apart(stage)
        view: View = (
            PlainView(stage.settings, stage.registry) if plain or not sys.stdout.isatty() else LiveView(stage.settings, stage.registry)
        )
        with only_one(data), Supervisor([]) as supervisor:
            ground = ground or Embedded()
            started = _start(stage, supervisor, ground)
            if started is None:
                return Exit.FOUND
            clock, wiring = started
            view.opening(_opening(stage, wiring))
            played = _run(stage, supervisor, clock, view, until_end=until_end)
            view.close()
            if not played:
                view.line("ended before the scenario did" if until_end else "ended")
                return Exit.FOUND if until_end else Exit.FINE
            verdict = judged(stage.settings, stage.registry, played=supervisor.children[SIMULATOR].status == 0)
            faults = ground.faults(stage)
        view.line("\n".join([verdict.text, *(f"WRONG: {fault}" for fault in faults)]))
        return Exit.FINE if verdict.holds and not faults else Exit.FOUND


def _run(stage: Stage, supervisor: Supervisor, clock: RehearsalClock, view: View, *, until_end: bool) -> bool:
    """Look after it until it is asked to end (False), or the scenario is over and settled (True)."""
    drill = Drill(stage.settings, clock, stage.scenario.operator)
    drill.start()
    ended_at: float | None = None
    while supervisor.step(LOOK):
        write_state(stage.settings.data, supervisor)
        view.show(clock(), drill.said())
        if supervisor.children[SIMULATOR].status is None:  # it runs, or nobody has taken its status yet
            continue
        if ended_at is None:
            ended_at = time.monotonic()
            view.show(clock(), [(clock(), "the scenario is over; from here on its gauges are silent")])
        if not until_end:
            continue
        late = time.monotonic() - ended_at > SETTLE_WITHIN
        if late or (clock() >= stage.scenario.end and judged(stage.settings, stage.registry, played=True).holds):
            view.show(clock(), drill.said())
            return True
    return False


def _start(stage: Stage, supervisor: Supervisor, ground: Ground) -> tuple[RehearsalClock, Wiring] | None:
    """Start everything and wait until it is ready; None if we were asked to end meanwhile."""
    settings = stage.settings
    hold(settings.data, stage.scenario.start, stage.speed)
    wiring = ground.start(stage, supervisor)
    if wiring is None:
        return None
    for name in PROGRAMS:
        supervisor.add(program(name, {**stage.environment, **wiring.programs[name]}, output=stage.log(name)))
    deadline = time.monotonic() + READY_WITHIN
    while missing := _missing(settings):
        if not supervisor.step(0.1):
            return None
        if time.monotonic() > deadline:
            logs = "\n".join(_tail(stage.log(name)) for name in missing)
            raise CommandError(f"not ready within {READY_WITHIN:g} s: {', '.join(missing)}; their logs end with\n{logs}", Exit.UNAVAILABLE)
    clock = anchor(settings.data, stage.scenario.start, stage.speed)
    simulator = {**stage.environment, **wiring.simulator}
    supervisor.add(program(SIMULATOR, simulator, [stage.scenario.name], stage.log(SIMULATOR), once=True))
    return clock, wiring


def _log_apart(stage: Stage) -> None:
    """Write our own log into a file too: the terminal belongs to the view."""
    path = stage.log("run")
    path.parent.mkdir(parents=True, exist_ok=True)
    configure_logs(stage.settings.log, "run", path.open("a"))


def _missing(settings: Settings) -> list[str]:
    """Give the programs that are not ready."""
    spool = spool_now(settings.spool_file)
    missing = [] if spool and spool.heartbeat and spool.heartbeat.connected else ["ingest"]
    for name, place in (("serve", settings.operators), ("web", settings.web)):
        if not answers(address(place.host, place.port)):
            missing.append(name)
    return missing


def _stage(rehearsal: Rehearsal, data: Path) -> Stage:
    given = load_settings(data=data)
    scenario, registry = known_scenario(given, rehearsal.scenario)
    own = {
        "broker": given.broker.model_copy(update={"host": None, "port": embedded.free_port()}),
        "web": given.web.model_copy(update={"port": _port(given.web.port)}),
        "operators": given.operators.model_copy(update={"port": _port(given.operators.port)}),
    }
    return Stage(given.model_copy(update=own), scenario, registry, rehearsal.speed)


def _port(wanted: int) -> int:
    """Give the port of the settings where it is free, so that addresses stay the same; else another one."""
    return wanted if embedded.is_free(wanted) else embedded.free_port()


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Give a fresh folder: the one that was named, kept; or a new one, removed at the end."""
    if given is None:
        folder = Path(tempfile.mkdtemp(prefix="canhbao-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    if given.exists() and any(given.iterdir()):
        raise CommandError(
            f"{given} is not empty; a rehearsal needs a new folder, so that nothing of an earlier one or of a real service is in it"
        )
    given.mkdir(parents=True, exist_ok=True)
    yield given.absolute()


def _opening(stage: Stage, wiring: Wiring) -> str:
    settings = stage.settings
    words = stage.scenario.about
    return "\n".join(
        (
            words.get("en") or next(iter(words.values())),
            f"Residents' page  {address(settings.web.host, settings.web.port)}",
            f"Operators        {address(settings.operators.host, settings.operators.port)}  (token in {settings.token_file})",
            f"MQTT broker      {wiring.broker}",
            f"Speed            {stage.speed:g} x; end it with Ctrl-C",
        )
    )


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-8:]) if path.exists() else f"({path.name}: nothing)"
