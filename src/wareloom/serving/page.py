"""The one-page shop: a search box, a shopper's page, and why each item stands where it stands."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FILES = {"/": "shop.html", "/shop.css": "shop.css", "/shop.js": "shop.js"}
KINDS = {
    "shop.html": b"text/html; charset=utf-8",
    "shop.css": b"text/css; charset=utf-8",
    "shop.js": b"text/javascript; charset=utf-8",
}


@cache
def page(path: str) -> tuple[bytes, bytes]:
    """Type and content of one of its files."""
    name = FILES[path]
    return KINDS[name], (Path(__file__).parent / "shop_page" / name).read_bytes()
