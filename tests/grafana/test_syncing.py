"""Dashboards in a Grafana that is not ours: brought, kept, and looked at."""

from __future__ import annotations

from typing import Any

import pytest
from recording import Fault, Grafana, message

from devices.instants import parse_instant
from grafana.checking import PROBE, Finding, check
from grafana.client import Client, GrafanaError
from grafana.shipped import Shipped, folders
from grafana.syncing import Done, Line, State, Wish, stored_of, sync

NOW = parse_instant("2025-10-27T07:00:00+07:00")
SOURCE = "canhbao-influx"
PLAYLIST = {"name": "Wall", "interval": "1m", "items": [{"type": "dashboard_by_uid", "value": "canhbao-city"}]}


def shipped(uid: str = "canhbao-city", title: str = "Toàn thành phố", **more: Any) -> Shipped:
    drawn = {"uid": uid, "title": title, "panels": [{"id": 1, "title": "Mực nước"}], "tags": ["canhbao"], **more}
    return Shipped(uid, title, folders()[0], drawn)


TWO = [shipped(), shipped("canhbao-river", "Sông")]


def done(lines: list[Line]) -> list[str]:
    return [f"{line.kind} {line.done}" for line in lines]


def brought(client: Client, wish: Wish | None = None, what: list[Shipped] = TWO, **playlist: Any) -> list[Line]:
    return sync(client, what, {**PLAYLIST, **playlist}, wish or Wish())


def test_an_empty_grafana_gets_all_of_it_and_a_second_run_writes_nothing(told: Grafana, client: Client) -> None:
    assert done(brought(client)) == ["folder made", "dashboard made", "dashboard made", "playlist made"]
    writes = len(told.writes())

    assert done(brought(client)) == ["folder same", "dashboard same", "dashboard same", "playlist same"]
    assert len(told.writes()) == writes == 4
    assert told.dashboards["canhbao-city"]["folder"] == "canhbao-vi"
    assert told.folders["canhbao-vi"]["title"] == folders()[0].title


def test_a_dry_run_says_it_and_writes_nothing(told: Grafana, client: Client) -> None:
    assert done(brought(client, Wish(dry_run=True))) == ["folder made", "dashboard made", "dashboard made", "playlist made"]
    assert told.writes() == []


def test_another_release_replaces_its_own_dashboards(told: Grafana, client: Client) -> None:
    brought(client)

    lines = brought(client, what=[shipped(refresh="30s"), TWO[1]])

    assert done(lines)[1:3] == ["dashboard updated", "dashboard same"]
    assert told.dashboards["canhbao-city"]["dashboard"]["refresh"] == "30s"


def test_what_somebody_edited_is_kept_until_it_is_to_be_overwritten(told: Grafana, client: Client) -> None:
    brought(client)
    told.edit("canhbao-city", title="Of the night shift")

    kept = brought(client, what=[shipped(refresh="30s")])
    assert kept[1].done is Done.KEPT
    assert "save it there under another name, then run with --overwrite" in kept[1].fix
    assert told.dashboards["canhbao-city"]["dashboard"]["title"] == "Of the night shift"

    assert brought(client, Wish(overwrite=True))[1].done is Done.UPDATED
    assert told.dashboards["canhbao-city"]["dashboard"]["title"] == "Toàn thành phố"


def test_a_newer_form_that_grafana_gave_it_is_no_edit(told: Grafana, client: Client) -> None:
    brought(client)
    told.dashboards["canhbao-city"]["dashboard"] |= {"schemaVersion": 99, "panels": []}

    assert stored_of(client, TWO[0]).state is State.SAME


def test_one_that_was_imported_by_hand_as_it_is_is_the_same(told: Grafana, client: Client) -> None:
    brought(client)
    told.dashboards["canhbao-city"]["versions"] = [{"version": 1, "message": ""}]

    assert stored_of(client, TWO[0]).state is State.SAME


def test_one_that_was_moved_stays_where_it_is(told: Grafana, client: Client) -> None:
    brought(client)
    told.folders["theirs"] = {"uid": "theirs", "title": "Theirs"}
    told.dashboards["canhbao-city"]["folder"] = "theirs"

    assert brought(client, what=[shipped(refresh="30s")])[1].done is Done.UPDATED
    assert told.dashboards["canhbao-city"]["folder"] == "theirs"


def test_what_is_provisioned_is_not_touched(told: Grafana, client: Client) -> None:
    brought(client)
    told.dashboards["canhbao-city"]["provisioned"] = True
    writes = len(told.writes())

    lines = brought(client, Wish(overwrite=True), [shipped(refresh="30s")])

    assert lines[1].done is Done.KEPT
    assert "change that file" in lines[1].fix
    assert len(told.writes()) == writes


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (412, message("changed", status="version-mismatch"), "run again, which keeps what they saved"),
        (412, message("exists", status="name-exists"), "rename or remove that one"),
        (403, message("no permission"), "role Editor"),
        (409, message("conflict"), "somebody else"),
        (404, message("Not found"), "grafana.url"),
        (400, message("bad"), "look at the log of Grafana"),
    ],
)
def test_what_is_refused_says_what_to_do_and_stops_nothing_else(told: Grafana, client: Client, status: int, body: bytes, said: str) -> None:
    told.fail("POST", "/api/dashboards/db", Fault(status, body))

    lines = brought(client)

    assert done(lines) == ["folder made", "dashboard failed", "dashboard made", "playlist made"]
    assert said in lines[1].fix
    assert done(brought(client)) == ["folder same", "dashboard made", "dashboard same", "playlist same"]


def test_somebody_who_saves_at_the_same_moment_keeps_what_he_saved(told: Grafana, client: Client) -> None:
    brought(client)
    stored = stored_of(client, TWO[0])
    told.edit("canhbao-city", title="Of the night shift")

    with pytest.raises(GrafanaError) as caught:
        client.ask("POST", "/api/dashboards/db", {
            "dashboard": {**TWO[0].json, "version": stored.version}, "folderUid": "canhbao-vi", "message": "", "overwrite": False,
        })  # fmt: skip

    assert caught.value.kind == "version-mismatch"
    assert brought(client)[1].done is Done.KEPT


@pytest.mark.parametrize("fault", [Fault(500, message("x")), Fault(wait=60), Fault(cut=True, done=True), Fault(503, b"<html>")])
def test_a_grafana_that_goes_away_ends_it_and_the_next_run_goes_on(told: Grafana, client: Client, hasty: Client, fault: Fault) -> None:
    told.fail("POST", "/api/dashboards/db", fault)

    with pytest.raises(GrafanaError):
        brought(hasty)

    assert {line.done for line in brought(client)} <= {Done.MADE, Done.SAME}
    assert set(told.dashboards) == {"canhbao-city", "canhbao-river"}
    assert len(told.playlists) == 1


def test_a_playlist_that_plays_something_else_is_kept(told: Grafana, client: Client) -> None:
    brought(client)

    assert brought(client, interval="5m")[-1].done is Done.KEPT
    assert brought(client, Wish(overwrite=True), interval="5m")[-1].done is Done.UPDATED
    assert [each["interval"] for each in told.playlists.values()] == ["5m"]


# ---- the check


def checked(client: Client) -> dict[str, Finding]:
    return {each.what: each for each in check(client, TWO, PLAYLIST, SOURCE, NOW)}


def test_a_grafana_that_has_all_of_it_is_well(told: Grafana, client: Client) -> None:
    brought(client)
    told.sources[SOURCE] = (200, {"status": "OK", "message": "datasource is working. 12 measurements found"})

    found = checked(client)

    assert all(each.is_well for each in found.values())
    assert found["Grafana"].said == "answers, version 13.3.0"
    assert told.annotations == {}


def test_each_thing_that_is_not_well_says_what_to_do(told: Grafana, client: Client) -> None:
    brought(client)
    told.edit("canhbao-city", title="x")
    del told.dashboards["canhbao-river"]
    told.playlists.clear()
    told.rights -= {"annotations:write"}

    found = {name: (each.is_well, each.fix) for name, each in checked(client).items()}

    assert found == {
        "Grafana": (True, ""),
        f"data source {SOURCE}": (False, "provision it from grafana/provisioning, or add an InfluxDB with InfluxQL under this uid"),
        "dashboard canhbao-city": (False, "save it in Grafana under another name, then run `canhbao grafana sync --overwrite`"),
        "dashboard canhbao-river": (False, "run `canhbao grafana sync`"),
        "playlist": (False, "run `canhbao grafana sync`"),
        "annotations": (False, "give the service account of the token the role Editor, or the missing permission"),
    }


def test_a_data_source_that_does_not_reach_its_database_is_said_in_its_words(told: Grafana, client: Client) -> None:
    told.sources[SOURCE] = (400, {"status": "ERROR", "message": "InfluxDB returned error: unauthorized"})

    found = checked(client)[f"data source {SOURCE}"]

    assert not found.is_well
    assert "unauthorized" in found.said
    assert "canhbao archive init" in found.fix


def test_what_a_check_that_was_cut_off_left_is_removed_by_the_next(told: Grafana, client: Client) -> None:
    told.fail("DELETE", "/api/annotations", Fault(500, message("x")))
    assert not checked(client)["annotations"].is_well
    assert [each["tags"] for each in told.annotations.values()] == [[PROBE]]

    assert checked(client)["annotations"].is_well
    assert told.annotations == {}


def test_without_an_answer_there_is_one_line(told: Grafana, client: Client) -> None:
    told.fail("GET", "/api/health", Fault())

    (only,) = check(client, TWO, PLAYLIST, SOURCE, NOW)

    assert (only.is_well, only.fix) == (False, "start Grafana, or set grafana.url")
