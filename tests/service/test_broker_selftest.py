"""The self-test of a broker: it passes on what is shipped, and each of its checks can fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ingest.accept import LARGEST_PAYLOAD
from ingest.connection import RECEIVE_MAXIMUM
from ingest.frames import LARGEST
from rig.brokers import Broker, free_port
from rig.mosquitto_files import SHIPPED, Shipped, shipped_mosquitto
from service import broker_selftest
from service.broker_rights import SELFTEST, SENDER
from service.broker_selftest import MESSAGES, Selftest
from service.exits import CommandError
from service.settings import BrokerSettings

Running = Callable[..., Shipped]
FORCED = "use_username_as_clientid true"
LIMITS = {"message_size_limit 524288": "", "max_packet_size 540672": ""}
QUEUE, ANONYMOUS, PASSWORD = f"{MESSAGES:,} messages for an absent session", "a client without a name", "a wrong password"
TOPIC, LISTENING, IDENTITY = "publishing as another device", "listening to another device", "a stolen client id"
LARGE, LEGAL = "a payload of 1,024 KB", "a payload of 256 KB passes"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """Give a function that runs the shipped broker, with lines changed."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH; it makes the certificate of this test")
    with ExitStack() as stack:
        yield lambda changes=None: stack.enter_context(shipped_mosquitto(tmp_path, ["wl-kim-long"], changes))


def tried(shipped: Shipped, broker: BrokerSettings | None = None) -> Selftest:
    return broker_selftest.selftest(broker or shipped.services, {user: shipped.password(user) for user in (SELFTEST, SENDER)})


def failed(outcome: Selftest) -> list[str]:
    return [check.name for check in outcome.checks if not check.passed]


@pytest.mark.mosquitto
def test_the_shipped_broker_passes_on_both_listeners_and_keeps_nothing_of_it(running: Running) -> None:
    shipped = running()
    with shipped.connected("canhbao-ingest", clean=False) as ingest:
        for topic in ("#", "canhbao/v1/+/up", "canhbao/v1/+/status"):
            ingest.subscribe(topic)

        outcomes = [tried(shipped, listener) for listener in (shipped.services, shipped.devices)]

        assert [failed(outcome) for outcome in outcomes] == [[], []]
        assert [len(outcome.checks) for outcome in outcomes] == [8, 8]
        assert not ingest.heard(lambda _: False, 0.3)
        assert ingest.is_connected
    with shipped.connected(SELFTEST, clean=False) as later:
        assert not later.heard(lambda _: False, 0.3)


@pytest.mark.mosquitto
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"max_queued_messages 0": ""}, [QUEUE]),
        ({"max_queued_bytes 268435456": "max_queued_bytes 10000"}, [QUEUE]),
        ({"allow_anonymous false": "allow_anonymous true", FORCED: ""}, [ANONYMOUS, IDENTITY]),
        ({"allow_anonymous false": "allow_anonymous true", "password_file ": "# "}, [PASSWORD]),
        ({"acl_file ": "# "}, [TOPIC, LISTENING]),
        ({FORCED: ""}, [IDENTITY]),
        (LIMITS, [LARGE]),
        ({"message_size_limit 524288": "message_size_limit 16384"}, [LEGAL]),
    ],
    ids=["queue", "bytes", "anonymous", "no passwords", "no rights", "client ids", "no limit", "too small"],
)
def test_each_check_fails_on_a_broker_that_does_not_keep_its_promise_and_names_the_fix(
    running: Running, changes: dict[str, str], expected: list[str]
) -> None:
    outcome = tried(running(changes))

    assert failed(outcome) == expected
    text = broker_selftest.described(outcome)
    assert all(f"FAILED: {name}: set " in text for name in expected)


@pytest.mark.mosquitto
def test_the_command_tells_the_outcome_by_its_status(running: Running, tmp_path: Path) -> None:
    shipped = running({"max_queued_messages 0": ""})

    done = canhbao(tmp_path, shipped.services.port, "--services", str(shipped.places.services), "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["passed"]) == (1, False)
    (check,) = [check for check in told["checks"] if not check["passed"]]
    assert check["found"] == f"{MESSAGES:,} acknowledged, 1,000 came back"
    assert "max_queued_messages 0" in check["fix"]


@pytest.mark.mosquitto
def test_a_broker_that_does_not_know_the_two_users_is_an_error_with_the_fix(running: Running) -> None:
    shipped = running()

    with pytest.raises(CommandError, match=r"does not let .canhbao-selftest. in .*run `canhbao broker users`"):
        broker_selftest.selftest(shipped.services, {SELFTEST: "guessed", SENDER: "guessed"})


def test_a_broker_that_is_away_is_an_error_with_the_fix(tmp_path: Path) -> None:
    for user in (SELFTEST, SENDER):
        (tmp_path / user).write_text("secret")

    done = canhbao(tmp_path, free_port(), "--services", str(tmp_path))

    assert done.returncode == 69
    assert "no broker can be reached at 127.0.0.1" in done.stderr


def test_without_the_passwords_of_its_users_it_says_who_writes_them(tmp_path: Path) -> None:
    done = canhbao(tmp_path, free_port())

    assert done.returncode == 78
    assert "run `canhbao broker users`" in done.stderr


def test_the_embedded_broker_is_told_to_be_no_mosquitto(embedded_broker: Broker) -> None:
    name, password = embedded_broker.publisher
    assert name is not None
    assert password is not None
    settings = BrokerSettings(host=embedded_broker.host, port=embedded_broker.port)

    with pytest.raises(CommandError, match=r"does not speak MQTT 5|does not let"):
        broker_selftest.selftest(settings, {SELFTEST: password, SENDER: password})


def canhbao(folder: Path, port: int, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CANHBAO_BROKER__HOST": "127.0.0.1", "CANHBAO_BROKER__PORT": str(port)}
    command = [sys.executable, "-m", "service.cli", "broker", "selftest", "--data", str(folder), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)


# ---- what no broker here can prove


def lines_of(name: str) -> dict[str, str]:
    text = (SHIPPED / name).read_text(encoding="utf-8")
    return dict(line.partition(" ")[::2] for line in text.splitlines() if line and not line.startswith("#"))


def test_the_shipped_limits_agree_with_what_ingest_asks_for_and_can_read() -> None:
    limits = lines_of("mosquitto.conf")

    assert int(limits["max_inflight_messages"]) >= RECEIVE_MAXIMUM
    assert LARGEST_PAYLOAD < int(limits["message_size_limit"]) < int(limits["max_packet_size"]) < LARGEST


def test_mosquitto_2_1_syncs_each_change_and_has_no_second_persistence_which_would_keep_it_from_starting() -> None:
    newer = lines_of("2.1/persistence.conf")

    assert (newer["plugin_opt_sync"], newer["plugin_opt_flush_period"]) == ("full", "0")
    assert "persistence" not in newer
    assert "persistence" not in lines_of("mosquitto.conf")
    assert lines_of("2.0/persistence.conf")["persistence"] == "true"
