"""The channels of a city -> those that can be opened; each that cannot is an incident, and stops no other."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from sqlalchemy import Engine

from alerts.channels.catalogue import ChannelSettings, channel_of
from alerts.channels.port import Channel
from alerts.ledger import incidents
from devices.instants import Instant
from service.settings import Settings

CHANNEL_CLOSED = "channel_closed"
LONGEST = 32
"""Characters of the kind of an incident."""

log = structlog.get_logger(__name__)


def open_channels(wanted: Mapping[str, ChannelSettings], settings: Settings, engine: Engine, now: Instant) -> dict[str, Channel]:
    """
    Open channels.

    Args:
        wanted: by name, as the city's policy has them.
        settings: of the machine, with the secrets.
        engine: of the ledger, for incidents.
        now: by the city's clock.

    Returns:
        Those that are open.
    """
    known = {name: secret.get_secret_value() for name, secret in settings.secrets.items()}
    opened: dict[str, Channel] = {}
    for name, each in wanted.items():
        kind = f"{CHANNEL_CLOSED}:{name}"[:LONGEST]
        try:
            opened[name] = channel_of(each, secrets=known, data=settings.data)
        except LookupError as error:
            log.error("a channel cannot be opened; nothing goes out by it", channel=name, why=str(error))
            with engine.begin() as connection:
                incidents.begin(connection, kind, str(error), now)
        else:
            with engine.begin() as connection:
                incidents.end(connection, kind, now)
    return opened
