"""The console in Chromium: signing in, rolling back, signing out; axe-core, wide and narrow, light and dark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_serve import Asked, served

from stores import made_store
from wareloom.serving.versions.store import Store
from wareloom.serving.web.people import People

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium"),
    pytest.mark.slow,
]
WORD = "correct horse battery"
OVER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
KEPT = os.environ.get("WARELOOM_PICTURES", "")
"""A folder in which pictures of the page are left to look at"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("console")
    made_store(place, "popularity")
    made_store(place, "popularity", slot="basket")
    found = made_store(place, "transitions")
    People(found / "people.json").add("ann", WORD)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        own = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield own
        own.close()


def violations(tab: Any) -> list[tuple[str, str, str]]:
    """What axe-core finds: rule, impact, and the first place."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab).response["violations"]
    return [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found]


def picture(tab: Any, name: str) -> None:
    if KEPT:
        tab.screenshot(path=f"{KEPT}/console-{name}.png", full_page=True)


def signed_in(browser: Any, port: int, **how: Any) -> Any:
    tab = browser.new_context(**how).new_page()
    tab.goto(f"http://127.0.0.1:{port}/console")
    tab.fill("#person", "ann")
    tab.fill("#password", WORD)
    tab.press("#password", "Enter")
    tab.wait_for_selector("#console:not([hidden])")
    return tab


def test_the_page_is_for_everybody(store: Path, browser: Any) -> None:
    with served(store) as (port, _):
        with Asked(port) as client:
            event = {"id": "e1", "event": "view_item", "item_id": "i3", "session_id": "s"}
            client.post("/events", events=[event])
            client.post("/recommend", session="s")
        for width, scheme in ((360, "light"), (1280, "light"), (360, "dark"), (1280, "dark")):
            how = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
            # axe-core is put into the page, whose policy would not let it run.
            tab = browser.new_context(bypass_csp=True, **how).new_page()
            tab.goto(f"http://127.0.0.1:{port}/console")
            tab.wait_for_selector("#sign-in:not([hidden])")
            assert violations(tab) == []
            picture(tab, f"sign-in-{width}-{scheme}")
            tab = signed_in(browser, port, bypass_csp=True, **how)
            for one in tab.query_selector_all("summary"):
                one.click()
            assert violations(tab) == []
            assert tab.evaluate(OVER) <= 0
            picture(tab, f"{width}-{scheme}")
            tab.context.close()


def test_somebody_signs_in_rolls_back_and_signs_out(store: Path, browser: Any) -> None:
    before = Store(store).history("home")
    with served(store) as (port, _):
        said: list[str] = []
        tab = browser.new_context().new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.goto(f"http://127.0.0.1:{port}/console")
        tab.fill("#person", "ann")
        tab.fill("#password", "a wrong password")
        tab.press("#password", "Enter")
        tab.wait_for_selector("#state:has-text('wrong')")
        tab.fill("#password", WORD)
        tab.press("#password", "Enter")
        tab.wait_for_selector("#console:not([hidden])")
        assert before[-1].live in tab.text_content("#slots")
        tab.click("[aria-label='Roll back home']")
        assert Store(store).history("home")[-1].live == before[-1].live
        tab.click("[aria-label='Roll back home']")
        tab.wait_for_selector("#state:has-text('again')")
        assert Store(store).history("home")[-1].live == before[0].live
        assert tab.is_disabled("[aria-label='Roll back basket']")
        assert not tab.evaluate("document.cookie")
        tab.reload()
        tab.wait_for_selector("#console:not([hidden])")
        tab.click("#out")
        tab.wait_for_selector("#sign-in:not([hidden])")
        tab.reload()
        tab.wait_for_selector("#sign-in:not([hidden])")
        # The browser reports answers of 401, and nothing else: no policy was broken.
        assert all("401" in text for text in said), said
        tab.context.close()
