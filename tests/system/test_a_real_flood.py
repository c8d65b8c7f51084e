"""Six real rivers of November 2025, through a broker and every program at 36,000 times their pace: who is told what, and that it is over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from real_rivers import River, episodes, last_levels, messages, read_rivers, write_city

from devices.simulate import Message
from rules.changes import FRESHNESS, Verb
from rules.engine import Engine
from service.configuration import City, load_city

SPEED = 36_000.0
pytestmark = [pytest.mark.shared, pytest.mark.slow, pytest.mark.timeout(240)]


def told(town, station: str, audience: str, first: int) -> Counter[tuple[int, bool]]:
    """What an audience came to believe of each level from `first` on: how often it was told of it, and of its end."""
    question = (
        "SELECT n.level, n.was FROM notice n JOIN alarm a ON a.id = n.alarm"
        f" WHERE a.station = '{station}' AND n.audience = '{audience}' AND n.kind NOT IN ('lost', 'found') ORDER BY n.issued_at, n.sequence"
    )
    found: Counter[tuple[int, bool]] = Counter()
    on: set[int] = set()
    for level, _ in town.rows("ledger.db", question):
        for number in range(first, 5):
            if number <= level and number not in on:
                on.add(number)
            elif number > level and number in on:
                on.remove(number)
                found[number, True] += 1
    found.update((number, False) for number in on)
    return found


def standing_history(town) -> set[str]:
    """The ids of the changes of level that stand, by the spool."""
    standing: set[str] = set()
    for verb, number in town.rows("spool.db", "SELECT verb, id FROM change WHERE rule != 'freshness' ORDER BY seq"):
        (standing.add if verb == Verb.ISSUED else standing.discard)(number)
    return standing


def history_in_order(city: City, rivers: dict[str, River]) -> set[str]:
    """The same by the rules alone, with every reading once and in order."""
    engine = Engine(city.registry, city.rules, 0)
    changes: set[str] = set()
    for sensor in city.registry.sensors():
        for at, value in rivers[sensor.station].readings:
            outcome = engine.memory(sensor).observe(at, value, 0, at)
            changes |= {said.change.id for said in (outcome.said if outcome else ()) if said.change.rule != FRESHNESS}
    return changes


def is_taken(town, sent: list[Message]) -> bool:
    """
    Whether all that was sent is in the books and in the store.

    Both are asked: what a broker gives again counts as received again, and of what came twice the store needs one.
    """
    received = town.one("spool.db", "SELECT count FROM counter WHERE name = 'received'") or 0
    stored = town.one("store.db", "SELECT count(*) FROM reading") or 0
    return received >= len(sent) and stored == len({(message.topic, message.payload) for message in sent})


def owed(town) -> list[tuple[str, ...]]:
    """Alarms that have ended, and whose end somebody who was warned was not told."""
    return town.rows("ledger.db", "SELECT t.alarm FROM told t JOIN alarm a ON a.id = t.alarm WHERE t.level > 0 AND a.ended_at IS NOT NULL")


def settle(town, rivers: dict[str, River], sent: list[Message]) -> list[Message]:
    """
    Wait until whoever can be told has been told; each river is heard meanwhile, at its last level, as it is in the world.

    An end is told of a gauge that is heard. On a slow machine the last of a month comes a day late.

    Returns:
        All that was sent.
    """
    said = list(sent)

    def is_settled() -> bool:
        if is_taken(town, said) and not owed(town) and not town.rows("ledger.db", "SELECT 1 FROM delivery WHERE state = 'waiting'"):
            return True
        more = last_levels(rivers, town.clock(), len(said))
        town.play(more)
        said.extend(more)
        return False

    town.until(is_settled, "everything to be told", within=60)
    return said


def test_every_episode_of_six_rivers_is_told_once_and_ended_once(a_town, tmp_path: Path, hue: Path, shared: Path):
    rivers = read_rivers(shared)
    stream = messages(rivers)
    town = a_town(write_city(tmp_path / "city", hue, rivers), stream[0].due_at, SPEED)

    town.play(stream)
    sent = settle(town, rivers, stream)

    books = dict(town.rows("spool.db", "SELECT name, count FROM counter"))
    assert (books["received"], books["archived"], books.get("quarantined", 0)) == (len(sent), len(sent), 0)
    for name, river in rivers.items():
        expected = episodes(river)
        residents = Counter({(level, ended): count for (level, ended), count in expected.items() if level >= 2})
        assert told(town, name, "operators", 1) == expected, name
        assert told(town, name, "residents", 2) == residents, name
    notices = town.notices()
    assert len(notices) == len({notice["key"] for notice in notices})
    assert {notice["status"] for notice in notices} == {"Exercise"}


def test_shuffled_doubled_delayed_and_killed_at_five_points_the_standing_history_is_the_same(
    a_town, tmp_path: Path, hue: Path, shared: Path
):
    rivers = read_rivers(shared)
    city = write_city(tmp_path / "city", hue, rivers)
    shuffled = messages(rivers, Random(7))
    town = a_town(city, shuffled[0].due_at, SPEED)
    kills = iter([("ingest", 0.2), ("serve", 0.35), ("ingest", 0.5), ("archive", 0.6), ("ingest", 0.8)])
    coming = [next(kills)]

    def kill_when_due(progress) -> None:
        if coming and progress.sent >= coming[0][1] * len(shuffled):
            town.kill(coming[0][0])
            # The embedded broker waits two seconds before it gives a message again; those are twenty hours of this river, and readings
            # that meanwhile overtake it would make it later than any bound. So none overtakes it.
            town.until(lambda: is_taken(town, shuffled[: progress.sent]), "what was on its way at the kill")
            coming[:] = [each for each in [next(kills, None)] if each]

    town.play(shuffled, kill_when_due)
    sent = settle(town, rivers, shuffled)

    assert not coming
    assert standing_history(town) == history_in_order(load_city(city), rivers)
    assert town.one("store.db", "SELECT count(*) FROM reading") == len({(message.topic, message.payload) for message in sent})
    notices = town.notices()
    assert len(notices) == len({notice["key"] for notice in notices})
    assert owed(town) == []
