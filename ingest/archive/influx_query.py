"""
From questions of the query port to InfluxQL, and from a server's answers to readings.

Rule 1: what a caller gives is bound as a parameter, names of measurements too; no text of a caller becomes part of a statement.
Rule 2: whatever keeps the server from answering is ArchiveAway, with what to do about it; an empty answer means that there are no readings.
Rule 3: what is older than the bucket keeps readings is asked of the bucket of the history (see `query`); the hour in between belongs to it.
Rule 4: instants go to the server in nanoseconds and come back in microseconds; the field `received_at` is in milliseconds.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import urllib3

from devices.instants import HOUR, MILLISECOND, Instant, Span
from devices.readings import Quality, Reading
from ingest.archive.influx import Server
from ingest.archive.influx_errors import unanswered
from ingest.archive.query import ArchiveAway, Bucket, Gap, bucket_width, gaps_between, joined

_NANOSECONDS = 1_000
"""In a microsecond."""
_FIRST_AT, _LAST_AT = -(2**63 // _NANOSECONDS) + 1_000_000, 2**63 // _NANOSECONDS - 1_000_000
"""Instants that InfluxDB can hold, roughly."""
_ANSWERING = "FROM $quantity WHERE station = $station AND time >= $from_at AND time < $to_at"
_OF_DEVICE = " AND device = $device"
_RECENT = "SELECT value::float, quality, received_at, station::tag, device::tag FROM {} WHERE time >= now() - 15m"
_LATEST = "SELECT last({}) AS value, quality, received_at FROM {} WHERE {} GROUP BY station, device"
_LATELY, _EVER, _OF_STATIONS = "time >= now() - 2d", "time >= -9223372036854775806", " AND station =~ $stations"
_MOST_STATIONS = 100
"""That are asked for by name."""
_KNOWN = "SHOW SERIES FROM {}"
_KEY = re.compile(r"([a-z0-9_]{1,32}),device=([a-z0-9-]{1,32}),station=([a-z0-9-]{1,32})")
_SERIES = "SELECT value::float, quality, received_at {} GROUP BY device"
_INSTANTS = "SELECT value::float {}"
_BUCKETS = (
    "SELECT count(value::float), min(value::float), mean(value::float), max(value::float) {} GROUP BY time($width, $offset) fill(none)"
)
_HOURS = 'SELECT "mean", quality, received_at {} GROUP BY device'
_HOURS_WHOLE = 'SELECT "count", "min", "mean", "max" {}'
_HOURS_COUNT = 'SELECT sum("count") FROM /.*/ WHERE time >= $from_at AND time < $to_at'
_COUNT = "SELECT count(value::float) FROM /.*/ WHERE time >= $from_at AND time < $to_at"
_CHECKSUMS = "SELECT count(value::float), sum(received_at) FROM /.*/ WHERE time >= $from_at AND time < $to_at GROUP BY station, device"
_COMPUTED = """
SELECT count(value::float), min(value::float), mean(value::float), max(value::float), max(quality), max(received_at) FROM /.*/
WHERE time >= $from_at AND time < $to_at{} GROUP BY time(1h), station, device fill(none)
"""
_FIXES = {401: "give a token that may read the bucket as CANHBAO_INFLUX__READ_TOKEN_FILE", 404: "look at CANHBAO_INFLUX__URL"}


Key: TypeAlias = tuple[str, str, str]
"""Quantity, device, station."""
Checksum: TypeAlias = tuple[int, int]
"""Readings, and the sum of their times of receipt in milliseconds."""


def real_now() -> Instant:
    """Give the present by the machine's clock: a server of InfluxDB forgets by such a one."""
    return time.time_ns() // 1_000


@dataclass(frozen=True, slots=True)
class Series:
    """A part of an answer."""

    name: str
    """Of the measurement; empty in an answer that is about none."""
    tags: Mapping[str, str]
    rows: Sequence[Sequence[Any]]

    def ours(self) -> Iterator[Sequence[Any]]:
        """Give the rows that have all fields of a reading: others may write into the bucket too."""
        return (row for row in self.rows if None not in row)


class InfluxArchive:
    """Answers from a server of InfluxDB 2; fits `query.Archive`. May be used by any number of threads."""

    def __init__(self, server: Server, token: str, keep: Span | None = None, clock: Callable[[], Instant] = real_now) -> None:
        """`keep`: how long the bucket keeps readings, by `clock`; None for ever."""
        self._server = server
        self._headers = {"Authorization": f"Token {token}", "Accept": "application/json"}
        self._pool = pool_of(server)
        self._keep, self._clock = keep, clock

    def latest(self, quantity: str | None = None) -> Sequence[Reading]:
        """
        Give the newest reading of every station, device and quantity.

        `last()` costs 0.15 ms a sensor, and a search in each week that is asked about. So what came just now is asked for whole, which is five
        times as fast, and the last of only those sensors that are not among it: of two days, of all times, of the history.
        """
        source, names = ("/.*/", {}) if quantity is None else ("$quantity", _names(quantity))
        found = self._recent(source, names)
        for condition, server in ((_LATELY, self._server), (_EVER, self._server), (_EVER, self._server.hourly)):
            if server != self._server and self._keep is None:
                break
            silent = self._known(source, names, server) - found.keys()
            if silent:
                found |= self._newest(source, condition, names, silent, server)
        return sorted(found.values(), key=lambda reading: (reading.station, reading.quantity, reading.device))

    def series(self, station: str, quantity: str, from_at: Instant, to_at: Instant, device: str | None = None) -> Sequence[Reading]:
        """Give the readings of a station, of one device or of all of them."""
        answer = self._of_station(_SERIES, _HOURS, station, quantity, from_at, to_at, device)
        found = [_reading(each.name, each.tags["device"], station, row) for each in chain(*answer) for row in each.ours()]
        return sorted(found, key=lambda reading: (reading.observed_at, reading.device))

    def downsampled(
        self, station: str, quantity: str, from_at: Instant, to_at: Instant, points: int, device: str | None = None
    ) -> Sequence[Bucket]:
        """Give at most `points` buckets; empty ones are left out."""
        width = bucket_width(from_at, to_at, points)
        times = {"width": _duration(width), "offset": _duration(from_at % width)}
        readings, hours = self._of_station(_BUCKETS, _HOURS_WHOLE, station, quantity, from_at, to_at, device, times)
        found = [_bucket(row[0], row) for each in readings for row in each.rows]
        old = [_bucket(row[0] - (row[0] - from_at) % width, row) for each in hours for row in each.ours()]
        return joined([*old, *found])

    def gaps(
        self, station: str, quantity: str, from_at: Instant, to_at: Instant, longer_than: Span, device: str | None = None
    ) -> Sequence[Gap]:
        """Give the gaps between readings that are longer than `longer_than`, open ones at both ends included."""
        readings, hours = self._of_station(_INSTANTS, _HOURS_WHOLE, station, quantity, from_at, to_at, device)
        found = (row[0] for each in readings for row in each.rows)
        return gaps_between(found, from_at, to_at, longer_than, {row[0] for each in hours for row in each.rows})

    def count(self, from_at: Instant, to_at: Instant) -> int:
        """Give the number of readings observed in a span."""
        whole_at = self._whole_at()
        old = self._ask(_HOURS_COUNT, _span(from_at, min(to_at, whole_at)), self._server.hourly) if from_at < whole_at else ()
        found = self._ask(_COUNT, _span(max(from_at, whole_at), to_at))
        return sum(row[1] for each in chain(old, found) for row in each.rows)

    def hours(self, from_at: Instant, to_at: Instant, stations: Collection[str]) -> Iterator[Series]:
        """
        Give the hours of a span as the server computes them of its readings.

        Args:
            from_at: the beginning of an hour.
            to_at: of another.
            stations: only these, if they are few.

        Returns:
            Series with rows of: beginning, count, least, mean, greatest value, worst flag, last receipt in milliseconds.
        """
        names = {**_span(from_at, to_at), **_few(stations)}
        return self._ask(_COMPUTED.format(_OF_STATIONS if "stations" in names else ""), names)

    def checksums(self, from_at: Instant, to_at: Instant) -> dict[Key, Checksum]:
        """Give a checksum of each series that has readings in a span."""
        answer = self._ask(_CHECKSUMS, _span(from_at, to_at))
        return {(each.name, each.tags["device"], each.tags["station"]): (row[1], row[2]) for each in answer for row in each.ours()}

    def _recent(self, source: str, names: Mapping[str, Any]) -> dict[Key, Reading]:
        answer = self._ask(_RECENT.format(source), names)
        newest = {(each.name, row[5], row[4]): row for each in answer for row in each.ours()}  # in order of time: the last one stays
        return {key: _reading(*key, row[:4]) for key, row in newest.items()}

    def _newest(self, source: str, condition: str, names: Mapping[str, Any], silent: Collection[Key], server: Server) -> dict[Key, Reading]:
        few = _few({station for _, _, station in silent})
        value = "value::float" if server == self._server else '"mean"'
        answer = self._ask(_LATEST.format(value, source, condition + (_OF_STATIONS if few else "")), {**names, **few}, server)
        rows = ((each, each.tags["device"], each.tags["station"], row) for each in answer for row in each.ours())
        found = {(each.name, device, station): _reading(each.name, device, station, row) for each, device, station, row in rows}
        return {key: reading for key, reading in found.items() if key in silent}

    def _known(self, source: str, names: Mapping[str, Any], server: Server) -> set[Key]:
        keys = (_KEY.fullmatch(row[0]) for each in self._ask(_KNOWN.format(source), names, server) for row in each.rows)
        return {(key[1], key[2], key[3]) for key in keys if key is not None}

    def _whole_at(self) -> Instant:
        """Give since when the bucket has all readings."""
        return _FIRST_AT if self._keep is None else -((self._keep - self._clock()) // HOUR) * HOUR

    def _of_station(
        self,
        statement: str,
        of_hours: str,
        station: str,
        quantity: str,
        from_at: Instant,
        to_at: Instant,
        device: str | None,
        more: Mapping[str, Any] = {},
    ) -> tuple[Iterator[Series], Iterator[Series]]:
        """Ask for readings, and for hours where readings are gone."""
        answering = _ANSWERING if device is None else _ANSWERING + _OF_DEVICE
        names = {**_names(quantity), "station": station, **({} if device is None else {"device": device})}
        whole_at = self._whole_at()
        found = self._ask(statement.format(answering), {**names, **_span(max(from_at, whole_at), to_at), **more})
        if from_at >= whole_at:
            return found, iter(())
        return found, self._ask(of_hours.format(answering), {**names, **_span(from_at, min(to_at, whole_at))}, self._server.hourly)

    def _ask(self, statement: str, values: Mapping[str, Any], server: Server | None = None) -> Iterator[Series]:
        """Ask once; raises ArchiveAway."""
        fields = {"db": (server or self._server).bucket, "epoch": "u", "q": statement, "params": json.dumps(values)}
        try:
            answer = self._pool.request(
                "POST", f"{self._server.url.rstrip('/')}/query", fields=fields, encode_multipart=False, headers=self._headers
            )
        except urllib3.exceptions.HTTPError as error:
            failure = unanswered(error)
            raise ArchiveAway(f"{self._server.url}: {failure.what}; {failure.fix}") from error
        if answer.status != 200:
            fix = _FIXES.get(answer.status, "see the log of InfluxDB")
            raise ArchiveAway(f"InfluxDB answers {answer.status}: {answer.data.decode(errors='replace').strip()}; {fix}")
        return _series_of(answer.data)


def pool_of(server: Server) -> urllib3.PoolManager:
    """Give connections to a server; they neither retry nor follow."""
    return urllib3.PoolManager(
        retries=False,
        timeout=urllib3.Timeout(total=server.timeout),
        maxsize=8,
        cert_reqs="CERT_REQUIRED" if server.verify else "CERT_NONE",
        ca_certs=None if server.ca is None else str(server.ca),
    )


def _series_of(body: bytes) -> Iterator[Series]:
    try:
        results = json.loads(body)["results"]
    except (ValueError, KeyError) as error:
        raise ArchiveAway("this is not how InfluxDB answers; look at CANHBAO_INFLUX__URL") from error
    for result in results:
        if "error" in result:
            raise ArchiveAway(f"InfluxDB cannot answer: {result['error']}; see whether the bucket is there: `canhbao archive init`")
        for each in result.get("series", ()):
            yield Series(each.get("name", ""), each.get("tags", {}), each["values"])


def _names(quantity: str | None) -> dict[str, Any]:
    return {} if quantity is None else {"quantity": {"identifier": quantity}}


def _few(stations: Collection[str]) -> dict[str, Any]:
    """Give what names stations in a question, or nothing where they are too many."""
    return {"stations": {"regex": f"^({'|'.join(sorted(stations))})$"}} if len(stations) <= _MOST_STATIONS else {}


def _span(from_at: Instant, to_at: Instant) -> dict[str, int]:
    return {name: min(max(at, _FIRST_AT), _LAST_AT) * _NANOSECONDS for name, at in (("from_at", from_at), ("to_at", to_at))}


def _duration(span: Span) -> dict[str, str]:
    return {"duration": f"{span}u"}


def _bucket(start_at: Instant, row: Sequence[Any]) -> Bucket:
    _, count, low, mean, high = row
    # A mean never lies outside of what it is the mean of, however it was rounded.
    return Bucket(start_at, count, float(low), min(max(float(mean), low), high), float(high))


def _reading(quantity: str, device: str, station: str, row: Sequence[Any]) -> Reading:
    observed_at, value, quality, received_at = row
    return Reading(station, device, quantity, float(value), Quality(quality), observed_at, received_at * MILLISECOND)
