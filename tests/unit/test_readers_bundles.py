"""Bundles in orders: whatever names the parts, the line that was bought counts once, at what was paid for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wareloom.readers import read

PARTS = "lines that are parts of a line of the same order"


def events(tmp_path: Path, text: str) -> list[tuple[Any, ...]]:
    (tmp_path / "order_items.csv").write_text(text)
    shop = read(tmp_path / "order_items.csv", to=tmp_path / "shop")
    return shop.table("events").select("session_id", "item_id", "quantity", "value").rows()


def told(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "shop" / "read.json").read_text())


WOO = "order_id,customer_id,order_item_type,product_id,qty,line_total,"
CASES = {
    # WooCommerce Product Bundles: the whole has the price.
    "bundle": WOO + "_bundle_cart_key,_bundled_by\n"
    "1,7,line_item,B,1,30,k1,\n1,7,line_item,p,1,0,k2,k1\n1,7,line_item,q,2,0,k3,k1\n1,7,line_item,m,1,5,,\n"
    "1,7,shipping,flat,1,4,,\n",
    # Its parts have the price, of their own: what was paid is all of it.
    "bundle of priced parts": WOO + "_bundle_cart_key,_bundled_by,_bundled_item_priced_individually\n"
    "1,7,line_item,B,1,10,k1,,\n1,7,line_item,p,1,12,k2,k1,yes\n1,7,line_item,q,2,8,k3,k1,yes\n"
    "1,7,line_item,m,1,5,,,\n",
    # A composite is an empty box; the keys of lines are not exported.
    "composite": WOO + "Composite Parent\n"
    "1,7,line_item,B,1,0,\n1,7,line_item,p,1,25,k1\n1,7,line_item,q,2,5,k1\n1,7,line_item,m,1,5,\n",
    # WPC Product Bundles name the product of the whole.
    "of products": WOO + "_woosb_parent_id\n"
    "1,7,line_item,B,1,30,\n1,7,line_item,p,1,0,B\n1,7,line_item,q,2,0,B\n1,7,line_item,m,1,5,\n",
    # Magento's bundle of dynamic price has what its parts come to.
    "magento": "item_id,order_id,parent_item_id,customer_id,product_id,product_type,qty_ordered,price,row_total\n"
    "1,1,,7,B,bundle,1,30,30\n2,1,1,7,p,simple,1,20,20\n3,1,1,7,q,simple,2,5,10\n4,1,,7,m,simple,1,5,5\n",
    # Lines are numbered in each order, and a whole names itself or nothing.
    "numbered": "order_id,line_id,parent_line_id,customer_id,sku,quantity,price\n"
    "1,1,1,7,B,1,0\n1,2,1,7,p,1,20\n1,3,1,7,q,2,5\n1,4,0,7,m,1,5\n",
    # A part is itself an empty box.
    "boxes in boxes": "order_id,line_id,parent_line_id,customer_id,sku,quantity,price\n"
    "1,1,,7,B,1,0\n1,2,1,7,p,1,0\n1,3,2,7,q,3,10\n1,4,,7,m,1,5\n",
    "numbered with commas": "order_id;line_id;parent_line_id;customer_id;sku;quantity;line_total\n"
    "1;1;;7;B;1;0,00\n1;2;1;7;p;1;20,00\n1;3;1;7;q;2;10,00\n1;4;;7;m;1;5,00\n",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_bundle_counts_once_at_what_was_paid(tmp_path: Path, case: str) -> None:
    assert events(tmp_path, CASES[case]) == [("1", "B", 1.0, 30.0), ("1", "m", 1.0, 5.0)]
    assert told(tmp_path)["skipped"][PARTS] == 2


def test_lines_of_other_orders_are_no_wholes(tmp_path: Path) -> None:
    text = (
        "order_id,line_id,parent_line_id,customer_id,sku,quantity,price\n"
        "1,1,,7,a,1,3.5\n2,2,1,7,b,1,4\n3,1,,8,c,1,5\n3,2,9,8,d,1,6\n"
    )
    assert [e[1] for e in events(tmp_path, text)] == ["a", "b", "c", "d"]
    assert PARTS not in told(tmp_path)["skipped"]


def test_a_price_that_is_no_number_is_not_hidden_by_the_sum(tmp_path: Path) -> None:
    text = (
        "order_id,line_id,parent_line_id,customer_id,sku,quantity,price\n"
        "1,1,,7,B,1,0\n1,2,1,7,p,3,1.125\n1,3,,7,m,1,cheap\n"
    )
    (tmp_path / "orders.csv").write_text(text)
    shop = read(tmp_path / "orders.csv", to=tmp_path / "shop", on_error="reject")
    assert shop.table("events")["value"].to_list() == [3.375, None]
    assert told(tmp_path)["blanked"] == {"events": {"value: not a number": 1}}
    assert "have no price beside their parts' prices" in told(tmp_path)["said"][-1]
