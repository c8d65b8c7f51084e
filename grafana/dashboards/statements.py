"""
What is asked -> statements of InfluxQL. They answer from the measurements that `ingest.lines` and `ingest.archive.own_figures` write.

Rule 1: what an operator chose comes in as `${name:regex}`, between anchors: one, several or all.
Rule 2: of water the highest value of an interval is drawn, never the mean: a chart must not show a flood lower than it was.
Rule 3: what was refused by quality control (FAIL, MISSING) is drawn as a flag below the chart; it is not left out of the water, and is left out of the air.
"""

from __future__ import annotations

from devices.registry import Registry
from devices.stations import Station, Thresholds
from grafana.dashboards.panels import Query
from grafana.dashboards.words import Tongue, level_name

WATER = "/^water_(level|depth)$/"
OF_STATION = '"station" =~ /^${station:regex}$/'
OF_DEVICE = '"device" =~ /^${device:regex}$/'
EACH = "GROUP BY time($__interval)"
STATIONS_OF_WATER = 'SHOW TAG VALUES FROM "water_level", "water_depth" WITH KEY = "station"'
STATIONS_OF_AIR = 'SHOW TAG VALUES FROM "pm2_5", "pm10" WITH KEY = "station"'
DEVICES = 'SHOW TAG VALUES FROM "canhbao_standing" WITH KEY = "device"'


def water(ref: str = "A") -> Query:
    """Give the highest water of each interval, a series a sensor."""
    statement = f'SELECT max("value") FROM {WATER} WHERE $timeFilter AND {OF_STATION} {EACH}, "station", "device" fill(none)'
    return Query(statement, "$tag_station · $tag_device", ref=ref)


def rain(name: str, ref: str) -> Query:
    """Give the rain of each interval, a series a sensor."""
    return Query(
        f'SELECT sum("value") FROM "rainfall" WHERE $timeFilter AND {OF_STATION} {EACH}, "device" fill(none)',
        f"{name} · $tag_device",
        ref=ref,
    )


def legal_levels(registry: Registry, t: Tongue) -> list[Query]:
    """Give a line for each legal level of the chosen station, for the time in which it was valid, as far as there are readings."""
    pairs = [(station, thresholds) for station in registry.stations.values() for thresholds in station.thresholds]
    return [Query(_legal(station, thresholds, t), "$col", ref=f"L{number}") for number, (station, thresholds) in enumerate(pairs, start=1)]


def quality(source: str, ref: str = "A") -> Query:
    """Give the worst flag of each interval, a series a sensor."""
    statement = f'SELECT max("quality") FROM {source} WHERE $timeFilter AND {OF_STATION} {EACH}, "device" fill(none)'
    return Query(statement, "$m · $tag_device", ref=ref)


def standing(field: str, which: str, groups: str, alias: str, ref: str = "A") -> Query:
    """Give the highest of a field of what stands, over time."""
    return Query(f'SELECT max("{field}") FROM "canhbao_standing" WHERE $timeFilter AND {which} {EACH}, {groups} fill(none)', alias, ref=ref)


def standing_now(fields: str, which: str, groups: str, *, table: bool, alias: str = "", ref: str = "A") -> Query:
    """Give the newest of some fields (by comma) of what stands."""
    newest = ", ".join(f'last("{field}") AS "{field}"' for field in fields.split(","))
    return Query(f'SELECT {newest} FROM "canhbao_standing" WHERE $timeFilter AND {which} GROUP BY {groups}', alias, table, ref)


def alarms_now(fields: str) -> Query:
    """Give the newest of some fields (by comma) of the alarms that have not ended."""
    newest = ", ".join(f'last("{field}") AS "{field}"' for field in fields.split(","))
    return Query(f'SELECT {newest} FROM "canhbao_alarm" WHERE $timeFilter GROUP BY "alarm", "station", "quantity"', table=True)


def pipeline_now(field: str, ref: str = "A") -> Query:
    """Give the newest of a figure about ourselves."""
    return Query(f'SELECT last("{field}") FROM "canhbao_pipeline" WHERE $timeFilter', ref=ref)


def rate(field: str, name: str, ref: str) -> Query:
    """Give the growth of a counter a second; a new beginning (another data folder) counts as none."""
    statement = f'SELECT non_negative_derivative(last("{field}"), 1s) FROM "canhbao_pipeline" WHERE $timeFilter {EACH} fill(none)'
    return Query(statement, name, ref=ref)


def _legal(station: Station, thresholds: Thresholds, t: Tongue) -> str:
    lines = ", ".join(f'0 * max("value") + {level.value!r} AS "{level_name(level.code, t)}"' for level in thresholds.levels)
    until = "" if thresholds.valid_to is None else f" AND time < {thresholds.valid_to // 1000}ms"
    valid = f"time >= {thresholds.valid_from // 1000}ms{until}"
    return f'SELECT {lines} FROM "{thresholds.quantity}" WHERE $timeFilter AND {valid} AND "station" = \'{station.id}\' AND {OF_STATION} {EACH} fill(none)'
