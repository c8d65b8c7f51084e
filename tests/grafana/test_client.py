"""The client against a server that answers as Grafana does, and as it should not."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from recording import TOKEN, Asked, Fault, Grafana, message

from devices.instants import MINUTE, Instant, parse_instant
from grafana.annotations import Held, Region
from grafana.client import Client, GrafanaError, Server

AT: Instant = parse_instant("2025-10-27T07:00:00+07:00")
REGION = Region(AT, AT + 5 * MINUTE, "Lũ tại cầu", frozenset({"canhbao", "bridge", "alarm:1", "diễn tập"}))
PATH = "/api/annotations"


def failing(act: Callable[[], object]) -> GrafanaError:
    with pytest.raises(GrafanaError) as caught:
        act()
    return caught.value


def test_what_is_added_comes_back_the_same(told: Grafana, client: Client) -> None:
    client.add_annotation(REGION)

    assert client.annotations(["canhbao"]) == [Held(1, REGION)]
    assert client.annotations(["canhbao", "diễn tập"], (AT, AT)) == [Held(1, REGION)]
    assert client.annotations(["canhbao"], (AT + 6 * MINUTE, AT + 7 * MINUTE)) == []
    assert client.annotations(["canhbao", "weir"]) == []


def test_what_is_asked_is_what_grafana_documents(told: Grafana, client: Client) -> None:
    client.add_annotation(REGION)
    client.amend_annotation(1, REGION)
    client.remove_annotation(1)
    client.annotations(["b", "a"], (AT, AT + MINUTE))

    written = {
        "time": 1761523200000,
        "timeEnd": 1761523500000,
        "text": "Lũ tại cầu",
        "tags": ["alarm:1", "bridge", "canhbao", "diễn tập"],
    }
    assert told.asked[:3] == [
        Asked("POST", PATH, {}, written),
        Asked("PATCH", f"{PATH}/1", {}, written),
        Asked("DELETE", f"{PATH}/1", {}, None),
    ]
    assert told.asked[3].question == {
        "type": ["annotation"],
        "limit": ["5000"],
        "from": ["1761523200000"],
        "to": ["1761523260000"],
        "tags": ["a", "b"],
    }


def test_an_answer_without_a_body_is_no_error(told: Grafana, client: Client) -> None:
    told.fail("DELETE", PATH, Fault(204))

    assert client.ask("DELETE", f"{PATH}/1") is None


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (Fault(401, message("Invalid API key")), 401, "CANHBAO_GRAFANA__TOKEN_FILE"),
        (Fault(403, message("You'll need additional permissions")), 403, "role Editor"),
        (Fault(404, message("Not found")), 404, "grafana.url"),
        (Fault(409, message("already exists")), 409, "somebody else"),
        (Fault(412, message("changed by someone else", status="version-mismatch")), 412, "somebody else"),
        (Fault(429, message("too many requests")), 429, "look at the log of Grafana"),
        (Fault(500, message("database is locked")), 500, "(database is locked)"),
        (Fault(400, message("bad request data")), 400, "(bad request data)"),
        # what makes grafana-api itself stumble
        (Fault(502, b"<html>The message of a proxy</html>", "text/html"), 502, "(<html>The message of a proxy</html>)"),
        (Fault(500, b"null"), 500, "look at the log"),
        (Fault(500, b"7"), 500, "(7)"),
        (Fault(400, b'["message"]'), 400, '(["message"])'),
        (Fault(503, b"\xff\xfe"), 503, "look at the log"),
        (Fault(504, b""), 504, "look at the log"),
    ],
)
def test_an_answer_that_says_no_is_an_error_with_its_fix(told: Grafana, client: Client, fault: Fault, status: int, said: str) -> None:
    told.fail("POST", PATH, fault)

    error = failing(lambda: client.add_annotation(REGION))

    assert error.status == status
    assert f"Grafana answers {status} to POST {PATH}" in str(error)
    assert said in str(error)
    assert error.is_away == (status in {401, 429} or status >= 500)
    assert error.is_conflict == (status in {409, 412})
    assert error.is_missing == (status == 404)
    assert TOKEN not in str(error)


def test_the_word_of_grafana_for_a_conflict_is_kept(told: Grafana, client: Client) -> None:
    told.fail("POST", "/api/dashboards/db", Fault(412, message("x", status="version-mismatch")))

    assert failing(lambda: client.ask("POST", "/api/dashboards/db", {})).kind == "version-mismatch"


def test_a_redirect_is_an_error_and_no_silent_get(told: Grafana, client: Client) -> None:
    told.fail("POST", PATH, Fault(301, headers=(("Location", "https://grafana.example/api/annotations"),)))

    error = failing(lambda: client.add_annotation(REGION))

    assert "sends us on to https://grafana.example/api/annotations; set grafana.url" in str(error)
    assert [asked.verb for asked in told.asked] == ["POST"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(wait=60.0), "does not answer within 0.5 s"),
        (Fault(drop=0.1, done=True), "does not answer within 0.5 s"),
        (Fault(cut=True, done=True), "there is no answer"),
        (Fault(), "there is no answer"),
        (Fault(200, b"<html>Please log in</html>", "text/html"), "not JSON"),
        (Fault(200, b'{"logged": "in"}'), "is grafana.url right?"),
        (Fault(200, b'[{"id": "x"}]'), "is grafana.url right?"),
        (Fault(200, b""), "is grafana.url right?"),
    ],
)
def test_no_answer_and_half_an_answer_end_in_time_with_a_fix(told: Grafana, client: Client, hasty: Client, fault: Fault, said: str) -> None:
    told.fail("GET", PATH, fault)
    client.add_annotation(REGION)
    began = time.monotonic()

    error = failing(lambda: hasty.annotations(["canhbao"]))

    assert said in str(error)
    assert error.is_away
    assert time.monotonic() - began < 10.0
    assert len(client.annotations(["canhbao"])) == 1, "the next call goes well"


def test_nobody_there_is_said_without_words_of_libraries(free_port: Callable[[], int]) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    error = failing(Client(Server(url, timeout=0.5), TOKEN).version)

    assert str(error) == f"there is no answer from {url}; start Grafana, or set grafana.url"


@pytest.mark.parametrize("url", ["grafana.example", "http://", "ftp://x", "http://[::1", "http://a b/"])
def test_an_address_that_is_none_is_said(url: str) -> None:
    assert "grafana.url" in str(failing(Client(Server(url, timeout=0.5), TOKEN).version))


def test_nothing_is_taken_from_the_environment(told: Grafana, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert client.version() == "13.3.0"


def test_a_name_cannot_leave_its_path(told: Grafana, client: Client) -> None:
    from grafana.client import path_of

    assert path_of("uid", "../../admin?x=1") == "/uid/..%2F..%2Fadmin%3Fx%3D1"
