"""One transaction a group: all of it is on the disk, or none of it, and only then it is acknowledged."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from queue import SimpleQueue

import pytest

from devices.instants import DAY, MINUTE
from ingest import commit, quarantine
from ingest.commit import Committer, Keeping
from ingest.decode import Reason
from ingest.inbox import Deaf, Heard, Receipt
from ingest.quarantine import LONGEST_TOPIC
from ingest.spool import SpoolError, last_ordinal, meta, open_reader, open_spool
from ingest.taken import Rejection, Taken
from ingest.trim import MOST, Limits, trim


def balance(counters):
    return counters["received"], sum(counters.get(name, 0) for name in ("archived", "duplicate", "quarantined"))


def test_the_spool_keeps_what_it_is_told_on_the_disk_before_it_says_so(tmp_path):
    with closing(open_spool(tmp_path / "spool.db")) as spool:
        pragmas = [spool.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "secure_delete")]

    assert pragmas == ["wal", 2, 0]


def test_a_spool_has_one_identity_for_ever(tmp_path):
    identities = []
    for name in ("a.db", "a.db", "b.db"):
        with closing(open_spool(tmp_path / name)) as spool:
            identities.append(meta(spool, "spool"))

    assert identities[0] == identities[1] != identities[2]


def test_a_spool_of_another_version_is_refused_with_advice(tmp_path):
    with closing(open_spool(tmp_path / "spool.db")) as spool:
        spool.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")

    with pytest.raises(SpoolError, match="version 99"):
        open_spool(tmp_path / "spool.db")


def test_lines_changes_standings_counters_and_receipts_come_together(kit, spooled):
    spool = spooled()

    spool.happens(kit.inbound(kit.up(3.62), kit.up(31.0, at=kit.now // 1000 + 1), b"{"))

    ordinal = spool.rows("SELECT max(ordinal) FROM batch")[0][0]
    assert len(spool.lines()) == 1
    assert spool.rows("SELECT verb, kind, ordinal FROM change ORDER BY seq") == [("issued", "raise", ordinal), ("issued", "fresh", ordinal)]
    assert spool.rows("SELECT station, ordinal FROM standing") == [("st-0", ordinal)]
    assert spool.rows("SELECT reason, readings, ordinal FROM quarantine ORDER BY id") == [("range", 1, ordinal), ("json", 1, ordinal)]
    assert spool.acknowledged[-1].mids == [b"\0\1"] * 3
    assert balance(spool.counters()) == (3, 3)
    assert spool.counters()["messages"] == 3


def test_received_is_archived_and_duplicate_and_quarantined_also_when_a_conflict_is_won(kit, spooled):
    spool = spooled()
    at = kit.now // 1000
    payloads = [
        kit.up(1.0),
        kit.up(1.0),
        kit.up(2.0, seq=2),
        kit.up(1.5, seq=1),
        kit.up("x"),
        b"[",
        [kit.up(1.0, at=at - n) for n in range(1_001)],
    ]

    for payload in payloads:
        spool.happens(kit.inbound(payload))
        counters = spool.counters()

        assert balance(counters) == (counters["received"],) * 2

    names = ("received", "archived", "duplicate", "quarantined", "quarantined:conflict")
    assert [counters[name] for name in names] == [1_007, 1, 1, 1_005, 2]
    assert len({line.rpartition(" ")[2] for line in spool.lines()}) == counters["archived"]


def test_what_was_heard_opens_a_batch_and_a_checkpoint_closes_one(kit, spooled):
    spool = spooled()
    events = [kit.inbound(kit.up(1.0, at=kit.now // 1000 + n)) for n in range(3)]
    spool.happens(events[0], events[1], Deaf(kit.now + 1000, "away"), Heard(kit.now + 2000), events[2], commit=False)
    spool.settle()

    batches = spool.rows("SELECT readings, hearing FROM batch WHERE ordinal > 1 ORDER BY ordinal")
    at = kit.now
    assert batches == [(1, "[]"), (1, "[]"), (0, f"[[{at + 1000}, false]]"), (1, f"[[{at + 2000}, true]]")]


def test_a_group_lingers_for_company_but_a_change_does_not(kit, tmp_path):
    stored, done = [], SimpleQueue()

    class Recording(Committer):
        def store(self, spool, group, *, beats):
            stored.append(len(group))

    committer = Recording(Keeping(tmp_path / "spool.db", tmp_path / "store.db", "me"), done.put, lambda: kit.pulse, lambda: kit.now)
    plain, urgent = Taken(kit.now, Receipt(1, [], 0), lines=["x"]), Taken(kit.now, Receipt(1, [], 0), lines=["x"], said=[object()])
    for taken in (plain, plain, urgent, plain, plain):
        committer.put(taken)
    thread = threading.Thread(target=committer.run)
    thread.start()
    done.get(timeout=5)
    done.get(timeout=5)
    committer.stop()
    thread.join(5)

    assert stored[:2] == [3, 2]


def test_what_only_joins_a_group_does_not_wake_the_committer_and_what_is_urgent_does(kit, tmp_path, monkeypatch):
    monkeypatch.setattr(commit, "LINGER", 600.0)
    asleep, stored, done = SimpleQueue(), [], SimpleQueue()

    class Watched(Committer):
        def _sleep(self, until, awaited):
            asleep.put(awaited)
            super()._sleep(until, awaited)

        def store(self, spool, group, *, beats):
            if group:
                stored.append([taken.messages for taken in group])

    committer = Watched(Keeping(tmp_path / "spool.db", tmp_path / "store.db", "me"), done.put, lambda: kit.pulse, lambda: kit.now)
    thread = threading.Thread(target=committer.run)
    thread.start()
    while asleep.get(timeout=5) != commit._AWAITS_ANYTHING:
        pass
    committer.put(Taken(kit.now, Receipt(1, [], 0), messages=1))
    while asleep.get(timeout=5) != commit._AWAITS_URGENT:
        pass
    for n in (2, 3, 4):
        committer.put(Taken(kit.now, Receipt(1, [], 0), messages=n))
    is_still_asleep = asleep.empty() and stored == []
    committer.put(Taken(kit.now, Receipt(1, [], 0), messages=5, said=[object()]))
    settled = threading.Thread(target=committer.settle)
    settled.start()
    settled.join(5)
    committer.stop()
    thread.join(5)

    assert is_still_asleep
    assert stored[0] == [1, 2, 3, 4, 5]
    assert not settled.is_alive()
    assert not thread.is_alive()


def test_nothing_is_forgotten_however_putting_and_sleeping_meet(kit, tmp_path):
    total, received = 3_000, []
    committer = Committer(Keeping(tmp_path / "spool.db", tmp_path / "store.db", "me"), received.extend, lambda: kit.pulse, lambda: kit.now)
    thread = threading.Thread(target=committer.run)
    thread.start()
    for n in range(total):
        committer.put(Taken(kit.now, Receipt(n, [], 0), lines=[f"line {n}"], ranks=[-1], said=[], incidents=[]))
        if n % 37 == 0:
            committer.settle()
    committer.settle()
    committer.stop()
    thread.join(10)

    assert [receipt.generation for receipt in received] == list(range(total))
    with closing(open_reader(tmp_path / "spool.db")) as spool:
        lines = [line for (body,) in spool.execute("SELECT body FROM batch ORDER BY ordinal") for line in body.decode().splitlines()]
    assert lines == [f"line {n}" for n in range(total)]


def test_a_commit_that_fails_acknowledges_nothing_and_leaves_nothing_behind(kit, tmp_path):
    acknowledged = []
    keeping = Keeping(tmp_path / "spool.db", tmp_path / "store.db", "me")
    committer = Committer(keeping, acknowledged.extend, lambda: kit.pulse, lambda: kit.now)
    bad = Rejection(b"t", object(), Reason.JSON, 1, "what no file can hold")
    committer.put(Taken(kit.now, Receipt(1, [b"\0\1"], 1), lines=["line"], ranks=[-1], rejections=[bad]))

    with pytest.raises(sqlite3.Error):
        committer.run()

    assert acknowledged == []
    with closing(open_reader(tmp_path / "spool.db")) as spool:
        assert (spool.execute("SELECT count(*) FROM batch").fetchone(), last_ordinal(spool)) == ((0,), 0)


def test_a_full_disk_ends_the_commit_with_advice(kit, spooled):
    spool = spooled()
    failed = []

    class Full(Committer):
        def store(self, connection, group, *, beats):
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
            super().store(connection, group, beats=beats)

    committer = Full(spool.keeping, failed.append, lambda: kit.pulse, lambda: kit.now)
    committer.put(Taken(kit.now, Receipt(1, [], 0), lines=["x" * 100_000], ranks=[-1]))
    with pytest.raises(SpoolError, match="free space"):
        committer.run()

    assert failed == []


def test_the_heartbeat_says_how_we_are(kit, spooled):
    spool = spooled()
    spool.happens(kit.inbound(kit.up(1.0)))

    connected, hearing, waiting, clock_at = spool.rows("SELECT connected, hearing, waiting_readings, clock_at FROM heartbeat")[0]
    assert (connected, hearing, waiting, clock_at) == (1, 1, 0, kit.now)


# ---- bounds


def test_the_oldest_payloads_are_emptied_when_bytes_are_short_and_rows_and_counts_stay(kit, spooled):
    spool = spooled(quarantine_bytes=1_000)

    for _ in range(30):
        spool.happens(kit.inbound(b"{" + b"x" * 99))

    kept = [payload is not None for (payload,) in spool.rows("SELECT payload FROM quarantine ORDER BY id")]
    assert kept == [False] * 20 + [True] * 10
    assert spool.counters()["quarantined:json"] == 30


def test_the_bound_holds_after_a_restart_and_for_a_payload_larger_than_it(kit, spooled):
    spool = spooled(quarantine_bytes=1_000)
    spool.happens(*[kit.inbound(b"{" + b"x" * 99) for _ in range(9)])
    spool.crash()

    spool.happens(kit.inbound(b"{" + b"x" * 199))
    within = spool.rows("SELECT sum(length(payload)) FROM quarantine")[0][0]
    spool.happens(kit.inbound(b"{" + b"x" * 5_000))

    assert within == 1_000
    assert spool.rows("SELECT count(payload), count(*) FROM quarantine") == [(0, 11)]


def test_rubbish_without_end_cannot_fill_the_disk_and_is_still_counted(kit, spooled, monkeypatch):
    monkeypatch.setattr(quarantine, "MOST_ROWS", 10)
    spool = spooled()

    for _ in range(30):
        spool.happens(kit.inbound(b"{"))

    assert spool.rows("SELECT count(*), min(id), max(id) FROM quarantine") == [(10, 21, 30)]
    assert spool.counters()["quarantined:json"] == 30


def test_a_topic_cannot_fill_the_disk_either(kit, spooled):
    spool = spooled()

    spool.happens(kit.inbound(b"{}", device="x" * 60_000))

    assert spool.rows("SELECT length(topic) FROM quarantine") == [(LONGEST_TOPIC,)]


def observed(spool, at):
    """Let a batch say that it is about this time: what is old is so by readings too."""
    spool.execute("DELETE FROM batch")
    spool.execute("INSERT INTO batch VALUES (NULL, ?, 1, 'r1', ?, x'', '[]')", (at, f"q,device=d,station=s value=1 {at // 1000}".encode()))


def store_with(path, *cursors):
    with closing(sqlite3.connect(path)) as store:
        store.execute("CREATE TABLE cursor (name TEXT PRIMARY KEY, spool TEXT, ordinal INTEGER)")
        store.executemany("INSERT INTO cursor VALUES (?, ?, ?)", cursors)
        store.commit()


@pytest.mark.parametrize(
    ("cursors", "floor", "left"),
    [
        ([], 9, 10),
        ([("store", "same", 6)], 9, 4),
        ([("store", "same", 6)], 3, 7),
        ([("store", "same", 6), ("influx", "same", 2)], 9, 8),
        ([("store", "another", 6)], 9, 10),
    ],
    ids=["no archive", "archived", "needed by a replay", "the slowest sink", "of another spool"],
)
def test_a_batch_goes_when_all_sinks_have_it_and_no_replay_needs_it(kit, tmp_path, cursors, floor, left):
    with closing(open_spool(tmp_path / "spool.db")) as spool:
        for n in range(10):
            spool.execute("INSERT INTO batch VALUES (NULL, ?, 0, 'r1', x'', x'', '[]')", (n,))
        identity = meta(spool, "spool")
        store_with(tmp_path / "store.db", *[(name, identity if of == "same" else of, at) for name, of, at in cursors])

        trim(spool, Limits(tmp_path / "store.db"), floor, kit.now)

        assert spool.execute("SELECT count(*) FROM batch").fetchone() == (left,)
        assert last_ordinal(spool) == 10


def test_trimming_is_done_a_little_at_a_time_and_ordinals_are_never_used_again(kit, tmp_path):
    insert = "INSERT INTO batch VALUES (NULL, 0, 0, 'r1', x'', x'', '[]')"
    with closing(open_spool(tmp_path / "spool.db")) as spool:
        for _ in range(MOST + 5):
            spool.execute(insert)
        store_with(tmp_path / "store.db", ("store", meta(spool, "spool"), 10_000))

        gone = [trim(spool, Limits(tmp_path / "store.db"), 10_000, kit.now) for _ in range(3)]

        assert gone == [MOST, 5, 0]
        assert spool.execute(insert).lastrowid == MOST + 6


def test_changes_are_kept_for_four_hundred_days(kit, tmp_path):
    with closing(open_spool(tmp_path / "spool.db")) as spool:
        for at in (kit.now - 401 * DAY, kit.now - 399 * DAY):
            spool.execute("INSERT INTO change VALUES (NULL, 1, 'issued', 'x', 'r', 's', 'q', 'd', 'raise', 1, 0, ?, 1, 1)", (at,))
        observed(spool, kit.now)

        trim(spool, Limits(tmp_path / "none.db"), 0, kit.now)

        assert spool.execute("SELECT at FROM change").fetchall() == [(kit.now - 399 * DAY,)]


def test_what_was_refused_is_kept_for_four_hundred_days_and_its_bytes_are_free_again(kit, tmp_path):
    with closing(open_spool(tmp_path / "spool.db")) as spool:
        kept = quarantine.Quarantine(spool, bound=1_000)
        for day in (0, 399, 401):
            observed(spool, kit.now + day * DAY)
            kept.add(1, kit.now + day * DAY, [Rejection(b"t", b"x" * 400, Reason.JSON, 1, "")])
            trim(spool, Limits(tmp_path / "none.db"), 0, kit.now + day * DAY)

        rows = spool.execute("SELECT received_at, length(payload) FROM quarantine").fetchall()

    assert rows == [(kit.now + 399 * DAY, 400), (kit.now + 401 * DAY, 400)]


def test_first_receipts_are_forgotten_two_hours_before_the_newest(kit, spooled):
    spool = spooled()
    for minutes in (0, 60, 121):
        message = {"v": 1, "boot": 1, "seq": minutes, "m": {"battery": 50}}
        spool.happens(kit.inbound(message, received_at=kit.now + minutes * MINUTE))
    spool.crash()

    known = spool.resumed.intake.sources[b"canhbao/v1/wl-0/up"].receipts
    assert {1 << 32 | 60, 1 << 32 | 121} <= known.keys()
