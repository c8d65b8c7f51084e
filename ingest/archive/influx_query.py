"""
From questions of the query port to InfluxQL, and from a server's answers to readings.

Rule 1: what a caller gives is bound as a parameter, names of measurements too; no text of a caller becomes part of a statement.
Rule 2: whatever keeps the server from answering is ArchiveAway, with what to do about it; an empty answer means that there are no readings.
Rule 3: instants go to the server in nanoseconds and come back in microseconds; the field `received_at` is in milliseconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import urllib3

from devices.instants import MILLISECOND, Instant, Span
from devices.readings import Quality, Reading
from ingest.archive.influx import Server
from ingest.archive.query import ArchiveAway, Bucket, Gap, bucket_width, gaps_between

_NANOSECONDS = 1_000
"""In a microsecond."""
_FIRST_AT, _LAST_AT = -(2**63 // _NANOSECONDS) + 1_000_000, 2**63 // _NANOSECONDS - 1_000_000
"""Instants that InfluxDB can hold, roughly."""
_ONE, _ALL = "$quantity", "/.*/"
_ANSWERING = "FROM $quantity WHERE station = $station AND time >= $from_at AND time < $to_at"
_OF_DEVICE = " AND device = $device"
_LATEST = "SELECT last(value) AS value, quality, received_at FROM {} WHERE {} GROUP BY station, device"
_RECENTLY, _EVER, _OF_STATIONS = "time >= now() - 2d", "time >= -9223372036854775806", "station =~ $stations"
_MOST_STATIONS = 100
"""Of which the newest readings are asked for by name, among all of the past."""
_KNOWN = "SHOW SERIES FROM {}"
_KEY = re.compile(r"([a-z0-9_]{1,32}),device=([a-z0-9-]{1,32}),station=([a-z0-9-]{1,32})")
_SERIES = "SELECT value, quality, received_at {} GROUP BY device"
_INSTANTS = "SELECT value {}"
_BUCKETS = "SELECT count(value), min(value), mean(value), max(value) {} GROUP BY time($width, $offset) fill(none)"
_COUNT = "SELECT count(value) FROM /.*/ WHERE time >= $from_at AND time < $to_at"
_CHECKSUMS = "SELECT count(value), sum(received_at) FROM /.*/ WHERE time >= $from_at AND time < $to_at GROUP BY station, device"
_FIXES = {401: "give a token that may read the bucket as CANHBAO_INFLUX__READ_TOKEN_FILE", 404: "look at CANHBAO_INFLUX__URL"}


Key: TypeAlias = tuple[str, str, str]
"""Quantity, device, station."""
Checksum: TypeAlias = tuple[int, int]
"""Readings, and the sum of their times of receipt in milliseconds."""


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

    def __init__(self, server: Server, token: str) -> None:
        self._server = server
        self._headers = {"Authorization": f"Token {token}", "Accept": "application/json"}
        self._pool = pool_of(server)

    def latest(self, quantity: str | None = None) -> Sequence[Reading]:
        """
        Give the newest reading of every station, device and quantity.

        A question about all of the past costs a search in each week of it, for each sensor. So it is only asked for those that were silent lately.
        """
        source, names = (_ALL, {}) if quantity is None else (_ONE, _names(quantity))
        found = self._newest(source, _RECENTLY, names)
        silent = self._known(source, names) - found.keys()
        if silent:
            stations = sorted({station for _, _, station in silent})
            few = len(stations) <= _MOST_STATIONS
            names = {**names, **({"stations": {"regex": f"^({'|'.join(stations)})$"}} if few else {})}
            found |= self._newest(source, _OF_STATIONS if few else _EVER, names)
        return sorted(found.values(), key=lambda reading: (reading.station, reading.quantity, reading.device))

    def series(self, station: str, quantity: str, from_at: Instant, to_at: Instant, device: str | None = None) -> Sequence[Reading]:
        """Give the readings of a station, of one device or of all of them."""
        answer = self._of_station(_SERIES, station, quantity, from_at, to_at, device)
        found = [_reading(each, row, station) for each in answer for row in each.ours()]
        return sorted(found, key=lambda reading: (reading.observed_at, reading.device))

    def downsampled(
        self, station: str, quantity: str, from_at: Instant, to_at: Instant, points: int, device: str | None = None
    ) -> Sequence[Bucket]:
        """Give at most `points` buckets; empty ones are left out."""
        width = bucket_width(from_at, to_at, points)
        times = {"width": _duration(width), "offset": _duration(from_at % width)}
        answer = self._of_station(_BUCKETS, station, quantity, from_at, to_at, device, times)
        return [
            # A mean never lies outside of what it is the mean of, however it was rounded.
            Bucket(row[0], row[1], float(row[2]), min(max(float(row[3]), row[2]), row[4]), float(row[4]))
            for each in answer
            for row in each.rows
        ]

    def gaps(
        self, station: str, quantity: str, from_at: Instant, to_at: Instant, longer_than: Span, device: str | None = None
    ) -> Sequence[Gap]:
        """Give the gaps between readings that are longer than `longer_than`, open ones at both ends included."""
        answer = self._of_station(_INSTANTS, station, quantity, from_at, to_at, device)
        return gaps_between((row[0] for each in answer for row in each.rows), from_at, to_at, longer_than)

    def count(self, from_at: Instant, to_at: Instant) -> int:
        """Give the number of readings observed in a span."""
        return sum(row[1] for each in self._ask(_COUNT, _span(from_at, to_at)) for row in each.rows)

    def checksums(self, from_at: Instant, to_at: Instant) -> dict[Key, Checksum]:
        """Give a checksum of each series that has readings in a span."""
        answer = self._ask(_CHECKSUMS, _span(from_at, to_at))
        return {(each.name, each.tags["device"], each.tags["station"]): (row[1], row[2]) for each in answer for row in each.ours()}

    def _newest(self, source: str, condition: str, names: Mapping[str, Any]) -> dict[Key, Reading]:
        answer = self._ask(_LATEST.format(source, condition), names)
        return {
            (each.name, each.tags["device"], each.tags["station"]): _reading(each, row, each.tags["station"])
            for each in answer
            for row in each.ours()
        }

    def _known(self, source: str, names: Mapping[str, Any]) -> set[Key]:
        keys = (_KEY.fullmatch(row[0]) for each in self._ask(_KNOWN.format(source), names) for row in each.rows)
        return {(key[1], key[2], key[3]) for key in keys if key is not None}

    def _of_station(
        self,
        statement: str,
        station: str,
        quantity: str,
        from_at: Instant,
        to_at: Instant,
        device: str | None,
        more: Mapping[str, Any] = {},
    ) -> Iterator[Series]:
        answering = _ANSWERING if device is None else _ANSWERING + _OF_DEVICE
        names = {**_names(quantity), "station": station, **({} if device is None else {"device": device})}
        return self._ask(statement.format(answering), {**names, **_span(from_at, to_at), **more})

    def _ask(self, statement: str, values: Mapping[str, Any]) -> Iterator[Series]:
        """Ask once; raises ArchiveAway."""
        fields = {"db": self._server.bucket, "epoch": "u", "q": statement, "params": json.dumps(values)}
        try:
            answer = self._pool.request(
                "POST", f"{self._server.url.rstrip('/')}/query", fields=fields, encode_multipart=False, headers=self._headers
            )
        except urllib3.exceptions.HTTPError as error:
            raise ArchiveAway(f"InfluxDB at {self._server.url} does not answer: {error}; see whether it runs") from error
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


def _span(from_at: Instant, to_at: Instant) -> dict[str, int]:
    return {name: min(max(at, _FIRST_AT), _LAST_AT) * _NANOSECONDS for name, at in (("from_at", from_at), ("to_at", to_at))}


def _duration(span: Span) -> dict[str, str]:
    return {"duration": f"{span}u"}


def _reading(series: Series, row: Sequence[Any], station: str) -> Reading:
    observed_at, value, quality, received_at = row
    return Reading(
        station,
        series.tags["device"],
        series.name,
        float(value),
        Quality(quality),
        observed_at,
        received_at * MILLISECOND,
    )
