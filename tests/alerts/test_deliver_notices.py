"""At least once, never zero: what happens between an issued notice and its receipts."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from dataclasses import asdict, replace

import pytest
from sqlalchemy import insert, select, update

from alerts.channels.port import DeliveryError
from alerts.channels.testing import PATIENCE, Answer, RecordingChannel, WebhookReceiver, sample_notice
from alerts.channels.webhook import WebhookChannel, WebhookSettings
from alerts.deliver import FIRST_RETRY, LONGEST_RETRY, LONGEST_WISH, Deliverer, Pace, failure_of
from alerts.ledger import deliveries, schema
from alerts.ledger.deliveries import State
from alerts.ledger.opening import ledger_url, open_ledger
from alerts.ledger.recipients import recipients_of
from alerts.model import Audience, NoticeKind, Status
from alerts.samples import NOW
from devices.instants import HOUR, MINUTE, SECOND

SECRET = "a secret of the tests"
WARNING = sample_notice()
WORSE = sample_notice(id="n2", kind=NoticeKind.WORSE, level=4, was=3, sequence=2)
ALL_CLEAR = sample_notice(id="n3", kind=NoticeKind.ALL_CLEAR, level=0, was=4, sequence=3)
AGAIN = sample_notice(id="n4", kind=NoticeKind.WARNING_AGAIN, level=3, was=0, sequence=4)


class World:
    """A ledger, two hands of a clock that tests set, and channels."""

    def __init__(self, path, **channels):
        self.path = path
        self.engine = open_ledger(ledger_url(path))
        schema.metadata.create_all(self.engine)
        self.now = NOW
        self.real = 1_000 * HOUR
        self.channels = channels or {"app": RecordingChannel()}

    def deliverer(self, channels=None, **pace):
        channels = self.channels if channels is None else channels
        return Deliverer(
            self.engine, channels, recipients_of, lambda: self.now, pace=Pace(**pace), real=lambda: self.real, chance=lambda: 0.5
        )

    def people(self, count, channel="app", address="somebody-{}"):
        with self.engine.begin() as connection:
            for number in range(count):
                fields = {"audience": "residents", "channel": channel, "address": address.format(number), "language": "vi", "added_at": 0}
                connection.execute(insert(schema.recipient).values(fields))

    def issue(self, *notices, channels=("app",)):
        with self.engine.begin() as connection:
            for notice in notices:
                connection.execute(insert(schema.notice).values(asdict(notice)))
                deliveries.enqueue(connection, notice.id, channels)

    def drain(self, channel="app", **pace):
        deliverer, rounds = self.deliverer(**pace), []
        while (found := deliverer.run_once(channel)).notice:
            rounds.append(found)
        return rounds

    def rows(self, table):
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(select(table))]

    def states(self):
        return {row["notice"]: row["state"] for row in self.rows(schema.delivery)}

    def keys(self, channel="app"):
        return self.channels[channel].keys()


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "ledger.db")
    yield made
    made.engine.dispose()


# ---- everybody, once


def test_everybody_is_told_once_and_a_receipt_is_kept(world):
    world.people(7)
    world.issue(WARNING)

    world.drain(page=3)

    assert world.keys() == [f"n1.{number}" for number in range(1, 8)]
    assert [(row["recipient"], row["reference"]) for row in world.rows(schema.receipt)] == [(n, f"recorded n1.{n}") for n in range(1, 8)]
    [delivery] = world.rows(schema.delivery)
    assert (delivery["state"], delivery["sent"], delivery["cursor"], delivery["leased_until"]) == ("done", 7, 7, None)


@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_full_and_empty_pages_end_too(world, count):
    world.people(count)
    world.issue(WARNING)

    world.drain(page=3)

    assert len(world.keys()) == count
    assert world.states() == {"n1": "done"}


def test_an_audience_is_told_only_what_is_meant_for_it(world):
    world.people(2)
    world.issue(replace(WARNING, audience=Audience.OPERATORS))

    world.drain()

    assert world.keys() == []


def test_nothing_to_do_is_said(world):
    assert world.deliverer().run_once("app").notice is None


def test_the_highest_level_goes_first(world):
    world.people(1)
    world.issue(replace(WARNING, alarm="a"), replace(WORSE, alarm="b", sequence=1))

    world.drain()

    assert world.keys() == ["n2.1", "n1.1"]


# ---- failures


def test_a_failure_delays_nobody_else_and_is_tried_again_with_the_same_key(world):
    world.people(3)
    world.issue(WARNING)
    world.channels["app"].errors.extend([None, DeliveryError("away"), None])

    world.drain()
    assert world.keys() == ["n1.1", "n1.3"]
    assert world.states() == {"n1": "retrying"}
    world.real += FIRST_RETRY
    world.drain()

    assert world.keys() == ["n1.1", "n1.3", "n1.2"]
    assert world.states() == {"n1": "done"}
    assert world.rows(schema.failure) == []


def test_a_retry_waits_until_its_time(world):
    world.people(1)
    world.issue(WARNING)
    world.channels["app"].errors.extend([DeliveryError("away"), DeliveryError("away")])

    world.drain()
    world.real += FIRST_RETRY - 1
    assert world.drain() == []
    world.real += 1
    world.drain()

    [failure] = world.rows(schema.failure)
    assert (failure["attempts"], failure["next_at"] - world.real) == (2, 2 * FIRST_RETRY)


def test_a_permanent_failure_is_not_tried_again_and_is_counted(world):
    world.people(2)
    world.issue(WARNING)
    world.channels["app"].errors.append(DeliveryError("no such person", permanent=True))

    world.drain()
    world.real += 24 * HOUR

    assert world.drain() == []
    [delivery] = world.rows(schema.delivery)
    assert (delivery["state"], delivery["sent"], delivery["failed"]) == ("done", 1, 1)
    assert [(row["recipient"], row["error"]) for row in world.rows(schema.failure)] == [(1, "no such person")]


def test_a_receiver_is_left_alone_for_as_long_as_it_asked(world):
    world.people(1)
    world.issue(WARNING)
    world.channels["app"].errors.append(DeliveryError("busy", retry_after=90))

    world.drain()
    world.real += 90 * SECOND - 1
    assert world.drain() == []
    world.real += 1
    world.drain()

    assert world.keys() == ["n1.1"]


def test_a_channel_that_stumbles_over_one_message_stops_neither_itself_nor_others(world):
    def stumble(message):
        if message.recipient.id == 2:
            raise ZeroDivisionError("of the channel")

    world.people(3)
    world.issue(WARNING)
    world.channels["app"].before = stumble

    world.drain()

    assert world.keys() == ["n1.1", "n1.3"]
    assert "ZeroDivisionError" in world.rows(schema.failure)[0]["error"]


@pytest.mark.parametrize(
    ("attempts", "chance", "wait"),
    [(1, 0.5, FIRST_RETRY), (2, 0.5, 2 * FIRST_RETRY), (3, 0.0, 2 * FIRST_RETRY), (60, 0.5, LONGEST_RETRY), (60, 1.0, 1.5 * LONGEST_RETRY)],
)
def test_waits_double_up_to_a_bound_and_are_spread(attempts, chance, wait):
    assert failure_of(DeliveryError("away"), attempts, 0, chance).next_at == wait


def test_a_receiver_cannot_ask_for_more_than_an_hour():
    assert failure_of(DeliveryError("busy", retry_after=1e12), 1, 0, 0.5).next_at == LONGEST_WISH


def test_who_has_left_is_owed_ends_and_nothing_else(world):
    world.people(1)
    world.issue(WARNING, replace(ALL_CLEAR, alarm="another"))
    world.channels["app"].errors.extend([DeliveryError("away"), DeliveryError("away")])
    world.drain()
    with world.engine.begin() as connection:
        connection.execute(update(schema.recipient).values(removed_at=NOW))

    world.real += HOUR
    world.drain()

    assert world.keys() == ["n3.1"]
    assert world.states()["n3"] == "done"


# ---- what must not be sent


def test_an_expired_notice_is_never_sent(world):
    world.people(1)
    world.issue(WARNING)
    world.now = WARNING.expires_at

    assert world.drain() == []

    assert world.keys() == []
    assert world.states() == {"n1": "expired"}


def test_a_notice_that_expires_on_its_way_stops_there(world):
    def expire_at_second(message):
        if message.recipient.id == 2:
            world.now = WARNING.expires_at

    world.people(5)
    world.issue(WARNING)
    world.channels["app"].before = expire_at_second

    world.drain()

    assert world.keys() == ["n1.1", "n1.2"]
    assert world.states() == {"n1": "expired"}


def test_a_retry_never_outlives_its_notice(world):
    world.people(1)
    world.issue(WARNING)
    world.channels["app"].errors.append(DeliveryError("busy", retry_after=3600))
    world.drain()

    world.real, world.now = world.real + 2 * HOUR, WARNING.expires_at

    assert world.drain() == []
    assert world.states() == {"n1": "expired"}


def test_a_superseded_notice_is_never_sent(world):
    world.people(2)
    world.issue(WARNING, WORSE)

    world.drain()

    assert world.keys() == ["n2.1", "n2.2"]
    assert world.states() == {"n1": "superseded", "n2": "done"}


def test_a_notice_that_is_superseded_between_two_pages_stops_there(world):
    world.people(4)
    world.issue(WARNING)
    deliverer = world.deliverer(page=2)
    deliverer.run_once("app")

    world.issue(WORSE)
    world.drain()

    assert world.keys() == ["n1.1", "n1.2", "n2.1", "n2.2", "n2.3", "n2.4"]
    assert world.states() == {"n1": "superseded", "n2": "done"}


def test_nothing_but_a_new_warning_supersedes_an_end(world):
    other_end = replace(ALL_CLEAR, id="n4", kind=NoticeKind.CLOSED, sequence=4)
    world.people(1)
    world.issue(ALL_CLEAR, other_end)

    world.drain()

    assert world.keys() == ["n3.1", "n4.1"]


def test_an_all_clear_that_a_new_warning_overtook_is_not_sent_after_it(world):
    world.people(1)
    world.issue(ALL_CLEAR)
    world.channels["app"].errors.append(DeliveryError("away"))
    world.drain()

    world.issue(AGAIN)
    world.real += HOUR
    world.drain()

    assert world.keys() == ["n4.1"]
    assert world.states() == {"n3": "superseded", "n4": "done"}


def test_another_audience_or_alarm_supersedes_nothing(world):
    world.people(1)
    world.issue(WARNING, replace(WORSE, alarm="another"), replace(WORSE, id="n5", audience=Audience.OPERATORS))

    world.drain()

    assert sorted(world.keys()) == ["n1.1", "n2.1"]


@pytest.mark.parametrize("status", Status)
def test_an_exercise_and_earnest_never_share_a_channel(tmp_path, status):
    channels = {"real": RecordingChannel(Status.ACTUAL), "drill": RecordingChannel(Status.EXERCISE)}
    world = World(tmp_path / "ledger.db", **channels)
    for channel in channels:
        world.people(1, channel)
    world.issue(replace(WARNING, status=status), channels=tuple(channels))

    for channel in channels:
        world.drain(channel)

    sent = {name: len(channel.keys()) for name, channel in channels.items()}
    assert sent == {"real": int(status is Status.ACTUAL), "drill": int(status is Status.EXERCISE)}
    assert sorted(row["state"] for row in world.rows(schema.delivery)) == ["done", "refused"]
    world.engine.dispose()


# ---- several at work, and none


def test_two_at_work_do_not_send_twice(world):
    world.people(2)
    world.issue(WARNING)
    second = world.deliverer()
    world.channels["app"].before = lambda message: found.append(second.run_once("app").notice)
    found = []

    world.deliverer().run_once("app")

    assert found == [None, None]
    assert world.keys() == ["n1.1", "n1.2"]


def test_a_lease_that_ran_out_is_taken_over_and_its_holder_stops(world):
    def hang(message):
        world.channels["app"].before = repr
        world.real += 2 * MINUTE
        world.deliverer(lease=MINUTE).run_once("app")

    world.people(3)
    world.issue(WARNING)
    world.channels["app"].before = hang

    left = world.deliverer(lease=MINUTE).run_once("app")

    assert (left.sent, left.state) == (1, None)
    assert sorted(world.keys()) == ["n1.1", "n1.1", "n1.2", "n1.3"]
    [delivery] = world.rows(schema.delivery)
    assert (delivery["state"], delivery["sent"]) == ("done", 3)


def test_a_lease_in_force_is_not_taken_over(world):
    world.people(1)
    world.issue(WARNING)
    with world.engine.begin() as connection:
        deliveries.claim(connection, "app", now=world.now, real_now=world.real, lease=MINUTE)

    world.real += MINUTE - 1
    assert world.drain() == []
    world.real += 1
    world.drain()

    assert world.keys() == ["n1.1"]


def test_what_a_dead_process_was_sending_is_sent_at_the_next_start_and_not_when_its_lease_ends(world):
    world.people(2)
    world.issue(WARNING)
    with world.engine.begin() as connection:
        deliveries.claim(connection, "app", now=world.now, real_now=world.real, lease=MINUTE)
    assert world.drain() == []

    with world.engine.begin() as connection:
        assert deliveries.give_back_all(connection) == 1
    world.drain()

    assert world.keys() == ["n1.1", "n1.2"]
    assert world.states() == {"n1": "done"}


def test_who_still_lives_when_all_is_given_back_stops_and_its_message_is_repeated_under_its_key(world):
    def another_starts(message):
        world.channels["app"].before = repr
        with world.engine.begin() as connection:
            deliveries.give_back_all(connection)
        world.deliverer().run_once("app")

    world.people(3)
    world.issue(WARNING)
    world.channels["app"].before = another_starts

    left = world.deliverer().run_once("app")

    assert (left.sent, left.state) == (1, None)
    assert sorted(world.keys()) == ["n1.1", "n1.1", "n1.2", "n1.3"]


def test_a_turn_ends_in_time_and_goes_on_where_it_was(world):
    def slow(message):
        world.real += 3 * SECOND

    world.people(5)
    world.issue(WARNING)
    world.channels["app"].before = slow

    rounds = world.drain(turn=5 * SECOND)

    assert [found.sent for found in rounds] == [2, 2, 1]
    assert world.keys() == [f"n1.{number}" for number in range(1, 6)]


KILLED = """
import sys
from alerts.channels.webhook import WebhookChannel, WebhookSettings
from alerts.deliver import Deliverer
from alerts.samples import NOW
from alerts.ledger.opening import ledger_url, open_ledger
from alerts.ledger.recipients import recipients_of
from pathlib import Path
channel = WebhookChannel(WebhookSettings(kind="webhook", secret="ioc"), sys.argv[2])
Deliverer(open_ledger(ledger_url(Path(sys.argv[1]))), {"app": channel}, recipients_of, lambda: NOW).run_once("app")
"""


@pytest.mark.parametrize("answered", [0, 1, 4])
def test_a_kill_between_sending_and_receipt_leaves_nobody_out_and_repeats_with_the_same_key(tmp_path, answered):
    with WebhookReceiver(SECRET, [*[Answer()] * answered, Answer(hangs=True)]) as receiver:
        world = World(tmp_path / "ledger.db", app=WebhookChannel(WebhookSettings(kind="webhook", secret="ioc"), SECRET))
        world.people(5, address=receiver.url + "/{}")
        world.issue(WARNING)
        command = [sys.executable, "-c", KILLED, str(world.path), SECRET]
        with subprocess.Popen(command) as child:
            receiver.requests.wait_for(answered + 1)
            child.send_signal(signal.SIGKILL)

        world.real = 2**52
        world.drain()

        keys = [request.key for request in receiver.requests.all()]
    assert set(keys) == {f"n1.{number}" for number in range(1, 6)}
    assert len(keys) == 6
    assert keys.count(f"n1.{answered + 1}") == 2
    assert len(world.rows(schema.receipt)) == 5
    world.engine.dispose()


def test_a_web_receiver_with_bad_days_gets_everything_in_the_end(tmp_path):
    days = [Answer(500), Answer(429, {"Retry-After": "30"}), Answer(410), Answer(hangs=True), Answer(503)]
    with WebhookReceiver(SECRET, days) as receiver:
        settings = WebhookSettings(kind="webhook", secret="ioc", time_limit="200 ms")
        world = World(tmp_path / "ledger.db", app=WebhookChannel(settings, SECRET))
        world.people(6, address=receiver.url + "/{}")
        world.issue(WARNING)

        world.drain()
        world.real += MINUTE
        world.drain()

        keys = [request.key for request in receiver.requests.all()]
        assert all(request.genuine for request in receiver.requests.all())
    assert sorted(keys) == ["n1.1", "n1.1", "n1.2", "n1.2", "n1.3", "n1.4", "n1.4", "n1.5", "n1.5", "n1.6"]
    [delivery] = world.rows(schema.delivery)
    assert (delivery["state"], delivery["sent"], delivery["failed"]) == ("done", 5, 1)
    world.engine.dispose()


# ---- threads


def test_a_slow_channel_delays_no_other(tmp_path):
    opened = threading.Event()
    slow, quick = RecordingChannel(before=lambda message: opened.wait(PATIENCE)), RecordingChannel()
    world = World(tmp_path / "ledger.db", slow=slow, quick=quick)
    world.people(2, "slow")
    world.people(3, "quick")
    world.issue(WARNING, channels=("slow", "quick"))
    deliverer = world.deliverer()

    deliverer.start(on_death=lambda error: None)
    quick.arrivals.wait_for(3)
    assert slow.keys() == []
    opened.set()
    slow.arrivals.wait_for(2)

    assert deliverer.stop(PATIENCE)
    world.engine.dispose()


def test_a_call_is_answered_at_once(world):
    world.people(1)
    deliverer = world.deliverer(pause=HOUR)

    deliverer.start(on_death=lambda error: None)
    world.issue(WARNING)
    deliverer.wake()

    assert world.channels["app"].arrivals.wait_for(1)
    assert deliverer.stop(PATIENCE)


def test_a_thread_that_cannot_go_on_says_so(world):
    died, errors = threading.Event(), []
    schema.metadata.drop_all(world.engine)
    deliverer = world.deliverer()

    deliverer.start(on_death=lambda error: (errors.append(error), died.set()))

    assert died.wait(PATIENCE)
    assert "no such table" in str(errors[0])
    assert deliverer.stop(PATIENCE)


def test_stopping_leaves_the_rest_for_later(world):
    world.people(3)
    world.issue(WARNING)
    first = world.deliverer()
    world.channels["app"].before = lambda message: first.stop()

    first.run_once("app")
    assert world.keys() == ["n1.1"]
    world.channels["app"].before = repr
    world.drain()

    assert world.keys() == ["n1.1", "n1.2", "n1.3"]


def test_what_was_taken_when_it_stops_is_given_back(world):
    opened = threading.Event()
    world.people(2)
    world.issue(WARNING, sample_notice(id="other", alarm="other"))
    world.channels["app"].before = lambda message: message.key == "other.1" and opened.wait(PATIENCE)
    deliverer = world.deliverer()

    deliverer.start(on_death=lambda error: None)
    world.channels["app"].arrivals.wait_for(2)
    deliverer.stop(0)
    opened.set()
    assert deliverer.stop(PATIENCE)

    assert {row["leased_until"] for row in world.rows(schema.delivery)} == {None}
    world.drain()
    assert sorted(world.keys()) == ["n1.1", "n1.2", "other.1", "other.2"]


def test_the_queues_can_be_counted(world):
    world.people(1)
    world.issue(WARNING, WORSE)

    with world.engine.begin() as connection:
        deliveries.close_overtaken(connection, world.now)
        found = deliveries.counts(connection)

    assert found == {("app", State.SUPERSEDED): 1, ("app", State.WAITING): 1}
