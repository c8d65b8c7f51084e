"""
A service that was put back to an earlier state -> a service that says nothing until an operator has looked.

Rule 1: the hold is an open incident of the ledger, so it survives every restart, and status and operators' pages show it by themselves.
Rule 2: while it is open the desk withholds everything, ends too, and no channel takes a delivery; alarms follow the water as ever.
Rule 3: what is told after it is what differs then from what was told.
"""

from __future__ import annotations

from sqlalchemy import Connection

from alerts.ledger import incidents
from devices.instants import Instant

HELD = "held"


def hold(connection: Connection, why: str, at: Instant) -> bool:
    """Let nothing be sent from here on; tell whether it was not held before."""
    return incidents.begin(connection, HELD, why, at)


def end(connection: Connection, at: Instant) -> bool:
    """End the hold; tell whether it was held."""
    return incidents.end(connection, HELD, at)


def is_held(connection: Connection) -> bool:
    """Tell whether nothing may be sent."""
    return incidents.is_open(connection, HELD)
