"""Scenes of the residents' page: the states of the design, with its numbers, as values and as the files that the programs write."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn

from alerts.ledger import schema
from alerts.ledger.alarms import save, save_told
from alerts.ledger.migrating import migrate
from alerts.ledger.opening import ledger_url, open_ledger
from alerts.model import Alarm, Audience, End, Handling, Notice, NoticeKind, Status, Told
from alerts.texts import texts_of
from devices.city import registry_of
from devices.documents import Documents
from devices.instants import HOUR, MINUTE, SECOND, Instant, parse_instant
from devices.readings import Quality, Reading
from ingest.archive.query import Bucket
from ingest.archive.reader import StoreArchive
from ingest.archive.schema import open_writer
from ingest.spool import open_spool
from rules.changes import Phase, Standing
from service.configuration import read_city
from service.programs.web import Counted, SpoolReader
from service.settings import Settings
from web.operators.app import create_app as create_operators
from web.operators.ledger import LedgerActing, LedgerBoards
from web.public.app import create_app
from web.public.editions import Editions, Editor
from web.public.gathering import Gathering
from web.public.ledger import LedgerFile
from web.public.page import Renderer
from web.public.shapes import shapes_of
from web.public.situation import City, Heartbeat, Ledger, Situation
from web.public.view import build, featured_place, history_span
from web.serving import StreamingServer, listener_on, serve_beside

ROOT = Path(__file__).resolve().parent.parent.parent
CITY = ROOT / "config" / "hue"
REAL_NOW = parse_instant("2026-11-22T00:00:00Z")
COUNTERS = {
    "messages": 1_284_000,
    "received": 1_284_234,
    "archived": 1_284_011,
    "duplicate": 214,
    "quarantined": 9,
    "quarantined:range": 7,
    "quarantined:no_time": 2,
    "late": 3,
}
FLOOD = (  # hours before 07:20 on 27 October 2025, metres at Kim Long, as in the design
    (48.0, 0.46), (31.3, 0.70), (19.3, 1.18), (11.3, 2.00), (7.3, 2.66), (4.3, 3.15), (2.3, 3.36), (1.0, 3.51), (0.33, 3.58), (0.0, 3.62),
)  # fmt: skip


def at(text: str) -> Instant:
    """`2025-10-27 07:20` in Hue."""
    return parse_instant(f"{text.replace(' ', 'T')}:00+07:00")


@cache
def all_documents() -> Documents:
    return read_city(CITY)


@pytest.fixture(scope="session")
def city() -> City:
    found = all_documents()
    return City("0123456789abcdef", registry_of(found), texts_of(found), shapes_of(found))


@dataclass(frozen=True, slots=True)
class Scene:
    """What the programs would have written by an instant."""

    now: Instant
    readings: tuple[Reading, ...]
    standings: tuple[Standing, ...]
    alarms: tuple[Alarm, ...] = ()
    told: tuple[Told, ...] = ()
    notices: tuple[Notice, ...] = ()
    status: Status = Status.ACTUAL
    speed: float = 1.0
    heartbeat: Heartbeat | None = field(default=None)
    revision: str = "0123456789abcdef"

    def situation(self, city: City) -> Situation:
        """The scene as plain values."""
        newest = {(reading.station, reading.device, reading.quantity): reading for reading in self.readings}
        told = {each.alarm: each for each in self.told if each.audience is Audience.RESIDENTS}
        bare = Situation(
            now=self.now,
            real_now=REAL_NOW,
            status=self.status,
            speed=self.speed,
            city=city,
            heartbeat=self.heartbeat or heartbeat(self.now),
            latest=tuple(newest.values()),
            standings=self.standings,
            ledger=Ledger(self.alarms, told, self.notices),
        )
        place = featured_place(build(bare))
        return replace(bare, series={place: buckets(self.readings, *place, self.now)} if place else {})


def heartbeat(now: Instant, age: int = SECOND, *, hearing: bool = True) -> Heartbeat:
    return Heartbeat(
        real_at=REAL_NOW - age, clock_at=now - age, connected=hearing, hearing=hearing, hearing_since_at=now - HOUR, waiting_readings=0
    )


def buckets(readings: tuple[Reading, ...], station: str, quantity: str, now: Instant) -> tuple[Bucket, ...]:
    from_at, to_at = history_span(now)
    shown = [each for each in readings if each.station == station and each.quantity == quantity and from_at <= each.observed_at < to_at]
    return tuple(Bucket(each.observed_at, 1, each.value, each.value, each.value) for each in shown)


def river(station: str, points: tuple[tuple[float, float], ...], last_at: Instant) -> tuple[Reading, ...]:
    """Readings each ten minutes through points of (hours before the last, metres)."""
    count = round(points[0][0] * 6)
    values = [(count - index, _between(points, (count - index) / 6)) for index in range(count + 1)]
    return tuple(reading(station, value, last_at - steps * 10 * MINUTE) for steps, value in values)


def _between(points: tuple[tuple[float, float], ...], hours: float) -> float:
    if hours >= points[0][0]:
        return points[0][1]
    for (one, low), (other, high) in pairwise(points):
        if one >= hours >= other:
            return round(low + (high - low) * (one - hours) / (one - other), 2)
    return points[-1][1]


def reading(station: str, value: float, observed_at: Instant, quantity: str = "water_level", device: str | None = None) -> Reading:
    return Reading(station, device or f"wl-{station}", quantity, value, Quality.PASS, observed_at, observed_at + 4 * SECOND)


def standing(station: str, value: float, observed_at: Instant, trend: float | None, phase: Phase = Phase.FRESH, level: int = 0) -> Standing:
    return Standing(
        rule="river-levels",
        station=station,
        quantity="water_level",
        device=f"wl-{station}",
        primary=True,
        level=level,
        opened_id=None,
        opened_at=None,
        level_id=None,
        level_at=None,
        peak=None,
        peak_at=None,
        value=value,
        observed_at=observed_at,
        received_at=observed_at + 4 * SECOND,
        trend=trend,
        phase=phase,
        phase_at=observed_at + 20 * MINUTE if phase is not Phase.FRESH else observed_at,
        interval=10 * MINUTE,
    )


def alarm(station: str, level: int, value: float, observed_at: Instant, opened_at: Instant, **other: Any) -> Alarm:
    made: dict[str, Any] = {
        "id": f"{station[:4]}{level:04d}00000000"[:16],
        "rule": "river-levels",
        "station": station,
        "quantity": "water_level",
        "device": f"wl-{station}",
        "status": Status.ACTUAL,
        "level": level,
        "level_id": f"{level:016x}",
        "opened_at": opened_at,
        "level_at": observed_at - HOUR,
        "value": value,
        "observed_at": observed_at,
        "received_at": observed_at + 4 * SECOND,
        "trend": 0.11,
        "peak": value,
        "peak_at": observed_at,
        "interval": 10 * MINUTE,
        "ended_at": None,
        "end": None,
        "phase": Phase.FRESH,
        "phase_at": opened_at,
        "handling": Handling.OPEN,
        "handled_by": None,
        "handled_at": None,
        "handling_reason": None,
        "revision": "0123456789abcdef",
    }
    return Alarm(**{**made, **other})


def told(of: Alarm, level: int, told_at: Instant, **other: Any) -> Told:
    made: dict[str, Any] = {"level_id": of.level_id, "highest": max(level, of.level), "notice": f"{of.id}.r1", "told_at": told_at}
    return Told(alarm=of.id, audience=Audience.RESIDENTS, level=level, **{**made, **other})


def notice(of: Alarm, kind: NoticeKind, level: int, issued_at: Instant, audience: Audience = Audience.RESIDENTS) -> Notice:
    title = {"vi": f"Lũ tại {of.station} vượt báo động {level}", "en": f"Flood at {of.station} above alarm level {level}"}
    texts = {code: {"title": text, "body": f"{text}.", "short": text} for code, text in title.items()}
    return Notice(
        id=f"{of.id}.{audience.value[0]}1",
        alarm=of.id,
        audience=audience,
        kind=kind,
        status=of.status,
        level=level,
        was=0,
        sequence=1,
        issued_at=issued_at,
        expires_at=issued_at + HOUR,
        facts={"by": "Trực ban 1"},
        texts=texts,
    )


def air(observed_at: Instant) -> tuple[Reading, ...]:
    return (
        reading("air-thuan-hoa", 31.4, observed_at, "pm2_5", "aq-thuan-hoa"),
        reading("air-thuan-hoa", 52.0, observed_at, "pm10", "aq-thuan-hoa"),
        reading("air-phu-bai", 24.9, observed_at, "pm2_5", "aq-phu-bai"),
        reading("air-phu-bai", 41.3, observed_at, "pm10", "aq-phu-bai"),
    )


def others(kind: str) -> tuple[tuple[Reading, ...], tuple[Standing, ...]]:
    """The four other gauges at the time of a scene."""
    rows: dict[str, tuple[tuple[str, float, str, float | None, Phase], ...]] = {
        "crest": (
            ("phu-oc", 4.56, "2025-10-27 07:20", 0.11, Phase.FRESH),
            ("thuong-nhat", 60.59, "2025-10-27 07:10", 0.05, Phase.FRESH),
            ("phong-binh", 2.41, "2025-10-27 07:20", 0.02, Phase.FRESH),
            ("truoi", 2.31, "2025-10-27 05:10", None, Phase.LOST),
        ),
        "calm": (
            ("phu-oc", 0.71, "2025-10-15 07:10", -0.02, Phase.FRESH),
            ("thuong-nhat", 57.84, "2025-10-15 07:10", 0.0, Phase.FRESH),
            ("phong-binh", 0.52, "2025-10-15 07:10", 0.0, Phase.FRESH),
            ("truoi", 0.61, "2025-10-15 07:10", 0.0, Phase.FRESH),
        ),
        "after": (
            ("phu-oc", 1.12, "2025-11-08 14:40", -0.02, Phase.FRESH),
            ("thuong-nhat", 58.11, "2025-11-08 14:40", 0.0, Phase.FRESH),
            ("phong-binh", 1.02, "2025-11-08 14:40", -0.03, Phase.FRESH),
            ("truoi", 0.98, "2025-11-08 14:40", 0.0, Phase.FRESH),
        ),
        "night": (
            ("phu-oc", 4.34, "2025-10-27 05:20", 0.11, Phase.FRESH),
            ("thuong-nhat", 60.47, "2025-10-27 05:10", 0.06, Phase.FRESH),
            ("phong-binh", 2.37, "2025-10-27 05:20", 0.02, Phase.FRESH),
            ("truoi", 2.31, "2025-10-27 04:10", None, Phase.STALE),
        ),
    }
    readings = tuple(reading(station, value, at(when)) for station, value, when, _, _ in rows[kind])
    return readings, tuple(standing(station, value, at(when), trend, phase) for station, value, when, trend, phase in rows[kind])


def warning() -> Scene:
    """Kim Long and Phú Ốc above level 3."""
    rest, stand = others("crest")
    kim_long = alarm("kim-long", 3, 3.62, at("2025-10-27 07:20"), at("2025-10-26 10:10"))
    phu_oc = alarm("phu-oc", 3, 4.56, at("2025-10-27 07:20"), at("2025-10-26 09:10"))
    return Scene(
        now=at("2025-10-27 07:24"),
        readings=(*river("kim-long", FLOOD, at("2025-10-27 07:20")), *rest, *air(at("2025-10-27 07:00"))),
        standings=(standing("kim-long", 3.62, at("2025-10-27 07:20"), 0.11, level=3), *stand),
        alarms=(phu_oc, kim_long),
        told=(told(kim_long, 3, at("2025-10-27 06:41")), told(phu_oc, 3, at("2025-10-27 07:16"))),
        notices=(
            notice(phu_oc, NoticeKind.WORSE, 3, at("2025-10-27 07:16")),
            notice(kim_long, NoticeKind.WORSE, 3, at("2025-10-27 06:41")),
        ),
    )


def calm() -> Scene:
    """No warning, and all gauges say so."""
    rest, stand = others("calm")
    flat = ((48.0, 0.47), (36.0, 0.46), (24.0, 0.45), (18.0, 0.40), (12.0, 0.43), (6.0, 0.41), (0.0, 0.42))
    return Scene(
        now=at("2025-10-15 07:14"),
        readings=(*river("kim-long", flat, at("2025-10-15 07:10")), *rest, *air(at("2025-10-15 07:00"))),
        standings=(standing("kim-long", 0.42, at("2025-10-15 07:10"), 0.0), *stand),
    )


def over(end: End = End.CLEARED, **other: Any) -> Scene:
    """Kim Long's warning has ended."""
    rest, stand = others("after")
    ebb = ((48.0, 1.94), (24.0, 1.34), (12.0, 1.08), (6.0, 0.96), (2.0, 0.90), (1.0, 0.89), (0.0, 0.88))
    ended = alarm(
        "kim-long",
        0,
        0.88,
        at("2025-11-08 14:40"),
        at("2025-10-26 10:05"),
        peak=5.05,
        peak_at=at("2025-10-27 20:00"),
        ended_at=at("2025-11-08 14:40"),
        end=end,
        trend=-0.02,
        **other,
    )
    return Scene(
        now=at("2025-11-08 14:44"),
        readings=(*river("kim-long", ebb, at("2025-11-08 14:40")), *rest, *air(at("2025-11-08 14:00"))),
        standings=(standing("kim-long", 0.88, at("2025-11-08 14:40"), -0.02), *stand),
        alarms=(ended,),
        told=(told(ended, 0, at("2025-11-08 14:40"), highest=3, end=end),),
        notices=(notice(ended, NoticeKind.ALL_CLEAR, 0, at("2025-11-08 14:40")),),
    )


def silent() -> Scene:
    """Kim Long fell silent above level 2."""
    rest, stand = others("night")
    rise = (*((hours - 5.2, value) for hours, value in FLOOD if value < 3.0), (0.0, 3.05))
    kim_long = alarm("kim-long", 2, 3.05, at("2025-10-27 02:10"), at("2025-10-26 10:10"), phase=Phase.LOST)
    phu_oc = alarm("phu-oc", 2, 4.34, at("2025-10-27 05:20"), at("2025-10-26 09:10"))
    told_phu_oc = told(phu_oc, 2, at("2025-10-26 18:31"))
    return Scene(
        now=at("2025-10-27 05:30"),
        readings=(*river("kim-long", rise, at("2025-10-27 02:10")), *rest, *air(at("2025-10-27 05:00"))),
        standings=(standing("kim-long", 3.05, at("2025-10-27 02:10"), None, Phase.LOST, level=2), *stand),
        alarms=(kim_long, phu_oc),
        told=(told(kim_long, 2, at("2025-10-27 02:31"), lost=True), told_phu_oc),
        notices=(notice(kim_long, NoticeKind.LOST, 2, at("2025-10-27 02:31")),),
    )


def silent_alone() -> Scene:
    """The same, and Kim Long's is the only warning: the state of the design."""
    scene = silent()
    return replace(scene, alarms=scene.alarms[:1], told=scene.told[:1])


def exercise() -> Scene:
    """The crest again, as an exercise 60 times as fast."""
    scene = warning()
    alarms = tuple(replace(each, status=Status.EXERCISE) for each in scene.alarms)
    return replace(scene, alarms=alarms, status=Status.EXERCISE, speed=60.0)


def deaf() -> Scene:
    """The crest, and nobody has listened for five minutes."""
    scene = warning()
    return replace(scene, now=at("2025-10-27 07:27"), heartbeat=heartbeat(at("2025-10-27 07:27"), 5 * MINUTE))


def deaf_calm() -> Scene:
    """No warning, and nobody has listened for five minutes."""
    scene = calm()
    return replace(scene, heartbeat=heartbeat(scene.now, 5 * MINUTE))


def street() -> Scene:
    """A flooded street beside the river warning."""
    scene = warning()
    flooded = alarm(
        "dap-da",
        2,
        0.53,
        at("2025-10-27 07:20"),
        at("2025-10-27 06:05"),
        rule="street-depth",
        quantity="water_depth",
        device="wd-dap-da",
    )
    depth = reading("dap-da", 0.53, at("2025-10-27 07:20"), "water_depth", "wd-dap-da")
    return replace(
        scene,
        readings=(*scene.readings, depth),
        alarms=(*scene.alarms, flooded),
        told=(*scene.told, told(flooded, 2, at("2025-10-27 06:20"))),
    )


SCENES: dict[str, Callable[[], Scene]] = {
    "warning": warning,
    "none": calm,
    "over": over,
    "closed": lambda: over(End.CLOSED, handling=Handling.CLOSED, handling_reason="trạm bị cuốn trôi, nước đã rút theo báo cáo của phường"),
    "silent": silent_alone,
    "several": street,
    "exercise": exercise,
    "deaf": deaf,
    "deaf-calm": deaf_calm,
}


@pytest.fixture
def state_of(city: City) -> Callable[[Scene], Any]:
    """Build the page of a scene."""
    return lambda scene: build(scene.situation(city))


# ---- the same scenes as files and behind a real server


@dataclass
class Site:
    """The residents' page of a data folder, served on a free port; its clocks stand where the scene says."""

    data: Path
    city: City
    now: Instant = 0
    real_now: Instant = REAL_NOW
    base: str = ""

    def show(self, scene: Scene) -> None:
        """Write what the programs would have written; an earlier scene is overwritten."""
        self.data.mkdir(exist_ok=True)
        self.now = scene.now
        write_spool(self.data / "spool.db", scene)
        write_store(self.data / "store.db", scene)
        write_ledger(self.data / "ledger.db", scene)

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Ask, and give status, headers and body whatever the status."""
        return self.ask("GET", path, **headers)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(self.base.removeprefix("http://"), timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        status, _, body = self.get(path)
        assert status == 200, body
        return json.loads(body)

    def when(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds: at most half a minute, for machines that are busy."""
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline, "it never held"
            threading.Event().wait(0.02)


def write_spool(path: Path, scene: Scene) -> None:
    beat = scene.heartbeat or heartbeat(scene.now)
    texts = {name: document.content for name, document in all_documents().items()}
    with closing(open_spool(path)) as spool:
        for table in ("heartbeat", "standing", "configuration", "counter", "batch"):
            spool.execute(f"DELETE FROM {table}")
        row = (
            beat.real_at,
            beat.clock_at,
            beat.real_at,
            beat.connected,
            beat.hearing,
            beat.hearing_since_at,
            0,
            beat.waiting_readings,
            1,
            1,
        )
        spool.execute(f"INSERT INTO heartbeat VALUES (1{', ?' * len(row)})", row)
        spool.execute(
            "INSERT INTO configuration VALUES (?, 1, ?, ?)", (scene.revision, scene.now, json.dumps(texts, ensure_ascii=False, default=str))
        )
        spool.execute("INSERT INTO batch VALUES (1, ?, 1, 'r', x'', x'', '[]')", (scene.now,))
        spool.executemany("INSERT INTO counter VALUES (?, ?)", COUNTERS.items())
        for each in scene.standings:
            body = json.dumps({one.name: getattr(each, one.name) for one in fields(each)})
            spool.execute("INSERT INTO standing VALUES (?, ?, ?, 1, ?)", (each.station, each.quantity, each.device, body))


def write_store(path: Path, scene: Scene) -> None:
    with closing(open_writer(path)) as store:
        store.execute("BEGIN")
        for table in ("reading", "latest", "series"):
            store.execute(f"DELETE FROM {table}")
        ids: dict[tuple[str, str, str], int] = {}
        for each in scene.readings:
            key = (each.station, each.quantity, each.device)
            if key not in ids:
                ids[key] = len(ids) + 1
                store.execute("INSERT INTO series (id, station, quantity, device) VALUES (?, ?, ?, ?)", (ids[key], *key))
            row = (ids[key], each.observed_at, each.value, int(each.quality), each.received_at)
            store.execute("INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?)", row)
            store.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?, ?)", row)
        store.execute("INSERT OR REPLACE INTO cursor VALUES ('store', 's', 1, 1)")
        store.execute("COMMIT")


def write_ledger(path: Path, scene: Scene) -> None:
    engine = open_ledger(ledger_url(path))
    migrate(engine)
    with engine.begin() as ledger:
        for table in (
            schema.alarm,
            schema.told,
            schema.notice,
            schema.silence,
            schema.action,
            schema.withheld,
            schema.incident,
            schema.delivery,
        ):
            ledger.execute(table.delete())
        for alarm_ in scene.alarms:
            save(ledger, alarm_)
        for told_ in scene.told:
            save_told(ledger, told_)
        for each in scene.notices:
            plain = {**asdict(each), "audience": each.audience.value, "kind": each.kind.value, "status": each.status.value}
            ledger.execute(schema.notice.insert().values(plain))
    engine.dispose()


@contextmanager
def serving(site: Site, scene: Scene) -> Iterator[Site]:
    """Serve a scene from its files by a real server in a thread, and end it as a signal would."""
    site.show(scene)
    archive, renderer, ledger = StoreArchive(site.data / "store.db"), Renderer(), LedgerFile(site.data / "ledger.db")
    spool = SpoolReader(site.data / "spool.db")
    listener = listener_on("127.0.0.1", 0)
    site.base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    started, servers = threading.Event(), []
    settings = Settings(data=site.data)

    async def serve() -> None:
        editions = Editions()
        looks = Gathering(spool, archive, ledger, lambda: site.now, lambda: site.real_now, scene.status, scene.speed)
        server = StreamingServer(create_app(editions, renderer, archive, Counted(settings)), editions)
        servers.append(server)
        started.set()
        await serve_beside(server, listener, Editor(looks, renderer).run(editions))

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="site")
    thread.start()
    assert started.wait(10)
    try:
        site.when(lambda: site.get("/")[0] == 200)
        yield site
    finally:
        servers[0].should_exit = True
        thread.join(15)
        assert not thread.is_alive()
        ledger.close()


@pytest.fixture
def site(tmp_path: Path, city: City) -> Site:
    return Site(tmp_path / "data", city)


@pytest.fixture(scope="module")
def warned(tmp_path_factory: pytest.TempPathFactory, city: City) -> Iterator[Site]:
    """The warning, served for all tests of a file that only ask."""
    with serving(Site(tmp_path_factory.mktemp("warned") / "data", city), warning()) as served:
        yield served


@pytest.fixture(scope="session")
def scenes() -> ModuleType:
    """This file: its scenes, and what makes them."""
    return sys.modules[__name__]


# ---- the operators' side


TOKEN = "a-token-of-the-tests-which-is-long"


@dataclass
class DutyRoom(Site):
    """The operators' pages of a data folder."""

    actions: list[str] = field(default_factory=list)
    cookie: str = ""

    def login(self, by: str = "Trực ban 2") -> None:
        status, headers, _ = self.post("/login", token=TOKEN, by=by)
        assert status == 303
        self.cookie = headers["set-cookie"].partition(";")[0]

    def page(self, path: str = "/") -> str:
        status, _, body = self.get(path, cookie=self.cookie)
        assert status == 200, body
        return body.decode()

    def proof(self) -> str:
        found = re.search(r'name="proof" value="([0-9a-f]+)"', self.page())
        assert found
        return found[1]

    def post(self, path: str, origin: str | None = None, **fields_: str) -> tuple[int, dict[str, str], bytes]:
        headers = {"cookie": self.cookie, "accept": "text/html", "content-type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(fields_).encode(), **headers, **({"origin": origin} if origin else {}))

    def act(self, path: str, body: Any = None, token: str = TOKEN) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        status, _, answer = self.ask(
            "GET" if body is None else "POST", path, None if body is None else json.dumps(body).encode(), **headers
        )
        return status, json.loads(answer)


def write_extras(path: Path, scene: Scene) -> None:
    """What only operators see: things withheld, a silence, an incident, deliveries."""
    engine = open_ledger(ledger_url(path))
    truoi = alarm("truoi", 1, 2.31, at("2025-10-27 05:10"), at("2025-10-27 04:00"), phase=Phase.LOST, trend=None)
    upper = alarm("thuong-nhat", 1, 60.59, at("2025-10-27 07:10"), at("2025-10-26 14:30"), trend=0.05)
    taken = {"handling": Handling.ACKNOWLEDGED, "handled_by": "Trực ban 1", "handled_at": at("2025-10-27 05:48")}
    with engine.begin() as ledger:
        save(ledger, truoi)
        save(ledger, replace(upper, **taken))
        ledger.execute(
            schema.withheld.insert().values(
                alarm=upper.id, audience="residents", kind="warning", level=1, reason="below_audience", at=at("2025-10-26 14:31")
            )
        )
        ledger.execute(
            schema.incident.insert().values(
                kind="session_lost",
                detail="the broker had forgotten our session",
                opened_at=at("2025-10-27 03:02"),
                ended_at=at("2025-10-27 03:02"),
            )
        )
        for each in scene.notices:
            ledger.execute(
                schema.delivery.insert().values(
                    notice=each.id, channel="log", cursor=9, state="done", sent=31204, failed=327, done_at=each.issued_at
                )
            )
    engine.dispose()


@contextmanager
def duty_room(room: DutyRoom, scene: Scene) -> Iterator[DutyRoom]:
    """Serve the operators' side of a scene by a real server in a thread."""
    room.show(scene)
    write_extras(room.data / "ledger.db", scene)
    spool, engine = SpoolReader(room.data / "spool.db"), open_ledger(ledger_url(room.data / "ledger.db"))
    boards = LedgerBoards(engine, spool, spool, lambda: room.now, lambda: room.real_now, scene.status, scene.speed)
    acting = LedgerActing(engine, lambda: room.now, lambda: room.actions.append("woken"))
    listener = listener_on("127.0.0.1", 0)
    room.base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        create_operators(boards, acting, TOKEN, lambda: room.real_now), lifespan="off", log_config=None, server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="duty-room")
    thread.start()
    try:
        room.when(lambda: server.started)
        yield room
    finally:
        server.should_exit = True
        thread.join(15)
        engine.dispose()
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def open_room(tmp_path_factory: pytest.TempPathFactory, city: City) -> Iterator[DutyRoom]:
    """The duty room, open for all tests of a file."""
    with duty_room(DutyRoom(tmp_path_factory.mktemp("room") / "data", city), warning()) as opened:
        yield opened


@pytest.fixture
def room(open_room: DutyRoom) -> DutyRoom:
    """The duty room at the crest, as if nobody had been there."""
    open_room.show(warning())
    write_extras(open_room.data / "ledger.db", warning())
    open_room.real_now, open_room.cookie = REAL_NOW, ""
    open_room.actions.clear()
    return open_room
