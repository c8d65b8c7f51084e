"""How lines reach a server that refuses, hesitates and breaks off. The server here is played, at the rim: what it gets, it records."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ingest.archive.books import Away, Books
from ingest.archive.forward import Batch, Cursor, Start, Written
from ingest.archive.influx import Influx, Server
from ingest.archive.schema import open_writer

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]
GOOD = b"water_level,device=wl-kim-long,station=kim-long value=3.62,quality=1i,received_at=1763798400000i "


def lines(*times: int) -> bytes:
    return b"\n".join(GOOD + str(time).encode() for time in times)


def status(code: int, message: str = "", headers: dict[str, str] | None = None) -> Answer:
    def answer(request: BaseHTTPRequestHandler, _: bytes) -> None:
        body = json.dumps({"code": "x", "message": message}).encode() if message else b""
        request.send_response(code)
        for name, value in {**(headers or {}), **({} if code == 204 else {"Content-Length": str(len(body))})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def cut(request: BaseHTTPRequestHandler, _: bytes) -> None:
    """Break off in the body of the answer."""
    request.send_response(400)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"code":"invalid","message":"unable to parse \'')
    request.close_connection = True


def hang_up(request: BaseHTTPRequestHandler, _: bytes) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)
    request.close_connection = True


def say_nothing(request: BaseHTTPRequestHandler, _: bytes) -> None:
    """Take the lines and do not answer until the other side gives up."""
    request.connection.settimeout(5)
    request.rfile.read(1)
    request.close_connection = True


def rubbish(request: BaseHTTPRequestHandler, _: bytes) -> None:
    request.send_response(500)
    request.send_header("Content-Length", "3")
    request.end_headers()
    request.wfile.write(b"\xff\xfe\xfd")


def judge(request: BaseHTTPRequestHandler, body: bytes) -> None:
    """Refuse a body with a line that says so, as InfluxDB does; `clash` lines are refused although the others are written."""
    bad = [line for line in body.split(b"\n") if line.startswith(b"bad")]
    clashing = [line for line in body.split(b"\n") if line.startswith(b"clash")]
    if bad:
        said = "\n".join(f"unable to parse '{line.decode(errors='replace')}': missing fields" for line in bad)
        status(400, said)(request, body)
    elif clashing:
        status(422, f"failure writing points to database: partial write: field type conflict dropped={len(clashing)}")(request, body)
    else:
        status(204)(request, body)


@dataclass
class Played:
    """A server of InfluxDB that answers as it is told; without a word it takes everything."""

    port: int = 0
    answers: list[Answer] = field(default_factory=list)
    always: Answer = field(default_factory=lambda: status(204))
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    @property
    def server(self) -> Server:
        return Server(f"http://127.0.0.1:{self.port}", "my org", "my/bucket", timeout=0.5)


@pytest.fixture
def played() -> Iterator[Played]:
    play = Played()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            play.bodies.append(body)
            play.paths.append(self.path)
            play.tokens.append(self.headers["Authorization"])
            (play.answers.pop(0) if play.answers else play.always)(self, body)

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that gave up is not an error of these tests."""

    server = Quiet(("127.0.0.1", 0), Handler)
    play.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield play
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Kit:
    """A sink with everything around it."""

    sink: Influx
    db: sqlite3.Connection
    pauses: list[float]
    told: list[Away | None]

    def write(self, *bodies: bytes, first: int = 1) -> Written:
        return self.sink.write("spool-1", [Batch(ordinal, 77, body) for ordinal, body in enumerate(bodies, start=first)])

    def refused(self) -> list[tuple[Any, ...]]:
        return self.db.execute("SELECT name, spool, ordinal, place, line, reason, at FROM refused ORDER BY ordinal, place").fetchall()

    def away(self) -> list[tuple[Any, ...]]:
        return self.db.execute("SELECT name, since, what, fix FROM away").fetchall()


class Enough(Exception):  # noqa: N818
    """The test has waited enough."""


@pytest.fixture
def kit(played: Played, tmp_path: Path) -> Iterator[Kit]:
    with closing(open_writer(tmp_path / "store.db")) as db:
        pauses: list[float] = []
        told: list[Away | None] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) > 20:
                raise Enough

        sink = Influx(played.server, lambda: "secret", Books(db, "influx"), lambda: 42, pause, told.append)
        sink.start(Start(Cursor("spool-1", 0)), now=0)
        yield Kit(sink, db, pauses, told)


def cut_and_so_on() -> Sequence[Any]:
    return [
        pytest.param(status(429, "slow down"), id="429"),
        pytest.param(status(503), id="503"),
        pytest.param(status(500, "unexpected error writing points to database"), id="500"),
        pytest.param(status(502), id="502"),
        pytest.param(cut, id="cut in the body"),
        pytest.param(hang_up, id="no answer"),
        pytest.param(say_nothing, id="time-out"),
        pytest.param(rubbish, id="no text"),
        pytest.param(status(401, "unauthorized access"), id="401"),
        pytest.param(status(403, "insufficient permissions for write"), id="403"),
        pytest.param(status(404, "bucket not found"), id="404"),
        pytest.param(status(400, "invalid precision"), id="400 about the request"),
        pytest.param(status(200, "welcome"), id="200"),
        pytest.param(status(302, headers={"Location": "http://127.0.0.1:9/"}), id="302"),
    ]


def test_the_bytes_of_batches_go_as_they_are_in_one_request_and_move_the_cursor(played: Played, kit: Kit) -> None:
    written = kit.write(lines(1, 2), b"", lines(3))

    assert played.bodies == [lines(1, 2, 3)]
    assert played.paths == ["/api/v2/write?org=my+org&bucket=my%2Fbucket&precision=ms"]
    assert played.tokens == ["Token secret"]
    assert written == Written(3, 0)
    assert kit.sink.cursor() == Cursor("spool-1", 3)
    assert (kit.pauses, kit.told) == ([], [])


def test_empty_batches_move_the_cursor_without_a_request(played: Played, kit: Kit) -> None:
    assert kit.write(b"", b"") == Written(0, 0)
    assert kit.sink.cursor() == Cursor("spool-1", 2)
    assert played.bodies == []


def test_batches_that_were_written_are_not_sent_again(played: Played, kit: Kit) -> None:
    kit.write(lines(1), lines(2))

    assert kit.write(lines(1), lines(2), lines(3)) == Written(1, 0)
    assert played.bodies == [lines(1, 2), lines(3)]


def test_another_spool_than_it_was_started_on_is_an_error(kit: Kit) -> None:
    with pytest.raises(LookupError, match="spool-2"):
        kit.sink.write("spool-2", [])


@pytest.mark.parametrize("trouble", cut_and_so_on())
def test_whatever_is_wrong_with_the_server_the_same_bytes_are_sent_until_they_are_taken(played: Played, kit: Kit, trouble: Answer) -> None:
    played.answers = [trouble] * 3

    written = kit.write(lines(1, 2))

    assert played.bodies == [lines(1, 2)] * 4
    assert (written, kit.refused()) == (Written(2, 0), [])
    assert kit.sink.cursor() == Cursor("spool-1", 1)
    assert kit.pauses[:3] == [0.25, 0.5, 1.0]


@pytest.mark.parametrize("trouble", cut_and_so_on())
def test_while_it_waits_the_cursor_stands_and_the_reason_is_there_to_see(played: Played, kit: Kit, trouble: Answer) -> None:
    played.always = trouble
    if trouble is say_nothing:
        played.answers, played.always = [say_nothing], status(503)

    with pytest.raises(Enough):
        kit.write(lines(1))

    assert kit.sink.cursor() == Cursor("spool-1", 0)
    ((name, since, what, fix),) = kit.away()
    assert (name, since) == ("influx", 42)
    assert what.startswith("InfluxDB")
    assert fix
    assert max(kit.pauses) == 15.0


def test_when_the_server_answers_again_the_reason_is_gone(played: Played, kit: Kit) -> None:
    played.answers = [status(503, "starting")] * 3

    kit.write(lines(1))

    assert kit.away() == []
    assert [away and away.what for away in kit.told] == ["InfluxDB answers 503: starting", None]


def test_a_reason_survives_a_restart_with_its_beginning(played: Played, kit: Kit) -> None:
    played.always = status(503)
    with pytest.raises(Enough):
        kit.write(lines(1))
    pauses: list[float] = []
    again = Influx(played.server, lambda: "secret", Books(kit.db, "influx"), lambda: 4711, pauses.append)
    played.answers, played.always = [status(503)], status(204)

    again.write("spool-1", [Batch(1, 0, lines(1))])

    assert pauses[0] == 0.25
    assert kit.away() == []


def test_the_rest_that_the_server_asks_for_is_taken(played: Played, kit: Kit) -> None:
    played.answers = [status(429, headers={"Retry-After": "7"}), status(503, headers={"Retry-After": "3"})]

    kit.write(lines(1))

    assert kit.pauses[:2] == [7.0, 3.0]


def test_after_a_missing_answer_the_next_values_wait_a_moment(played: Played, kit: Kit) -> None:
    played.answers = [hang_up]

    kit.write(lines(1))

    assert kit.pauses == [0.25, 0.5]


def test_a_server_that_is_not_there_is_waited_for(kit: Kit, free_port: Callable[[], int]) -> None:
    server = Server(f"http://127.0.0.1:{free_port()}", "o", "b", timeout=0.5)
    sink = Influx(server, lambda: "secret", Books(kit.db, "influx"), lambda: 42, kit.sink._pause)

    with pytest.raises(Enough):
        sink.write("spool-1", [Batch(1, 0, lines(1))])

    assert "does not answer" in kit.away()[0][2]


def test_without_a_token_it_waits_and_finds_the_token_when_it_comes(played: Played, kit: Kit) -> None:
    tokens = iter([None, None, "late"])
    sink = Influx(played.server, lambda: next(tokens), Books(kit.db, "influx"), lambda: 42, kit.pauses.append, kit.told.append)

    sink.write("spool-1", [Batch(1, 0, lines(1))])

    assert played.tokens == ["Token late"]
    assert kit.told[0] is not None
    assert "canhbao archive init" in kit.told[0].fix


def test_a_token_that_was_exchanged_is_found(played: Played, kit: Kit) -> None:
    tokens = iter(["old", "new"])
    played.answers = [status(204), status(401, "unauthorized access")]
    sink = Influx(played.server, lambda: next(tokens), Books(kit.db, "influx"), lambda: 42, kit.pauses.append)

    for ordinal in (1, 2):
        sink.write("spool-1", [Batch(ordinal, 0, lines(ordinal))])

    assert played.tokens == ["Token old", "Token old", "Token new"]


@pytest.mark.parametrize("poison", [b"bad line", b"clash v=1i 1", b"bad 'quoted': line", b"bad \xff line"])
def test_a_refused_line_ends_alone_with_the_reason_of_the_server_and_all_others_are_written(
    played: Played, kit: Kit, poison: bytes
) -> None:
    played.always = judge
    bodies = [lines(*range(10)), b"\n".join([lines(10, 11), poison, lines(12)]), lines(13)]

    written = kit.write(*bodies)

    assert written == Written(14, 1)
    ((name, spool, ordinal, place, line, reason, at),) = kit.refused()
    assert (name, spool, ordinal, place, line, at) == ("influx", "spool-1", 2, 2, poison, 77)
    assert "unable to parse" in reason or "field type conflict" in reason
    taken = b"\n".join(body for body in played.bodies if poison not in body).split(b"\n")
    assert set(taken) == set(lines(*range(14)).split(b"\n"))
    assert kit.sink.cursor() == Cursor("spool-1", 3)


def test_named_lines_cost_one_request_each(played: Played, kit: Kit) -> None:
    played.always = judge
    good, bad = lines(*range(990)).split(b"\n"), [b"bad %d" % number for number in range(10)]
    mixed = [line for number in range(10) for line in (*good[number * 99 : number * 99 + 99], bad[number])]

    written = kit.write(b"\n".join(mixed))

    assert written == Written(990, 10)
    assert len(played.bodies) == 1 + 1 + 10


def test_values_of_one_instant_keep_their_order_when_lines_are_divided(played: Played, kit: Kit) -> None:
    played.always = judge
    first, second = GOOD.replace(b"3.62", b"1.0") + b"5", GOOD.replace(b"3.62", b"2.0") + b"5"

    kit.write(b"\n".join([first, b"clash v=1i 1", second, b"clash v=1i 2"]))

    sent = [line for body in played.bodies for line in body.split(b"\n")]
    assert max(place for place, line in enumerate(sent) if line == second) > max(place for place, line in enumerate(sent) if line == first)


def test_a_server_that_goes_away_while_lines_are_divided_costs_no_line(played: Played, kit: Kit) -> None:
    played.always = judge
    played.answers = [judge, status(503), hang_up, judge, judge, status(429), judge]

    written = kit.write(b"\n".join([lines(*range(20)), b"bad line", lines(*range(20, 40)), b"clash v=1i 1"]))

    assert written == Written(40, 2)
    assert [line for _, _, _, _, line, _, _ in kit.refused()] == [b"bad line", b"clash v=1i 1"]


def test_too_large_a_request_is_halved_and_that_size_is_not_tried_again(played: Played, kit: Kit) -> None:
    most = len(lines(1, 2, 3))

    def small_only(request: BaseHTTPRequestHandler, body: bytes) -> None:
        status(413 if len(body) > most else 204, "too large")(request, body)

    played.always = small_only

    first, asked = kit.write(lines(*range(8))), len(played.bodies)
    second = kit.write(lines(*range(8)), first=2)

    assert (first, second, kit.refused()) == (Written(8, 0), Written(8, 0), [])
    assert len([body for body in played.bodies[asked:] if len(body) > most]) < len(
        [body for body in played.bodies[:asked] if len(body) > most]
    )


def test_one_line_that_is_too_large_for_the_server_is_never_dropped(played: Played, kit: Kit) -> None:
    played.always = status(413, "too large")

    with pytest.raises(Enough):
        kit.write(lines(1))

    assert (kit.sink.cursor(), kit.refused()) == (Cursor("spool-1", 0), [])
    assert "raise the largest body" in kit.away()[0][3]


def test_readings_beyond_the_retention_are_refused_together(played: Played, kit: Kit) -> None:
    played.answers = [status(422, "partial write: points beyond retention policy dropped=100")]

    assert kit.write(lines(*range(100))) == Written(0, 100)
    assert len(played.bodies) == 1
