"""
Users of the broker -> what each may say and hear: the text of Mosquitto's file of rights.

Rule 1: rights are patterns over the own name, so that they do not depend on the devices; without a password there are no rights.
Rule 2: a name that speaks for others is a service; nobody but `canhbao ingest` hears what devices say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

INGEST, WEB, GATEWAY = "canhbao-ingest", "canhbao-web", "gateway"
SELFTEST, SENDER = "canhbao-selftest", "canhbao-selftest.sender"
SERVICES = (INGEST, WEB, GATEWAY, SELFTEST, SENDER)
FURTHER = re.compile(rf"({WEB}|{GATEWAY})\.[a-z0-9-]{{1,32}}")
"""Further users of a kind; the dot keeps them apart from devices."""

_RIGHTS: Mapping[str, tuple[str, ...]] = {
    INGEST: (
        "topic read canhbao/v1/+/up",
        "topic read canhbao/v1/+/status",
        "topic read application/+/device/+/event/up",
        "topic read v3/+/devices/+/up",
        "topic read v1/devices/me/telemetry",
        "topic read v1/gateway/telemetry",
        "topic write canhbao/v1/+/receipt",
    ),
    WEB: ("topic write canhbao/v1/+/up",),
    GATEWAY: (
        "topic write canhbao/v1/+/up",
        "topic write canhbao/v1/+/status",
        "topic write application/+/device/+/event/+",
        "topic read application/+/device/+/command/+",
        "topic write v3/+/devices/+/up",
        "topic write v1/devices/me/telemetry",
        "topic write v1/gateway/telemetry",
    ),
    SELFTEST: (f"topic readwrite canhbao/v1/{SELFTEST}/selftest/#",),
    SENDER: (f"topic write canhbao/v1/{SELFTEST}/selftest/#", f"topic write canhbao/v1/{SENDER}/selftest/#"),
}
_EVERYBODY = """\
# Written by `canhbao broker users`; changes are lost.
# Everybody, for the own name alone:
pattern write canhbao/v1/%u/up
pattern write canhbao/v1/%u/status
pattern read canhbao/v1/%u/receipt
"""


def is_service(user: str) -> bool:
    """Tell whether a user is a service; all others are devices."""
    return user in SERVICES or FURTHER.fullmatch(user) is not None


def rights_of(users: Iterable[str]) -> str:
    """Give the text of the file of rights for these users."""
    parts = [_EVERYBODY]
    for user in sorted(users):
        rights = _RIGHTS.get(user) or _RIGHTS.get(user.partition(".")[0] if FURTHER.fullmatch(user) else "", ())
        if rights:
            parts.append("\n".join((f"user {user}", *rights, "")))
    return "\n".join(parts)
