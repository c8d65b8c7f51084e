"""The settings of a channel, as a city writes them -> the channel. A new kind is a file beside this one, a row in each of the two places here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field

from alerts.channels.email import EmailChannel, EmailSettings
from alerts.channels.log import LogChannel, LogSettings
from alerts.channels.port import Channel
from alerts.channels.webhook import WebhookChannel, WebhookSettings

ChannelSettings: TypeAlias = Annotated[LogSettings | WebhookSettings | EmailSettings, Field(discriminator="kind")]
"""What stands under the name of a channel in policy.yaml; `kind` says which it is."""


def channel_of(settings: LogSettings | WebhookSettings | EmailSettings, *, secrets: Mapping[str, str], data: Path) -> Channel:
    """
    Open a channel; nothing is connected before the first notice.

    Args:
        settings: as a city writes them.
        secrets: values by the names that settings use.
        data: the data directory.

    Raises:
        LookupError: a secret is not given.
    """
    match settings:
        case LogSettings():
            return LogChannel(settings, data)
        case WebhookSettings():
            return WebhookChannel(settings, _secret(settings.secret, secrets))
        case EmailSettings():
            return EmailChannel(settings, _secret(settings.secret, secrets) if settings.secret else None)


def _secret(name: str, secrets: Mapping[str, str]) -> str:
    if not secrets.get(name):
        raise LookupError(f"the secret {name!r} is not given; put it into the environment or a file, as the settings say")
    return secrets[name]
