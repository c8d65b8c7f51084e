"""Pages and open interface of a real server over real files."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from types import ModuleType
from typing import Any

import pytest

from alerts.ledger.changes import move_cursor
from alerts.ledger.opening import ledger_url, open_ledger
from alerts.model import Audience, NoticeKind
from devices.instants import HOUR, MINUTE, SECOND
from ingest.spool import meta, open_reader

Site = Any


def test_a_page_comes_packed_from_memory_and_is_not_sent_twice(warned: Site) -> None:
    status, headers, body = warned.get("/", accept_encoding="gzip")
    again, _, nothing = warned.get("/", if_none_match=headers["etag"])

    assert (status, again, nothing) == (200, 304, b"")
    assert headers["content-encoding"] == "gzip"
    assert headers["content-language"] == "vi"
    assert len(body) <= 100_000
    assert "Kim Long" in gzip.decompress(body).decode()
    assert warned.get("/")[2] == gzip.decompress(body)


def test_every_answer_carries_the_headers_that_keep_browsers_careful(warned: Site) -> None:
    for path in ("/", "/en", "/api/v1/stations", "/healthz", "/nowhere", "/openapi.json"):
        _, headers, _ = warned.get(path)

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "unsafe" not in headers["content-security-policy"]
        assert "server" not in headers
    assert "default-src 'self'" in warned.get("/")[1]["content-security-policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_public_side_can_only_be_read(method: str, warned: Site) -> None:
    status, headers, body = warned.ask(method, "/api/v1/alarms", b"{}")

    assert status == 405
    assert headers["allow"] == "GET, HEAD"
    assert json.loads(body)["detail"]


def test_stations_come_with_value_level_and_whether_they_are_heard(warned: Site) -> None:
    answer = warned.json("/api/v1/stations")

    by_id = {each["id"]: each for each in answer["stations"]}
    (kim_long,) = by_id["kim-long"]["gauges"]
    assert answer["status"] == "Actual"
    assert answer["as_of"] == "2025-10-27T07:24:00+07:00"
    assert (kim_long["value"], kim_long["level"], kim_long["difference"]) == (3.62, 3, 0.12)
    assert kim_long["observed_at"] == "2025-10-27T07:20:00+07:00"
    assert by_id["truoi"]["gauges"][0]["signal"] == "silent"
    assert [level["code"] for level in kim_long["levels"]] == ["bd1", "bd2", "bd3", "historic"]
    assert warned.json("/api/v1/stations/kim-long")["station"] == by_id["kim-long"]


def test_readings_keep_their_gaps(site: Site, scenes: ModuleType) -> None:
    scene = scenes.warning()
    hole = (scenes.at("2025-10-26 00:00"), scenes.at("2025-10-26 06:00"))
    readings = tuple(each for each in scene.readings if each.station != "kim-long" or not hole[0] <= each.observed_at < hole[1])
    with scenes.serving(site, replace(scene, readings=readings)):
        answer = site.json("/api/v1/stations/kim-long/readings?from=2025-10-25T08:00:00%2B07:00&to=2025-10-27T07:21:00%2B07:00&points=48")

        assert len(answer["buckets"]) <= 48
        assert answer["buckets"][-1]["high"] == 3.62
        assert answer["gaps"] == [{"from_at": "2025-10-25T23:50:00+07:00", "to_at": "2025-10-26T06:00:00+07:00"}]


@pytest.mark.parametrize(
    ("query", "status", "why"),
    [
        ("?points=2001", 400, "points"),
        ("?points=0", 400, "points"),
        ("?quantity=depth", 400, "write one of"),
        ("?from=2025-10-27T07:00:00", 400, "offset"),
        ("?from=2025-10-27T07:00:00Z&to=2025-10-26T07:00:00Z", 400, "exchange"),
        ("?from=2020-10-27T07:00:00Z&to=2025-10-26T07:00:00Z", 400, "366 days"),
        ("?from=yesterday", 400, "from"),
        (f"?quantity={'x' * 1200}", 414, "longer"),
    ],
)
def test_a_question_out_of_bounds_is_refused_with_its_reason(query: str, status: int, why: str, warned: Site) -> None:
    got, _, body = warned.get(f"/api/v1/stations/kim-long/readings{query}")

    assert got == status
    assert why in json.loads(body)["detail"]


def test_errors_are_json_for_programs_and_a_page_for_people(warned: Site) -> None:
    status, _, body = warned.get("/nowhere")
    page_status, headers, page = warned.get("/nowhere", accept="text/html")

    assert (status, page_status) == (404, 404)
    assert json.loads(body) == {"detail": "Not Found"}
    assert headers["content-type"].startswith("text/html")
    assert "Không có trang này" in page.decode()
    assert "There is no such page" in page.decode()
    assert json.loads(warned.get("/api/v1/stations/nobody")[2])["detail"].startswith("there is no station")


def test_alarms_are_those_that_residents_were_told(site: Site, scenes: ModuleType) -> None:
    untold = scenes.alarm("thuong-nhat", 1, 60.59, scenes.at("2025-10-27 07:10"), scenes.at("2025-10-26 14:30"))
    scene = scenes.warning()
    with scenes.serving(site, replace(scene, alarms=(*scene.alarms, untold))):
        alarms = site.json("/api/v1/alarms")["alarms"]

        assert [(each["station"], each["level"], each["is_heard"]) for each in alarms] == [("kim-long", 3, True), ("phu-oc", 3, True)]


def test_notices_are_those_to_residents_without_names_of_operators(site: Site, scenes: ModuleType) -> None:
    scene = scenes.warning()
    inner = scenes.notice(scene.alarms[0], NoticeKind.WARNING, 1, scenes.at("2025-10-26 09:12"), Audience.OPERATORS)
    with scenes.serving(site, replace(scene, notices=(*scene.notices, inner))):
        answer = site.get("/api/v1/notices?limit=10")[2].decode()

        notices = json.loads(answer)["notices"]
        assert [each["alarm"] for each in notices] == [scene.alarms[0].id, scene.alarms[1].id]
        assert set(notices[0]["texts"]) == {"vi", "en"}
        assert "Trực ban" not in answer


def test_an_exercise_says_so_in_every_answer(site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.exercise()):
        for path in ("stations", "stations/kim-long", "stations/kim-long/readings", "alarms", "notices"):
            assert site.json(f"/api/v1/{path}")["status"] == "Exercise"


def test_the_interface_describes_itself(warned: Site) -> None:
    described = warned.json("/openapi.json")

    assert {path for path in described["paths"] if path.startswith("/api/v1")} == {
        "/api/v1/stations",
        "/api/v1/stations/{station}",
        "/api/v1/stations/{station}/readings",
        "/api/v1/alarms",
        "/api/v1/notices",
    }
    assert described["components"]["schemas"]["GaugeOut"]["properties"]["signal"]["description"]
    assert warned.get("/docs")[0] == 404


def test_the_balance_of_readings_stands_in_the_metrics(site: Site, scenes: ModuleType) -> None:
    scene = scenes.warning()
    waits = replace(scenes.heartbeat(scene.now), waiting_readings=72)
    with scenes.serving(site, replace(scene, heartbeat=waits)):
        lines = dict(line.rsplit(" ", 1) for line in site.get("/metrics")[2].decode().splitlines() if not line.startswith("#"))

        fates = sum(float(lines[f'canhbao_readings_total{{fate="{fate}"}}']) for fate in ("archived", "duplicate", "quarantined"))
        assert float(lines["canhbao_readings_received_total"]) == fates + float(lines["canhbao_readings_waiting"]) == 1_284_306
        assert float(lines["canhbao_readings_unaccounted"]) == 0
        assert float(lines["canhbao_heartbeat_age_seconds"]) == 1
        assert float(lines['canhbao_batches_behind{program="archive"}']) == 0
        assert float(lines["canhbao_ledger_alarms_open"]) == 2


def test_readiness_names_what_is_missing(site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.warning()):
        assert site.json("/readyz")["ready"] is True

        site.real_now += 11 * SECOND
        site.when(lambda: site.get("/readyz")[0] == 503)
        assert "11.0 s old" not in json.loads(site.get("/readyz")[2])["checks"]["store"]
        assert json.loads(site.get("/readyz")[2])["checks"]["heartbeat"].startswith("12.0 s old")
        assert site.get("/healthz")[0] == 200


@pytest.mark.parametrize(("name", "said"), [("store.db", "store"), ("ledger.db", "ledger")])
def test_a_file_that_goes_away_is_said_and_the_page_stays(name: str, said: str, site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.warning()):
        for file in site.data.glob(f"{name}*"):
            file.unlink()
        site.when(lambda: site.get("/readyz")[0] == 503)

        assert "cannot be read" in json.loads(site.get("/readyz")[2])["checks"][said]
        assert site.get("/")[0] == 200


def test_without_the_ledger_no_page_says_that_there_is_no_warning(site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.calm()):
        for file in site.data.glob("ledger.db*"):
            file.unlink()

        site.when(lambda: "Chưa biết có cảnh báo hay không" in site.get("/")[2].decode())

        assert site.json("/api/v1/alarms")["alarms"] is None


def test_without_the_spool_the_page_says_that_we_are_deaf(site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.warning()):
        for file in site.data.glob("spool.db*"):
            file.unlink()

        site.when(lambda: "Lỗi ở hệ thống của trung tâm" in site.get("/")[2].decode())

        assert "vẫn còn hiệu lực" in site.get("/")[2].decode()


def test_before_a_city_is_applied_the_page_says_that_it_is_not_ready(site: Site, scenes: ModuleType, free_port: Callable[[], int]) -> None:
    with program(site.data, free_port()) as base:
        site.base = base

        status, headers, body = site.get("/", accept="text/html")

        assert (status, headers["retry-after"]) == (503, "5")
        assert "Trang chưa sẵn sàng" in body.decode()
        assert site.get("/api/v1/stations")[0] == 503
        assert site.get("/healthz")[0] == 200


class Listening:
    """One open stream of events."""

    def __init__(self, base: str) -> None:
        self._connection = HTTPConnection(base.removeprefix("http://"), timeout=10)
        self._connection.request("GET", "/events")
        self._answer: HTTPResponse = self._connection.getresponse()
        assert self._answer.headers["content-type"].startswith("text/event-stream")

    def version(self) -> str:
        while (line := self._answer.readline().decode()) and not line.startswith("data: "):
            pass
        return line.removeprefix("data: ").strip()

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


def test_an_open_page_hears_of_a_change_and_of_nothing_else(site: Site, scenes: ModuleType) -> None:
    scene = scenes.warning()
    with scenes.serving(site, scene):
        stream = Listening(site.base)
        first = stream.version()
        etag = site.get("/")[1]["etag"]
        site.now += MINUTE + SECOND
        site.when(lambda: site.get("/")[1]["etag"] != etag)  # ages grew: rendered anew, and nobody was told

        eased = replace(scene.told[0], level=2)
        site.show(replace(scene, told=(eased, scene.told[1])))

        second = stream.version()
        assert second != first
        assert f'data-version="{second}"' in site.get("/")[2].decode()
        stream.close()


def test_a_stream_begins_with_the_present_version_and_ends_with_the_server(site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.warning()):
        stream = Listening(site.base)
        assert f'data-version="{stream.version()}"' in site.get("/")[2].decode()
        ended = threading.Event()
        waiting = threading.Thread(target=lambda: (stream.version(), ended.set()))
        waiting.start()
    began = time.monotonic()

    assert ended.wait(2)
    assert time.monotonic() - began < 1
    waiting.join()
    stream.close()


class program:  # noqa: N801 - reads as what it is in `with program(...)`
    """`canhbao web` as a process of its own."""

    def __init__(self, data: Any, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "CANHBAO_WEB__PORT": str(port), "CANHBAO_LOG__FORMAT": "json"}
        command = [sys.executable, "-m", "service.cli", "web", "--data", str(data)]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    def __enter__(self) -> str:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                connection = HTTPConnection(self.base.removeprefix("http://"), timeout=2)
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            except OSError:
                threading.Event().wait(0.05)
            else:
                return self.base
            finally:
                connection.close()
        raise AssertionError("the program did not start")

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def test_a_terminated_program_ends_within_a_second_though_a_page_is_open(
    site: Site, scenes: ModuleType, free_port: Callable[[], int]
) -> None:
    site.show(scenes.warning())
    server = program(site.data, free_port())
    with server as base:
        site.base = base
        site.when(lambda: site.get("/")[0] == 200)
        stream = Listening(base)
        stream.version()

        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        status = server.process.wait(5)

        assert status == 0
        assert time.monotonic() - began < 1
        stream.close()


def test_a_program_over_old_files_says_that_we_are_deaf(site: Site, scenes: ModuleType, free_port: Callable[[], int]) -> None:
    site.show(scenes.warning())
    with program(site.data, free_port()) as base:
        site.base = base
        site.when(lambda: site.get("/")[0] == 200)

        text = site.get("/")[2].decode()

        assert "Lỗi ở hệ thống của trung tâm" in text
        assert site.now - HOUR < site.now


def test_readings_that_serve_has_not_looked_at_for_long_make_warnings_unknown(site: Site, scenes: ModuleType) -> None:
    scene = scenes.calm()
    with scenes.serving(site, scene):
        decided_up_to(site, 0)
        site.now += 61 * SECOND
        site.when(lambda: "Chưa biết có cảnh báo hay không" in site.get("/")[2].decode())

        status, _, body = site.get("/readyz")
        assert status == 503
        assert json.loads(body)["checks"]["serve"].startswith("has decided nothing for 61 s")
        assert site.json("/api/v1/alarms")["alarms"] is None

        decided_up_to(site, 1)
        site.when(lambda: "Chưa biết có cảnh báo hay không" not in site.get("/")[2].decode())

        assert site.json("/readyz")["checks"]["serve"] == "decides"
        assert site.json("/api/v1/alarms")["alarms"] == []


def test_a_warning_in_force_stays_though_serve_stands_still(site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.warning()):
        decided_up_to(site, 0)
        site.now += 61 * SECOND
        site.when(lambda: site.get("/readyz")[0] == 503)

        assert len(site.json("/api/v1/alarms")["alarms"]) == 2
        assert "Kim Long" in site.get("/")[2].decode()


def decided_up_to(site: Site, ordinal: int) -> None:
    """What `canhbao serve` writes when it has looked at everything up to an ordinal of the spool."""
    with closing(open_reader(site.data / "spool.db")) as spool:
        identity = meta(spool, "spool")
    assert identity is not None
    engine = open_ledger(ledger_url(site.data / "ledger.db"))
    with engine.begin() as ledger:
        move_cursor(ledger, identity, ordinal)
    engine.dispose()
