"""
Gauges that report at a steady rate, a broker, a way to it and a town -> a scene in which something is broken while readings flow.

Rule 1: the publisher goes to the broker by itself; only ingest goes by the proxy. So what was acknowledged is known, whatever is broken.
Rule 2: every reading has an instant of its own, so each is found again in the store, once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rig.brokers import Broker, embedded_in, mosquitto_in
from rig.city import device_of, topic_of, write_city
from rig.proxy import Proxy, make_certificate, proxy_to
from rig.publisher import Message, Publisher
from rig.town import Town, town_in

GAUGES = 200
FLOODED = 4
"""The first gauges, whose water rises and falls with `Flow.is_high`."""
LOW, HIGH = 0.3, 2.5
DRIVEN = ("ingest", "archive", "serve")


class Flow:
    """Readings of all gauges in turn, published by a thread."""

    def __init__(self, broker: Broker, rate: float, gauges: int = GAUGES) -> None:
        self.is_high = False
        """Whether the water is high at the flooded gauges."""
        self.sent: list[tuple[int, int]] = []
        """(gauge, instant in milliseconds) of each reading."""
        self.publisher = Publisher(broker, "torture-flow")
        self.rate, self.gauges = rate, gauges
        self.error = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._publish)

    def __enter__(self) -> Flow:
        """Begin to publish."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End at once, whatever is still unacknowledged."""
        self._over.set()
        self._thread.join(200)

    def end(self) -> None:
        """End, once the broker has acknowledged everything; raises RuntimeError where it does not."""
        self._over.set()
        self._thread.join()
        if self.error:
            raise RuntimeError(self.error)

    def _publish(self) -> None:
        try:
            self.publisher.publish(self._readings(), self.rate)
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
        self.publisher.close()

    def _readings(self) -> Iterator[Message]:
        turn = before = 0
        while not self._over.is_set():
            gauge = turn % self.gauges
            before = max(before + (gauge == 0), time.time_ns() // 1_000_000)  # one round of the gauges shares instants at most
            self.sent.append((gauge, before))
            value = HIGH if self.is_high and gauge < FLOODED else LOW
            yield topic_of(gauge), b'{"v":1,"boot":1,"seq":%d,"at":%d,"m":{"water_level":%g}}' % (turn, before, value)
            turn += 1


@dataclass(frozen=True, slots=True)
class Setting:
    """What a scene is made of."""

    rate: float = 1_000
    kind: str = "mosquitto"
    """`mosquitto`: in memory; `durable`: Mosquitto that saves what moves; `embedded`."""
    interval: str = "5 s"
    """At which gauges are expected to report: twice as long and a silent one is stale."""
    way: str = "proxy"
    """Of ingest to the broker: `straight`, `proxy`, or `tls`."""


@dataclass
class Scene:
    """A town that hears a broker while readings flow."""

    town: Town
    broker: Broker
    proxy: Proxy
    flow: Flow
    folder: Path
    pid: int = 0
    """Of ingest when the fault began."""
    told_before: int = 0
    """Id of the last incident before the fault. Its instant would not do: that of a pause is when it began, as far as ingest knows."""
    began_at: float = 0.0
    """When the fault began and ended, as seconds of the machine's clock."""
    ended_at: float = 0.0
    silent_at: float = 0.0
    """When the readings ended."""
    more: Counter[str] = field(default_factory=Counter)
    """Readings beside the flow: reason of their quarantine, or `archived`."""

    def received(self) -> int:
        """Give how many readings are in the books."""
        return self.town.books().get("received", 0)

    def moves(self, readings: int = 1, within: float = 60.0) -> float:
        """Wait until so many more readings are in the books; gives the seconds it took."""
        before = self.received()
        return self.town.until(lambda: self.received() >= before + readings, "readings to be committed", within)

    def goes_round(self, times: int) -> None:
        """Wait until every gauge has said so much more, and the broker has acknowledged it."""
        wanted = len(self.flow.sent) + times * GAUGES
        self.town.until(lambda: self.flow.publisher.acknowledged >= wanted, f"{times} more readings of each gauge", 90)

    def calms(self, within: float = 30.0) -> None:
        """Wait, while readings still flow, until ingest hears and everybody was told the end; what is still owed then is judged."""
        with suppress(TimeoutError):
            self.town.until(self._is_calm, "ends to be told", within)

    def _is_calm(self) -> bool:
        owed = "SELECT count(*) FROM told t JOIN alarm a ON a.id = t.alarm WHERE t.level > 0 AND (a.ended_at IS NOT NULL OR a.level > 0)"
        return self._hears() and not self.town.one("ledger.db", owed)

    def _hears(self) -> bool:
        return bool(self.town.one("spool.db", "SELECT hearing FROM heartbeat"))

    def archived(self) -> Counter[tuple[str, int]]:
        """Give what is in the store: how often each (device, instant in milliseconds) is there."""
        rows = self.town.rows("store.db", "SELECT s.device, r.observed_at FROM reading r JOIN series s ON s.id = r.series")
        return Counter((device, at // 1000) for device, at in rows)

    def missing(self) -> list[tuple[int, int]]:
        """Give the readings that were acknowledged and are not in the store."""
        there = self.archived()
        return [each for each in self.flow.sent if not there[device_of(each[0]), each[1]]]

    def settle(self, *, may_lack: bool = False) -> None:
        """Wait until everything that will come has come, and everybody has read it; a broker that forgets may lack some."""
        wanted = len(self.flow.sent)
        if may_lack:
            self._until_quiet()
        else:
            self.town.until(
                lambda: (self.town.one("store.db", "SELECT count(*) FROM reading") or 0) >= wanted, f"{wanted} in the store", 90
            )
        self.town.until(lambda: self.town.settled(0), "everything to be read", 60)
        with suppress(TimeoutError):
            self.town.until(self._hears, "ingest to hear", 10)  # its heartbeat says so once a second; judged later

    def _until_quiet(self) -> None:
        before, since = self.received(), time.monotonic()
        while time.monotonic() - since < 3:
            time.sleep(0.1)
            if self.received() != before:
                before, since = self.received(), time.monotonic()


def _broker_in(folder: Path, kind: str) -> AbstractContextManager[Broker]:
    return embedded_in(folder) if kind == "embedded" else mosquitto_in(folder, durable=kind == "durable")


@contextmanager
def scene_in(folder: Path, setting: Setting) -> Iterator[Scene]:
    """Give a scene in which readings flow and all is well."""
    with ExitStack() as stack:
        city = write_city(folder / "city", GAUGES, interval=setting.interval)
        (folder / "broker").mkdir()
        broker = stack.enter_context(_broker_in(folder / "broker", setting.kind))
        certificate, context = make_certificate(folder / "tls") if setting.way == "tls" else (None, None)
        proxy = stack.enter_context(proxy_to(broker.port, context))
        more = {} if setting.way == "straight" else {"CANHBAO_BROKER__PORT": str(proxy.port)}
        if certificate is not None:
            more |= {"CANHBAO_BROKER__TLS": "true", "CANHBAO_BROKER__CA": str(certificate)}
        town = stack.enter_context(town_in(folder, city, broker, more=more))
        town.start(*DRIVEN)
        town.ready(*DRIVEN)
        flow = stack.enter_context(Flow(broker, setting.rate))
        scene = Scene(town, broker, proxy, flow, folder, town.pid("ingest"))
        town.until(lambda: scene.received() > 2 * GAUGES, "readings to flow")
        yield scene
