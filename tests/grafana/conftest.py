"""A recording Grafana for each test, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from recording import TOKEN, Grafana, recording_grafana

from grafana.client import Client, Server


@pytest.fixture
def told() -> Iterator[Grafana]:
    with recording_grafana() as running:
        yield running


@pytest.fixture
def client(told: Grafana) -> Client:
    """One that waits as long as it takes: a busy machine is no fault of Grafana's."""
    return Client(Server(told.url, timeout=30.0), TOKEN)


@pytest.fixture
def hasty(told: Grafana) -> Client:
    """One that gives up after half a second, for what does not answer."""
    return Client(Server(told.url, timeout=0.5), TOKEN)
