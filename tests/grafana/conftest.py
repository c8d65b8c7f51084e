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
    return Client(Server(told.url, timeout=0.5), TOKEN)
