"""
A board -> the operators' table in one language.

Rule 1: three columns never merge: what the water does, what we know, who cares for it.
Rule 2: the balance of readings is always shown as a sum, and what is missing as a number.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from alerts.ledger.reading import Silence
from alerts.model import Alarm, Handling, Status, Withheld
from devices.instants import MILLISECOND, MINUTE
from devices.stations import LegalLevel
from rules.changes import Phase
from web.languages import LANGUAGES, Language
from web.operators.ports import Board
from web.operators.sessions import Session
from web.public.gauges import against_of, severity_of
from web.public.page import address
from web.public.situation import HEARTBEAT_LIMIT
from web.public.state import Against
from web.public.writing import Writing

TEMPLATES = Path(__file__).with_name("templates")
FATES = ("archived", "duplicate", "quarantined")


@dataclass(frozen=True, slots=True)
class Row:
    """One alarm as the table shows it."""

    alarm: Alarm
    level: LegalLevel | None
    severity: int
    against: Against | None
    silence: Silence | None
    told_level: LegalLevel | None
    withheld: Withheld | None
    """The newest thing that residents were not told of it, where they were told nothing."""

    @property
    def is_silent(self) -> bool:
        """Tell whether its gauge cannot end it."""
        return self.alarm.phase in (Phase.STALE, Phase.LOST)

    @property
    def is_as_measured(self) -> bool:
        """Tell whether the newest value itself lies at the level that stands; else confirmation, hold or silence holds it."""
        against = self.against
        return against is not None and self.level is not None and against.is_reached and against.level.number == self.level.number

    @property
    def is_new(self) -> bool:
        """Tell whether nobody cares for it yet."""
        return self.alarm.handling is Handling.OPEN and self.alarm.ended_at is None


@dataclass(frozen=True, slots=True)
class Balance:
    """What became of every reading: received = archived + duplicate + quarantined + waiting."""

    received: int
    parts: tuple[tuple[str, int], ...]
    missing: int


class Pages:
    """Renders the operators' pages."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._css = Markup((TEMPLATES / "operators.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
        self._script = Markup((TEMPLATES / "operators.js").read_text(encoding="utf-8"))  # noqa: S704 - our own file
        self._table = environment.get_template("table.html")
        self._login = environment.get_template("login.html")
        self._plain = environment.get_template("plain.html")
        self.policy = "; ".join(
            (
                "default-src 'self'",
                f"style-src {_hash(self._css)}",
                f"script-src {_hash(self._script)}",
                "img-src 'self' data:",
                "object-src 'none'",
                "base-uri 'none'",
                "form-action 'self'",
                "frame-ancestors 'none'",
            )
        )

    def table(self, board: Board, session: Session, language: Language, done: str) -> str:
        """Render the table."""
        words = language.operators
        writing = Writing(language, board.texts.languages[language.code].wording, ZoneInfo(board.registry.time_zone), board.now)
        rows = sorted((_row(board, alarm) for alarm in board.alarms), key=lambda row: (-row.severity, -row.alarm.level_at))
        return self._table.render(
            board=board,
            session=session,
            language=language,
            languages=list(LANGUAGES.values()),
            address=address,
            p=writing,
            w=words,
            page=language.page,
            open_rows=[row for row in rows if row.alarm.ended_at is None],
            ended_rows=[row for row in rows if row.alarm.ended_at is not None],
            new=sum(row.is_new for row in rows),
            balance=balance_of(board),
            is_alive=board.heartbeat is not None and board.real_now - board.heartbeat.real_at <= HEARTBEAT_LIMIT,
            done=words.done.format(what=words.actions[done]) if done in words.actions else "",
            is_exercise=board.status is Status.EXERCISE,
            version=self.version(board),
            now_ms=board.now // MILLISECOND,
            css=self._css,
            script=self._script,
            minutes=lambda span: span // MINUTE,
            name_of=lambda alarm: _name_of(board, alarm, writing),
            names={alarm.id: _name_of(board, alarm, writing) for alarm in board.alarms},
            place_of=lambda silence: _place_of(board, silence, writing),
        )

    def login(self, language: Language, *, is_wrong: bool) -> str:
        """Render the way in."""
        return self._login.render(w=language.operators, language=language, is_wrong=is_wrong, css=self._css)

    def not_ready(self, language: Language) -> str:
        """Render what is shown before a city was applied."""
        return self.plain(language.page.cannot, language)

    def refused(self, why: str) -> str:
        """Render a refusal."""
        language = next(iter(LANGUAGES.values()))
        return self.plain(language.operators.refused.format(why=why), language)

    def plain(self, text: str, language: Language) -> str:
        """Render one sentence and the way back."""
        return self._plain.render(text=text, language=language, css=self._css)

    def version(self, board: Board | None) -> str:
        """Give what changes when the table does; counters and ages do not count."""
        if board is None:
            return ""
        still = replace(board, now=0, real_now=0, heartbeat=None, counters=None)
        return blake2b(repr(still).encode(), digest_size=8).hexdigest()


def balance_of(board: Board) -> Balance | None:
    """Give the sum of the readings; None where the spool cannot be read."""
    if board.counters is None:
        return None
    waiting = board.heartbeat.waiting_readings if board.heartbeat else 0
    received = board.counters.get("received", 0)
    parts = tuple((fate, board.counters.get(fate, 0)) for fate in FATES)
    return Balance(received + waiting, (*parts, ("waiting", waiting)), received - sum(count for _, count in parts))


def _row(board: Board, alarm: Alarm) -> Row:
    levels = _levels(board, alarm)
    told = board.told.get(alarm.id)
    level = _level(levels, alarm.level)
    return Row(
        alarm=alarm,
        level=level,
        severity=severity_of(level),
        against=against_of(alarm.value, levels, alarm.quantity),
        silence=next((each for each in board.silences if each.covers(alarm.station, alarm.quantity)), None),
        told_level=_level(levels, told.level) if told else None,
        withheld=next((each for each in board.withheld if each.alarm == alarm.id and each.audience == "residents"), None),
    )


def _levels(board: Board, alarm: Alarm) -> tuple[LegalLevel, ...]:
    station = board.registry.stations.get(alarm.station)
    thresholds = station.thresholds_at(alarm.quantity, alarm.observed_at or board.now) if station else None
    return thresholds.levels if thresholds else ()


def _level(levels: Sequence[LegalLevel], number: int) -> LegalLevel | None:
    if not number:
        return None
    return next((level for level in levels if level.number == number), LegalLevel(number, "", 0.0))


def _name_of(board: Board, alarm: Alarm, writing: Writing) -> str:
    station = board.registry.stations.get(alarm.station)
    return writing.word(station.name) if station else alarm.station


def _place_of(board: Board, silence: Silence, writing: Writing) -> str:
    if silence.station is None:
        return writing.language.operators.everywhere
    station = board.registry.stations.get(silence.station)
    name = writing.word(station.name) if station else silence.station
    quantity = writing.language.quantities.get(silence.quantity or "", silence.quantity)
    return f"{name}, {quantity.lower()}" if quantity else name


def _hash(text: str) -> Any:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
