"""The page on which dialogues are read: what it shows, in both languages, and what of a text it lets through."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from wareloom.errors import InputError
from wareloom.report.talks import save_talks, talks_page
from wareloom.shop import Shop
from wareloom.testing.talks import spoken, talks


def test_a_page_shows_the_first_dialogues_with_their_slots(tmp_path: Path) -> None:
    shop = spoken(30, 3)
    page = talks_page(shop, 20)
    assert page == talks_page(shop, 20)
    assert page.count('<ol class="talk"') == 20
    assert "20 of 30 synthetic dialogues" in page
    assert '<u title="item.price">$19.5</u>' in page
    assert "<script" not in page
    save_talks(shop, tmp_path / "talks.html", 5)
    assert (tmp_path / "talks.html").read_text().count('<ol class="talk"') == 5


def test_a_page_speaks_chinese_and_keeps_what_was_said() -> None:
    page = talks_page(talks(5, 1, "zh"), 5, "zh")
    assert "5 段合成对话中的 5 段" in page
    assert "顾客" in page
    assert 'lang="zh-Hans"' in page


def test_what_a_customer_typed_is_text() -> None:
    shop = talks(3)
    said = '<img src=x onerror=alert(1)> "\u202e'
    rows = shop.table("dialogues").with_columns(text=pl.lit(said), slots=None)
    page = talks_page(shop.with_tables(dialogues=rows.cast(dict(shop.table("dialogues").schema))))
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_shop_without_dialogues_has_nothing_to_read() -> None:
    with pytest.raises(InputError, match="no dialogues"):
        talks_page(Shop({"items": talks(1).table("items")}))
