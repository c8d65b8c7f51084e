"""kill -9 in mid-flood: the short form, two thousand readings and three kills, against a run that was left alone."""

from functools import partial

import pytest

from rig.report import timed
from torture import ingest, programs
from torture.kills import unkilled
from torture.supervisor import supervisor


def holds(run, *given):
    result = timed("", partial(run, *given))
    assert result.ok, result.failed()


@pytest.mark.slow
@pytest.mark.mosquitto
def test_ingest_may_be_killed_at_any_point_and_the_same_is_left():
    holds(ingest.killed, "mosquitto", *ingest.SHORT)


@pytest.mark.slow
@pytest.mark.mosquitto
def test_archive_serve_and_web_may_be_killed_and_everybody_is_told_everything():
    holds(programs.programs, "mosquitto", programs.PROGRAMS, programs.SHORT, 3)


@pytest.mark.slow
def test_the_embedded_broker_may_be_killed_and_loses_nothing():
    holds(programs.broker, "embedded", programs.SHORT, 3)


@pytest.mark.slow
def test_a_killed_supervisor_leaves_nothing_running_and_nothing_is_lost():
    holds(supervisor, programs.SHORT, 2 * programs.RATE, 3, partial(unkilled, programs.SHORT))
