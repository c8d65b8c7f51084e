"""The secrets of docker-compose.yml: made once, for their owner alone, each seen by whom it is for, and read again where they change."""

from __future__ import annotations

import os
import re
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rig.composition import Machine, Service, services
from service.broker_rights import SELFTEST, SENDER
from service.broker_users import password_in
from service.influx import files_of, write_token
from service.secrets import make_secrets
from service.settings import Settings, load_settings

TOKENS = {"influx/tokens/influx.read.token", "influx/tokens/influx.write.token"}


def machine_in(secrets: Path) -> Machine:
    ports = {port: port for port in (1883, 8080, 8081, 8086)}
    return Machine(secrets.with_name("volumes"), secrets, ports, frozenset(services()))


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    make_secrets(tmp_path / "secrets", ["wl-kim-long"], ["mqtt.example.org", "127.0.0.1"])
    return tmp_path / "secrets"


# ---- made


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    first = make_secrets(tmp_path / "secrets", ["wl-kim-long"], ["mqtt.example.org", "127.0.0.1"])
    made = {path: path.read_bytes() for path in (tmp_path / "secrets").rglob("*") if path.is_file() and path.name != ".lock"}
    again = make_secrets(tmp_path / "secrets", ["wl-kim-long"], ["elsewhere.example.org"])

    assert all(line.made for line in first)
    assert not any(line.made for line in again)
    assert made == {path: path.read_bytes() for path in made}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in made} == {0o700}


def test_the_certificate_is_for_the_names_that_were_given(secrets: Path) -> None:
    context = ssl.create_default_context(cafile=str(secrets / "broker_cert.pem"))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(secrets / "broker_cert.pem", secrets / "broker_key.pem")
    (certificate,) = context.get_ca_certs()
    assert certificate["subject"] == ((("commonName", "mqtt.example.org"),),)
    decoded = ssl._ssl._test_decode_cert(str(secrets / "broker_cert.pem"))  # type: ignore[attr-defined]
    assert decoded["subjectAltName"] == (("DNS", "mqtt.example.org"), ("IP Address", "127.0.0.1"))


# ---- given


def test_no_secret_stands_in_the_files() -> None:
    for service in services().values():
        for name, value in service.environment.items():
            if name.endswith("_FOLDER"):
                assert value.startswith(tuple(target for target, source in service.mounts.items() if source.startswith("./secrets/"))), name
            elif re.search("PASSWORD|TOKEN|SECRET|KEY", name):
                assert name.endswith("_FILE"), name
                assert value.startswith("/run/secrets/")


def test_each_sees_the_secrets_that_it_needs_and_no_others(secrets: Path) -> None:
    for name in ("influx.operator.token", "influx.password"):  # of `canhbao archive init`, on an empty server
        (secrets / "influx" / name).touch()

    seen = {name: visible(service, secrets) for name, service in services().items()}

    assert {name: files for name, files in seen.items() if files} == {
        "mosquitto": {"broker_cert.pem", "broker_key.pem", "users/passwords", "users/acl", "users/revoked"},
        "influxdb-init": {*TOKENS, "influx/influx.operator.token", "influx/influx.password", "influx_operator_token"},
        "ingest": {"services/canhbao-ingest"},
        "archive": TOKENS,
        "grafana": {"influx/tokens/influx.read.token", "grafana_admin_password"},
        "selftest": {"services/canhbao-selftest", "services/canhbao-selftest.sender"},
    }


def visible(service: Service, secrets: Path) -> set[str]:
    places = [machine_in(secrets).place(service, target) for target in service.mounts]
    files = [file for place in places for file in (place.rglob("*") if place.is_dir() else [place])]
    return {str(file.relative_to(secrets)) for file in files if file.is_relative_to(secrets) and file.is_file() and file.name != ".lock"}


def test_only_programs_that_ask_influxdb_are_told_where_it_is() -> None:
    told = {name for name, service in services().items() if any("INFLUX" in variable for variable in service.environment)}

    assert told == {"influxdb-init", "archive", "grafana"}


# ---- used


def settings_of(name: str, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    with monkeypatch.context() as patch:
        for variable, value in machine_in(secrets).environment(services()[name]).items():
            patch.setenv(variable, value)
        return load_settings()


def test_a_token_that_is_made_or_rotated_later_is_seen_by_the_running_archive(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = files_of(settings_of("influxdb-init", secrets, monkeypatch)).write
    token = write_token(settings_of("archive", secrets, monkeypatch))

    found = [token()]
    for rotated in ("first", "second"):
        draft = made.with_name("draft")
        draft.write_text(f"{rotated}\n")
        draft.replace(made)  # another file under the same name, as `canhbao archive init` does it
        found.append(token())

    assert found == [None, "first", "second"]


@pytest.mark.influx
def test_init_makes_the_folder_of_the_tokens_and_keeps_what_may_do_everything_elsewhere(
    new_influxd: Callable[[], Any], secrets: Path, tmp_path: Path
) -> None:
    operator = ("--operator-token-file", str(secrets / "influx_operator_token"))
    given = {"DATA": tmp_path / "kept", "INFLUX__TOKEN_FOLDER": tmp_path / "tokens", "INFLUX__URL": new_influxd().url}
    command = [sys.executable, "-m", "service.cli", "archive", "init", *operator]
    environment = {**os.environ, **{f"CANHBAO_{name}": str(value) for name, value in given.items()}}

    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, timeout=60)

    made = {folder: {file.name for file in (tmp_path / folder).iterdir()} for folder in ("kept", "tokens")}
    assert made == {
        "kept": {"influx.operator.token", "influx.password"},
        "tokens": {"influx.write.token", "influx.read.token"},
    }


def test_what_is_replaced_while_the_archive_runs_is_mounted_as_a_folder() -> None:
    of_secrets = [source for source in services()["archive"].mounts.values() if source.startswith("./secrets/")]

    assert of_secrets == ["./secrets/influx/tokens"]


def test_the_self_test_of_the_broker_has_its_address_and_its_users(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service, machine = services()["selftest"], machine_in(secrets)

    *words, folder = service.words
    places = {user: machine.place(service, f"{folder}/{user}") for user in (SELFTEST, SENDER)}

    assert words == ["broker", "selftest", "--services"]
    assert service.environment["CANHBAO_BROKER__HOST"] in services()
    assert settings_of("selftest", secrets, monkeypatch).broker.port == 1883
    assert all(password_in(place.parent, user) for user, place in places.items())
