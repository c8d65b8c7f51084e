"""
Every query of the dashboards -> what it has to show, by the name of the dashboard, the English title of the panel and the letter of the query.

This is the list of what was promised to operators, written down beside the dashboards and not taken from them.
"""

from __future__ import annotations

from statistics import fmean, median

from expecting import Asked, Expectation, Point, Shown, ends_of, every, growth, legal, lines, newest, of_device, of_station, rows

from devices.quantities import QUANTITIES

WATER = ("water_level", "water_depth")
AIR = ("pm2_5", "pm10", "o3", "no2", "so2", "co")
HOUR, DAY = 3_600_000, 86_400_000
BOOKS, STANDING = "canhbao_pipeline", "canhbao_standing"


def is_water(point: Point, _asked: Asked) -> bool:
    return point.tags["quantity"] in WATER


def is_primary_water(point: Point, asked: Asked) -> bool:
    return is_water(point, asked) and point.fields["primary"] == 1


def is_primary_here(point: Point, asked: Asked) -> bool:
    return is_primary_water(point, asked) and of_station(point, asked)


def is_water_here(point: Point, asked: Asked) -> bool:
    return is_water(point, asked) and of_station(point, asked)


def is_checked_here(point: Point, asked: Asked) -> bool:
    return point.fields["quality"] < 3 and of_station(point, asked)


def is_doubted_here(point: Point, asked: Asked) -> bool:
    return point.fields["quality"] >= 3 and of_device(point, asked)


def delay(asked: Asked) -> Shown:
    """The median over sensors of the delay of what they sent last."""
    found = [row["delay"] for row in rows(STANDING, "delay", "device quantity")(asked).values() if row["delay"] is not None]
    return {"": median(found)} if found else {}


def silent(asked: Asked) -> Shown:
    """The stations whose primary sensor is not on time."""
    found = rows(STANDING, "phase latitude longitude", "station", is_primary_water)(asked)
    return {station: row for station, row in found.items() if row["phase"] > 0}


def books(field: str) -> Expectation:
    return newest(BOOKS, field)


def station(field: str) -> Expectation:
    return newest(STANDING, field, is_primary_here, "{device}")


def hours(quantity: str) -> Expectation:
    return lines([quantity], "value", fmean, "{station}", is_checked_here, width=HOUR)


def lowest(quantity: str) -> Expectation:
    return lines([quantity], "value", min, "{device}", of_device)


def last(field: str, vi: str, en: str, source: str = BOOKS) -> Expectation:
    return lines([source], field, lambda numbers: numbers[-1], (vi, en))


WATERS = lines(WATER, "value", max, "{station} · {device}", of_station)

CITY: dict[tuple[str, str], Expectation] = {
    ("Highest level", "A"): books("highest"),
    ("Stations above a level", "A"): books("above"),
    ("Late or silent", "A"): books("unheard"),
    ("Open alarms", "A"): books("alarms_open"),
    ("Median delay", "A"): delay,
    ("Our heartbeat", "A"): books("heartbeat_age"),
    ("Active warnings", "A"): rows("canhbao_alarm", "level shown opened_at phase told handling", "alarm quantity station"),
    ("Map of stations", "A"): rows(STANDING, "level shown phase latitude longitude", "station", is_primary_water),
    ("Map of stations", "B"): silent,
    ("Stations", "A"): rows(STANDING, "level shown trend phase silent_for", "station", is_primary_water),
    ("Levels over time", "A"): lines([STANDING], "level", max, "{station}", is_primary_here),
    ("Water: ${station}", "A"): WATERS,
}
STATION: dict[tuple[str, str], Expectation] = {
    ("Water", "A"): station("shown"),
    ("Level", "A"): station("level"),
    ("Peak since it rose", "A"): station("peak"),
    ("Change an hour", "A"): station("trend"),
    ("Data", "A"): station("phase"),
    ("Received ago", "A"): station("silent_for"),
    ("Water: ${station}", "A"): WATERS,
    ("Water: ${station}", "R"): lines(["rainfall"], "value", sum, ("Mưa · {device}", "Rain · {device}"), of_station),
    ("Level over time", "A"): lines([STANDING], "level", max, "{device}", is_primary_here),
    ("Quality of the data", "A"): lines(WATER, "quality", max, "{source} · {device}", of_station),
    ("State of the data", "A"): lines([STANDING], "phase", max, "{device}", is_water_here),
}
AIRS: dict[tuple[str, str], Expectation] = {
    ("PM2.5, newest hour", "A"): ends_of(hours("pm2_5")),
    ("PM10, newest hour", "A"): ends_of(hours("pm10")),
    ("PM2.5 by the hour", "A"): hours("pm2_5"),
    ("PM2.5 by the day (mean of 24 hours)", "A"): lines(["pm2_5"], "value", fmean, "{station}", is_checked_here, width=DAY, shift=7 * HOUR),
    ("PM2.5", "A"): hours("pm2_5"),
    ("PM10", "A"): hours("pm10"),
    ("O₃", "A"): hours("o3"),
    ("NO₂", "A"): hours("no2"),
    ("Quality of the data", "A"): lines(AIR, "quality", max, "{source} · {device}", of_station),
}
DEVICES: dict[tuple[str, str], Expectation] = {
    ("On time", "A"): books("sensors_fresh"),
    ("Late", "A"): books("sensors_stale"),
    ("Silent", "A"): books("sensors_lost"),
    ("Never heard", "A"): books("sensors_never_seen"),
    ("Sensors", "A"): rows(STANDING, "phase silent_for delay shown", "device quantity station", of_device),
    ("Are they heard", "A"): lines([STANDING], "phase", max, "{device}", of_device),
    ("Battery", "A"): lowest("battery"),
    ("Voltage", "A"): lowest("voltage"),
    ("Signal", "A"): lowest("rssi"),
    ("Suspect or failed readings", "A"): lines(QUANTITIES, "value", len, "{device} · {source}", is_doubted_here),
    ("Readings", "A"): lines(QUANTITIES, "value", len, "{device} · {source}", of_device),
}
FATES = (("received", "nhận"), ("archived", "lưu"), ("duplicate", "trùng"), ("quarantined", "cách ly"), ("late", "muộn"))
PIPELINE: dict[tuple[str, str], Expectation] = {
    ("Do we hear", "A"): books("hearing"),
    ("Our heartbeat", "A"): books("heartbeat_age"),
    ("Unaccounted", "A"): books("unaccounted"),
    ("Waiting", "A"): books("waiting"),
    ("Received", "A"): books("received"),
    ("Open incidents", "A"): books("incidents_open"),
    ("Hearing and deaf", "A"): lines([BOOKS], "hearing", min, ("Nghe được", "Hearing"), every),
    **{("Readings a second", ref): growth(BOOKS, en, (vi, en), a_second=True) for ref, (en, vi) in zip("ABCDE", FATES, strict=True)},
    ("Quarantine by reason", "A"): growth("canhbao_quarantine", "readings", "{reason}", a_second=False),
    ("Batches behind", "A"): lines(["canhbao_reader"], "behind", max, "{reader}"),
    ("Refused lines", "A"): lines(["canhbao_reader"], "refused", max, "{reader}"),
    ("Spool on disk", "A"): lines([BOOKS], "spool_bytes", max, ("đang dùng", "in use")),
    ("Spool on disk", "B"): last("spool_budget", "được phép", "budget"),
    ("Heartbeat", "A"): lines([BOOKS], "heartbeat_age", max, ("tuổi", "age")),
    ("Deliveries", "A"): last("notices", "{channel} · {state}", "{channel} · {state}", "canhbao_delivery"),
    ("Alarms", "A"): last("alarms_open", "đang mở", "open"),
    ("Alarms", "B"): last("alarms_owed", "còn nợ tin kết thúc", "owed an end"),
    ("Alarms", "C"): last("withheld", "giữ lại", "withheld"),
}
EXPECTED = {"city": CITY, "station": STATION, "air": AIRS, "devices": DEVICES, "pipeline": PIPELINE}


def expectation(name: str, title: str, ref: str) -> Expectation:
    """Give what a query has to show; the lines of legal levels are as many as the city has sets of them."""
    return legal(int(ref[1:])) if is_legal(ref) else EXPECTED[name][title, ref]


def is_legal(ref: str) -> bool:
    return ref[0] == "L" and ref[1:].isdigit()
