"""Exports with what real ones have beside the usual: variants, guests, refunds, several paths, feeds of other forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wareloom.readers import read
from wareloom.shop import Shop

DOCS = Path(__file__).parents[2] / "docs" / "formats.md"


def shop_of(tmp_path: Path, files: dict[str, str], text: str = "") -> Shop:
    source = tmp_path / "in"
    source.mkdir()
    for name, content in files.items():
        (source / name).write_text(content)
    (tmp_path / "map.toml").write_text(text)
    settings = {"map": str(tmp_path / "map.toml")} if text else {}
    return read(source, to=tmp_path / "shop", settings=settings)


def told(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "shop" / "read.json").read_text())


def documented(name: str) -> str:
    """The maps that the documents give for a system."""
    text = DOCS.read_text(encoding="utf-8")
    start = text.index(f"    # {name}:")
    block = text[start:].partition("\n\n    # ")[0].partition("\n## ")[0]
    return "\n".join(line.removeprefix("    ") for line in block.split("\n"))


SHOPIFY = """Handle,Title,Body (HTML),Vendor,Product Category,Type,Option1 Name,Option1 Value,Option2 Name,\
Option2 Value,Variant SKU,Variant Price,Image Src,Image Position
tee,Tee,<p>Soft</p>,Acme,Apparel & Accessories > Clothing,Tees,Colour,Red,Size,M,T-M,20.00,https://x/1.jpg,1
tee,,,,,,,Red,,L,,21.00,https://x/2.jpg,2
tee,,,,,,,,,,,,https://x/3.jpg,3
sticker,Sticker,,Acme,,Paper,Title,Default Title,,,,5.00,,
mug,Mug,,Acme,,Home,Title,Default Title,,,'0012,9.00,,
"""
SHOPIFY_ORDERS = """Name,Email,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku
#1,a@x.org,2024-03-01 10:00:00 +0100,1,Tee - Red / L,21.00,
#1,,,1,Sticker,5.00,
#1,,,1,Mug,9.00,0012
"""


def test_variants_of_shopify_are_whole_and_called_as_orders_call_them(tmp_path: Path) -> None:
    files = {"products_export.csv": SHOPIFY, "orders_export.csv": SHOPIFY_ORDERS}
    shop = shop_of(tmp_path, files)
    assert shop.table("items").select("item_id", "title", "brand", "price").rows() == [
        ("T-M", "Tee", "Acme", 20.0),
        ("Tee - Red / L", "Tee", "Acme", 21.0),
        ("Sticker", "Sticker", "Acme", 5.0),
        ("0012", "Mug", "Acme", 9.0),
    ]
    categories = shop.table("items")["category"].to_list()
    assert categories[0] == categories[1] == ["Apparel & Accessories", "Clothing"]
    assert shop.table("events")["item_id"].to_list() == ["Tee - Red / L", "Sticker", "0012"]
    assert told(tmp_path)["skipped"] == {"rows of products that hold a further picture": 1}


WOO_PRODUCTS = """ID,Type,SKU,Name,Description,Regular price,Sale price,Categories,Images,Parent,Brands
7,simple,M,Mug,A mug,10,8,"Home > Mugs, Gifts > For her","https://x/1.jpg, https://x/2.jpg",,Acme
8,variable,TEE,Tee,Soft,,,Clothing > Tees,https://x/t.jpg,,Acme
81,variation,TEE-S,Tee - S,,20,,,,TEE,
82,variation,TEE-M,Tee - M,,21,,,https://x/m.jpg,id:8,
"""


def test_variations_of_woocommerce_have_what_their_parents_have(tmp_path: Path) -> None:
    items = shop_of(tmp_path, {"wc-product-export.csv": WOO_PRODUCTS}).table("items")
    assert items.select("item_id", "description", "category", "brand", "price", "image").rows() == [
        ("7", "A mug", ["Home", "Mugs"], "Acme", 8.0, "https://x/1.jpg"),
        ("8", "Soft", ["Clothing", "Tees"], "Acme", None, "https://x/t.jpg"),
        ("81", "Soft", ["Clothing", "Tees"], "Acme", 20.0, "https://x/t.jpg"),
        ("82", "Soft", ["Clothing", "Tees"], "Acme", 21.0, "https://x/m.jpg"),
    ]


def test_the_state_of_an_order_reaches_lines_that_have_their_users(tmp_path: Path) -> None:
    files = {
        "wc_order_product_lookup.csv": "order_id,product_id,customer_id,date_created,product_qty,product_net_revenue\n"
        "10,7,3,2024-03-01 10:00:00,2,19\n11,8,4,2024-03-02 10:00:00,1,5\n",
        "wc_order_stats.csv": "order_id,date_created,net_total,status,customer_id\n"
        "10,2024-03-01 10:00:00,19,wc-completed,3\n11,2024-03-02 10:00:00,5,wc-cancelled,4\n",
    }
    events = shop_of(tmp_path, files).table("events")
    assert events.select("user_id", "session_id", "item_id", "value").rows() == [
        ("3", "10", "7", 19.0)
    ]
    assert told(tmp_path)["skipped"] == {"lines of orders that were refunded or cancelled": 1}
    assert told(tmp_path)["joined"] == {"wc_order_product_lookup.csv": ["wc_order_stats.csv"]}


MAGENTO = """"item_id","order_id","parent_item_id","product_id","product_type","sku","name","description",\
"qty_ordered","price","row_total","created_at"
"1","5",NULL,"70","configurable","TEE-M","Tee",NULL,"1.0000","16.8067","16.8067","2024-03-01 10:00:00"
"2","5","1","71","simple","TEE-M","Tee M",NULL,"1.0000","0.0000","0.0000","2024-03-01 10:00:00"
"3","6",NULL,"80","simple","MUG","Mug",NULL,"2.0000","8.4034","16.8068","2024-03-02 10:00:00"
"""
MAGENTO_ORDERS = """"entity_id","status","customer_id","customer_email","created_at"
"5","complete",NULL,"jo@x.org","2024-03-01 10:00:00"
"6","complete","9","al@x.org","2024-03-02 10:00:00"
"""


def test_guests_and_names_of_magento(tmp_path: Path) -> None:
    files = {"sales_order_item.csv": MAGENTO, "sales_order.csv": MAGENTO_ORDERS}
    shop = shop_of(tmp_path, files)
    users = shop.table("events")["user_id"].to_list()
    assert users[0].startswith("e-")
    assert "@" not in users[0]
    assert users[1] == "9"
    assert shop.table("items").select("item_id", "title").rows() == [("70", "Tee"), ("80", "Mug")]
    assert not shop.has("items", "category")


ATOM = """<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>
<entry><g:id>1</g:id><title><![CDATA[Tee & more]]></title><g:price>19,90 EUR</g:price>
<g:google_product_category>212</g:google_product_category><g:product_type>Mode &gt; Tees</g:product_type>
<g:product_type>Neu</g:product_type>
<g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping></entry>
<entry><g:id>2</g:id><title>Mug</title><g:price>7,50 EUR</g:price>
<g:google_product_category>Home &gt; Mugs</g:google_product_category></entry>
<entry><g:id>3</g:id><title>Cup</title><g:price>5,50 EUR</g:price>
<g:google_product_category>638</g:google_product_category></entry></feed>
"""


def test_a_feed_of_atom_with_several_types(tmp_path: Path) -> None:
    items = shop_of(tmp_path, {"feed.xml": ATOM}).table("items")
    assert items.select("item_id", "title", "category", "price").rows() == [
        ("1", "Tee & more", ["Mode", "Tees"], 19.9),
        ("2", "Mug", ["Home", "Mugs"], 7.5),
        ("3", "Cup", None, 5.5),
    ]
    extra = {a["name"]: a["value"] for a in items["attributes"].to_list()[0]}
    assert extra["shipping"] == "DE 4.90 EUR"


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        ("Home > Kitchen > Mugs, Gifts > Mugs", ["Home", "Kitchen", "Mugs"]),
        ("Tyres, Wheels > Cars", ["Tyres, Wheels", "Cars"]),
        ("Home > Mugs, Cups", ["Home", "Mugs, Cups"]),
        ("Mugs", ["Mugs"]),
    ],
)
def test_of_several_paths_the_first_is_the_category(
    tmp_path: Path, cell: str, path: list[str]
) -> None:
    text = f"id\ttitle\tprice\tproduct type\n1\tMug\t5.00 USD\t{cell}\n"
    assert shop_of(tmp_path, {"feed.tsv": text}).table("items")["category"].to_list() == [path]


def test_visitors_who_are_not_logged_in_are_users(tmp_path: Path) -> None:
    text = (
        "id,anonymous_id,user_id,event,product_id,timestamp\n"
        "1,a1,,product_viewed,M,2024-03-01 10:00:00\n2,a2,u9,product_viewed,M,2024-03-01 10:01:00\n"
    )
    events = shop_of(tmp_path, {"product_viewed.csv": text}).table("events")
    assert events["user_id"].to_list() == ["a1", "u9"]
    assert "where user_id is empty, anonymous_id stands for it" in told(tmp_path)["said"][0]


def test_a_catalogue_of_descriptions_has_titles(tmp_path: Path) -> None:
    files = {
        "dh_transactions.csv": "upc,dollar_sales,units,time_of_transaction,household,basket,day\n"
        "2,0.8,1,1100,h1,1,2\n1,3.5,2,0905,h1,2,1\n1,3.5,1,0800,h1,3,1\n",
        "dh_product_lookup.csv": "upc,product_description,brand\n1,LINGUINE,Viva\n2,SAUCE,Classico\n",
    }
    shop = shop_of(tmp_path, files)
    assert shop.table("items")["title"].to_list() == ["LINGUINE", "SAUCE"]
    assert shop.table("events").select("session_id", "value").rows() == [
        ("3", 3.5),
        ("2", 3.5),
        ("1", 0.8),
    ]


def item(id_: str, **cells: Any) -> dict[str, Any]:
    usual = {"item_name": None, "item_brand": None, "price": None, "quantity": None}
    return {"item_id": id_} | usual | {"item_list_index": "(not set)"} | cells


GA4 = [
    {
        "event_timestamp": 1709280000000000 + n,
        "event_name": name,
        "user_pseudo_id": "1.2",
        "event_params": [
            {"key": "ga_session_id", "value": {"string_value": None, "int_value": 77}}
        ],
        "ecommerce": {"transaction_id": None},
        "items": items,
    }
    for n, (name, items) in enumerate(
        [
            ("view_item", [item("M", item_name="Mug", item_brand="(not set)", price=10.0)]),
            ("purchase", [item("M", item_brand="Potters", price=10.0, quantity=2), item("C", price=5.0)]),
            ("refund", [item("M", price=10.0, quantity=2)]),
        ]
    )
]  # fmt: skip


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_items_of_analytics_are_made_of_all_their_events(tmp_path: Path, kind: str) -> None:
    source = tmp_path / f"events_20240301.{kind}"
    if kind == "json":
        source.write_text("\n".join(map(json.dumps, GA4)))
    else:
        pl.DataFrame(GA4).write_parquet(source)
    shop = read(source, to=tmp_path / "shop", on_error="reject")
    assert shop.table("events").select("event", "item_id", "quantity", "value").rows() == [
        ("view_item", "M", None, 10.0),
        ("purchase", "M", 2.0, 20.0),
        ("purchase", "C", None, 5.0),
    ]
    assert shop.table("items").select("item_id", "title", "brand").rows() == [
        ("M", "Mug", "Potters"),
        ("C", None, None),
    ]


def test_segment_by_the_documented_map(tmp_path: Path) -> None:
    calls = [
        ("Product Viewed", {"product_id": "M", "name": "Mug", "price": 10}),
        ("Order Completed", {"order_id": "o1", "products": [
            {"product_id": "M", "quantity": 2}, {"product_id": "C", "quantity": 1}]}),
    ]  # fmt: skip
    lines = [
        {"anonymousId": "a", "type": "track", "event": e, "timestamp": "2024-03-01T10:00:00.5Z"}
        | {"properties": p}
        for e, p in calls
    ]
    lines.append({"anonymousId": "b", "type": "page", "timestamp": "2024-03-01T10:00:01Z"})
    files = {"track.jsonl": "\n".join(map(json.dumps, lines))}
    events = shop_of(tmp_path, files, documented("Segment")).table("events")
    assert events.select("session_id", "item_id", "event", "quantity").rows() == [
        (None, "M", "view_item", None),
        ("o1", "M", "purchase", 2.0),
        ("o1", "C", "purchase", 1.0),
    ]


def test_matomo_by_the_documented_map(tmp_path: Path) -> None:
    bought = [
        {"itemSKU": "M", "itemName": "Mug", "itemCategory": "Home", "price": "20", "quantity": "2"},
        {"itemSKU": "007", "itemName": "Cup", "price": 5.5, "quantity": 1},
    ]
    actions = [
        {"type": "action", "timestamp": 1709280000},
        {"type": "ecommerceAbandonedCart", "timestamp": 1709280050, "itemDetails": bought[:1]},
        {"type": "ecommerceOrder", "timestamp": 1709280060, "itemDetails": bought},
    ]
    visit = {"idVisit": "7", "visitorId": "v", "visitIp": "1.2.3.0", "actionDetails": actions}
    nothing = {"idVisit": "8", "visitorId": "w", "actionDetails": []}
    files = {
        "visits-1.json": json.dumps([visit, nothing]),
        "visits-2.json": json.dumps([nothing]),
    }
    shop = shop_of(tmp_path, files, documented("Matomo"))
    assert shop.table("events").select("user_id", "item_id", "quantity").rows() == [
        ("v", "M", 2.0),
        ("v", "007", 1.0),
    ]
    # What the visit says is no attribute of its items.
    assert shop.table("items").drop("origin", "weight").rows() == [
        ("M", "Mug", ["Home"], 20.0),
        ("007", "Cup", None, 5.5),
    ]


AMAZON = """amazon-order-id\tpurchase-date\torder-status\tproduct-name\tsku\tasin\tquantity\tcurrency\titem-price
1\t2024-03-01T10:00:00+00:00\tShipped\tMug, red\tM-1\tB01\t2\tEUR\t19.98
1\t2024-03-01T10:00:00+00:00\tShipped\tCup\tC-1\tB02\t1\tEUR\t5.00
2\t2024-03-01T11:00:00+00:00\tCancelled\tCup\tC-1\tB02\t1\tEUR\t
"""


def test_orders_of_a_marketplace_whose_price_is_the_line_s(tmp_path: Path) -> None:
    events = shop_of(tmp_path, {"orders.tsv": AMAZON}).table("events")
    assert events.select("session_id", "item_id", "quantity", "value").rows() == [
        ("1", "B01", 2.0, 19.98),
        ("1", "B02", 1.0, 5.0),
    ]


def test_an_item_id_beside_a_product_id_is_the_number_of_a_line(tmp_path: Path) -> None:
    text = (
        "Order ID,Customer ID,Item Type,Item ID,Product ID,Product Name,Quantity,Item Total\n"
        "10,3,line_item,1,7,Mug,2,19.00\n10,3,shipping,2,,Flat rate,1,4.9\n11,4,line_item,3,7,Mug,1,9.5\n"
    )
    shop = shop_of(tmp_path, {"order_items.csv": text})
    assert shop.table("events").select("item_id", "value").rows() == [("7", 19.0), ("7", 9.5)]
    assert shop.table("items").select("item_id", "title").rows() == [("7", "Mug")]
    assert told(tmp_path)["skipped"] == {"lines that are no products": 1}


def test_a_map_may_take_the_price_for_the_value(tmp_path: Path) -> None:
    text = "order_id,user_id,sku,qty,price\n1,u,a,2,10\n1,u,b,1,10\n2,v,a,1,4\n"
    of_map = '[[table]]\nfile = "orders.csv"\ntable = "events"\ncolumns = { value = "price" }\n'
    events = shop_of(tmp_path, {"orders.csv": text}, of_map).table("events")
    assert events["value"].to_list() == [10.0, 10.0, 4.0]
