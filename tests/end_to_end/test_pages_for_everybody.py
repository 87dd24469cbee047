"""Pages in Chromium, from a phone to a wide screen, in light and dark: axe-core, the keyboard, and paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from page_samples import NAMES, page

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
WIDTHS = (360, 768, 1440)
SCHEMES = ("light", "dark")
OPEN = "for (const each of document.querySelectorAll('details')) each.open = true"
OVER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FOCUSED = "document.activeElement.outerHTML.slice(0, 80)"
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        own = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield own
        own.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens a page of HTML with all that is folded unfolded; axe-core may be put into it, whatever its policy."""
    context = browser.new_context(bypass_csp=True)

    def open_(html: str) -> Any:
        place = tmp_path / "page.html"
        place.write_text(html, encoding="utf-8")
        tab = context.new_page()
        tab.goto(place.as_uri())
        tab.evaluate(OPEN)
        return tab

    yield open_
    context.close()


def violations(tab: Any) -> list[tuple[str, str, str]]:
    """What axe-core finds: rule, impact, and the first place."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab).response["violations"]
    return [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing_at_any_width_in_light_and_dark(name: str, opened: Any) -> None:
    tab = opened(page(name))
    for scheme in SCHEMES:
        tab.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            assert violations(tab) == [], (scheme, width)


@pytest.mark.slow
def test_axe_finds_nothing_in_chinese_and_in_charts_that_answer_the_pointer(opened: Any) -> None:
    for shown in (page("system", "zh"), page("attacks", "zh"), page("search", interactive=True)):
        tab = opened(shown)
        tab.set_viewport_size({"width": 360, "height": 900})
        assert [one for one in violations(tab) if one[1] in ("serious", "critical")] == []


def test_axe_sees_what_is_wrong(opened: Any) -> None:
    bad = '<p style="color:#aaa;background:#fff">grey</p><img src="data:," ><div tabindex=0 role=img></div>'
    rules = {rule for rule, _, _ in violations(opened(f"<html><body>{bad}</body></html>"))}
    assert {"color-contrast", "image-alt", "html-has-lang"} <= rules


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaves_the_smallest_screen(name: str, opened: Any) -> None:
    tab = opened(page(name))
    tab.set_viewport_size({"width": 320, "height": 700})
    assert tab.evaluate(OVER) <= 0
    cut = """[...document.querySelectorAll('figure svg *')].filter(each => {
      const box = each.getBoundingClientRect();
      return box.width && (box.right > innerWidth + 1 || box.left < -1);
    }).map(each => each.outerHTML.slice(0, 90))"""
    assert tab.evaluate(cut) == []


def test_dark_is_dark_and_paper_is_white(opened: Any) -> None:
    tab = opened(page("recommendation"))
    colour = "getComputedStyle(document.body).backgroundColor"
    tab.emulate_media(color_scheme="light")
    light = tab.evaluate(colour)
    tab.emulate_media(color_scheme="dark")
    dark = tab.evaluate(colour)
    tab.emulate_media(color_scheme="dark", media="print")
    assert max(map(int, dark[4:-1].split(", "))) < 60 < min(map(int, light[4:-1].split(", ")))
    assert tab.evaluate(colour) == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.querySelector('h1')).color") != dark
    assert tab.pdf(format="A4")[:5] == b"%PDF-"


def test_the_keyboard_reaches_everything_and_leaves_again(opened: Any) -> None:
    tab = opened(page("recommendation"))
    tab.keyboard.press("Tab")
    assert "skip" in tab.evaluate(FOCUSED)
    assert tab.evaluate("document.activeElement.getBoundingClientRect().top") >= 0, "it is seen"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "content"
    wanted = tab.evaluate(
        "document.querySelectorAll('main a, main summary, main [tabindex=\"0\"]').length"
    )
    reached = []
    for _ in range(wanted + 5):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement === document.body"):
            break
        reached.append(
            tab.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
        )
        outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", tab.evaluate(FOCUSED)
    assert reached == sorted(set(reached)), "in the order of the page, nothing twice"
    assert len(reached) == wanted
