"""What a real InfluxDB does with our lines, also when it is killed and frozen in the midst of them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.instants import MILLISECOND
from devices.readings import Quality, Reading
from ingest.archive.batches import SpoolFile
from ingest.archive.books import Away, Books
from ingest.archive.forward import Batch, Cursor, Forwarder, Start, Written
from ingest.archive.influx import SETTLE, Influx, Server
from ingest.archive.influx_query import InfluxArchive
from ingest.archive.query import ArchiveAway
from ingest.archive.schema import open_writer

pytestmark = pytest.mark.influx

FIRST_AT, LAST_AT = -9_000_000_000_000_000, 9_000_000_000_000_000
MakeSink = Callable[..., tuple[Influx, Any]]
names = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)
quantities = st.from_regex(r"[a-z0-9_]{1,32}", fullmatch=True)
milliseconds = st.integers(min_value=-(10**11), max_value=10**12).map(lambda count: count * MILLISECOND)
finite = st.floats(allow_nan=False, allow_infinity=False)
points = st.builds(Reading, names, names, quantities, finite, st.sampled_from(Quality), milliseconds, milliseconds)


@pytest.fixture
def server(influxd: Any) -> Server:
    return Server(influxd.url, influxd.org, influxd.new_bucket(), timeout=5)


@pytest.fixture
def make_sink(tmp_path: Path) -> Iterator[MakeSink]:
    """Make sinks that were started on `spool-1`; what they refuse is read with `db`."""
    opened = []

    def make(server: Server, token: str, pause: Callable[[float], None] = time.sleep, told: Any = lambda _: None) -> tuple[Influx, Any]:
        db = open_writer(tmp_path / f"store-{len(opened)}.db")
        opened.append(db)
        sink = Influx(server, lambda: token, Books(db, "influx"), lambda: 0, pause, told)
        sink.start(Start(Cursor("spool-1", 0)), now=0)
        return sink, db

    yield make
    for db in opened:
        db.close()


def standing(readings: Sequence[Reading]) -> set[Reading]:
    """Give what an archive keeps of readings: the last one of each identity."""
    return set({(each.station, each.device, each.quantity, each.observed_at): each for each in readings}.values())


def everything(archive: InfluxArchive) -> set[Reading]:
    """Give every point, by the names of its series."""
    return {
        point for last in archive.latest() for point in archive.series(last.station, last.quantity, FIRST_AT, LAST_AT, device=last.device)
    }


@given(readings=st.lists(points, min_size=1, max_size=30))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_point_in_is_one_point_out_to_the_last_bit(influxd: Any, batch: Any, tmp_path: Path, readings: list[Reading]) -> None:
    server = Server(influxd.url, influxd.org, influxd.new_bucket(), timeout=5)
    with closing(open_writer(tmp_path / f"{server.bucket}.db")) as db:
        sink = Influx(server, lambda: influxd.token, Books(db, "influx"), lambda: 0, time.sleep)
        sink.start(Start(Cursor("spool-1", 0)), now=0)
        written = sink.write("spool-1", [batch(1, readings)])
    archive = InfluxArchive(server, influxd.token)

    assert written == Written(len(readings), 0)
    assert everything(archive) == standing(readings)
    assert archive.count(FIRST_AT, LAST_AT) == len(standing(readings))


def test_the_same_bytes_twice_are_the_same_points(influxd: Any, server: Server, make_sink: MakeSink, reading: Any, batch: Any) -> None:
    readings = [reading(minute=minute, value=minute) for minute in range(50)]
    for _ in range(2):
        make_sink(server, influxd.token)[0].write("spool-1", [batch(1, readings)])

    assert everything(InfluxArchive(server, influxd.token)) == set(readings)


def test_one_line_in_a_hundred_is_poison_and_all_others_are_stored(
    influxd: Any, server: Server, make_sink: MakeSink, reading: Any, line: Any
) -> None:
    sink, db = make_sink(server, influxd.token)
    whole = f"clash,device=d,station=s value=1i {reading().observed_at // MILLISECOND}"  # from now on, `clash` holds whole numbers
    sink.write("spool-1", [Batch(1, 0, whole.encode())])
    good = [reading(minute=minute, value=minute / 7) for minute in range(3_960)]
    poison = {
        **{f"poison {number} 'is': no reading": "unable to parse" for number in range(20)},
        **{line(reading(minute=number, quantity="clash")): "field type conflict" for number in range(15)},
        **{line(reading()).rpartition(" ")[0] + f" {10**16 + number}": "time outside range" for number in range(5)},
    }
    texts = [line(each) for each in good] + list(poison)
    random.Random(20251027).shuffle(texts)

    written = sink.write("spool-1", [Batch(2, 77, "\n".join(texts).encode())])

    refused = {text.decode(): reason for text, reason in db.execute("SELECT line, reason FROM refused")}
    assert written == Written(len(good), len(poison))
    assert everything(InfluxArchive(server, influxd.token)) == set(good)
    assert refused.keys() == poison.keys()
    assert all(poison[text] in reason for text, reason in refused.items())


def test_readings_older_than_the_bucket_keeps_are_refused_with_that_reason(
    influxd: Any, make_sink: MakeSink, reading: Any, batch: Any, line: Any
) -> None:
    server = Server(influxd.url, influxd.org, "short", timeout=5)
    (org,) = influxd.ask("GET", f"/api/v2/orgs?org={influxd.org}")["orgs"]
    rules = [{"type": "expire", "everySeconds": 3600}]
    influxd.ask("POST", "/api/v2/buckets", {"orgID": org["id"], "name": "short", "retentionRules": rules})
    now = time.time_ns() // 1_000_000 * MILLISECOND
    new = [Reading("s", "d", "q", 1.0, Quality.PASS, now - number * MILLISECOND, now) for number in range(10)]
    sink, db = make_sink(server, influxd.token)

    written = sink.write("spool-1", [batch(1, [*new[:5], *(reading(minute=minute) for minute in range(200)), *new[5:]])])

    assert written == Written(10, 200)
    assert everything(InfluxArchive(server, influxd.token)) == set(new)
    assert all("retention policy" in reason for (reason,) in db.execute("SELECT reason FROM refused"))


@pytest.mark.parametrize(
    ("org", "bucket", "token", "said"),
    [
        (None, None, "wrong", "401"),
        (None, "nowhere", None, 'bucket "nowhere" not found'),
        ("nobody", None, None, 'organization name "nobody" not found'),
    ],
)
def test_what_a_person_must_mend_is_waited_for_and_said(
    influxd: Any,
    server: Server,
    make_sink: MakeSink,
    reading: Any,
    batch: Any,
    org: str | None,
    bucket: str | None,
    token: str | None,
    said: str,
) -> None:
    told: list[Away | None] = []

    def give_up(seconds: float) -> None:
        raise TimeoutError

    wrong = Server(server.url, org or server.org, bucket or server.bucket)
    sink, _ = make_sink(wrong, token or influxd.token, give_up, told.append)

    with pytest.raises(TimeoutError):
        sink.write("spool-1", [batch(1, [reading()])])

    assert told[0] is not None
    assert said in told[0].what
    assert "canhbao archive init" in told[0].fix


def test_an_archive_that_cannot_be_read_is_away_and_not_empty(influxd: Any, server: Server, free_port: Callable[[], int]) -> None:
    for archive in (
        InfluxArchive(server, "wrong"),
        InfluxArchive(Server(server.url, server.org, "nowhere"), influxd.token),
        InfluxArchive(Server(f"http://127.0.0.1:{free_port()}", server.org, server.bucket, timeout=0.5), influxd.token),
    ):
        with pytest.raises(ArchiveAway):
            archive.latest()
        with pytest.raises(ArchiveAway):
            archive.count(FIRST_AT, LAST_AT)


@pytest.mark.parametrize("dead", [1, 150])
def test_latest_knows_gauges_that_are_silent_for_a_year_beside_those_that_are_not(
    influxd: Any, server: Server, make_sink: MakeSink, reading: Any, batch: Any, dead: int
) -> None:
    now = time.time_ns() // 1_000_000 * MILLISECOND
    alive = [Reading("s-1", "alive", "q", float(number), Quality.PASS, now + number * MILLISECOND, now) for number in range(3)]
    silent = [reading(station=f"s-{number}", device="dead", minute=minute) for number in range(dead) for minute in range(2)]
    make_sink(server, influxd.token)[0].write("spool-1", [batch(1, [*alive, *silent])])
    archive = InfluxArchive(server, influxd.token)

    assert set(archive.latest()) == {alive[-1], *silent[1::2]}
    assert list(archive.latest("q")) == [alive[-1]]
    assert set(archive.latest("water_level")) == set(silent[1::2])


def fill(spool: Any, batches: int, reading: Any, line: Any) -> list[Reading]:
    """Write batches of new and repeated readings; gives them in order."""
    chance = random.Random(20251028)
    everything: list[Reading] = []
    for ordinal in range(batches):
        new = [reading(minute=ordinal * 50 + place, value=chance.random(), device=f"d{place % 7}") for place in range(48)]
        again = [
            reading(minute=minute, value=chance.random(), device=f"d{minute % 7}") for minute in chance.sample(range(ordinal * 50 + 1), 1)
        ]
        spool.append([line(each) for each in [*new, *again]])
        everything += [*new, *again]
    return everything


def follow(path: Path, store: Path, server: Server, token: str, done: threading.Event) -> threading.Thread:
    """Move a spool, as the program does, until it is done; the thread ends then."""

    def wait(seconds: float) -> None:  # shorter between two tries; in full where a late request must not overtake a newer value
        time.sleep(min(seconds, SETTLE))

    def run() -> None:
        with SpoolFile(path) as spool, closing(open_writer(store)) as db:
            sink = Influx(server, lambda: token, Books(db, "influx"), lambda: 0, wait)
            forwarder = Forwarder(spool, sink, 200)
            while forwarder.turn(now=0).behind:
                pass
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_server_killed_or_frozen_in_the_midst_ends_with_the_points_of_one_that_never_was(
    new_influxd: Callable[[], Any], tmp_path: Path, new_spool: Any, reading: Any, line: Any, how: str
) -> None:
    influxd = new_influxd()
    influxd.set_up()
    server = Server(influxd.url, influxd.org, influxd.new_bucket(), timeout=1.0)
    spool = new_spool(tmp_path / "spool.db")
    readings = fill(spool, 1_500, reading, line)
    done = threading.Event()
    troubles = 0

    thread = follow(spool.path, tmp_path / "store.db", server, influxd.token, done)
    while not done.wait(0.25):
        troubles += 1
        if how == "killed" and troubles <= 10:
            influxd.kill()
            influxd.start()
        elif troubles <= 3:
            influxd.freeze()
            time.sleep(2.5)
            influxd.thaw()
    thread.join()

    assert troubles >= 3
    patient = replace(server, timeout=60.0)
    found, wanted = everything(InfluxArchive(patient, influxd.token)), standing(readings)
    unlike = sorted(found ^ wanted, key=str)
    assert len(unlike) == 0, unlike[:5]  # of tens of thousands: a comparison of the sets in words takes minutes
