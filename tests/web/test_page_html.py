"""The page as bytes: size, validity, words, and what must never be in it."""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from types import ModuleType

import pytest

from web.public.page import Rendered, Renderer
from web.public.situation import City
from web.public.view import build

RENDERER = Renderer()
STATES = ["warning", "none", "over", "closed", "silent", "several", "exercise", "deaf", "deaf-calm"]
VOID = {"meta", "link", "br", "input", "hr", "img"}


class Outline(HTMLParser):
    """Headings, ids, references and the balance of tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.ids: list[str] = []
        self.uses: list[str] = []
        self.labelled: list[str] = []
        self.inline: list[str] = []
        self.times: list[str] = []
        self.language = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = found["lang"]
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(tag)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "use" or (tag == "a" and found["href"].startswith("#")):
            self.uses.append(found["href"].removeprefix("#"))
        self.labelled += found.get("aria-labelledby", "").split()
        self.inline += [name for name in found if name == "style" or name.startswith("on")]
        if tag == "time":
            self.times.append(found["datetime"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(scenes: ModuleType, city: City, name: str, language: str = "vi") -> Rendered:
    state = build(scenes.SCENES[name]().situation(city))
    return RENDERER.render(state, city, "version")[language]


def text_of(rendered: Rendered) -> str:
    body = re.sub(r"<(style|script)>.*?</\1>", "", rendered.body.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body)).replace("\u00a0", " ")


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("name", STATES)
def test_every_page_is_whole_and_small(name: str, language: str, scenes: ModuleType, city: City) -> None:
    rendered = page(scenes, city, name, language)

    outline = Outline()
    outline.feed(rendered.body.decode())
    assert outline.open == []
    assert outline.language == language
    assert outline.headings.count("h1") == 1
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.uses) <= set(outline.ids)
    assert set(outline.labelled) <= set(outline.ids)
    assert outline.inline == []
    assert all(time.endswith("+07:00") for time in outline.times)
    assert gzip.decompress(rendered.packed) == rendered.body
    assert len(rendered.packed) <= 40_000


@pytest.mark.parametrize("name", STATES)
def test_nothing_of_another_host_is_named(name: str, scenes: ModuleType, city: City) -> None:
    body = page(scenes, city, name).body.decode()

    assert set(re.findall(r"(?:https?:)?//[\w.]+", body.replace("http://www.w3.org", ""))) == set()


def test_the_policy_allows_just_the_style_and_script_of_the_page(scenes: ModuleType, city: City) -> None:
    body = page(scenes, city, "warning").body.decode()

    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", body, flags=re.DOTALL)
        assert f"'sha256-{b64encode(sha256(inside.encode()).digest()).decode()}'" in RENDERER.assets.policy
    assert "unsafe" not in RENDERER.assets.policy


def test_a_warning_says_place_number_action_and_clock(scenes: ModuleType, city: City) -> None:
    text = text_of(page(scenes, city, "warning"))

    assert "Lũ sông Hương tại Kim Long vượt báo động 3, mức lũ lớn" in text
    assert "P. Kim Long, P. Phú Xuân" in text
    assert "+0,12 m so với báo động 3 (3,50 m)" in text
    assert "Đo lúc 07:20 ngày 27/10/2025 , 4 phút trước" in text
    assert "Đưa người và đồ lên cao, ngắt điện, không đi qua nước chảy." in text
    assert "Gọi 19001075" in text
    assert "Trên BĐ3 0,12 m" in text
    assert "4 trong 5 trạm đang gửi số liệu." in text
    assert "Đài Khí tượng Thủy văn" in text


def test_english_says_the_same(scenes: ModuleType, city: City) -> None:
    text = text_of(page(scenes, city, "warning", "en"))

    assert "Hương River at Kim Long above alarm level 3, large flood" in text
    assert "Kim Long ward, Phú Xuân ward" in text
    assert "+0.12 m against alarm level 3 (3.50 m)" in text
    assert "Measured at 07:20 on 27 Oct 2025 , 4 min ago" in text


def test_a_silent_gauge_says_that_the_water_is_not_known(scenes: ModuleType, city: City) -> None:
    text = text_of(page(scenes, city, "silent"))

    assert "Kim Long mất tín hiệu khi nước trên báo động 2" in text
    assert "Cảnh báo báo động 2 vẫn còn hiệu lực" in text
    assert "Chưa biết mực nước hiện tại" in text
    assert "Phú Ốc 4,34 m, trên BĐ2 1,34 m, đang lên 0,11 m/giờ, lúc 05:20 ngày 27/10/2025" in text


@pytest.mark.parametrize("name", ["deaf", "deaf-calm"])
def test_our_deafness_is_said_as_ours(name: str, scenes: ModuleType, city: City) -> None:
    text = text_of(page(scenes, city, name))

    assert "Lỗi ở hệ thống của trung tâm, không phải ở trạm đo." in text
    assert "Không có cảnh báo" not in text.replace("Không có cảnh báo lũ đang hiệu lực", "?")
    assert "mất tín hiệu" not in text.lower()


@pytest.mark.parametrize("name", [name for name in STATES if name not in {"none", "over"}])
def test_all_clear_is_said_nowhere_else(name: str, scenes: ModuleType, city: City) -> None:
    text = text_of(page(scenes, city, name))

    assert "Không có cảnh báo lũ đang hiệu lực" not in text
    assert "Hết cảnh báo" not in text


def test_an_operators_end_does_not_look_like_an_all_clear(scenes: ModuleType, city: City) -> None:
    body = page(scenes, city, "closed").body.decode()

    assert 'class="hero over"' not in body
    assert "trạm bị cuốn trôi" in body


def test_an_exercise_says_so_everywhere_and_calls_nobody(scenes: ModuleType, city: City) -> None:
    body = page(scenes, city, "exercise").body.decode()

    assert '<body class="ex"' in body
    assert "<title>DIỄN TẬP: " in body
    assert 'href="tel:' not in body
    assert body.count("DIỄN TẬP") == 4  # title, banner, map, chart
    assert '<span class="tagx">Diễn tập</span>' in body


def test_a_page_in_earnest_has_no_word_of_exercise(scenes: ModuleType, city: City) -> None:
    assert "diễn tập" not in text_of(page(scenes, city, "warning")).lower()


def test_foreign_text_is_escaped(scenes: ModuleType, city: City) -> None:
    scene = scenes.over(scenes.End.CLOSED, handling_reason="<script>alert(1)</script>")

    body = RENDERER.render(build(scene.situation(city)), city, "v")["vi"].body.decode()

    assert "<script>alert" not in body
    assert "&lt;script&gt;alert(1)" in body


def test_the_same_state_renders_to_the_same_bytes(scenes: ModuleType, city: City) -> None:
    assert page(scenes, city, "warning") == page(scenes, city, "warning")
