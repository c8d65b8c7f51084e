"""Where the dashboards lead, and what they are called: to the operators' pages of the place that shows them, in the language of the dashboard, under the city's name."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from asking import in_browser

from grafana.dashboards.drawing import files_of
from grafana.shipped import ADDRESS, PROVISIONING, ROOM, TAG, address_of, at_address, dashboards, folders, playlist
from web.languages import LANGUAGES
from web.public.page import address

SHIPPED = dashboards()
ALL = pytest.mark.parametrize("drawn", [each.json for each in SHIPPED], ids=[each.uid for each in SHIPPED])
IOC = "https://ioc.example.vn/canhbao"


def draw(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grafana.dashboards", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOM.parent, timeout=60)


def addresses_of(drawn: dict[str, Any]) -> set[str]:
    return set(re.findall(r"https?://[^\"\s]*", json.dumps(drawn)))


# ---- links


@ALL
def test_it_leads_to_the_others_to_the_other_language_and_to_the_alarms_in_its_own(drawn: dict[str, Any]) -> None:
    uids = {each.uid for each in SHIPPED}
    own, other = (drawn["uid"][-2:], "en" if drawn["uid"].endswith("vi") else "vi")
    urls = [link["url"] for link in drawn["links"] if link["type"] == "link"]

    assert [link["tags"] for link in drawn["links"] if link["type"] == "dashboards"] == [[f"{TAG}-{own}"]]
    assert urls == [f"/d/{drawn['uid'][:-2]}{other}", f"${{canhbao_url}}{address(LANGUAGES[own])}"]
    assert {url.split("/")[2].split("?")[0] for url in re.findall(r"/d/[\w-]+", json.dumps(drawn))} <= uids


@ALL
def test_every_link_to_the_operators_pages_takes_their_address_from_the_one_constant(drawn: dict[str, Any]) -> None:
    (constant,) = (each for each in drawn["templating"]["list"] if each["name"] == "canhbao_url")

    assert (constant["type"], constant["skipUrlSync"], constant["query"]) == ("constant", True, ADDRESS), "no link that is sent can bend it"
    assert addresses_of(drawn) == {ADDRESS}
    assert json.dumps(drawn).count(ADDRESS) == json.dumps(constant).count(ADDRESS)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_warning_of_the_overview_leads_to_its_own_alarm(language: str, root: Path) -> None:
    drawn = at_address(next(each.json for each in SHIPPED if each.uid == f"canhbao-city-{language}"), IOC)
    (table,) = (each for each in drawn["panels"] if each["title"] in {"Cảnh báo đang hiệu lực", "Active warnings"})
    (look,) = (each["properties"] for each in table["fieldConfig"]["overrides"] if each["matcher"]["options"] == "alarm")
    ((link,),) = (each["value"] for each in look if each["id"] == "links")
    page = (root / "web" / "operators" / "templates" / "table.html").read_text(encoding="utf-8")

    opened = in_browser(link["url"], drawn, {}).replace("${__value.raw}", "0123456789abcdef")

    assert opened == f"{IOC}{address(LANGUAGES[language])}#s-0123456789abcdef"
    assert 'id="s-{{ alarm.id }}"' in page, "so the table of operators names each alarm"


def test_the_wall_plays_dashboards_that_exist() -> None:
    uids = {each.uid for each in SHIPPED}

    assert [item["type"] for item in playlist()["items"]] == ["dashboard_by_uid"] * 4
    assert {item["value"] for item in playlist()["items"]} <= uids
    assert playlist()["interval"] == "1m"


# ---- their address


@pytest.mark.parametrize("given", [IOC, f"{IOC}/"])
def test_the_address_can_be_put_in_and_what_is_shipped_is_not_changed(given: str) -> None:
    for each in SHIPPED:
        assert addresses_of(at_address(each.json, given)) == {IOC}
        assert addresses_of(each.json) == {ADDRESS}


@pytest.mark.parametrize(
    "text", ["", "ioc.example.vn", "javascript:alert(1)", "ftp://ioc.example.vn", "https://", "https://a.vn/?x=1", "https://a.vn/#x"]
)
def test_what_is_no_address_of_pages_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the address of pages; give one such as"):
        address_of(text)


def test_what_is_drawn_with_an_address_is_what_is_committed_but_for_the_address(hue: Path, tmp_path: Path) -> None:
    done = draw(str(hue), str(tmp_path), "--operators", f"{IOC}/")

    written = {path.relative_to(tmp_path): path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.*") if path.is_file()}
    assert (done.returncode, done.stderr) == (0, "")
    assert len([text for text in written.values() if IOC in text]) == len(SHIPPED)
    for name, text in written.items():
        assert ADDRESS not in text
        assert text.replace(IOC, ADDRESS) == (ROOM / name).read_text(encoding="utf-8")


def test_an_address_that_is_none_draws_nothing(hue: Path, tmp_path: Path) -> None:
    done = draw(str(hue), str(tmp_path / "out"), "--operators", "ioc.example.vn")

    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "is not the address of pages" in done.stderr


# ---- another city


@pytest.fixture(scope="module")
def elsewhere(hue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a city that is Hue under another name, which Grafana and YAML could both read wrongly."""
    folder = tmp_path_factory.mktemp("cities") / "elsewhere"
    shutil.copytree(hue, folder)
    text = (folder / "city.yaml").read_text(encoding="utf-8")
    named = re.sub(r"^name: .*$", 'name: {vi: "Quảng Trị: $A", en: "Quang Tri: $A"}', text, flags=re.MULTILINE)
    (folder / "city.yaml").write_text(named, encoding="utf-8")
    return folder


def test_another_city_gives_its_own_name_to_the_folders(elsewhere: Path) -> None:
    drawn = dict(files_of(elsewhere))
    titles = ["Cảnh báo Quảng Trị: $A", "Warnings, Quang Tri: $A"]
    providers = yaml.safe_load(drawn["provisioning/dashboards/canhbao.yaml"])["providers"]

    assert [each["title"] for each in json.loads(drawn["dashboards/json/folders.json"])] == titles
    assert [each["folder"].replace("$$", "$") for each in providers] == titles
    assert all("$A" not in each["folder"].replace("$$", "") for each in providers), "Grafana would put a variable there"
    assert not [name for name, text in drawn.items() if "TP Huế" in text]


def test_each_language_has_its_folder_which_names_the_city(registry: Any) -> None:
    providers = yaml.safe_load((PROVISIONING / "dashboards" / "canhbao.yaml").read_text(encoding="utf-8"))["providers"]

    assert [(each["folderUid"], each["folder"], each["options"]["path"].rpartition("/")[2]) for each in providers] == [
        (folder.uid, folder.title, folder.language) for folder in folders()
    ]
    assert [folder.uid for folder in folders()] == ["canhbao-vi", "canhbao-en"]
    assert all(registry.city[folder.language] in folder.title for folder in folders())


def test_no_city_is_named_in_the_code(root: Path) -> None:
    written = [*(root / "grafana").rglob("*.py"), *(root / "grafana" / "provisioning").rglob("*.yaml")]

    assert [path.name for path in written if re.search(r"Huế|\bHue\b", path.read_text(encoding="utf-8"))] == ["canhbao.yaml"]
