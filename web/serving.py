"""
An application -> a server on a socket, whose open streams do not hold it up when it is asked to end.

Rule 1: the address is taken before anything is started: a taken one is said at once.
Rule 2: what runs beside the server ends it when it fails.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Protocol

import uvicorn

BACKLOG = 2_048


class Closing(Protocol):
    """Something that streams wait for."""

    async def close(self) -> None:
        """Let everybody who waits go."""


class StreamingServer(uvicorn.Server):
    """Lets its streams go first when it is asked to end, then waits a second at most for the rest."""

    def __init__(self, app: Any, streams: Closing) -> None:
        super().__init__(
            uvicorn.Config(
                app, lifespan="off", log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=1, backlog=BACKLOG
            )
        )
        self._streams = streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        await self._streams.close()
        await super().shutdown(sockets)


def listener_on(host: str, port: int) -> socket.socket:
    """Take an address; raises OSError where it is taken or is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


async def serve_beside(server: uvicorn.Server, listener: socket.socket, beside: Coroutine[Any, Any, None]) -> None:
    """Serve until a signal asks to end, or what runs beside ends; its error is raised."""
    running = asyncio.create_task(beside)
    serving = asyncio.create_task(server.serve([listener]))
    await asyncio.wait({running, serving}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    if not running.done():
        running.cancel()
    with suppress(asyncio.CancelledError):
        await running
