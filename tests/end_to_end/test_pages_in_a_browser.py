"""Reports of a hostile shop in a real browser: no handler runs, no request leaves."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tiny_export import wareloom

from conftest import small_shop
from wareloom.report import render
from wareloom.report.comparison import comparison_page
from wareloom.shop import Shop

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
PAYLOADS = (
    "<img src=x onerror=\"document.title='RAN'\">",
    "</script><script>document.title='RAN'</script>",
    "<svg onload=document.title='RAN'>",
    '"><iframe src=http://canary.invalid/frame></iframe>',
    "' onmouseover='document.title=`RAN`' autofocus onfocus='document.title=`RAN`",
    "<link rel=stylesheet href=http://canary.invalid/style>",
    "<!--<script>document.title='RAN'</script>-->",
    "<a href=\"javascript:document.title='RAN'\">a</a>",
    "{{7*7}}${document.title='RAN'}",
    "\u2028\u2029</style><style>@import 'http://canary.invalid/css';</style>",
    "<base href=http://canary.invalid/><meta http-equiv=refresh content='0;url=http://canary.invalid/m'>",
)
HOSTILE = "".join(PAYLOADS)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A proxy on loopback that answers nothing: its address, and whatever the browser asks of anybody."""
    found: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def any(self) -> None:
            found.append(self.path)
            self.send_error(404)

        do_GET = do_POST = do_CONNECT = do_HEAD = do_OPTIONS = any

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", found
    server.shutdown()
    server.server_close()
    thread.join()


def opened(page: Path, proxy: str) -> str:
    """The document that a browser makes of a page, scripts run."""
    assert BROWSER is not None
    quiet = "background-networking component-update sync default-apps extensions client-side-phishing-detection"
    words = [
        *(
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--metrics-recording-only",
        ),
        *(f"--disable-{name}" for name in quiet.split()),
        f"--user-data-dir={page.parent / 'profile'}",
        f"--proxy-server=http://{proxy}",
        "--proxy-bypass-list=<-loopback>",
        "--virtual-time-budget=5000",
        "--dump-dom",
        page.as_uri(),
    ]
    done = subprocess.run([BROWSER, *words], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.decode("utf-8", "replace")


def own(asked: list[str]) -> list[str]:
    """Requests but for the browser's own to its makers."""
    makers = ("google", "gstatic", "gvt1", "googleapis", "chromium.org")
    return [path for path in asked if not any(maker in path for maker in makers)]


def hostile_shop(folder: Path) -> Path:
    """A shop whose every name is hostile."""
    shop = small_shop(users=60)
    payload = pl.lit(HOSTILE)
    named = {name: shop.table(name) for name in shop.names}
    for name, frame in named.items():
        texts = {"title", "brand", "user_id", "item_id", "session_id"} & set(frame.columns)
        frame = frame.with_columns(pl.col(c) + payload for c in sorted(texts))
        if "category" in frame.columns:
            frame = frame.with_columns(pl.col("category").list.eval(pl.element() + payload))
        named[name] = frame
    Shop(named, {"name": HOSTILE, "currency": HOSTILE, "language": HOSTILE}).save(folder)
    return folder


def leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where texts stand in nested values."""
    if isinstance(value, str):
        yield place
    elif isinstance(value, dict | list):
        for key, held in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(held, (*place, key))


def poisoned(
    data: dict[str, Any], page: Callable[[dict[str, Any]], str]
) -> tuple[dict[str, Any], int]:
    """The data with the payload behind every text that a page can be made of, and the number of their kinds."""
    kinds: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for place in leaves(data):
        kinds.setdefault(tuple("*" if isinstance(k, int) else k for k in place), []).append(place)
    count = 0
    for places in kinds.values():
        tried = copy.deepcopy(data)
        for place in places:
            held: Any = tried
            for key in place[:-1]:
                held = held[key]
            held[place[-1]] += HOSTILE
        try:
            page(tried)
        except (KeyError, ValueError, StopIteration, TypeError, IndexError, AttributeError):
            # A word that the page looks something up by.
            continue
        data, count = tried, count + 1
    return data, count


def test_the_watch_sees_what_runs(tmp_path: Path, asked: tuple[str, list[str]]) -> None:
    address, found = asked
    # But for the last, which leads away from the page.
    text = f"<title>still</title><body>{''.join(PAYLOADS[:-1])}</body>"
    (tmp_path / "a.html").write_text(text)
    assert "<title>RAN</title>" in opened(tmp_path / "a.html", address)
    assert any("canary.invalid" in path for path in own(found))


@pytest.mark.slow
def test_reports_of_a_hostile_shop(tmp_path: Path, asked: tuple[str, list[str]]) -> None:
    address, found = asked
    shop = hostile_shop(tmp_path / "shop")
    for words in (
        ("synth", "markov", shop, "--to", tmp_path / "synth", "--users", 40, "-q"),
        ("compare", shop, tmp_path / "synth", "--to", tmp_path / "compare", "-q"),
        ("prove", shop, "--to", tmp_path / "proof", "--seeds", 1, "--ratios", 0.5, "-q"),
    ):
        said = wareloom(*words)
        assert said.code in (0, 1), said.err
    pages = [tmp_path / "compare" / "compare.html", tmp_path / "proof" / "report.html"]
    for name, folder, page, least in (
        ("compare.json", "compare", comparison_page, 5),
        ("proof.json", "proof", render, 20),
    ):
        data, kinds = poisoned(json.loads((tmp_path / folder / name).read_text()), page)
        assert kinds >= least
        pages.append(tmp_path / f"{folder}.html")
        pages[-1].write_text(page(data), encoding="utf-8")
        assert "RAN" in pages[-1].read_text(encoding="utf-8")
    for path in pages:
        document = opened(path, address)
        assert "<title>RAN</title>" not in document, path
        assert "<figure" in document
        assert "<script" not in document.replace("&lt;script", ""), path
        assert "<iframe" not in document.replace("&lt;iframe", ""), path
        assert own(found) == [], path
