"""
A server of InfluxDB beside a town -> every point that it has, held against the rows of the town's store.

Rule 1: the archive goes to it through a proxy that only counts, so a run knows when lines are on their way and not yet answered.
Rule 2: points are read back by InfluxQL, all of them with all fields and tags; a point of any other form is there too, and so is found.
Rule 3: tokens are those that `canhbao archive init` makes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devices.instants import MILLISECOND, Instant
from ingest.archive.influx import Server
from ingest.archive.influx_setup import Files, set_up
from ingest.archive.own_figures import PREFIX
from rig.influxd import Influxd, influxd_in
from rig.picture import Rows
from rig.proxy import Proxy, proxy_to
from rig.town import Town

MANY = 16_384
"""Bytes of a request that can only be one that writes readings."""
SLICE = 100_000
"""Points of one question, about."""
PATIENCE = 10.0
"""Seconds in which lines must be on their way, if they ever are."""
_STORED = f"""
SELECT s.quantity, s.station, s.device, r.observed_at, r.value, r.quality, r.received_at / {MILLISECOND} FROM reading r
JOIN series s ON s.id = r.series
"""


@dataclass
class Bucket:
    """A server, its bucket of readings, and the way of the archive to it."""

    influxd: Influxd
    server: Server
    """As tests ask it, straight."""
    files: Files
    proxy: Proxy
    in_flight: list[bool] = field(default_factory=list)
    """For each time that it was waited for: whether lines were on their way."""

    def settings(self, *, straight: bool = False, **more: str) -> dict[str, str]:
        """Give the settings that make a town use it; names of `more` without CANHBAO_INFLUX__."""
        url = self.server.url if straight else f"http://127.0.0.1:{self.proxy.port}"
        names = {"URL": url, "TOKEN_FILE": str(self.files.write), "READ_TOKEN_FILE": str(self.files.read), **more}
        return {f"CANHBAO_INFLUX__{name}": value for name, value in names.items()}

    def points(self) -> Rows:
        """Give every point that is no figure about ourselves: (measurement, station, device, observed_at, value, quality, received_at in ms)."""
        found: Rows = Counter()
        for measurement in self._measurements():
            for from_at, to_at in self._slices(measurement):
                where = f'FROM "{measurement}" WHERE time >= {from_at}u AND time < {to_at}u GROUP BY *'
                for each in self.influxd.query(self.server.bucket, f"SELECT * {where}"):
                    place = [each["columns"].index(name) for name in ("time", "value", "quality", "received_at")]
                    tags = _of_a_reading(each["tags"])
                    found.update((measurement, *tags, *(row[column] for column in place)) for row in each["values"])
        return found

    def count(self) -> int:
        """Give the number of points, as far as they are readings."""
        counted = self.influxd.query(self.server.bucket, "SELECT count(received_at) FROM /.*/")
        return sum(each["values"][0][1] for each in counted)

    def until_lines_are_on_their_way(self) -> None:
        """Wait for a moment at which lines have gone out and were not answered; not longer than PATIENCE."""
        deadline = time.monotonic() + PATIENCE
        answered, begun = self.proxy.passed, self.proxy.taken
        while (waits := self.proxy.taken - begun) < MANY and time.monotonic() < deadline:
            if self.proxy.passed != answered:
                answered, begun = self.proxy.passed, self.proxy.taken
            time.sleep(0.001)
        self.in_flight.append(waits >= MANY)

    def _measurements(self) -> list[str]:
        answer = self.influxd.query(self.server.bucket, "SHOW MEASUREMENTS")
        return [row[0] for each in answer for row in each["values"] if not row[0].startswith(PREFIX)]

    def _slices(self, measurement: str) -> Iterator[tuple[Instant, Instant]]:
        """Divide all time so that no answer is much longer than SLICE: by the minutes of which the server says how many points they have."""
        (first, last) = (self._end(measurement, which) for which in ("first", "last"))
        counted = self.influxd.query(
            self.server.bucket,
            f'SELECT count(received_at) FROM "{measurement}" WHERE time >= {first}u AND time <= {last}u GROUP BY time(1m) fill(none)',
        )
        begin, gathered = first, 0
        for minute, count in (row for each in counted for row in each["values"]):
            if gathered and gathered + count > SLICE:
                yield begin, minute
                begin, gathered = minute, 0
            gathered += count
        yield begin, last + 1

    def _end(self, measurement: str, which: str) -> Instant:
        (each,) = self.influxd.query(self.server.bucket, f'SELECT {which}(received_at) FROM "{measurement}"')
        return int(each["values"][0][0])


def stored(town: Town) -> Rows:
    """Give the rows of the store as `Bucket.points` gives points."""
    return Counter(town.rows("store.db", _STORED))


def since(rows: Rows, base: Instant) -> Rows:
    """Give points so that two runs can be compared: observed since the input began, and received whenever."""
    found: Rows = Counter()
    for (*names, at, value, quality, _), count in rows.items():
        found[(*names, int(str(at)) - base, value, quality)] += count
    return found


def apart(wanted: Rows, found: Rows) -> str:
    """Tell in what points differ; nothing where they are equal."""
    lacking, more = wanted - found, found - wanted
    if not lacking and not more:
        return ""
    return f"{lacking.total():,} missing, e.g. {next(iter(lacking), '-')}; {more.total():,} too many, e.g. {next(iter(more), '-')}"


def _of_a_reading(tags: Mapping[str, Hashable]) -> tuple[Hashable, ...]:
    """Give station and device, and whatever else a series has for tags."""
    others = [f"{name}={value}" for name, value in tags.items() if name not in {"station", "device"} and value]
    return (tags.get("station", ""), tags.get("device", ""), *others)


@contextmanager
def bucket_in(folder: Path, keep_days: int | None = None) -> Iterator[Bucket]:
    """Run a server that is set up as `canhbao archive init` does it."""
    with influxd_in(folder / "influxd") as influxd, proxy_to(influxd.port) as proxy:
        server, files = Server(influxd.url, influxd.org, "canhbao", timeout=30), Files(folder / "tokens")
        set_up(server, files, influxd.token, (keep_days or 0) * 86_400)
        yield Bucket(influxd, server, files, proxy)
