"""Settings: what wins over what, secrets, and what is said of mistakes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.settings import Settings, load_settings
from service.settings_sources import SettingsError, leaves, variable


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine reaches these tests."""
    for name in [name for name in os.environ if name.startswith("CANHBAO_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_anything_the_service_listens_on_this_machine_only() -> None:
    settings = load_settings()

    assert (settings.web.host, settings.operators.host, settings.broker.host) == ("127.0.0.1", "127.0.0.1", None)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file_and_that_over_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("canhbao.toml").write_text('data = "file"\n[web]\nport = 1001\n[operators]\nport = 2001\n')
    monkeypatch.setenv("CANHBAO_DATA", "environment")
    monkeypatch.setenv("CANHBAO_WEB__PORT", "1002")

    settings = load_settings(data=Path("given"))

    assert settings.data == Path("given")
    assert settings.web.port == 1002
    assert settings.operators.port == 2001
    assert settings.broker.port == 1883
    assert settings.web.host == "127.0.0.1"


def test_another_file_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[web]\nport = 1003\n")
    monkeypatch.setenv("CANHBAO_FILE", "other.toml")

    assert load_settings().web.port == 1003


def test_a_named_file_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANHBAO_FILE", "absent.toml")

    with pytest.raises(SettingsError, match=r"absent\.toml, which is not there; write that file or unset CANHBAO_FILE"):
        load_settings()


def test_a_secret_comes_from_the_file_that_the_environment_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("xin-chào\n", encoding="utf-8")
    monkeypatch.setenv("CANHBAO_BROKER__PASSWORD_FILE", str(tmp_path / "secret"))

    password = load_settings().broker.password

    assert password is not None
    assert password.get_secret_value() == "xin-chào"


def test_a_secret_of_the_environment_wins_over_the_file_named_in_toml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file")
    Path("canhbao.toml").write_text('[broker]\npassword_file = "secret"\n')
    monkeypatch.setenv("CANHBAO_BROKER__PASSWORD", "from the environment")

    password = load_settings().broker.password

    assert password is not None
    assert password.get_secret_value() == "from the environment"


def test_secrets_of_channels_go_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "smtp").write_text("one\n")
    Path("canhbao.toml").write_text('[secrets]\nwebhook = "two"\n')
    monkeypatch.setenv("CANHBAO_SECRETS__SMTP_FILE", str(tmp_path / "smtp"))

    secrets = load_settings().secrets

    assert {name: secret.get_secret_value() for name, secret in secrets.items()} == {"smtp": "one", "webhook": "two"}


def test_a_secret_never_shows_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANHBAO_BROKER__PASSWORD", "hunter2")

    settings = load_settings()

    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_a_secret_given_twice_in_one_place_is_an_error() -> None:
    Path("canhbao.toml").write_text('[broker]\npassword = "one"\npassword_file = "two"\n')

    with pytest.raises(SettingsError, match=r"both broker\.password and broker\.password_file are given; keep one"):
        load_settings()


def test_a_file_of_a_secret_that_cannot_be_read_is_named() -> None:
    Path("canhbao.toml").write_text('[broker]\npassword_file = "absent"\n')

    with pytest.raises(SettingsError, match=r"broker\.password_file names absent, which cannot be read"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[web]\nport = 70000\n", "web.port: input should be less than or equal to 65535; set it in canhbao.toml or as CANHBAO_WEB__PORT"),
        ("[web]\nprot = 80\n", "web.prot is not a setting; did you mean web.port?"),
        ("zzzzzzzz = 1\n", "zzzzzzzz is not a setting; remove it from canhbao.toml"),
        ("port 80\n", "canhbao.toml is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_said_with_its_fix(text: str, said: str) -> None:
    Path("canhbao.toml").write_text(text)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert said in str(caught.value)


def test_a_misspelt_variable_is_an_error_and_not_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANHBAO_WBE__PORT", "80")

    with pytest.raises(SettingsError, match=r"CANHBAO_WBE__PORT is not a setting; did you mean CANHBAO_WEB__PORT\?"):
        load_settings()


def test_the_shipped_city_is_found_from_any_folder() -> None:
    assert (load_settings().city / "stations.yaml").is_file()


def test_every_setting_says_what_it_is() -> None:
    silent = [variable(where) for where, field in leaves(Settings) if not (field.description or "").endswith(".")]

    assert silent == []
