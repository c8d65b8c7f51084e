"""Ingest comes back by itself from every connection that is broken, says so, and loses nothing; and the proxy harms what it is told to."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace

import pytest

from rig.proxy import proxy_to
from torture.connections import run, trials

SHORT = {trial.name: trial for trial in trials(short=True)}


@pytest.mark.mosquitto
@pytest.mark.slow
@pytest.mark.parametrize("name", ["connections refused", "session wiped", "TLS records spoilt", "a broker that lies"])
def test_whatever_breaks_the_connection_ingest_recovers_by_itself_and_loses_nothing(name):
    trial = SHORT[name]

    result = run(replace(trial, setting=replace(trial.setting, rate=300)))

    assert result.ok, result.failed()


def test_every_way_to_break_a_connection_has_a_name_of_its_own():
    assert len(SHORT) == len(trials(short=True)) == len(trials(short=False))


# ---- the proxy


@pytest.fixture
def wire():
    """Give a proxy, the client's end and the server's end of a connection by it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        proxy_to(listener.getsockname()[1]) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), 5) as client,
    ):
        server, _ = listener.accept()
        server.settimeout(5)
        with server:
            yield proxy, client, server


def received(link, size):
    found = b""
    while len(found) < size and (part := link.recv(size - len(found))):
        found += part
    return found


def test_bytes_pass_unharmed_both_ways(wire):
    _, client, server = wire
    sent = bytes(range(256)) * 4_000
    threading.Thread(target=server.sendall, args=(sent,)).start()

    assert received(client, len(sent)) == sent
    client.sendall(b"up")
    assert received(server, 2) == b"up"


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_connection_is_cut_after_exactly_so_many_bytes(wire, how):
    proxy, client, server = wire
    harm = proxy.harm(how, 1_000)
    server.sendall(b"x" * 5_000)

    assert received(client, 1_000) == b"x" * 1_000
    if how == "fin":
        assert client.recv(1) == b""
    else:
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert harm.done.is_set()


def test_one_byte_is_spoilt_and_no_other(wire):
    proxy, client, server = wire
    proxy.harm("spoil", 3)
    server.sendall(b"\x00" * 8)

    assert received(client, 8) == b"\x00\x00\x00\xff\x00\x00\x00\x00"


def test_what_is_held_passes_when_it_is_let_go(wire):
    proxy, client, server = wire
    proxy.weather.is_held = True
    time.sleep(0.1)
    server.sendall(b"late")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(4)

    proxy.weather.is_held = False

    client.settimeout(5)
    assert received(client, 4) == b"late"


def test_a_slow_link_takes_the_time_that_its_rate_and_latency_say(wire):
    proxy, client, server = wire
    proxy.weather.latency, proxy.weather.rate = 0.1, 100_000
    start = time.monotonic()
    server.sendall(b"x" * 50_000)

    received(client, 50_000)

    assert time.monotonic() - start > 0.5


def test_who_is_refused_is_accepted_again_on_the_same_port(wire):
    proxy, client, _ = wire

    proxy.refuse()

    assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), 1)
    proxy.accept()
    socket.create_connection(("127.0.0.1", proxy.port), 1).close()
