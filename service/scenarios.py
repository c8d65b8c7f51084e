"""
The name of a scenario -> the checked scenario of a city, as written or shifted to another time; and its play against a broker.

Rule 1: a rehearsal's clock is moved to the scenario; in real time the scenario is moved to now.
"""

from __future__ import annotations

import difflib
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from devices.city import registry_of
from devices.documents import ConfigurationError, Document, Problem, read_yaml
from devices.instants import SECOND, Instant, Span, format_instant, parse_instant
from devices.registry import Registry
from devices.scenario import Scenario, scenario_of
from devices.simulate import stream_of
from service.clock import RealClock, clock_of
from service.configuration import read_city
from service.exits import CommandError, Exit
from service.settings import Settings
from service.simulator import Gateway, Progress, RefusedError, play

FOLDER = "scenarios"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d.*([+-]\d\d:\d\d|Z)")
_SAID_EACH = 5 * SECOND

log = structlog.get_logger()


def read_scenario(city: Path, name: str) -> Document:
    """Read a scenario of a city's folder; raises ConfigurationError, naming those that there are."""
    path = city / FOLDER / f"{name}.yaml"
    if not path.is_file():
        names = sorted(found.stem for found in (city / FOLDER).glob("*.yaml"))
        near = difflib.get_close_matches(name, names, n=1)
        fix = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
        raise ConfigurationError([Problem(f"{FOLDER}/{name}.yaml", None, "", f"there is no such scenario; {fix}")])
    return read_yaml(f"{FOLDER}/{path.name}", path.read_text(encoding="utf-8"))


def shifted(document: Document, by: Span) -> Document:
    """Move every instant of a scenario."""
    return replace(document, content=_moved(document.content, by))


def simulate(settings: Settings, name: str) -> int:
    """
    Publish a scenario to the broker of the settings until it ends or a signal asks to end.

    Args:
        settings: of the machine; the clock is that of its data folder.
        name: of the scenario.

    Returns:
        The exit status: 0 when all of it was acknowledged by the broker.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    clock = clock_of(settings.data)
    document = read_scenario(settings.city, name)
    registry = registry_of(read_city(settings.city))
    scenario = scenario_of(document, registry)
    if isinstance(clock, RealClock):
        scenario = scenario_of(shifted(document, _whole_seconds(clock() - scenario.start)), registry)
    try:
        last = play(stream_of(scenario, registry), clock, gateway_of(settings), _told(clock), stop)
    except RefusedError as error:
        raise CommandError(str(error), Exit.UNAVAILABLE) from error
    log.info("scenario played", scenario=name, messages=last.acknowledged, readings=last.readings)
    return Exit.FOUND if stop.is_set() else Exit.FINE


def gateway_of(settings: Settings) -> Gateway:
    """Give the broker of the settings as the simulator connects to it."""
    broker = settings.broker
    password = broker.password.get_secret_value() if broker.password else None
    client_id = "canhbao-simulator" if broker.client_id == "canhbao-ingest" else broker.client_id
    return Gateway(broker.host or "127.0.0.1", broker.port, broker.username, password, client_id, broker.tls, broker.ca)


def known_scenario(settings: Settings, name: str) -> tuple[Scenario, Registry]:
    """Give a scenario and the city that it plays in; raises ConfigurationError."""
    document = read_scenario(settings.city, name)
    registry = registry_of(read_city(settings.city))
    return scenario_of(document, registry), registry


def _whole_seconds(span: Span) -> Span:
    return span // SECOND * SECOND


def _moved(content: Any, by: Span) -> Any:
    if isinstance(content, dict):
        return {name: _moved(value, by) for name, value in content.items()}
    if isinstance(content, list):
        return [_moved(value, by) for value in content]
    if isinstance(content, str) and _INSTANT.fullmatch(content):
        return format_instant(parse_instant(content) + by)
    return content


def _told(clock: Callable[[], Instant]) -> Callable[[Progress], None]:
    """Give a callback that logs the progress now and then."""
    last = -_SAID_EACH

    def told(progress: Progress) -> None:
        nonlocal last
        now = RealClock()()
        if now - last >= _SAID_EACH:
            last = now
            log.info(
                "playing",
                at=format_instant(clock()),
                sent=progress.sent,
                acknowledged=progress.acknowledged,
                behind_s=round(progress.behind, 1),
            )

    return told
