"""What becomes of a reading when it is held against those already known of its sensor."""

from __future__ import annotations

from enum import IntEnum


class Verdict(IntEnum):
    """Decided once, at first arrival; every one but NEW and LATE leaves the archive as it is or overwrites one point."""

    NEW = 0
    """Accepted."""
    DUPLICATE = 1
    """The same value for the same instant is known: counted, not kept."""
    LOST_CONFLICT = 2
    """Another value for the same instant is known and wins: this one goes to quarantine as `conflict`."""
    WON_CONFLICT = 3
    """This value wins over a known one for the same instant: it overwrites the point, the other goes to quarantine as `conflict`."""
    LATE = 4
    """Older than the lateness bound: archived and counted, but the rules do not hear of it and its identity is not known."""
