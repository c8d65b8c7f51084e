"""
What a program says about itself -> one line on standard error: JSON for machines, readable on a terminal.

Rule 1: an event is a short fixed text; what varies stands in fields.
Rule 2: libraries that use `logging` (uvicorn, apscheduler) come out the same way.
Rule 3: an error whose cause is the disk says which file it is about and what to do.
Rule 4: a value named like a secret is never written, and tracebacks show no local values.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from service.disk import FILES, advice
from service.settings import LogSettings

_SECRET = ("password", "token", "secret", "authorization")
_QUIET = {"apscheduler": logging.WARNING, "uvicorn.access": logging.WARNING, "urllib3": logging.WARNING, "asyncio": logging.WARNING}


def configure_logs(settings: LogSettings, program: str, stream: TextIO | None = None) -> None:
    """
    Set up logging of this process.

    Args:
        settings: level and format.
        program: the field `program` of every line: ingest, archive, serve, web, run.
        stream: where to write; without one, standard error.
    """
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _of(program),
        _hide_secrets,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # programs bind at import, before this is called
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_ending(settings, stream)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)


def _ending(settings: LogSettings, stream: TextIO) -> list[Any]:
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if settings.format == "json" or (settings.format == "auto" and not stream.isatty()):
        return [drop, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    console = structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="at", exception_formatter=structlog.dev.plain_traceback)
    return [drop, console]


def _of(program: str) -> Processor:
    """Give what adds the program, in whichever thread, and advice where there is any."""

    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("program", program)
        if told := advice(_error(event.get("exc_info"))):
            event.update(file=FILES.get(program, "the data folder"), **told)
        return event

    return add


def _error(found: Any) -> BaseException | None:
    """Give the error of a line, in each of the forms that logging allows."""
    if isinstance(found, tuple):
        found = found[1]
    return found if isinstance(found, BaseException) or not found else sys.exc_info()[1]


def _hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if any(word in name.lower() for word in _SECRET):
            event[name] = "***"
    return event
