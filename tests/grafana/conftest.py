"""A recording Grafana for each test, and a client of it; one InfluxDB with a month in it for all tests of panels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flood import month_of
from loading import Loaded, loaded_into
from recording import TOKEN, Grafana, recording_grafana

from devices.city import registry_of
from devices.documents import read_yaml
from devices.registry import Registry
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


@pytest.fixture(scope="session")
def registry(hue: Path) -> Registry:
    names = ("city.yaml", "wards.yaml", "stations.yaml", "devices.yaml")
    return registry_of({name: read_yaml(name, (hue / name).read_text(encoding="utf-8")) for name in names})


@pytest.fixture(scope="session")
def loaded(influxd: Any, shared: Path, registry: Registry) -> Loaded:
    """Give the month of the flood in an InfluxDB (mark the test `influx` and `shared`)."""
    return loaded_into(influxd, month_of(shared, registry))
