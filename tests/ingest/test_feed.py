"""The other programs read all that was said, once, in order, and notice when their cursor does not fit."""

from __future__ import annotations

import pytest

from devices.instants import MINUTE
from ingest.feed import Cursor, CursorLost, Feed, NoSpool
from ingest.inbox import Deaf, Trouble
from rules.changes import Kind, Said, Standing, Verb, said_of, standing_of


def feed_of(spool):
    return Feed(spool.path, said_of, standing_of)


def test_what_was_said_is_read_once_and_in_order(kit, spooled):
    spool = spooled()
    feed = feed_of(spool)
    spool.happens(kit.inbound(kit.up(3.62)))
    first = feed.read(None)
    spool.happens(kit.inbound(kit.up(1.0, at=kit.now // 1000 + 1), received_at=kit.now + MINUTE))

    second = feed.read(first.cursor)
    third = feed.read(second.cursor)

    assert [(said.verb, said.change.kind) for _, said in first.said] == [(Verb.ISSUED, Kind.RAISE), (Verb.ISSUED, Kind.FRESH)]
    assert [said.change.kind for _, said in second.said] == [Kind.CLEAR]
    assert isinstance(first.said[0][1], Said)
    assert (third.said, third.standings, third.cursor) == ([], [], second.cursor)
    assert [ordinal for ordinal, _ in first.said + second.said] == [2, 2, 3]


def test_standings_are_given_when_they_move(kit, spooled):
    spool = spooled()
    feed = feed_of(spool)
    spool.happens(kit.inbound(kit.up(3.62)), kit.inbound(kit.up(1.0), device="wl-1"))
    first = feed.read(None)
    spool.happens(kit.inbound(kit.up(2.0, at=kit.now // 1000 + 1), device="wl-1"))
    spool.ticks(kit.now + 1000)

    second = feed.read(first.cursor)

    assert sorted((standing.device, standing.level) for standing in first.standings) == [("wl-0", 1), ("wl-1", 0)]
    assert [(standing.device, standing.value) for standing in second.standings] == [("wl-1", 2.0)]
    assert isinstance(second.standings[0], Standing)
    assert len(feed.standings()) == 2


def test_many_changes_are_read_in_whole_batches(kit, spooled):
    spool = spooled()
    feed = feed_of(spool)
    for n in range(6):
        spool.happens(kit.inbound(kit.up(float(n % 2) * 4, at=kit.now // 1000 + n)))

    said, cursor, reads = [], None, 0
    while (news := feed.read(cursor, most=2)).cursor != cursor:
        said, cursor, reads = said + news.said, news.cursor, reads + 1

    assert [one.change.kind for _, one in said][1:] == [Kind.RAISE, Kind.CLEAR] * 2 + [Kind.RAISE]
    assert reads > 2


def test_a_cursor_of_another_spool_or_beyond_the_end_is_lost_and_said_to_be(kit, spooled):
    spool, other = spooled(), spooled()
    feed = feed_of(spool)
    here = feed.read(None).cursor

    with pytest.raises(CursorLost, match="exchanged"):
        feed.read(feed_of(other).read(None).cursor)
    with pytest.raises(CursorLost, match="older state"):
        feed.read(Cursor(here.spool, here.ordinal + 1))


def test_without_a_spool_there_is_nothing_to_read_and_it_is_said(tmp_path):
    with pytest.raises(NoSpool, match="canhbao ingest"):
        Feed(tmp_path / "spool.db", said_of, standing_of).read(None)


def test_configuration_counters_heartbeat_incidents_and_quarantine_can_be_read(kit, spooled):
    spool = spooled()
    feed = feed_of(spool)
    spool.happens(kit.inbound(kit.up(1.0)), kit.inbound(b"{"), Deaf(kit.now + MINUTE, "away"))

    snapshot, beat = feed.configuration(), feed.heartbeat()

    assert (snapshot.revision, snapshot.documents, snapshot.applied_at) == (
        "r1",
        {"city.yaml": {"revision": "r1"}},
        spool.resumed.intake.now,
    )
    assert (feed.counters()["archived"], feed.counters()["quarantined"]) == (1, 1)
    assert (beat.connected, beat.hearing_since_at) == (True, 0)
    assert [(row.reason, row.payload, row.topic) for row in feed.quarantine()] == [("json", b"{", b"canhbao/v1/wl-0/up")]
    assert [incident.kind for incident in feed.incidents()] == [Trouble.DEAF, Trouble.CONFIGURATION_APPLIED]
