"""
A port -> people who look at the page: some listen all the time, others load it again and again; and how many answers were not as they should be.

Rule 1: whoever is cut off comes again, as a browser does; that is counted, and a page that is not a 200 with a body is a fault.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter

PAGES = ("/", "/en", "/api/v1/stations", "/api/v1/alarms", "/metrics")
"""Loaded in turn."""
PATIENCE = 30.0
"""Seconds; an open stream says something every 15."""


def shows_the_page(port: int) -> bool:
    """Tell whether the page is there: a web program that has just come up says 503 until it has read the city."""
    try:
        return _status(port, "/") == 200
    except (OSError, http.client.HTTPException):
        return False


def _status(port: int, page: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", page)
        answer = connection.getresponse()
        return answer.status if answer.read() else 0
    finally:
        connection.close()


class PassersBy:
    """A context manager; `seen` may be read at any time."""

    def __init__(self, port: int, listeners: int, loads: float) -> None:
        """`loads`: pages a second."""
        self._port, self._pause = port, 1 / loads
        self._over = threading.Event()
        self.seen: Counter[str] = Counter()
        """`GET <page> <status>`, `told`, `cut off`."""
        works = [self._load, *[self._listen] * listeners]
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]

    def __enter__(self) -> PassersBy:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _load(self) -> None:
        number = 0
        while not self._over.wait(self._pause):
            page = PAGES[number % len(PAGES)]
            number += 1
            try:
                self.seen[f"GET {page} {_status(self._port, page)}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.seen[f"GET {page} {type(error).__name__}"] += 1

    def _listen(self) -> None:
        while not self._over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
            try:
                connection.request("GET", "/events")
                answer = connection.getresponse()
                while not self._over.is_set() and (line := answer.readline()):
                    self.seen["told"] += line.startswith(b"data:")
            except (OSError, http.client.HTTPException):
                self.seen["cut off"] += 1
                time.sleep(0.5)
            finally:
                connection.close()
