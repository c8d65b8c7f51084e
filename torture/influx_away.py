"""
The server of InfluxDB away for minutes under a steady flow -> whether anybody notices, what waits for it, and how fast it is caught up with.

Rule 1: it is killed, not asked to end; the archive finds out by itself that it is back, and how long that takes counts.
Rule 2: memory counts from when a fifth of the absence is over until all is caught up; by then every sensor's memory is full.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from rig.brokers import mosquitto_in
from rig.bucket import Bucket, apart, bucket_in, stored
from rig.city import write_city
from rig.report import Result, timed
from rig.town import PROGRAMS, Town, town_in
from torture.gauging import HOUR, Gauging, after, slope
from torture.store_away import GAUGES, Absentee, Away, judge_changes, judge_loss, phases
from torture.watch import watching

LONG = Away(away=600.0)
SHORT = Away(rate=500, warm=2.0, calm=3.0, away=5.0)
SAMPLES = 100
"""Of the memory, while it is away."""
FLAT_MB, FLAT_PART = 5.0, 0.05
"""Memory may grow by so much, or by such a part of itself, whichever is more."""


def run(scale: Away = LONG, *, judge_speed: bool = True) -> Result:
    """Do a run; without `judge_speed` times and memory are figures and no claim: a short run is all warm-up."""
    title = f"influxd away for {scale.away:g} s at {scale.rate:,.0f} readings/s"
    return timed(title, lambda result: _run(result, scale, judge_speed))


def _run(result: Result, scale: Away, judge_speed: bool) -> None:
    with TemporaryDirectory(prefix="canhbao-influx-") as name, bucket_in(folder := Path(name)) as bucket:
        city = write_city(folder / "city", GAUGES)
        with mosquitto_in(folder, eager=False) as broker, town_in(folder, city, broker, more=bucket.settings(straight=True)) as town:
            town.start()
            town.ready()
            with watching(town) as watch, Gauging(town, scale.away / SAMPLES) as gauging:
                sent, marks = phases(result, scale, town, _server(town, bucket), judge_speed)
                town.until(lambda: town.settled(len(sent)), "everything to be in both archives", 120)
                watch.catch_up()
                judge_changes(result, watch, sent, marks, judge_speed)
            _judge_memory(result, gauging, scale, judge_speed)
            judge_loss(result, town, sent)
            points, kept = bucket.points(), stored(town)
            result.claim("the points of InfluxDB are the rows of the store", points == kept, apart(kept, points))
            result.claim("nobody waits for it any more", not (waits := town.rows("store.db", "SELECT name, what FROM away")), waits)


def _server(town: Town, bucket: Bucket) -> Absentee:
    def reached() -> int:
        return int(town.one("store.db", "SELECT reached FROM cursor WHERE name = 'influx'") or 0)

    return Absentee("InfluxDB", bucket.influxd.kill, bucket.influxd.launch, reached)


def _judge_memory(result: Result, gauging: Gauging, scale: Away, judge: bool) -> None:
    for name in PROGRAMS:
        samples = after(gauging.samples[name], scale.warm + scale.calm + scale.away / 5)
        middle = fmean(sample.memory for sample in samples)
        grown = slope(samples) * middle * (samples[-1].at - samples[0].at) / HOUR
        result.figures |= {f"{name}: MB": round(middle, 1), f"{name}: grew by, MB": round(grown, 1)}
        if judge:
            bound = max(FLAT_MB, FLAT_PART * middle)
            result.claim(f"memory of {name} grows by {bound:.1f} MB at most", grown <= bound, f"{grown:+.1f} MB")
