"""
The same messages -> a town that nothing happens to, and what both towns have come to.

Rule 1: what people were told may differ: what was over before it could be told is not told. What is so must not.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rig.brokers import mosquitto_in
from rig.picture import Picture, differences, picture_of
from rig.publisher import Message, Publisher
from rig.report import Result
from rig.town import town_in

SAME = ("store", "changes", "ledger", "alarms", "quarantine")
RATE = 4_000.0
"""Messages a second; it need not take as long as the town that things happened to."""


def judge_against_twin(result: Result, found: Picture, city: Path, messages: Iterable[Message], base: int) -> None:
    """Give a twin the same messages, and claim that both have come to the same."""
    folder = city.with_name("twin")
    folder.mkdir()
    with mosquitto_in(folder) as broker, town_in(folder, city, broker) as town:
        town.start()
        town.ready()
        with Publisher(broker) as publisher:
            publisher.publish(messages, RATE)
        town.until(lambda: town.settled(publisher.acknowledged), "the twin to settle", 120)
        twin = picture_of(town, base)
    apart = [f"{name}: {what}" for name, what in differences(twin, found).items() if name in SAME]
    result.claim("store, changes, ledger and alarms are those of a town that nothing happened to", not apart, "; ".join(apart))
