"""The operators' table and acting interface of a real server over a real ledger."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from alerts.desk import NO_HEARTBEAT
from alerts.ledger import schema
from alerts.ledger.holding import HELD
from alerts.ledger.opening import ledger_url, open_ledger_to_read
from alerts.model import NoticeKind, Reason
from alerts.telling import NO_WORDS
from devices.instants import HOUR
from ingest.inbox import Trouble
from service.acting import Acting
from service.exits import CommandError
from service.programs.serve import SPOOL_CHANGED
from service.programs.serve_annotations import AWAY
from service.programs.serve_channels import CHANNEL_CLOSED
from service.programs.serve_health import ARCHIVE_WAITS
from service.programs.serve_jobs import DAMAGED
from service.settings import load_settings
from web.languages import LANGUAGES
from web.operators.sessions import LASTS, Sessions

Room = Any
TOKEN = "a-token-of-the-tests-which-is-long"


def rows(room: Room, table: Any) -> list[Any]:
    engine = open_ledger_to_read(ledger_url(room.data / "ledger.db"))
    with engine.connect() as connection:
        found = list(connection.execute(select(table)).mappings())
    engine.dispose()
    return found


def alarm_of(room: Room, station: str) -> Any:
    return next(each for each in rows(room, schema.alarm) if each["station"] == station)


def test_nobody_sees_or_does_anything_without_the_token(room: Room) -> None:
    status, _, body = room.get("/")

    assert status == 200
    assert "Vào phòng trực" in body.decode()
    assert "Kim Long" not in body.decode()
    assert room.get("/version")[0] == 401
    assert room.post("/do/acknowledge", alarm=alarm_of(room, "phu-oc")["id"])[0] == 401
    assert rows(room, schema.action) == []


@pytest.mark.parametrize("given", ["", "wrong", TOKEN[:-1], f"{TOKEN}x"])
def test_another_token_opens_nothing(given: str, room: Room) -> None:
    status, headers, body = room.post("/login", token=given, by="Trực ban 2")

    assert status == 401
    assert "set-cookie" not in headers
    assert "Mã không đúng" in body.decode()


def test_a_session_needs_a_name(room: Room) -> None:
    assert room.post("/login", token=TOKEN, by="  ")[0] == 401


def test_the_cookie_of_a_session_goes_to_no_other_site_and_no_script(room: Room) -> None:
    _, headers, _ = room.post("/login", token=TOKEN, by="Trực ban 2")

    cookie = headers["set-cookie"].lower()
    assert "samesite=strict" in cookie
    assert "httponly" in cookie
    assert TOKEN not in cookie


def test_the_table_keeps_three_axes_apart(room: Room) -> None:
    room.login()

    page = room.page()

    assert re.findall(r'scope="col">([^<]+)<', page)[:4] == ["Nơi", "Tình trạng", "Số liệu", "Xử lý"]
    assert "Trên BĐ3 0,12" in page
    assert "Mất tín hiệu" in page
    assert "Chưa ai nhận" in page
    assert "Đã nhận" in page
    assert page.startswith('<!DOCTYPE html>\n<html lang="vi">')
    assert "<title>(3) Canhbao, phòng trực</title>" in page


def test_the_balance_of_readings_is_shown_as_a_sum(room: Room) -> None:
    room.login()

    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", room.page()))

    assert "Nhận 1.284.234 = lưu 1.284.011 + trùng 214 + cách ly 9 + đang chờ 0 khớp" in text


def test_a_withheld_notice_shows_its_reason(room: Room) -> None:
    room.login()

    page = room.page()

    assert "dưới mức báo cho đối tượng này" in page
    assert "mất phiên với máy chủ tin" in page


def test_english_has_the_same_table(room: Room) -> None:
    room.login()

    page = room.page("/en")

    assert '<html lang="en">' in page
    assert "Nobody has taken it" in page
    assert "0.12\u00a0m above alarm level 3" in page


def test_acknowledging_writes_who_and_when(room: Room) -> None:
    room.login("Trực ban 2")
    alarm = alarm_of(room, "phu-oc")["id"]

    status, headers, _ = room.post("/do/acknowledge", alarm=alarm, proof=room.proof())

    assert (status, headers["location"]) == (303, "/?done=acknowledge")
    assert alarm_of(room, "phu-oc")["handling"] == "acknowledged"
    assert alarm_of(room, "phu-oc")["handled_by"] == "Trực ban 2"
    assert [(each["verb"], each["by"]) for each in rows(room, schema.action)] == [("acknowledge", "Trực ban 2")]
    assert room.actions == ["woken"]
    assert "Đã ghi: đã nhận báo động" in room.page(headers["location"])


@pytest.mark.parametrize("proof", ["", "0" * 64])
def test_a_form_without_the_proof_of_its_session_does_nothing(proof: str, room: Room) -> None:
    room.login()

    status, _, _ = room.post("/do/acknowledge", alarm=alarm_of(room, "phu-oc")["id"], proof=proof)

    assert status == 403
    assert rows(room, schema.action) == []


def test_a_form_of_another_host_does_nothing(room: Room) -> None:
    room.login()

    status, _, _ = room.post("/do/acknowledge", origin="http://other.example", alarm=alarm_of(room, "phu-oc")["id"], proof=room.proof())

    assert status == 403
    assert rows(room, schema.action) == []


def test_a_forged_or_old_cookie_is_no_session(room: Room) -> None:
    room.login()
    value, own = room.cookie, room.cookie[:-1] + ("0" if room.cookie[-1] != "0" else "1")

    room.cookie = own
    assert "Vào phòng trực" in room.page()

    room.cookie = value
    room.real_now += LASTS
    assert "Vào phòng trực" in room.page()


def test_a_session_ends_with_its_token() -> None:
    session = Sessions(TOKEN).open("Trực ban 2", 0)

    assert Sessions(TOKEN).read(session.value, 0) == session
    assert Sessions(TOKEN + "x").read(session.value, 0) is None


def test_leaving_forgets_the_session(room: Room) -> None:
    room.login()

    _, headers, _ = room.post("/logout", proof=room.proof())

    assert 'canhbao=""' in headers["set-cookie"]


def test_only_an_alarm_whose_gauge_is_silent_can_be_closed_here(room: Room) -> None:
    room.login()

    page = room.page()

    assert f'id="c-{alarm_of(room, "truoi")["id"]}"' in page
    assert f'id="c-{alarm_of(room, "kim-long")["id"]}"' not in page


def test_closing_keeps_its_reason_and_a_refusal_says_why(room: Room) -> None:
    room.login()
    proof = room.proof()

    status, _, _ = room.post("/do/close", alarm=alarm_of(room, "truoi")["id"], reason="trạm bị cuốn trôi", proof=proof)
    refused, _, why = room.post("/do/close", alarm=alarm_of(room, "kim-long")["id"], reason="thử", proof=proof)

    assert (status, refused) == (303, 409)
    assert alarm_of(room, "truoi")["handling_reason"] == "trạm bị cuốn trôi"
    assert "is heard" in why.decode()
    assert alarm_of(room, "kim-long")["ended_at"] is None


def test_a_silence_is_made_shown_and_lifted(room: Room) -> None:
    room.login()
    proof = room.proof()

    room.post("/do/silence", place="thuong-nhat/water_level", hours="2", reason="đã xác minh", proof=proof)
    (made,) = rows(room, schema.silence)
    shown = room.page()
    room.post("/do/lift", silence=str(made["id"]), proof=proof)

    assert made["until_at"] == room.now + 2 * HOUR
    assert "Tắt tiếng đến 09:24 ngày 27/10/2025" in shown
    assert "Thượng Nhật, mực nước đến 09:24 ngày 27/10/2025: đã xác minh (Trực ban 2)" in shown
    assert rows(room, schema.silence)[0]["lifted_at"] == room.now


def test_the_version_changes_with_an_action_and_not_with_time(room: Room) -> None:
    room.login()
    first = room.get("/version", cookie=room.cookie)[2]

    room.now += 1_000_000
    same = room.get("/version", cookie=room.cookie)[2]
    room.post("/do/acknowledge", alarm=alarm_of(room, "phu-oc")["id"], proof=room.proof())

    assert same == first
    assert room.get("/version", cookie=room.cookie)[2] != first


def test_foreign_text_in_the_table_is_escaped(room: Room) -> None:
    room.login('<script>alert("x")</script>')

    assert "<script>alert" not in room.page()


@pytest.mark.parametrize("token", ["", "wrong"])
def test_the_acting_interface_needs_the_token(token: str, room: Room) -> None:
    assert room.act("/act/alarms", token=token)[0] == 401
    assert room.act("/act/acknowledge", {"alarm": "x", "by": "y"}, token=token)[0] == 401


def test_a_cookie_opens_no_acting_interface(room: Room) -> None:
    room.login()

    assert room.get("/act/alarms", cookie=room.cookie)[0] == 401


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/act/acknowledge", {"alarm": "nothing", "by": "tester"}, 409),
        ("/act/acknowledge", {"alarm": "nothing"}, 422),
        ("/act/acknowledge", {"alarm": "nothing", "by": "tester", "level": 3}, 422),
        ("/act/close", {"alarm": "nothing", "by": "tester", "reason": ""}, 422),
        ("/act/silence", {"until_at": 1, "by": "tester", "reason": "late"}, 409),
        ("/act/lift", {"silence": 99, "by": "tester"}, 409),
        ("/act/siren", {"by": "tester"}, 404),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(path: str, body: Any, status: int, room: Room) -> None:
    got, answer = room.act(path, body)

    assert got == status
    assert answer["detail"]


def test_the_command_line_and_this_interface_understand_each_other(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    (room.data / "operator.token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("CANHBAO_OPERATORS__PORT", str(urlsplit(room.base).port))
    acting = Acting(load_settings(data=room.data))

    alarms = {each["station"]: each for each in acting.board()["alarms"]}
    acting.act("acknowledge", {"alarm": alarms["phu-oc"]["id"], "by": "tester"})
    acting.act("close", {"alarm": alarms["truoi"]["id"], "by": "tester", "reason": "washed away"})
    silence = acting.act("silence", {"station": None, "quantity": None, "until_at": room.now + HOUR, "by": "tester", "reason": "drill"})
    acting.act("lift", {"silence": silence["silence"], "by": "tester"})

    assert {"id", "station", "quantity", "level", "value", "phase", "handling", "ended_at"} <= set(alarms["phu-oc"])
    assert [each["verb"] for each in rows(room, schema.action)] == ["acknowledge", "close", "silence", "lift"]
    with pytest.raises(CommandError, match="is heard"):
        acting.act("close", {"alarm": alarms["kim-long"]["id"], "by": "tester", "reason": "no"})


def test_the_table_of_an_exercise_says_so(tmp_path: Path, city: Any, scenes: ModuleType) -> None:
    with scenes.duty_room(scenes.DutyRoom(tmp_path / "data", city), scenes.exercise()) as room:
        room.login()

        page = room.page()

        assert "<title>(3) DIỄN TẬP: Canhbao, phòng trực</title>" in page
        assert '<body class="ex"' in page


def test_every_field_has_a_label(room: Room) -> None:
    room.login()
    page = room.page()

    fields = re.findall(r"<(?:input|select) (?![^>]*type=\"hidden\")[^>]*id=\"([^\"]+)\"", page)
    labels = re.findall(r"<label for=\"([^\"]+)\"", page)

    assert fields
    assert sorted(fields) == sorted(labels)
    assert len(re.findall("<h1", page)) == 1


def test_health_is_told_to_everybody(room: Room, free_port: Callable[[], int]) -> None:
    assert room.get("/healthz")[0] == 200
    assert os.environ.get("CANHBAO_OPERATORS__PORT") is None


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_trouble_of_ingest_has_words(language: str) -> None:
    words = LANGUAGES[language].operators.incident_kinds

    assert {trouble.value for trouble in Trouble} - {"hears"} <= set(words)
    assert {NO_HEARTBEAT, NO_WORDS, HELD, AWAY, ARCHIVE_WAITS, CHANNEL_CLOSED, DAMAGED, SPOOL_CHANGED} <= set(words)
    assert {reason.value for reason in Reason} <= set(LANGUAGES[language].operators.reasons)
    assert {kind.value for kind in NoticeKind} == set(LANGUAGES[language].operators.kinds)
