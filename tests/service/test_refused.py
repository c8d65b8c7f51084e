"""What was refused can be looked at, whatever bytes it was."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from devices.instants import parse_instant
from ingest.decode import Reason
from ingest.quarantine import Quarantine
from ingest.spool import open_spool
from ingest.taken import Rejection
from service import refused
from service.exits import CommandError
from service.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with closing(open_spool(tmp_path / "spool.db")) as spool:
        rejections = [
            Rejection(b"canhbao/v1/wl-kim-long/up", b'{"v":1,"m":{"water_level":"\xff"}}', Reason.JSON, 1, "not UTF-8 at byte 26"),
            Rejection(b"canhbao/v1/wl-phu-oc/up", "mực nước 99,9".encode(), Reason.RANGE, 2, "99.9 is above 12"),
        ]
        Quarantine(spool, bound=10_000).add(7, parse_instant("2025-10-27T13:00:00+07:00"), rejections)
    return Settings(data=tmp_path)


def test_the_newest_stands_first(settings: Settings) -> None:
    rows = refused.newest(settings, limit=10)

    assert [row.reason for row in rows] == ["range", "json"]
    assert refused.newest(settings, limit=1) == rows[:1]


def test_bytes_that_are_no_text_are_escaped(settings: Settings) -> None:
    told = refused.whole(settings, 1)

    assert 'water_level":"\\xff"' in told
    assert "received_at: 2025-10-27T06:00:00Z" in told


def test_text_with_marks_stays_as_it_is(settings: Settings) -> None:
    assert "mực nước 99,9" in refused.whole(settings, 2)
    assert "99.9 is above 12" in refused.described(refused.newest(settings, limit=10))


def test_a_number_that_is_not_there_says_where_to_look(settings: Settings) -> None:
    with pytest.raises(CommandError, match="there is no refused message 9; see `canhbao quarantine list`"):
        refused.whole(settings, 9)


def test_what_was_refused_cannot_command_the_terminal_that_shows_it(settings: Settings) -> None:
    with closing(open_spool(settings.spool_file)) as spool:
        evil = Rejection("canhbao/v1/\u202e/up".encode(), b"\x1b[2J\x07 first\n\tsecond \xc2\x9b", Reason.JSON, 1, "")
        Quarantine(spool, bound=10_000).add(8, parse_instant("2025-10-27T13:00:01+07:00"), [evil])

    told = refused.whole(settings, 3) + refused.described(refused.newest(settings, limit=10))

    assert "\\x1b[2J\\x07 first\n\tsecond \\x9b" in told
    assert "canhbao/v1/\\u202e/up" in told
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told)
