"""Channels against real servers on this machine."""

from __future__ import annotations

import json
import resource
import socket
import time

import pytest
from pydantic import TypeAdapter, ValidationError

from alerts.channels.catalogue import ChannelSettings, channel_of
from alerts.channels.email import EmailChannel, EmailSettings
from alerts.channels.log import LogChannel, LogSettings
from alerts.channels.port import DeliveryError, Message, Recipient
from alerts.channels.signature import TOLERANCE, is_genuine, signed
from alerts.channels.testing import Answer, MailReceiver, WebhookReceiver, sample_notice
from alerts.channels.webhook import WebhookChannel, WebhookSettings
from alerts.model import Status

SECRET = "a secret of the tests"
NOTICE = sample_notice()


def message(address, language="vi", notice=NOTICE, number=7):
    return Message(notice, Recipient(number, address, language))


def webhook(time_limit="5 s", **settings):
    return WebhookChannel(WebhookSettings(kind="webhook", secret="ioc", time_limit=time_limit, **settings), SECRET)


def email(port, **settings):
    return EmailChannel(EmailSettings(kind="email", host="127.0.0.1", port=port, sender="canhbao@hue.example", starttls=False, **settings))


def refusal(channel, letter):
    with pytest.raises(DeliveryError) as caught:
        channel.send(letter)
    return caught.value


# ---- signature


def test_a_signature_belongs_to_one_body_one_secret_and_one_time():
    header = signed(SECRET, b"body", 1_000_000)

    assert is_genuine(SECRET, b"body", header, 1_000_000)
    assert not is_genuine(SECRET, b"body ", header, 1_000_000)
    assert not is_genuine("another", b"body", header, 1_000_000)
    assert not is_genuine(SECRET, b"body", header.replace("t=1000000", "t=1000001"), 1_000_000)


def test_a_signature_that_somebody_kept_is_refused_later():
    header = signed(SECRET, b"body", 1_000_000)

    assert is_genuine(SECRET, b"body", header, 1_000_000 + TOLERANCE)
    assert not is_genuine(SECRET, b"body", header, 1_000_001 + TOLERANCE)


@pytest.mark.parametrize("header", ["", "t=1", "v1=00", f"t=1,v1={'g' * 64}", f"t=-1,v1={'0' * 64}"])
def test_a_header_of_another_form_is_refused(header):
    assert not is_genuine(SECRET, b"body", header, 1)


# ---- webhook


def test_a_webhook_carries_the_notice_signed_with_its_key():
    with WebhookReceiver(SECRET, [Answer(headers={"X-Request-Id": "r-17"})]) as receiver:
        receipt = webhook().send(message(receiver.url))

        [request] = receiver.requests.all()
    assert request.genuine
    assert request.key == f"{NOTICE.id}.7"
    assert request.headers["Canhbao-Status"] == "Actual"
    assert request.content["texts"] == NOTICE.texts
    assert request.content["facts"] == NOTICE.facts
    assert request.content["issued_at"] == "2025-10-27T00:24:00Z"
    assert receipt.reference == "r-17"


def test_a_receiver_with_another_secret_finds_out():
    with WebhookReceiver("another secret") as receiver:
        webhook().send(message(receiver.url))

        assert not receiver.requests.all()[0].genuine


def test_a_repeat_has_the_same_key_and_another_recipient_another():
    with WebhookReceiver(SECRET) as receiver:
        for number in (7, 7, 8):
            webhook().send(message(receiver.url, number=number))

        keys = [request.key for request in receiver.requests.all()]
    assert keys == [f"{NOTICE.id}.7", f"{NOTICE.id}.7", f"{NOTICE.id}.8"]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_delivered(status):
    with WebhookReceiver(SECRET, [Answer(status, body="")]) as receiver:
        assert webhook().send(message(receiver.url)).reference == f"HTTP {status}"


@pytest.mark.parametrize("status", [400, 404, 410])
def test_what_would_be_refused_again_is_final(status):
    with WebhookReceiver(SECRET, [Answer(status, body="no such place")]) as receiver:
        error = refusal(webhook(), message(receiver.url))

    assert error.permanent
    assert f"HTTP {status}" in str(error)
    assert "no such place" in str(error)


@pytest.mark.parametrize("status", [401, 403, 408, 500, 502, 503])
def test_what_may_pass_is_tried_again(status):
    with WebhookReceiver(SECRET, [Answer(status)]) as receiver:
        assert not refusal(webhook(), message(receiver.url)).permanent


@pytest.mark.parametrize(("value", "seconds"), [("17", 17.0), ("Fri, 01 Jan 2010 00:00:00 GMT", 0.0), ("soon", None)])
def test_a_receiver_says_when_to_come_back(value, seconds):
    with WebhookReceiver(SECRET, [Answer(429, {"Retry-After": value})]) as receiver:
        error = refusal(webhook(), message(receiver.url))

    assert (error.permanent, error.retry_after) == (False, seconds)


def test_a_redirect_is_not_followed():
    with WebhookReceiver(SECRET) as other, WebhookReceiver(SECRET, [Answer(307, {"Location": other.url})]) as receiver:
        error = refusal(webhook(), message(receiver.url))

        assert not other.requests.all()
    assert not error.permanent


def test_a_receiver_that_hangs_is_given_up_in_time():
    with WebhookReceiver(SECRET, [Answer(hangs=True)]) as receiver:
        begun = time.monotonic()
        error = refusal(webhook(time_limit="200 ms"), message(receiver.url))

    assert time.monotonic() - begun < 3
    assert not error.permanent


def test_a_receiver_that_hangs_after_its_2xx_has_accepted():
    with WebhookReceiver(SECRET, [Answer(200, {"Content-Length": "9999"})]) as receiver:
        assert webhook(time_limit="200 ms").send(message(receiver.url)).reference == "HTTP 200"


def test_a_receiver_that_is_away_is_tried_again():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))

        assert not refusal(webhook(), message(f"http://127.0.0.1:{unused.getsockname()[1]}/")).permanent


@pytest.mark.parametrize("address", ["ftp://x.example/", "http://[::1/", "nothing"])
def test_an_address_that_is_none_is_final(address):
    assert refusal(webhook(), message(address)).permanent


# ---- mail


def test_a_mail_has_both_languages_with_the_recipients_first():
    with MailReceiver() as receiver:
        email(receiver.port).send(message("mai@hue.example", "en"))

        [mail] = receiver.mails.all()
    parts = list(mail.iter_parts())
    assert mail["Subject"] == NOTICE.texts["en"]["title"]
    assert [part["Content-Language"] for part in parts] == ["en", "vi"]
    assert parts[1].get_content().split() == f"{NOTICE.texts['vi']['title']} {NOTICE.texts['vi']['body']}".split()
    assert mail["To"] == "mai@hue.example"
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_vietnamese_subject_arrives_whole():
    with MailReceiver() as receiver:
        email(receiver.port).send(message("mai@hue.example"))

        assert receiver.mails.all()[0]["Subject"] == "Lũ sông Mẫu tại Trạm Mẫu vượt báo động 3, mức lũ lớn"


def test_a_repeated_mail_is_the_same_mail():
    with MailReceiver() as receiver:
        receipts = [email(receiver.port).send(message("mai@hue.example")) for _ in range(2)]

        mails = receiver.mails.all()
    assert mails[0]["Message-ID"] == mails[1]["Message-ID"] == receipts[0].reference == f"<{NOTICE.id}.7@hue.example>"
    assert mails[0]["Date"] == mails[1]["Date"]


@pytest.mark.parametrize(("reply", "permanent"), [("550 no such person", True), ("451 try later", False)])
def test_a_mail_server_says_whether_a_refusal_is_final(reply, permanent):
    with MailReceiver([reply]) as receiver:
        error = refusal(email(receiver.port), message("mai@hue.example"))

    assert error.permanent is permanent
    assert reply in str(error)


def test_a_mail_server_that_is_away_or_offers_no_encryption_is_tried_again():
    with MailReceiver() as receiver:
        settings = EmailSettings(kind="email", host="127.0.0.1", port=receiver.port, sender="canhbao@hue.example")
        unsafe = refusal(EmailChannel(settings), message("mai@hue.example"))
        port = receiver.port
    away = refusal(email(port), message("mai@hue.example"))

    assert not unsafe.permanent
    assert not away.permanent
    assert not receiver.mails.all()


def test_a_mail_address_with_a_line_break_is_final_and_reaches_no_server():
    assert refusal(email(1), message("mai@hue.example\nBcc: all@hue.example")).permanent


# ---- log and catalogue


def test_a_log_line_is_one_json_object_a_notice(tmp_path):
    channel = LogChannel(LogSettings(kind="log", file="notices.jsonl"), tmp_path)

    receipts = [channel.send(message("ioc", number=number)) for number in (1, 2)]

    lines = [json.loads(line) for line in (tmp_path / "notices.jsonl").read_text().splitlines()]
    assert [line["key"] for line in lines] == [f"{NOTICE.id}.1", f"{NOTICE.id}.2"]
    assert lines[0]["title"] == NOTICE.texts["vi"]["title"]
    assert receipts[0] != receipts[1]


def test_a_log_that_cannot_be_written_is_a_failed_delivery(tmp_path):
    channel = LogChannel(LogSettings(kind="log", file="notices.jsonl"), tmp_path / "away")

    assert not refusal(channel, message("ioc")).permanent


def test_a_disk_that_takes_a_part_of_a_line_keeps_none_of_it_and_the_delivery_has_failed(tmp_path):
    channel, file = LogChannel(LogSettings(kind="log", file="notices.jsonl"), tmp_path), tmp_path / "notices.jsonl"
    channel.send(message("ioc", number=1))
    whole = file.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, before[1]))
    try:
        assert not refusal(channel, message("ioc", number=2)).permanent
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert file.read_bytes() == whole
    channel.send(message("ioc", number=2))
    assert [json.loads(line)["key"] for line in file.read_text().splitlines()] == [f"{NOTICE.id}.1", f"{NOTICE.id}.2"]


def test_a_log_without_a_file_goes_to_the_programs_log(tmp_path):
    assert LogChannel(LogSettings(kind="log"), tmp_path).send(message("ioc")).reference == "log"


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"kind": "log", "status": "Exercise"}, LogChannel),
        ({"kind": "webhook", "secret": "ioc"}, WebhookChannel),
        ({"kind": "email", "host": "mail.hue.example", "sender": "canhbao@hue.example"}, EmailChannel),
    ],
)
def test_the_catalogue_opens_each_kind_and_binds_it_to_a_status(settings, kind, tmp_path):
    channel = channel_of(TypeAdapter(ChannelSettings).validate_python(settings), secrets={"ioc": SECRET}, data=tmp_path)

    assert isinstance(channel, kind)
    assert channel.status is Status(settings.get("status", "Actual"))


def test_a_secret_that_is_not_given_is_named(tmp_path):
    settings = WebhookSettings(kind="webhook", secret="ioc")

    with pytest.raises(LookupError, match="'ioc' is not given"):
        channel_of(settings, secrets={"ioc": ""}, data=tmp_path)


def test_a_file_outside_the_data_directory_is_refused():
    with pytest.raises(ValidationError):
        LogSettings(kind="log", file="../elsewhere")
