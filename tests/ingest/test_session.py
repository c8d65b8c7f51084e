"""The session against a broker played by the test: every way a connection can end, and what must not happen then."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from queue import Empty, SimpleQueue

import pytest

from ingest import connection
from ingest import session as subject
from ingest.connection import Broker
from ingest.inbox import Deaf, Heard, Inbound, Incident, Receipt, Trouble
from ingest.session import NotSubscribed, Session

PRESENT = b"\x20\x03\x01\x00\x00"
SUBACK = b"\x90\x04\x00\x01\x00\x01"
AT = 1_763_798_400_000_000


class Played:
    """A session in a thread, and the other end of its wire."""

    def __init__(self, **how):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(8)
        self.links, self.inbox, self.told, self.heard, self.raised = [], SimpleQueue(), [], [], []
        broker = Broker("127.0.0.1", self.server.getsockname()[1], "me", ("up",), **how)
        self.session = Session(broker, self._hand_over, lambda: AT)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            self.session.run()
        except NotSubscribed as error:
            self.raised.append(error)

    def _hand_over(self, event):
        match event:
            case Inbound():
                self.inbox.put(event)
            case Incident(at, kind, _):
                assert at == AT
                self.told.append(kind)
            case Heard() | Deaf():
                self.heard.append(event)

    def accepted(self):
        link, _ = self.server.accept()
        link.settimeout(8)
        self.links.append(link)
        return link

    def connection(self, connack=b"\x20\x03\x00\x00\x00", suback=SUBACK):
        link = self.accepted()
        self.connect = packet(link)
        link.sendall(connack)
        if suback:
            assert packet(link)[0] == 0x82
            link.sendall(suback)
        return link

    def messages(self, count):
        inbound = [self.inbox.get(timeout=5)]
        while sum(len(i.messages) for i in inbound) < count:
            inbound.append(self.inbox.get(timeout=5))
        return inbound

    def until(self, condition, seconds=8):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.told, self.heard)
            time.sleep(0.01)


@pytest.fixture
def play(monkeypatch):
    monkeypatch.setattr(subject, "BACKOFF", (0.02, 0.1))
    started = []

    def start(**how):
        started.append(Played(**how))
        return started[-1]

    yield start
    for played in started:
        played.session.stop()
        played.thread.join(8)
        for link in (played.server, *played.links):
            link.close()
        assert not played.thread.is_alive()


def packet(link):
    """Read one packet from the session: (first byte, body)."""
    head = link.recv(2, socket.MSG_WAITALL)
    return head[0], link.recv(head[1], socket.MSG_WAITALL)


def pub(mid, payload=b"1", v5=True):
    body = b"\x00\x02up" + mid.to_bytes(2, "big") + (b"\x00" if v5 else b"") + payload
    return b"\x32" + bytes([len(body)]) + body


# ---- acknowledging


def test_pubacks_leave_joined_in_the_order_of_receipt_and_only_after_the_receipt(play):
    played = play()
    link = played.connection()
    link.sendall(pub(7) + pub(5) + pub(6))
    inbound = played.messages(3)
    link.settimeout(0.2)
    with pytest.raises(TimeoutError):
        link.recv(1)

    played.session.acknowledge([i.receipt for i in inbound])

    link.settimeout(5)
    assert link.recv(12, socket.MSG_WAITALL) == b"\x40\x02\x00\x07\x40\x02\x00\x05\x40\x02\x00\x06"


def test_a_receipt_of_a_lost_connection_is_never_sent_to_the_next(play):
    played = play()
    link = played.connection()
    link.sendall(pub(1, b"A"))
    old = played.messages(1)[0].receipt
    link.close()
    played.session.acknowledge([old])
    again = played.connection()
    again.sendall(pub(1, b"B"))
    new = played.messages(1)[0].receipt
    played.session.acknowledge([old])

    played.session.acknowledge([Receipt(new.generation, [b"\0\2"], 0)])

    assert packet(again) == (0x40, b"\0\2")


# ---- connecting


@pytest.mark.parametrize("connack", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00"], ids=["0x01", "0x84"])
def test_only_a_broker_that_does_not_know_mqtt_5_is_spoken_to_in_3_1_1(play, connack):
    played = play()
    played.connection(connack, suback=b"").close()
    link = played.connection(b"\x20\x02\x00\x00", suback=b"\x90\x03\x00\x01\x01")
    link.sendall(pub(9, v5=False))

    assert played.messages(1)[0].messages[0][1:3] == (b"1", b"\0\x09")
    assert (played.connect[1][6], played.told) == (4, [Trouble.OLD_PROTOCOL])


def test_any_other_refusal_is_told_and_tried_again_in_mqtt_5(play):
    played = play()
    played.connection(b"\x20\x03\x00\x87\x00", suback=b"")
    played.connection()

    assert (played.connect[1][6], played.told) == (5, [Trouble.REFUSED])


def test_connect_never_asks_for_a_clean_start_and_keeps_the_session_a_week(play):
    played = play()
    played.connection()

    flags, properties = played.connect[1][7], played.connect[1][10:]
    assert flags & 2 == 0
    assert b"\x11" + (7 * 86_400).to_bytes(4, "big") in properties
    assert b"\x21" + (10_000).to_bytes(2, "big") in properties


def test_name_and_password_are_sent_and_never_printed(play):
    played = play(username="canhbao", password="s3cret")
    played.connection()

    assert played.connect[1][7] & 0xC0 == 0xC0
    assert played.connect[1].endswith(b"\x00\x07canhbao\x00\x06s3cret")
    assert "s3cret" not in repr(Broker("h", 1, "c", (), "canhbao", "s3cret"))


@pytest.mark.parametrize("code", [0x00, 0x80, 0x87], ids=["QoS 0 only", "failure", "not authorized"])
def test_a_subscription_that_is_not_granted_ends_the_session_loudly(play, code):
    played = play()
    played.connection(suback=SUBACK[:-1] + bytes([code]))
    played.thread.join(5)

    assert [str(error) for error in played.raised] == ["up"]
    assert played.heard == []


def test_a_lost_session_is_told_but_not_a_first_one(play):
    played = play()
    played.connection().close()
    played.connection(PRESENT)
    other = play(known=True)
    other.connection()

    other.until(lambda: other.told == [Trouble.SESSION_LOST])
    assert Trouble.SESSION_LOST not in played.told


def test_a_broker_that_is_away_is_tried_again_and_told_once(play):
    played = play()
    played.connection().close()
    played.server.close()
    played.until(lambda: played.session.pulse().generation > 5)

    assert played.told == [Trouble.DISCONNECTED, Trouble.UNREACHABLE]
    assert not played.session.pulse().connected


# ---- the end of a connection


@pytest.mark.parametrize("cut", range(1, len(pub(7))))
def test_a_connection_cut_in_mid_frame_leaves_nothing_behind_in_the_next(play, cut):
    played = play()
    link = played.connection()
    link.sendall(pub(7)[:cut])
    link.close()

    again = played.connection()
    again.sendall(pub(7, b"again"))

    assert [m[1] for i in played.messages(1) for m in i.messages] == [b"again"]


@pytest.mark.parametrize("bad", [b"\x32\xff\xff\xff\xff\x01", b"\xf0\x00", b"\x90\x00"], ids=["length", "type 15", "SUBACK"])
def test_malformed_input_is_told_and_ends_only_the_connection(play, bad):
    played = play()
    played.connection().sendall(bad)
    played.connection(PRESENT).sendall(pub(1))

    assert len(played.messages(1)) == 1
    assert played.told in ([Trouble.MALFORMED], [Trouble.DISCONNECTED])


@pytest.mark.parametrize(
    "lie",
    [
        b"\x90\x05\x00\x01\x00\x01\x01",  # a SUBACK for two topics
        PRESENT,  # a second CONNACK
        b"\x20\x03\x00\x00\x00",  # a second CONNACK, of a session that is gone
    ],
)
def test_what_was_not_asked_ends_only_the_connection_and_is_never_believed(play, lie):
    played = play(known=True)
    link = played.connection(PRESENT, suback=b"")
    packet(link)

    link.sendall(lie if lie[0] == 0x90 else SUBACK + lie)

    played.until(lambda: played.told == [Trouble.MALFORMED])
    played.connection(PRESENT).sendall(pub(1))
    assert played.messages(1)


def test_a_subscription_that_is_granted_before_the_connection_is_not_believed(play):
    played = play()
    link = played.accepted()
    packet(link)

    link.sendall(SUBACK)

    played.until(lambda: played.told == [Trouble.MALFORMED])
    assert played.heard == []


@pytest.mark.parametrize("seconds", [b"\x00\x00", b"\xff\xff"])
def test_a_broker_that_wants_no_keepalive_is_given_up_as_soon_when_it_is_silent(play, monkeypatch, seconds):
    monkeypatch.setattr(connection, "KEEPALIVE", 1)
    played = play()

    played.connection(b"\x20\x06\x01\x00\x03\x13" + seconds)

    played.until(lambda: Trouble.DISCONNECTED in played.told)


def test_nothing_is_parsed_after_disconnect(play):
    played = play()
    played.connection().sendall(b"\xe0\x02\x8b\x00" + b"\x90\x00")
    played.connection(PRESENT)

    assert played.told == [Trouble.DISCONNECTED]


def test_a_silent_broker_is_given_up_and_a_half_open_connection_too(play, monkeypatch):
    monkeypatch.setattr(connection, "KEEPALIVE", 1)
    played = play()
    link = played.connection()
    assert packet(link) == (0xC0, b"")

    played.connection(PRESENT)

    assert played.told == [Trouble.DISCONNECTED]


# ---- reading


def test_without_room_we_stop_reading_stay_connected_spend_nothing_and_go_on(play, monkeypatch):
    monkeypatch.setattr(connection, "KEEPALIVE", 1)
    monkeypatch.setattr(subject, "ROOM", 1_000)
    played = play()
    link = played.connection()
    link.sendall(pub(1, b"x" * 100) * 11)
    held = played.messages(11)
    link.sendall(pub(2))
    before = time.process_time()
    pings = [packet(link) for _ in range(4)]

    assert (pings, time.process_time() - before < 0.5, played.told) == ([(0xC0, b"")] * 4, True, [])
    with pytest.raises(Empty):
        played.inbox.get(timeout=0.05)
    played.session.acknowledge([i.receipt for i in held])
    assert played.messages(1)[0].messages[0][2] == b"\0\2"


def test_frames_that_trickle_in_byte_by_byte_arrive_whole(play):
    played = play()
    link = played.connection()
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in pub(1) + pub(2):
        link.sendall(bytes([byte]))

    assert [m[2] for i in played.messages(2) for m in i.messages] == [b"\0\1", b"\0\2"]


def test_a_large_message_in_many_pieces_arrives_whole(play):
    played = play()
    link = played.connection()
    body = b"\x00\x02up\x00\x07\x00" + b"x" * 300_000
    size = bytes([len(body) & 127 | 128, len(body) >> 7 & 127 | 128, len(body) >> 14])
    link.sendall(b"\x32" + size + body + pub(8))

    assert [(m[2], len(m[1])) for i in played.messages(2) for m in i.messages] == [(b"\0\7", 300_000), (b"\0\x08", 1)]


def test_messages_are_stamped_by_the_clock_that_was_given(play):
    played = play()
    played.connection().sendall(pub(1))

    assert played.messages(1)[0].received_at == AT


# ---- hearing


def test_we_hear_once_subscribed_with_nothing_waiting_and_are_deaf_when_disconnected(play):
    played = play()
    link = played.connection()
    played.until(lambda: played.heard == [Heard(AT)])

    link.close()
    played.connection(PRESENT)

    played.until(lambda: [type(event) for event in played.heard] == [Heard, Deaf, Heard])


def test_before_the_subscription_is_granted_we_do_not_hear(play, monkeypatch):
    monkeypatch.setattr(subject, "CALM", 0.01)
    played = play()
    link = played.connection(suback=b"")
    assert packet(link)[0] == 0x82
    link.sendall(pub(1))
    played.messages(1)
    assert (played.heard, played.session.pulse().connected) == ([], True)

    link.sendall(SUBACK)

    played.until(lambda: played.heard == [Heard(AT)])


def test_while_a_backlog_is_on_its_way_we_do_not_hear_yet(play, monkeypatch):
    monkeypatch.setattr(subject, "RECEIVE_MAXIMUM", 4)
    played = play()
    link = played.connection(suback=b"")
    assert packet(link)[0] == 0x82
    link.sendall(SUBACK + pub(1) + pub(2) + pub(3))
    held = played.messages(3)
    link.settimeout(3 * subject.CALM)
    with pytest.raises(TimeoutError):
        link.recv(1)
    assert played.heard == []

    played.session.acknowledge([i.receipt for i in held])

    played.until(lambda: played.heard == [Heard(AT)])


def test_who_cannot_keep_up_for_long_is_deaf(play, monkeypatch):
    monkeypatch.setattr(subject, "ROOM", 100)
    monkeypatch.setattr(subject, "BEHIND", 0.05)
    played = play()
    link = played.connection()
    played.until(lambda: played.heard == [Heard(AT)])

    link.sendall(pub(1, b"x" * 110))
    held = played.messages(1)
    played.session.acknowledge([])

    played.until(lambda: [type(event) for event in played.heard] == [Heard, Deaf])
    played.session.acknowledge([i.receipt for i in held])
    played.until(lambda: [type(event) for event in played.heard] == [Heard, Deaf, Heard])


# ---- TLS


def test_messages_come_through_tls_in_one_piece(tmp_path, play):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    wishes = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1", "-nodes", "-newkey", "rsa:2048"]
    try:
        subprocess.run(["openssl", "req", "-x509", *wishes, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl on PATH; it makes the certificate of this test")
    played = play(tls=ssl.create_default_context(cafile=str(certificate)))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    link = serving.wrap_socket(played.accepted(), server_side=True)
    played.links.append(link)
    assert exactly(link, 2)[0] == 0x10
    link.recv(1_000)
    link.sendall(b"\x20\x03\x00\x00\x00")
    link.recv(1_000)
    body = b"\x00\x02up\x00\x07\x00" + b"x" * 100_000
    link.sendall(SUBACK + b"\x32" + bytes([len(body) & 127 | 128, len(body) >> 7 & 127 | 128, len(body) >> 14]) + body + pub(8))

    assert [(m[2], len(m[1])) for i in played.messages(2) for m in i.messages] == [(b"\0\7", 100_000), (b"\0\x08", 1)]


def exactly(link, count):
    data = b""
    while len(data) < count:
        data += link.recv(count - len(data))
    return data


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho leaves the socket of a failed handshake to the collector
def test_a_certificate_that_we_do_not_trust_is_told_and_nothing_is_sent(tmp_path, play):
    played = play(tls=ssl.create_default_context())
    raw = played.accepted()
    raw.sendall(b"this is not TLS")
    raw.close()
    played.server.close()

    played.until(lambda: set(played.told) == {Trouble.UNREACHABLE})
