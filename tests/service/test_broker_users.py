"""Who may connect to Mosquitto: what the files say, and what a real broker makes of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig.mosquitto_files import Shipped, shipped_mosquitto
from service import broker_users
from service.broker_probe import Probe
from service.broker_users import Places, Plan, Wishes, hash_of, matches
from service.exits import CommandError

DEVICES = ["wl-kim-long", "wl-phu-oc"]
OF_MOSQUITTO = "$7$101$ou5i5w0DNZgRRpKi$JLHw5/fAMNZCDR2frTqaAqfOfPbDeX08+YWv+5sP+pUiM11mJrXjXGDk8sJmujmoSwwpth/YoKebsc91848lCA=="
"""Of the password `p`, by mosquitto_passwd 2.0.11."""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "users", tmp_path / "services")


def write(places: Places, devices: list[str] = DEVICES, out: Path | None = None, **wishes: set[str]) -> Plan:
    return broker_users.write_users(places, devices, Wishes(**{name: frozenset(users) for name, users in wishes.items()}), out)


def entries(places: Places) -> dict[str, str]:
    return dict(line.split(":", 1) for line in (places.users / "passwords").read_text().splitlines())


# ---- the files


def test_a_hash_of_mosquitto_is_that_of_its_password_and_of_no_other() -> None:
    assert matches("p", OF_MOSQUITTO)
    assert not matches("q", OF_MOSQUITTO)
    assert not matches("p", "$6$" + OF_MOSQUITTO[3:])
    assert not matches("p", "plain")


def test_every_device_and_service_gets_a_password_that_is_told_once(places: Places) -> None:
    first = write(places)
    again = write(places)

    assert set(first.passwords) == set(DEVICES)
    assert all(matches(password, entries(places)[device]) for device, password in first.passwords.items())
    assert all(matches((places.services / name).read_text(), entries(places)[name]) for name in broker_users.SERVICES)
    assert (again.passwords, again.changes) == ({}, False)


def test_no_password_stands_in_the_files_of_the_broker_and_nobody_else_can_read_any(places: Places, tmp_path: Path) -> None:
    first = write(places, out=tmp_path / "handed-out")

    text = (places.users / "passwords").read_text() + (places.users / "acl").read_text()
    held = [*first.passwords.values(), *((places.services / name).read_text() for name in broker_users.SERVICES)]
    files = [tmp_path / "handed-out", places.users / "passwords", places.users / "acl", *places.services.iterdir()]
    assert not [password for password in held if password in text]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "handed-out").read_text() == "".join(f"{name}:{first.passwords[name]}\n" for name in sorted(DEVICES))


def test_running_again_keeps_every_password_and_adds_and_removes_with_the_registry(places: Places) -> None:
    write(places)
    before = entries(places)

    plan = write(places, ["wl-kim-long", "wl-new"])

    after = entries(places)
    assert (plan.added, plan.removed, plan.rotated) == (("wl-new",), ("wl-phu-oc",), ())
    assert "wl-phu-oc" not in after
    assert {name: after[name] for name in after if name != "wl-new"} == {name: before[name] for name in before if name != "wl-phu-oc"}


def test_who_is_revoked_stays_out_until_rotated_also_where_the_device_was_away_meanwhile(places: Places) -> None:
    write(places)

    assert write(places, revoke={"wl-phu-oc"}).revoked == ("wl-phu-oc",)
    assert "wl-phu-oc" not in entries(places)
    write(places, ["wl-kim-long"])
    assert not write(places).changes
    assert write(places, rotate={"wl-phu-oc"}).passwords.keys() == {"wl-phu-oc"}
    assert "wl-phu-oc" in entries(places)


def test_rotating_changes_one_password_and_what_was_handed_out(places: Places, tmp_path: Path) -> None:
    out = tmp_path / "handed-out"
    first = write(places, out=out).passwords

    second = write(places, out=out, rotate={"wl-phu-oc"}).passwords

    assert second.keys() == {"wl-phu-oc"}
    assert second["wl-phu-oc"] != first["wl-phu-oc"]
    assert not matches(first["wl-phu-oc"], entries(places)["wl-phu-oc"])
    assert out.read_text() == f"wl-kim-long:{first['wl-kim-long']}\nwl-phu-oc:{second['wl-phu-oc']}\n"
    write(places, out=out, revoke={"wl-phu-oc"})
    assert out.read_text() == f"wl-kim-long:{first['wl-kim-long']}\n"


def test_a_password_that_a_service_holds_already_is_taken_over(places: Places) -> None:
    places.services.mkdir()
    (places.services / "canhbao-ingest").write_text("chosen elsewhere\n")
    write(places)
    (places.services / "gateway").write_text("changed later\n")

    plan = write(places)

    assert matches("chosen elsewhere", entries(places)["canhbao-ingest"])
    assert matches("changed later", entries(places)["gateway"])
    assert plan.rotated == ("gateway",)


def test_a_further_gateway_stays_and_has_the_rights_of_a_gateway(places: Places) -> None:
    write(places, further={"gateway.chirpstack"})
    write(places)

    rights = (places.users / "acl").read_text().split("user ")
    assert matches((places.services / "gateway.chirpstack").read_text(), entries(places)["gateway.chirpstack"])
    of = {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in rights}
    assert of["gateway.chirpstack"] == of["gateway"]


def test_a_dry_run_says_what_would_change_and_writes_nothing(places: Places) -> None:
    plan = broker_users.write_users(places, DEVICES, Wishes(), dry=True)

    assert set(plan.added) == {*DEVICES, *broker_users.SERVICES}
    assert not plan.passwords
    assert not places.users.exists()
    assert not places.services.exists()


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"rotate": {"nobody"}}, "there is no user 'nobody'"),
        ({"revoke": {"canhbao-ingest"}}, "is needed; give it a new password with --rotate canhbao-ingest"),
        ({"further": {"gateway/#"}}, "write gateway.NAME or canhbao-web.NAME"),
        ({"rotate": {"wl-phu-oc"}, "revoke": {"wl-phu-oc"}}, "leave one of them out"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_with_the_fix(places: Places, wishes: dict[str, set[str]], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        write(places, **wishes)
    assert not (places.users / "passwords").exists()


def test_a_device_named_like_a_service_is_refused(places: Places) -> None:
    with pytest.raises(CommandError, match="another id in devices"):
        write(places, ["gateway"])


# ---- the command


def canhbao(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli", "broker", "users", "--data", str(folder), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_the_command_writes_the_devices_of_the_city_and_says_how_to_tell_the_broker(tmp_path: Path) -> None:
    done = canhbao(tmp_path, "--json")

    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert "wl-kim-long" in told["passwords"]
    assert matches(told["passwords"]["wl-kim-long"], entries(Places(tmp_path / "broker" / "users", tmp_path))["wl-kim-long"])
    assert "send it SIGHUP" in done.stderr


def test_a_broker_that_cannot_be_told_is_an_error_after_the_passwords_were_told(tmp_path: Path) -> None:
    done = canhbao(tmp_path, "--json", "--pid-file", str(tmp_path / "none"))
    ran = canhbao(tmp_path, "--reload-command", "false")

    assert (done.returncode, ran.returncode) == (69, 69)
    assert json.loads(done.stdout)["passwords"]
    assert "the files are written, but the broker does not know it yet" in done.stderr
    assert "'false' ended with 1" in ran.stderr


# ---- a real broker with the shipped files


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Shipped]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH; it makes the certificate of this test")
    with shipped_mosquitto(tmp_path, DEVICES) as shipped:
        yield shipped


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.mosquitto
def test_a_reading_of_a_device_reaches_ingest_over_tls_and_a_receipt_the_device(town: Shipped) -> None:
    with town.connected("canhbao-ingest") as ingest, town.connected("wl-kim-long") as device:
        assert ingest.subscribe("canhbao/v1/+/up")
        device.subscribe("canhbao/v1/wl-kim-long/receipt")

        assert device.publish("canhbao/v1/wl-kim-long/up", b"3.62")
        assert ingest.publish("canhbao/v1/wl-kim-long/receipt", b"1")

        assert ingest.messages.get(timeout=5) == ("canhbao/v1/wl-kim-long/up", b"3.62")
        assert device.messages.get(timeout=5) == ("canhbao/v1/wl-kim-long/receipt", b"1")


@pytest.mark.mosquitto
@pytest.mark.parametrize(
    ("user", "topic", "allowed"),
    [
        ("wl-kim-long", "canhbao/v1/wl-kim-long/status", True),
        ("wl-kim-long", "canhbao/v1/wl-phu-oc/up", False),
        ("wl-kim-long", "canhbao/v1/wl-kim-long/receipt", False),
        ("wl-kim-long", "application/1/device/2/event/up", False),
        ("wl-kim-long", "$SYS/broker/version", False),
        ("gateway", "canhbao/v1/wl-phu-oc/up", True),
        ("gateway", "application/1/device/2/event/up", True),
        ("gateway", "v3/hue@ttn/devices/2/up", True),
        ("gateway", "v1/gateway/telemetry", True),
        ("gateway", "canhbao/v1/wl-phu-oc/receipt", False),
        ("canhbao-web", "canhbao/v1/aq-airrohr/up", True),
        ("canhbao-web", "v1/gateway/telemetry", False),
        ("canhbao-ingest", "canhbao/v1/wl-phu-oc/up", False),
    ],
)
def test_each_may_say_what_is_his_and_nothing_else(town: Shipped, user: str, topic: str, allowed: bool) -> None:
    with town.connected(user) as probe:
        assert probe.publish(topic, b"x") is allowed


@pytest.mark.mosquitto
def test_only_ingest_hears_what_devices_say(town: Shipped) -> None:
    with town.connected("wl-phu-oc") as other, town.connected("gateway") as gateway, town.connected("canhbao-ingest") as ingest:
        for listener in (other, gateway, ingest):
            listener.subscribe("#")
        for topic in ("canhbao/v1/wl-kim-long/up", "application/1/device/2/event/up", "v3/a/devices/2/up", "v1/gateway/telemetry"):
            gateway.publish(topic, b"x")

        assert len(ingest.heard(lambda _: False, 0.5)) == 4
        assert not other.heard(lambda _: False, 0.1)
        assert not gateway.heard(lambda _: False, 0.1)


@pytest.mark.mosquitto
def test_a_revoked_device_is_cut_at_once_and_does_not_come_back_and_no_other_notices(town: Shipped) -> None:
    with town.connected("wl-kim-long") as stays, town.connected("wl-phu-oc") as goes, town.connected("canhbao-ingest") as ingest:
        write(town.places, out=town.handed_out, revoke={"wl-phu-oc"})
        town.reload()

        assert within(5, lambda: not goes.is_connected)
        assert not goes.publish("canhbao/v1/wl-phu-oc/up", b"x")
        assert stays.publish("canhbao/v1/wl-kim-long/up", b"x")
        assert ingest.is_connected
    with Probe(town.devices, "wl-phu-oc", "wl-phu-oc", "guessed") as back:
        assert not back.open(clean=True)


@pytest.mark.mosquitto
@pytest.mark.parametrize("way", ["--pid-file", "--reload-command"])
def test_the_command_has_the_running_broker_read_its_files(town: Shipped, tmp_path: Path, way: str) -> None:
    pid = town.broker.pid
    (tmp_path / "broker.pid").write_text(f"{pid}\n")
    told = {"--pid-file": str(tmp_path / "broker.pid"), "--reload-command": f"sh -c 'kill -s HUP {pid}'"}[way]
    places = ("--users", town.places.users, "--services", town.places.services, "--out", town.handed_out)
    with town.connected("wl-phu-oc") as goes, town.connected("wl-kim-long") as stays:
        done = canhbao(tmp_path / "data", *map(str, places), "--revoke", "wl-phu-oc", way, told)

        assert (done.returncode, done.stderr.count("was told to read its files")) == (0, 1), done.stderr
        assert within(5, lambda: not goes.is_connected)
        assert stays.is_connected


@pytest.mark.mosquitto
def test_without_a_reload_a_revoked_device_goes_on_which_is_why_the_command_says_so(town: Shipped) -> None:
    with town.connected("wl-phu-oc") as goes:
        write(town.places, out=town.handed_out, revoke={"wl-phu-oc"})

        assert not within(1, lambda: not goes.is_connected)
        assert goes.publish("canhbao/v1/wl-phu-oc/up", b"x")


@pytest.mark.mosquitto
def test_a_rotated_device_is_cut_and_comes_back_with_the_new_password_alone(town: Shipped) -> None:
    old = town.password("wl-phu-oc")
    with town.connected("wl-phu-oc") as device:
        write(town.places, out=town.handed_out, rotate={"wl-phu-oc"})
        town.reload()
        assert within(5, lambda: not device.is_connected)

    with Probe(town.devices, "wl-phu-oc", "wl-phu-oc", old) as stale:
        assert not stale.open(clean=True)
    with town.connected("wl-phu-oc") as again:
        assert again.is_connected


@pytest.mark.mosquitto
def test_what_waits_for_ingest_outlives_a_restart_of_the_broker_and_a_reload_while_it_is_away(town: Shipped) -> None:
    with town.connected("canhbao-ingest", clean=False) as ingest:
        ingest.subscribe("canhbao/v1/+/up")
    with town.connected("wl-kim-long") as device:
        assert device.publish_all("canhbao/v1/wl-kim-long/up", (b"%d" % n for n in range(1_500))) == 1_500
    town.broker.stop()
    town.broker.start()
    write(town.places, [*DEVICES, "wl-new"], out=town.handed_out)
    town.reload()
    assert within(5, lambda: can_connect(town, "wl-new"))

    with town.connected("canhbao-ingest", clean=False) as ingest:
        assert len(ingest.heard(lambda said: said == b"1499", 3)) == 1_500


def can_connect(town: Shipped, user: str) -> bool:
    with town.connected(user) as probe:
        return probe.is_connected


@pytest.mark.mosquitto
def test_a_password_of_ours_and_one_of_mosquitto_passwd_open_the_same_broker(town: Shipped) -> None:
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("no mosquitto_passwd on PATH")
    passwords = town.places.users / "passwords"
    subprocess.run([tool, "-b", str(passwords), "wl-kim-long", "by their tool"], check=True, capture_output=True)
    assert matches("by their tool", entries(town.places)["wl-kim-long"])
    town.reload()

    with Probe(town.devices, "wl-kim-long", "wl-kim-long", "by their tool") as theirs:
        assert theirs.open(clean=True)
    assert can_connect(town, "wl-phu-oc")


def test_a_hash_takes_the_salt_and_the_iterations_that_it_names() -> None:
    assert hash_of("p", b"twelve bytes", 1000).startswith("$7$1000$dHdlbHZlIGJ5dGVz$")
    assert matches("p", hash_of("p", b"twelve bytes", 1000))
