"""S1 to S9: the floods of S0 and synthetic ones with the faults of life. Scored by what people believe: 0 false, 0 missed, 0 doubled, 0 missing ends."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from river import CUNG_SON, KIM_LONG, LOOK, Arrival, Gauged, River, Series, at_once, believed, local, published, score, truth

from alerts.ledger import acting, reading
from alerts.model import Audience, End, NoticeKind, Reason, Status
from devices.instants import HOUR, MINUTE, Instant

K = NoticeKind
OPERATORS, RESIDENTS = Audience.OPERATORS, Audience.RESIDENTS
Make = Callable[..., River]


@pytest.fixture(scope="module")
def kim_long(shared: Path) -> Series:
    return published(shared, "river_71520_kim-long.csv", "2025-11-14", "2025-11-20")


@pytest.fixture(scope="module")
def cung_son(shared: Path) -> Series:
    return published(shared, "river_71558_cung-son.csv", "2025-11-16", "2025-11-23")


def line(*points: tuple[float, float], start: str = "2025-11-17 00:00", minutes: int = 10) -> Series:
    """Give a synthetic series through (hours, metres), in whole centimetres."""
    begin, found = local(start), []
    last = points[-1][0]
    for number in range(round(last * 60 / minutes) + 1):
        hour = number * minutes / 60
        (a, low), (b, high) = next((p, q) for p, q in pairwise(points) if p[0] <= hour <= q[0])
        found.append((begin + round(hour * HOUR), round(low + (high - low) * (hour - a) / (b - a), 2)))
    return found


FLOOD = line((0, 0.5), (6, 2.6), (10, 4.2), (18, 1.4), (30, 0.4))
"""Through all three levels of Kim Long and back."""


def faults(town: River, station: Gauged, series: Series) -> tuple[int, int, int, int]:
    return score(truth(series, station.levels), believed(town.beliefs(OPERATORS, station.id))).faults


def first_at(series: Series, level: float) -> Instant:
    return next(at for at, value in series if value >= level)


def made_by(town: Make, *stations: Gauged, series: Series, **more: object) -> River:
    return town(*stations, start_at=series[0][0] - 10 * MINUTE, **more)


# ---- S1, S2: silence


@pytest.mark.shared
def test_s1_a_gauge_that_is_silent_for_ever_keeps_its_alarm_and_is_told_lost_once(river: Make, cung_son: Series) -> None:
    dies = first_at(cung_son, 36.0)
    heard = [each for each in cung_son if each[0] <= dies]
    town = made_by(river, CUNG_SON, series=cung_son)

    town.play(at_once(CUNG_SON, heard), until=dies + 72 * HOUR)

    for audience in Audience:
        assert town.kinds(audience).count(K.LOST) == 1
        assert town.kinds(audience)[-1] is K.LOST
    lost = town.notices(RESIDENTS)[-1]
    assert lost.level == 3
    assert 20 * MINUTE <= lost.issued_at - dies <= 20 * MINUTE + LOOK
    assert score(truth(heard, CUNG_SON.levels), believed(town.beliefs(OPERATORS, "cung-son"))).faults == (0, 0, 0, 0)


@pytest.mark.shared
def test_s1_a_service_that_is_killed_while_a_gauge_is_silent_still_tells_it(river: Make, cung_son: Series) -> None:
    dies = first_at(cung_son, 36.0)
    town = made_by(river, CUNG_SON, series=cung_son)
    town.play(at_once(CUNG_SON, [each for each in cung_son if each[0] <= dies]))

    town.kill()
    town.pass_to(dies + 24 * HOUR)

    assert town.kinds(RESIDENTS)[-1] is K.LOST


@pytest.mark.shared
def test_s2_three_silent_hours_above_a_level_are_no_end_and_no_second_warning(river: Make, kim_long: Series) -> None:
    begin = first_at(kim_long, 2.3)
    heard = [each for each in kim_long if not begin < each[0] < begin + 3 * HOUR]
    town = made_by(river, KIM_LONG, series=kim_long)

    town.play(at_once(KIM_LONG, heard))

    assert faults(town, KIM_LONG, heard) == (0, 0, 0, 0)
    assert [kind for kind in town.kinds(OPERATORS) if kind in {K.LOST, K.FOUND}] == [K.LOST, K.FOUND]
    assert [kind for kind in town.kinds(RESIDENTS) if kind in {K.LOST, K.FOUND}] == [K.LOST]


# ---- S3: kills


@pytest.mark.shared
@pytest.mark.parametrize("seed", range(4))
def test_s3_five_kills_repeat_nothing_and_lose_nothing(river: Make, kim_long: Series, seed: int) -> None:
    kim_long = kim_long[: 6 * 24 * 3]  # three days, three edges
    plain = made_by(river, KIM_LONG, series=kim_long)
    plain.play(at_once(KIM_LONG, kim_long))
    killed = made_by(river, KIM_LONG, series=kim_long)
    chance = random.Random(seed)
    edges = [each.issued_at for each in plain.notices(OPERATORS)]
    kills = sorted([*chance.sample(edges, 3), *(at for at, _ in chance.sample(kim_long, 2))])

    for arrival in at_once(KIM_LONG, kim_long):
        killed.pass_to(arrival.at)
        if kills and arrival.at >= kills[0]:
            kills.pop(0)
            lose(killed, arrival, how=chance.randrange(3))
        killed.arrive(arrival)

    assert faults(killed, KIM_LONG, kim_long) == (0, 0, 0, 0)
    for audience in Audience:
        assert told(killed, audience) == told(plain, audience)


def lose(town: River, arrival: Arrival, *, how: int) -> None:
    """Kill: before the message is on the disk, after it is but before the desk has seen it, or in the middle of the desk's step."""
    town.clock_at = arrival.at
    if how:
        look, town.look = town.look, town.settle  # type: ignore[method-assign]  # the desk does not get to it
        town.arrive(arrival)
        town.settle()
        town.look = look  # type: ignore[method-assign]
    if how == 2:
        town.step(commit=False)
    town.kill()


def told(town: River, audience: Audience) -> list[tuple[Instant, K, int, int]]:
    return [(each.issued_at, each.kind, each.was, each.level) for each in town.notices(audience)]


# ---- S4: order


@pytest.mark.slow
@pytest.mark.shared
def test_s4_shuffled_within_two_hours_and_a_fifth_twice_gives_the_same_history(river: Make, kim_long: Series, cung_son: Series) -> None:
    waters = {KIM_LONG: kim_long, CUNG_SON: cung_son}
    chance = random.Random(4)
    arrivals = [late for station, series in waters.items() for each in at_once(station, series) for late in shuffled(each, chance)]
    plain, town = (made_by(river, *waters, series=kim_long) for _ in range(2))

    plain.play(each for station, series in waters.items() for each in at_once(station, series))
    town.play(arrivals, until=cung_son[-1][0] + 3 * HOUR)

    for station, series in waters.items():
        assert town.history(station.id) == plain.history(station.id)
        assert faults(town, station, series) == (0, 0, 0, 0)


def shuffled(arrival: Arrival, chance: random.Random) -> list[Arrival]:
    """Up to two hours late, less a hair: at two hours the bound is reached; one in five comes again."""
    late = [replace(arrival, at=arrival.at + chance.randrange(119) * MINUTE)]
    return late if chance.random() >= 0.2 else [*late, replace(arrival, at=arrival.at + chance.randrange(119) * MINUTE)]


# ---- S5: backlogs


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "station", "level"), [("kim-long", KIM_LONG, 2.0), ("cung-son", CUNG_SON, 34.0)], ids=["kim-long", "cung-son"]
)
@pytest.mark.parametrize("way", ["in one message", "message by message", "from the broker"])
def test_s5_a_backlog_of_six_hours_ends_in_one_notice_about_the_present(
    river: Make, request: pytest.FixtureRequest, file: str, station: Gauged, level: float, way: str
) -> None:
    series: Series = request.getfixturevalue(file.replace("-", "_"))
    begin = first_at(series, level) - 2 * HOUR
    end = begin + 6 * HOUR
    series = [each for each in series if begin - 24 * HOUR <= each[0] <= end + 24 * HOUR]
    town = made_by(river, station, series=series)
    town.play(at_once(station, [each for each in series if each[0] < begin]))
    if way == "from the broker":
        town.deaf(begin + MINUTE)
    town.pass_to(end)
    before = len(town.notices(RESIDENTS))

    backlog = tuple(each for each in series if begin <= each[0] <= end)
    if way == "in one message":
        town.arrive(Arrival(end, station.id, backlog))
    else:
        for number, each in enumerate(backlog):
            town.arrive(Arrival(end + number * MINUTE // 60, station.id, (each,)))
    if way == "from the broker":
        town.heard(end + MINUTE)
        town.look()
    after = town.clock_at
    town.play(at_once(station, [each for each in series if each[0] > end]))

    of_backlog = {
        who: [each for each in town.notices(who) if end <= each.issued_at <= after and each.kind is not K.FOUND] for who in Audience
    }
    now = [each for each in truth([one for one in series if one[0] <= end], station.levels) if each.end is None]
    assert [each.level for each in of_backlog[OPERATORS]] == [max(each.level for each in now)]
    assert len(of_backlog[RESIDENTS]) <= 1
    assert len(town.notices(RESIDENTS)) > before
    assert faults(town, station, series) == (0, 0, 0, 0)


def test_s5f_a_flash_flood_inside_a_backlog_warns_nobody_and_is_in_the_history(river: Make) -> None:
    quiet = line((0, 0.5), (4, 0.6), (6, 4.4), (8, 0.6), (14, 0.5))
    begin, end = quiet[0][0] + 3 * HOUR, quiet[0][0] + 12 * HOUR
    town = made_by(river, KIM_LONG, series=quiet)
    town.play(at_once(KIM_LONG, [each for each in quiet if each[0] < begin]), until=end)

    town.arrive(Arrival(end, "kim-long", tuple(each for each in quiet if begin <= each[0] <= end)))
    town.play(at_once(KIM_LONG, [each for each in quiet if each[0] > end]))

    assert town.notices(OPERATORS) == town.notices(RESIDENTS) == []
    assert {(each.audience, each.level) for each in town.withheld() if each.reason is Reason.HISTORIC} == {(OPERATORS, 3), (RESIDENTS, 3)}
    with town.ledger.connect() as connection:
        (past,) = reading.recent_alarms(connection, 0)
    assert (past.end, past.ended_at is not None) == (End.CLEARED, True)


# ---- S6, S7: spikes and noise


@pytest.mark.parametrize("minutes", [10, 60], ids=["s6-ten-minutes", "s6h-hourly"])
def test_s6_spikes_warn_nobody(river: Make, minutes: int) -> None:
    spiky = [(at, 5.2 if number % 4 == 3 else 0.5) for number, (at, _) in enumerate(line((0, 0.5), (96, 0.5), minutes=minutes))]
    station = replace(KIM_LONG, minutes=minutes)
    town = made_by(river, station, series=spiky)

    town.play(at_once(station, spiky))

    assert town.notices(OPERATORS) == town.notices(RESIDENTS) == []


def test_s6h_a_real_flood_of_an_hourly_gauge_is_told(river: Make) -> None:
    hourly = line((0, 0.5), (8, 3.9), (40, 0.3), minutes=60)
    station = replace(KIM_LONG, minutes=60)
    town = made_by(river, station, series=hourly)

    town.play(at_once(station, hourly))

    assert faults(town, station, hourly) == (0, 0, 0, 0)


def test_s7_a_centimetre_around_a_level_for_a_day_is_one_warning_at_most_and_one_end(river: Make) -> None:
    chance = random.Random(7)
    noisy = [(at, round(1.0 + chance.choice((-0.01, 0.0, 0.01)), 2)) for at, _ in line((0, 1.0), (24, 1.0))]
    town = made_by(river, KIM_LONG, series=noisy)

    town.play(at_once(KIM_LONG, noisy + [(at + 24 * HOUR + 10 * MINUTE, value) for at, value in line((0, 0.8), (2, 0.5))]))

    assert town.kinds(OPERATORS) == [K.WARNING, K.ALL_CLEAR]
    assert town.notices(RESIDENTS) == []


# ---- S8: silences


@pytest.mark.parametrize("minutes_after", [5, 17, 600])
def test_s8_who_was_warned_hears_that_the_top_level_ended_within_a_silence(river: Make, minutes_after: int) -> None:
    town = made_by(river, KIM_LONG, series=FLOOD)
    ends = next(each.end for each in truth(FLOOD, KIM_LONG.levels) if each.level == 3)
    assert ends is not None
    town.play(at_once(KIM_LONG, [each for each in FLOOD if each[0] < ends - 30 * MINUTE]), until=ends - 30 * MINUTE)
    until = ends + minutes_after * MINUTE
    town.act(acting.silence, "kim-long", None, until, "an", "the gauge is being cleaned", town.clock_at)

    town.play(at_once(KIM_LONG, [each for each in FLOOD if each[0] >= ends - 30 * MINUTE]))

    assert faults(town, KIM_LONG, FLOOD) == (0, 0, 0, 0)
    eased = [each.issued_at for each in town.notices(OPERATORS) if each.was == 3]
    assert len(eased) == 1
    assert eased[0] <= until + LOOK
    residents = [each for each in town.notices(RESIDENTS) if each.was == 3]
    assert [each.issued_at for each in residents] == [ends]


def test_s8_an_alarm_that_ends_within_a_silence_is_told_at_once(river: Make) -> None:
    town = made_by(river, KIM_LONG, series=FLOOD)
    top = first_at(FLOOD, 4.0)
    town.play(at_once(KIM_LONG, [each for each in FLOOD if each[0] <= top]))
    town.act(acting.silence, None, None, top + 96 * HOUR, "an", "asleep", town.clock_at)

    town.play(at_once(KIM_LONG, [each for each in FLOOD if each[0] > top]))

    last = town.notices(OPERATORS)[-1]
    real = [each.end for each in truth(FLOOD, KIM_LONG.levels) if each.level == 1]
    assert (last.kind, last.was) == (K.ALL_CLEAR, 3)
    assert [last.issued_at] == real


# ---- S9: edits


@pytest.mark.parametrize("edited", [(1.0, 2.1, 3.5), (1.0, 1.9, 3.5), (1.1, 2.2, 3.4)], ids=["higher", "lower", "all"])
def test_s9_a_level_that_is_edited_while_it_stands_ends_nothing_and_repeats_nothing(
    river: Make, edited: tuple[float, float, float]
) -> None:
    flood = line((0, 0.5), (8, 2.6), (16, 2.5), (30, 0.4))
    town = made_by(river, KIM_LONG, series=flood)
    middle = flood[0][0] + 12 * HOUR
    town.play(at_once(KIM_LONG, [each for each in flood if each[0] <= middle]))
    before = told(town, OPERATORS), told(town, RESIDENTS)

    town.apply(replace(KIM_LONG, levels=edited))
    town.pass_to(middle + 9 * MINUTE)
    assert (told(town, OPERATORS), told(town, RESIDENTS)) == before
    town.play(at_once(KIM_LONG, [each for each in flood if each[0] > middle]))

    assert town.kinds(OPERATORS) == [K.WARNING, K.WORSE, K.EASING, K.ALL_CLEAR]
    assert town.kinds(RESIDENTS) == [K.WARNING, K.EASING, K.ALL_CLEAR]
    ends = [each.issued_at for each in town.notices(OPERATORS) if each.level == 0]
    assert ends == [each.end for each in truth(flood, edited) if each.level == 1]


def test_s9_a_level_that_is_edited_above_the_water_eases_by_the_rule(river: Make) -> None:
    flood = line((0, 0.5), (8, 2.6), (30, 2.5))
    town = made_by(river, KIM_LONG, series=flood)
    middle = flood[0][0] + 12 * HOUR
    town.play(at_once(KIM_LONG, [each for each in flood if each[0] <= middle]))

    town.apply(replace(KIM_LONG, levels=(1.0, 3.0, 3.5)))
    town.play(at_once(KIM_LONG, [each for each in flood if each[0] > middle]))

    assert town.kinds(RESIDENTS) == [K.WARNING, K.EASING]


# ---- beside the table: dead gauges, earnest, deafness


def test_a_dead_gauge_is_closed_by_an_operator_and_everybody_is_told(river: Make) -> None:
    town = made_by(river, KIM_LONG, series=FLOOD)
    dies = first_at(FLOOD, 4.0)
    town.play(at_once(KIM_LONG, [each for each in FLOOD if each[0] <= dies]), until=dies + 12 * HOUR)
    with town.ledger.connect() as connection:
        (alarm,) = reading.open_alarms(connection)

    town.act(acting.close, alarm.id, "an", "the gauge was carried away", town.clock_at)
    town.pass_to(dies + 13 * HOUR)

    assert town.kinds(OPERATORS)[-2:] == town.kinds(RESIDENTS)[-2:] == [K.LOST, K.CLOSED]


def test_a_gauge_that_comes_back_into_the_flood_is_not_silenced_by_its_closing(river: Make) -> None:
    town = made_by(river, KIM_LONG, series=FLOOD)
    dies = first_at(FLOOD, 2.5)
    town.play(at_once(KIM_LONG, [each for each in FLOOD if each[0] <= dies]), until=dies + 2 * HOUR)
    with town.ledger.connect() as connection:
        (alarm,) = reading.open_alarms(connection)
    town.act(acting.close, alarm.id, "an", "dead", town.clock_at)

    town.play(at_once(KIM_LONG, [each for each in FLOOD if each[0] > dies + 3 * HOUR]))

    assert [kind for kind in town.kinds(RESIDENTS) if kind in {K.CLOSED, K.WARNING_AGAIN, K.ALL_CLEAR}] == [
        K.CLOSED,
        K.WARNING_AGAIN,
        K.ALL_CLEAR,
    ]


def test_in_earnest_no_resident_is_warned_by_one_gauge(river: Make) -> None:
    town = made_by(river, KIM_LONG, series=FLOOD, status=Status.ACTUAL)

    town.play(at_once(KIM_LONG, FLOOD))

    assert town.notices(RESIDENTS) == []
    assert faults(town, KIM_LONG, FLOOD) == (0, 0, 0, 0)
    assert {each.reason for each in town.withheld() if each.audience is RESIDENTS and each.level >= 2} == {Reason.NO_APPROVAL}


def test_a_broker_that_is_away_for_an_hour_is_one_incident_and_no_silent_gauge(river: Make) -> None:
    town = made_by(river, KIM_LONG, series=FLOOD)
    top = first_at(FLOOD, 4.0)
    town.play(at_once(KIM_LONG, [each for each in FLOOD if each[0] <= top]))
    town.deaf(top + MINUTE)
    town.pass_to(top + HOUR)

    held = [each for each in at_once(KIM_LONG, FLOOD) if top < each.at <= top + HOUR]
    for each in held:
        town.arrive(replace(each, at=top + HOUR))
    town.heard(top + HOUR)
    town.play(at_once(KIM_LONG, [each for each in FLOOD if each[0] > top + HOUR]))

    assert not {K.LOST, K.FOUND} & {*town.kinds(OPERATORS), *town.kinds(RESIDENTS)}
    assert faults(town, KIM_LONG, FLOOD) == (0, 0, 0, 0)
    with town.ledger.connect() as connection:
        deaf = [each for each in reading.incidents(connection) if each.kind == "deaf" and each.opened_at >= top]
    assert [(each.opened_at, each.ended_at) for each in deaf] == [(top + MINUTE, top + HOUR)]
