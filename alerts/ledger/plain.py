"""A value of ours -> what a driver takes."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import Any

from alerts.model import Alarm, Notice, Told, Withheld


def plain(value: Alarm | Told | Notice | Withheld) -> dict[str, Any]:
    """Give the fields by name. Enum members are strings, but the driver wants plain ones."""
    found = ((each.name, getattr(value, each.name)) for each in fields(value))
    return {name: field.value if isinstance(field, Enum) else field for name, field in found}
