"""
An application -> a server on a socket, whose open streams do not hold it up when it is asked to end.

Rule 1: the address is taken before anything is started: a taken one is said at once.
Rule 2: what runs beside the server ends it when it fails.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Protocol

import uvicorn

BACKLOG = 2_048
MOST_DESCRIPTORS = 65_536
"""More than one event loop can serve."""
SPARE = 512
"""Descriptors kept from long streams: for files, and for those who only fetch a page."""


def room_for_streams() -> int:
    """Allow this process as many descriptors as the machine lets it have; gives how many of them long streams may take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return max(most if soft == resource.RLIM_INFINITY else soft, SPARE) - SPARE


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
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Its connections inherit it. asyncio sets it only where the socket names its protocol, and without it a kept connection waits
    # 40 ms for the second part of each answer (Nagle's algorithm against delayed acknowledgements).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


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
