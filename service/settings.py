"""
Environment, a TOML file and defaults -> the settings of the programs.

Rule 1: what was given on the command line wins, then the environment, then the file, then the default.
Rule 2: a secret is given as a value or as the name of a file that holds it (`password_file`, `CANHBAO_BROKER__PASSWORD_FILE`); it never shows when
        settings are printed or logged.
Rule 3: a name that nobody knows is an error, in the file and in the environment: a misspelt setting must not pass as a default.
Rule 4: settings are about the machine; what is true of the city stands in its folder and is applied by `canhbao ingest`.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from service.settings_sources import FILE_VARIABLE, PREFIX, SettingsError, problem, settings_file, unknown_variables, with_secrets

_PROJECT = Path(__file__).resolve().parent.parent

BESIDE_INFLUX = 72
"""Hours of readings in the store where InfluxDB has the rest: the pages live on them while it is away."""

Port = Annotated[int, Field(ge=1, le=65_535)]
LogFormat = Literal["auto", "json", "text"]


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BrokerSettings(Section):
    """The MQTT broker that devices publish to."""

    host: str | None = Field(
        None, description="Name or address of the broker. Without one, `canhbao run` starts the embedded broker on 127.0.0.1."
    )
    port: Port = Field(1883, description="Port of the broker; the embedded broker listens here.")
    username: str | None = Field(None, description="Name that `canhbao ingest` connects with.")
    password: SecretStr | None = Field(None, description="Its password.")
    tls: bool = Field(default=False, description="Speak TLS to the broker.")
    ca: Path | None = Field(None, description="File of certificates to trust (PEM) instead of those of the system.")
    client_id: str = Field(
        "canhbao-ingest", description="Client id: the broker keeps what is unread under it, so keep it stable and unique."
    )


class WebSettings(Section):
    """The residents' page and the open interface."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for everybody.")
    port: Port = Field(8080, description="Port to listen on.")


class OperatorsSettings(Section):
    """The operators' pages and the acting interface, served by `canhbao serve`."""

    host: str = Field("127.0.0.1", description="Address to listen on. Whoever can reach it and holds the token can act.")
    port: Port = Field(8081, description="Port to listen on.")


class SpoolSettings(Section):
    """What `canhbao ingest` keeps."""

    quarantine_bytes: int = Field(
        256 * 1024 * 1024, ge=0, description="Bytes of refused payloads to keep; the oldest are emptied first, rows and counts stay."
    )
    budget_bytes: int | None = Field(
        None,
        ge=1024 * 1024,
        description="Bytes that the spool may hold while an archive is away or the night is not over. Without a number: a quarter of the disk of"
        " the data folder, at most 20 GiB.",
    )


class ArchiveSettings(Section):
    """What `canhbao archive` keeps."""

    keep_hours: int | None = Field(
        None,
        ge=1,
        description="Hours of readings to keep in the store, by the time of observation; its history of hours stays for ever. Without a number:"
        " 72 beside InfluxDB, else everything.",
    )
    reconcile_minutes: int | None = Field(
        None,
        ge=1,
        description="Minutes between two comparisons of spool and archive, after which the spool lets go what was compared. Without a number:"
        " each night at 02:30. Fewer make a smaller spool.",
    )


class InfluxSettings(Section):
    """A server of InfluxDB 2, to which `canhbao archive` also moves readings."""

    url: str | None = Field(
        None, description="Address of the server, for example http://127.0.0.1:8086. Without one, readings are in the store only."
    )
    org: str = Field("canhbao", description="Name of the organisation.")
    bucket: str = Field("canhbao", description="Name of the bucket.")
    keep_days: int | None = Field(
        None,
        ge=1,
        description="Days that the bucket keeps readings, by the time of observation; the history of hours, in the bucket with `_hourly` after its"
        " name, stays for ever. Without a number: everything.",
    )
    token: SecretStr | None = Field(
        None, description="Token that may write the bucket, for good until the next start. Without one, that of `canhbao archive init`."
    )
    read_token: SecretStr | None = Field(
        None, description="Token that may read the bucket, for good until the next start. Without one, that of `canhbao archive init`."
    )
    token_folder: Path | None = Field(
        None,
        description="Folder of the two tokens of `canhbao archive init`, which are read again when one has failed. Without one, the data folder.",
    )
    ca: Path | None = Field(None, description="File of certificates to trust (PEM) instead of those of the system.")
    verify: bool = Field(default=True, description="Whether the server's certificate is checked; only ever off to find a fault.")
    timeout: float = Field(10.0, gt=0, le=300, description="Seconds that one request may take.")


class GrafanaSettings(Section):
    """A Grafana, in which `canhbao serve` shows warnings as annotations."""

    url: str | None = Field(
        None,
        description="Address of Grafana, with its path if it has one, for example http://127.0.0.1:3000. Without one, nothing is told to it.",
    )
    token: SecretStr | None = Field(None, description="Token of a service account with the role Editor.")
    ca: Path | None = Field(None, description="File of certificates to trust (PEM) instead of those of the system.")
    verify: bool = Field(default=True, description="Whether the server's certificate is checked; only ever off to find a fault.")
    timeout: float = Field(10.0, gt=0, le=60, description="Seconds in which Grafana has to say something.")
    pages: str | None = Field(
        None, description="Address at which operators open their pages, for the links of dashboards. Without one, that of `operators`."
    )


class LogSettings(Section):
    """What the programs say about themselves, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least severe level that is written.")
    format: LogFormat = Field("auto", description="`json`: an object a line; `text`: for people; `auto`: text on a terminal, else json.")


def _found(city: Path) -> Path:
    """Let the cities that are shipped be named from any working directory."""
    shipped = _PROJECT / city
    return shipped if not city.exists() and shipped.exists() else city


class Settings(BaseSettings):
    """All settings of a machine. Relative paths count from the working directory."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__", validate_default=True)

    data: Path = Field(Path("data"), description="Folder of everything that is kept: spool, store, ledger, tokens.")
    city: Annotated[Path, AfterValidator(_found)] = Field(Path("config/hue"), description="Folder of the city's configuration.")
    broker: BrokerSettings = Field(BrokerSettings(), description="The MQTT broker.")
    web: WebSettings = Field(WebSettings(), description="The residents' page.")
    operators: OperatorsSettings = Field(OperatorsSettings(), description="The operators' pages.")
    spool: SpoolSettings = Field(SpoolSettings(), description="The spool.")
    archive: ArchiveSettings = Field(ArchiveSettings(), description="The archive.")
    influx: InfluxSettings = Field(InfluxSettings(), description="InfluxDB.")
    grafana: GrafanaSettings = Field(GrafanaSettings(), description="Grafana.")
    log: LogSettings = Field(LogSettings(), description="Logs.")
    secrets: dict[str, SecretStr] = Field(
        {}, description="Secrets by the names that policy.yaml uses, in small letters; for example `CANHBAO_SECRETS__SMTP_FILE` for `smtp`."
    )

    @property
    def spool_file(self) -> Path:
        """Give the file that `canhbao ingest` writes."""
        return self.data / "spool.db"

    @property
    def store_file(self) -> Path:
        """Give the file that `canhbao archive` writes."""
        return self.data / "store.db"

    @property
    def store_hours(self) -> int | None:
        """Give how many hours of readings the store keeps; None for all."""
        return self.archive.keep_hours or (None if self.influx.url is None else BESIDE_INFLUX)

    @property
    def ledger_file(self) -> Path:
        """Give the file that `canhbao serve` writes."""
        return self.data / "ledger.db"

    @property
    def token_file(self) -> Path:
        """Give the file of the operators' token (mode 0600), made by `canhbao serve` at its first start."""
        return self.data / "operator.token"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is given; ours also reads `_FILE` names
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not read: one file is enough
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced by `_FILE` names
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Give the sources, the strongest first."""
        return init_settings, _Environment(settings_cls), _File(settings_cls, settings_file())


class _Environment(EnvSettingsSource):
    def __call__(self) -> dict[str, Any]:
        return with_secrets(Settings, super().__call__(), "")


class _File(TomlConfigSettingsSource):
    def __call__(self) -> dict[str, Any]:
        return with_secrets(Settings, super().__call__(), "")


def load_settings(**given: Any) -> Settings:
    """
    Read the settings of this machine.

    Args:
        given: values that win over everything, for example from the command line.

    Returns:
        The settings.

    Raises:
        SettingsError: for a value that does not fit, an unknown name, a file that cannot be read.
    """
    if unknown := unknown_variables(Settings):
        raise SettingsError("\n".join(unknown))
    if FILE_VARIABLE in os.environ and not settings_file().is_file():
        raise SettingsError(f"{FILE_VARIABLE} names {settings_file()}, which is not there; write that file or unset {FILE_VARIABLE}")
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(
            "\n".join(problem(Settings, tuple(detail["loc"]), detail["msg"], detail["type"]) for detail in error.errors())
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{settings_file()} is not TOML: {error}; mend that line") from error
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be read: {error.strerror}; make it readable for this user") from error
