"""
The pages in a real Chromium: screenshots of every state, nothing of another host, axe, contrast, narrow screens, and life without a script.

The screenshots are written to build/screens/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parent.parent.parent
SCREENS = ROOT / "build" / "screens"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENT = 60_000
"""Milliseconds: how soon a page follows is a matter of the benchmark; a machine that is busy is slow, not wrong."""
SIZES = {390: 844, 1280: 800}
LOOKS: dict[str, list[tuple[int, Any]]] = {
    "vi": [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")],
    "en": [(390, "light"), (1280, "light")],
}
expect.set_options(timeout=PATIENT)
STATES = ["warning", "none", "over", "closed", "silent", "several", "exercise", "deaf", "deaf-calm"]
Site = Any

CONTRAST = """
() => {
  const channel = (v) => (v /= 255, v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colour = (text) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const ground = (at) => {
    for (; at; at = at.parentElement) {
      const found = colour(getComputedStyle(at).backgroundColor);
      if (found[3] > 250) return found;
    }
    return [255, 255, 255, 255];
  };
  const ratio = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + .05) / (low + .05);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const at = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || at.closest("svg, script, style, .vh, .skip") || !at.getClientRects().length) continue;
    const style = getComputedStyle(at);
    const size = parseFloat(style.fontSize);
    found.push({ text: text.slice(0, 40), size, bold: Number(style.fontWeight) >= 700, ratio: ratio(colour(style.color), ground(at)), main: Boolean(at.closest("h1, .do, .dif, .act h2, main p:not(.sub):not(.age):not(.hint), .sts h3, .v")) });
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield found
        found.close()


@contextmanager
def opened(browser: Browser, address: str, width: int = 1280, scheme: str = "light", **other: Any) -> Iterator[Page]:
    """A page in a context of its own; what it asks for is kept in `asked`."""
    context = browser.new_context(viewport={"width": width, "height": SIZES.get(width, 800)}, color_scheme=scheme, **other)  # type: ignore[arg-type] # a literal
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(address, wait_until="load")
    page.asked, page.troubles = asked, troubles  # type: ignore[attr-defined] # ours, beside the page
    try:
        yield page
    finally:
        context.close()


def shot(page: Page, name: str, *, whole: bool = False) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{name}.png", full_page=whole)


@pytest.mark.parametrize("name", STATES)
def test_every_state_is_whole_readable_and_our_own(name: str, browser: Browser, site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.SCENES[name]()), opened(browser, site.base) as page:
        for path, language in (("/", "vi"), ("/en", "en")):
            page.goto(site.base + path)
            for width, scheme in LOOKS[language]:
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": width, "height": SIZES[width]})
                shot(page, f"resident-{name}-{language}-{width}-{scheme}", whole=name in {"warning", "several"})

                assert page.evaluate("document.documentElement.lang") == language
                assert page.evaluate("document.documentElement.scrollWidth") == width
                if width == 390:
                    assert serious(page) == []
                    assert weak_texts(page, name) == []
        assert hosts(page) == {site.base}
        assert page.troubles == []  # type: ignore[attr-defined]


def weak_texts(page: Page, name: str) -> list[Any]:
    """Texts under 4.5:1, and main texts under 7:1 where no colour of a level stands behind them (those have 6.4:1 and more)."""
    texts = page.evaluate(CONTRAST)
    assert len(texts) > 40
    floor = 7.0 if name in {"none", "deaf-calm", "exercise"} else 4.5
    return [each for each in texts if each["ratio"] < (floor if each["main"] and not each["bold"] else 4.5)]


def hosts(page: Page) -> set[str]:
    return {match[0] for url in page.asked if (match := re.match(r"https?://[^/]+", url))}  # type: ignore[attr-defined]


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in found if each["impact"] in {"serious", "critical"}]


def test_the_first_view_is_one_request_of_less_than_a_hundred_kilobytes(browser: Browser, site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.street()), opened(browser, site.base) as page:
        sizes = page.evaluate("performance.getEntriesByType('navigation').map((each) => each.transferSize)")
        loaded = [url for url in page.asked if url.startswith("http") and not url.endswith("/events")]  # type: ignore[attr-defined]

        assert loaded == [f"{site.base}/"]
        assert sizes[0] <= 100_000


@pytest.mark.parametrize("name", ["warning", "silent", "exercise"])
def test_nothing_is_cut_off_on_the_narrowest_screen(name: str, browser: Browser, site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.SCENES[name]()), opened(browser, site.base, 320) as page:
        shot(page, f"resident-{name}-vi-320-full", whole=True)

        assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_buttons_are_large_enough_for_a_thumb(browser: Browser, site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.warning()), opened(browser, site.base, 390) as page:
        heights = page.evaluate(
            "[...document.querySelectorAll('.btn, .lang a, summary, .brand')].map((each) => each.getBoundingClientRect().height)"
        )

        assert min(heights) >= 44


def test_an_open_page_changes_when_the_warning_does(browser: Browser, site: Site, scenes: ModuleType) -> None:
    scene = scenes.warning()
    with scenes.serving(site, scene), opened(browser, site.base) as page:
        page.locator("details summary").last.click()
        eased = tuple(replace(each, level=0, end=scenes.End.CLEARED, told_at=scene.now) for each in scene.told)

        site.show(replace(scene, told=eased))

        page.wait_for_selector(".hero.over", timeout=PATIENT)
        assert "Hết cảnh báo" in page.locator("h1").inner_text()
        assert "Hết cảnh báo" in (page.locator("#said").text_content() or "")
        assert page.locator("details").last.get_attribute("open") is not None
        assert page.troubles == []  # type: ignore[attr-defined]


def test_an_open_page_says_that_it_lost_its_connection(browser: Browser, site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.warning()):
        context = browser.new_context()
        page = context.new_page()
        page.clock.install()
        page.goto(site.base)
        assert page.locator("#cut").is_hidden()
    page.clock.run_for(30_000)

    page.wait_for_selector("#cut:not([hidden])", timeout=PATIENT)
    assert "mất kết nối" in page.locator("#cut").inner_text()
    context.close()


def test_ages_grow_in_an_open_page(browser: Browser, site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.warning()):
        context = browser.new_context()
        page = context.new_page()
        page.clock.install()
        page.goto(site.base)
        first = page.locator(".at span").last.inner_text()

        page.clock.run_for(180_000)

        assert (first, page.locator(".at span").last.inner_text()) == ("4 phút trước", "7 phút trước")
        context.close()


def test_the_page_says_all_without_a_script(browser: Browser, site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.warning()), opened(browser, site.base, java_script_enabled=False) as page:
        page.get_by_role("link", name="Tải lại").last.click()
        page.get_by_text("Xem số liệu dạng bảng").click()

        assert page.get_by_role("cell", name="3,62 m").first.is_visible()
        page.get_by_role("link", name="English").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Hương River at Kim Long above alarm level 3, large flood"


def test_the_page_prints(browser: Browser, site: Site, scenes: ModuleType) -> None:
    with scenes.serving(site, scenes.warning()), opened(browser, site.base) as page:
        page.emulate_media(media="print")
        shot(page, "resident-warning-vi-print", whole=True)

        assert page.locator("#call").is_hidden()
        assert page.locator("h1").is_visible()


# ---- the operators' side


def enter(page: Page, room: Site) -> None:
    page.get_by_label("Tên của bạn").fill("Trực ban 2")
    page.get_by_label("Mã vận hành").fill("a-token-of-the-tests-which-is-long")
    page.get_by_role("button", name="Vào").click()
    page.wait_for_selector("table.al")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "light"), (1280, "dark"), (1920, "light")])
def test_the_table_of_alarms_is_whole_on_every_screen(width: int, scheme: str, browser: Browser, room: Site) -> None:
    with opened(browser, room.base, width, scheme) as page:
        shot(page, f"operator-login-{width}-{scheme}")
        enter(page, room)
        shot(page, f"operator-{width}-{scheme}", whole=width == 390)

        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert hosts(page) == {room.base}
        assert page.troubles == []  # type: ignore[attr-defined]
        page.goto(f"{room.base}/en")
        shot(page, f"operator-en-{width}-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_duty_room(scheme: str, browser: Browser, room: Site) -> None:
    with opened(browser, room.base, 1280, scheme) as page:
        assert serious(page) == []
        enter(page, room)

        assert serious(page) == []
        assert [each for each in page.evaluate(CONTRAST) if each["ratio"] < 4.5] == []


def test_an_operator_takes_an_alarm_without_a_script(browser: Browser, room: Site) -> None:
    with opened(browser, room.base, java_script_enabled=False) as page:
        enter(page, room)

        page.get_by_role("button", name="Nhận Phú Ốc").click()

        assert page.locator(".said").inner_text() == "Đã ghi: đã nhận báo động"
        assert page.locator("tr", has_text="Phú Ốc").first.locator(".hd").first.inner_text() == "Đã nhận"


def test_the_open_table_follows_what_others_do(browser: Browser, room: Site) -> None:
    with opened(browser, room.base) as page:
        enter(page, room)
        alarms = room.act("/act/alarms")[1]["alarms"]
        phu_oc = next(each["id"] for each in alarms if each["station"] == "phu-oc")

        room.act("/act/acknowledge", {"alarm": phu_oc, "by": "Trực ban 1"})

        expect(page).to_have_title(re.compile(r"^\(2\)"))
        assert "Trực ban 1" in page.locator("tr", has_text="Phú Ốc").first.inner_text()


def test_an_operator_closes_a_dead_gauge_and_silences_another(browser: Browser, room: Site) -> None:
    with opened(browser, room.base) as page:
        enter(page, room)

        page.locator("tr", has_text="Truồi").first.locator("summary", has_text="Đóng").click()
        page.locator("tr", has_text="Truồi").first.get_by_label("Lý do").last.fill("trạm bị cuốn trôi")
        page.get_by_role("button", name="Đóng Truồi").click()
        page.wait_for_selector(".said")
        page.locator("tr", has_text="Thượng Nhật").first.locator("summary", has_text="Tắt tiếng").click()
        page.locator("tr", has_text="Thượng Nhật").first.get_by_label("Lý do").fill("đã xác minh")
        page.get_by_role("button", name="Tắt tiếng Thượng Nhật").click()
        page.wait_for_selector("text=Tắt tiếng đến")
        shot(page, "operator-acted-1280-light", whole=True)

        assert "trạm bị cuốn trôi" in page.locator("#ended").inner_text()
        assert "đã xác minh (Trực ban 2)" in page.inner_text("body")


def test_the_duty_room_of_an_exercise_looks_like_one(browser: Browser, tmp_path: Path, city: Any, scenes: ModuleType) -> None:
    with scenes.duty_room(scenes.DutyRoom(tmp_path / "data", city), scenes.exercise()) as room, opened(browser, room.base) as page:
        enter(page, room)
        shot(page, "operator-exercise-1280-light")

        assert page.locator(".drill").inner_text().startswith("DIỄN TẬP")
