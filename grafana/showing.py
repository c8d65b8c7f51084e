"""
Alarms of which residents were told -> the same annotations in a Grafana, however often it is done and wherever it broke off before.

Rule 1: before one is added it is looked for by its name, over all times: it may be there, although the window did not show it.
Rule 2: what Grafana refuses stops no other; when Grafana is away, the rest waits for the next time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devices.instants import Instant
from grafana.annotations import Add, Amend, Episode, Verb, plan
from grafana.client import Client, GrafanaError
from grafana.shipped import TAG

MOST = 50
"""Verbs of one go: the rest comes with the next, the newest alarms are first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What was done."""

    done: int = 0
    left: int = 0
    """Verbs for the next time."""
    refused: tuple[GrafanaError, ...] = ()


def show(client: Client, episodes: Sequence[Episode], window: tuple[Instant, Instant], now: Instant) -> Shown:
    """
    Bring the annotations of Grafana to what residents were told.

    Args:
        client: of the Grafana.
        episodes: the newest first.
        window: the span in which they are looked for at once; one that is outside is found by its name.
        now: the present instant.

    Raises:
        GrafanaError: Grafana is away, or does not let us read; what was done until then stays.
    """
    verbs = plan(episodes, client.annotations([TAG], window), now)
    by_name = {episode.name: episode for episode in episodes}
    refused = []
    for verb in verbs[:MOST]:
        try:
            for each in _looked_up(client, verb, by_name, now):
                _do(client, each)
        except GrafanaError as error:
            if error.is_away or error.status == 403:
                raise
            refused.append(error)
    return Shown(min(len(verbs), MOST) - len(refused), max(0, len(verbs) - MOST), tuple(refused))


def _looked_up(client: Client, verb: Verb, by_name: Mapping[str, Episode], now: Instant) -> list[Verb]:
    return plan([by_name[verb.name]], client.annotations([verb.name]), now) if isinstance(verb, Add) else [verb]


def _do(client: Client, verb: Verb) -> None:
    if isinstance(verb, Add):
        client.add_annotation(verb.region)
    elif isinstance(verb, Amend):
        client.amend_annotation(verb.id, verb.region)
    else:
        client.remove_annotation(verb.id)
