"""Two small pages of plain files: a shop to try what is served, and the console of those who run it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FILES = {
    **dict.fromkeys(("/", "/shop.css", "/shop.js"), "page"),
    **dict.fromkeys(("/console", "/console/page.css", "/console/page.js"), ""),
}
"""Paths, with what is needed to see them"""
NAMES = {"/": "shop_page/shop.html", "/console": "console_page/page.html"}
KINDS = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
}


@cache
def page(path: str) -> tuple[bytes, bytes]:
    """Type and content of one of its files."""
    folder, _, last = path.rpartition("/")
    name = NAMES.get(path) or f"{'console' if folder else 'shop'}_page/{last}"
    return KINDS[name.rpartition(".")[2]], (Path(__file__).parent / name).read_bytes()
