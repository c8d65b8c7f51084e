"""
From readings on a server of InfluxDB to its history: hours that were touched, computed by the server, written into the bucket beside.

Rule 1: the server cannot write what it selects (`SELECT INTO` is not in version 2), so its answer is written back as lines.
Rule 2: done twice is done once: a point's identity is its series and its hour.
Rule 3: an hour is computed when InfluxDB has all batches that touched it. One without readings writes nothing, and so changes nothing.

A point: measurement = quantity; tags `station`, `device`; fields `count`, `min`, `mean`, `max`, `quality` (the worst flag) and
`received_at` (the last, in ms); time = the beginning of the hour (UTC).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import urllib3

from devices.instants import DAY, HOUR, MILLISECOND
from ingest.archive.history import Hour
from ingest.archive.influx import Server
from ingest.archive.influx_errors import failure_of, unanswered
from ingest.archive.influx_query import InfluxArchive, pool_of
from ingest.archive.query import ArchiveAway

MOST = 5_000
"""Hours of one question."""


def compute(server: Server, archive: InfluxArchive, token: str, hours: Sequence[Hour]) -> Sequence[Hour]:
    """
    Bring hours into the history.

    Args:
        server: of the readings.
        archive: asks it.
        token: may write the bucket of the history.
        hours: in order of time.

    Returns:
        Those that are done now: the first ones, of one day at most.

    Raises:
        ArchiveAway: the server cannot be asked, or does not take the lines.
    """
    first_at = hours[0].hour_at
    wanted = [hour for hour in hours[:MOST] if hour.hour_at < first_at + DAY]
    texts = list(_lines(archive, wanted))
    if texts:
        _write(server.hourly, token, "\n".join(texts).encode())
    return wanted


def _lines(archive: InfluxArchive, hours: Sequence[Hour]) -> Iterator[str]:
    keys = {(hour.quantity, hour.device, hour.station, hour.hour_at) for hour in hours}
    for each in archive.hours(hours[0].hour_at, hours[-1].hour_at + HOUR, {hour.station for hour in hours}):
        device, station = each.tags["device"], each.tags["station"]
        for hour_at, count, low, mean, high, quality, received_at in each.ours():
            if (each.name, device, station, hour_at) in keys:
                yield (
                    f"{each.name},device={device},station={station} count={count}i,max={high!r},mean={mean!r},min={low!r},"
                    f"quality={quality}i,received_at={received_at}i {hour_at // MILLISECOND}"
                )


def _write(server: Server, token: str, body: bytes) -> None:
    where = f"{server.url.rstrip('/')}/api/v2/write?{urlencode({'org': server.org, 'bucket': server.bucket, 'precision': 'ms'})}"
    try:
        answer = pool_of(server).request("POST", where, body=body, headers={"Authorization": f"Token {token}"})
    except urllib3.exceptions.HTTPError as error:
        failure = unanswered(error)
        raise ArchiveAway(f"{failure.what}; {failure.fix}") from error
    if answer.status != 204:
        failure = failure_of(answer.status, answer.data.decode(errors="replace"))
        raise ArchiveAway(f"bucket {server.bucket}: {failure.what}; {failure.fix}")
