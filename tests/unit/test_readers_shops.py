"""Exports of shop systems and analytics, as people have them: tiny invented ones, read as they come or with one map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wareloom.errors import SchemaError, SettingError, SourceError
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.testing.shops import small_shop


def shop_of(tmp_path: Path, files: dict[str, str], on_error: str = "stop", **settings: Any) -> Shop:
    source = tmp_path / "in"
    source.mkdir()
    for name, text in files.items():
        ((tmp_path if name == "map.toml" else source) / name).write_text(text, encoding="utf-8")
    if "map.toml" in files:
        settings["map"] = str(tmp_path / "map.toml")
    return read(source, to=tmp_path / "shop", settings=settings, on_error=on_error)


def told(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "shop" / "read.json").read_text(encoding="utf-8"))


def said(tmp_path: Path) -> str:
    return "\n".join(told(tmp_path)["said"])


SHOPIFY = """Name,Email,Financial Status,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku
#1,A@x.org,paid,35.00,2024-03-01 10:00:00 -0500,2,Mug,10.00,M
#1,,,,,1,Cup,15.00,C
#2,b@x.org,paid,10.00,2024-03-02 10:00:00 -0500,1,Mug,10.00,M
#3,c@x.org,refunded,20.00,2024-03-03 10:00:00 -0500,1,Mug,10.00,M
#3,,,,,1,Bowl,10.00,
#4,a@x.org,paid,9.00,2024-03-04 10:00:00 -0500,1,Bowl,9.00,
"""


def test_shopify_orders(tmp_path: Path) -> None:
    events = shop_of(tmp_path, {"orders_export_1.csv": SHOPIFY}).table("events")
    assert events.select("session_id", "item_id", "quantity", "value").rows() == [
        ("#1", "M", 2.0, 20.0),
        ("#1", "C", 1.0, 15.0),
        ("#2", "M", 1.0, 10.0),
        ("#4", "Bowl", 1.0, 9.0),
    ]
    users = events["user_id"].to_list()
    assert users[0] == users[1] == users[3] != users[2]
    assert not any("@" in user for user in users)
    assert events["time"].null_count() == 0
    assert told(tmp_path)["skipped"] == {"lines of orders that were refunded or cancelled": 2}
    assert "Total is filled on the first line of an order alone" in said(tmp_path)


def test_refunded_orders_stay_where_the_map_says_so(tmp_path: Path) -> None:
    text = '[[table]]\nfile = "orders*"\ntable = "events"\ndrop = {}\n'
    events = shop_of(tmp_path, {"orders.csv": SHOPIFY, "map.toml": text}).table("events")
    assert events["session_id"].to_list() == ["#1", "#1", "#2", "#3", "#3", "#4"]


SHOPIFY_PRODUCTS = """Handle,Title,Body (HTML),Vendor,Type,Variant SKU,Variant Price,Image Src
mug,Red mug,<p>A mug</p>,Potters,Mugs,M,10.00,https://x/m.jpg
cup,Cup,,Potters,Mugs,C,15.00,
"""


def test_shopify_products(tmp_path: Path) -> None:
    items = shop_of(tmp_path, {"products_export_1.csv": SHOPIFY_PRODUCTS}).table("items")
    assert items.select("item_id", "title", "brand", "price", "image").rows() == [
        ("M", "Red mug", "Potters", 10.0, "https://x/m.jpg"),
        ("C", "Cup", "Potters", 15.0, None),
    ]


@pytest.mark.parametrize("second", ["35.00", "0.00", ""])
def test_a_total_of_the_order_is_no_value_of_a_line(tmp_path: Path, second: str) -> None:
    text = (
        "order_id,customer_id,sku,total\n"
        f"1,u,a,35.00\n1,u,b,{second}\n2,v,a,12.50\n3,v,a,11\n3,v,c,{'11' if second == '35.00' else second}\n"
    )
    shop = shop_of(tmp_path, {"orders.csv": text})
    assert not shop.has("events", "value")
    assert "total" in said(tmp_path)


def test_a_total_of_the_order_beside_a_price_of_the_line(tmp_path: Path) -> None:
    text = "order_id,user_id,sku,price,qty,total\n1,u,a,10,2,25\n1,u,b,5,1,25\n2,v,a,10,1,10\n"
    events = shop_of(tmp_path, {"orders.csv": text}).table("events")
    assert events["value"].to_list() == [20.0, 5.0, 10.0]


def test_lines_of_one_price_have_their_own_value(tmp_path: Path) -> None:
    text = "order_id,user_id,sku,price,total\n1,u,a,10,10\n1,u,b,10,10\n2,v,a,4,4\n2,v,b,4,4\n"
    events = shop_of(tmp_path, {"orders.csv": text}).table("events")
    assert events["value"].to_list() == [10.0, 10.0, 4.0, 4.0]
    assert said(tmp_path) == ""


def test_a_total_of_each_line_is_its_value(tmp_path: Path) -> None:
    text = "order_id,customer_id,sku,total\n1,u,a,35.00\n1,u,b,3\n2,v,a,35.00\n2,v,c,4\n"
    assert shop_of(tmp_path, {"orders.csv": text}).table("events")["value"].to_list() == [
        35.0, 3.0, 35.0, 4.0,
    ]  # fmt: skip
    assert said(tmp_path) == ""


WOO = """Order ID,Order Date,Status,Customer User ID,Billing Email,Item Name,SKU,Quantity (- Refund),Item Cost,\
Order Line Total
10,2024-03-01 10:00,completed,30,a@x.org,Mug,M,2,9.50,19
11,2024-03-02 10:00,completed,0,b@x.org,Mug,M,1,9.50,9.5
12,2024-03-03 10:00,completed,0,c@x.org,Cup,C,1,5,5
13,2024-03-04 10:00,cancelled,31,d@x.org,Cup,C,1,5,5
"""


def test_woocommerce_orders(tmp_path: Path) -> None:
    events = shop_of(tmp_path, {"orders.csv": WOO}).table("events")
    assert events.select("session_id", "item_id", "quantity", "value").rows() == [
        ("10", "M", 2.0, 19.0),
        ("11", "M", 1.0, 9.5),
        ("12", "C", 1.0, 5.0),
    ]
    users = events["user_id"].to_list()
    assert users[0] == "30"
    assert len(set(users)) == 3
    assert "0" not in users


def test_woocommerce_order_items_and_analytics(tmp_path: Path) -> None:
    lookup = (
        "order_item_id,order_id,product_id,customer_id,date_created,product_qty,product_net_revenue\n"
        "1,10,7,3,2024-03-01 10:00:00,2,19\n2,10,8,3,2024-03-01 10:00:00,1,5\n"
    )
    events = shop_of(tmp_path, {"wc_order_product_lookup.csv": lookup}).table("events")
    assert events.select("user_id", "session_id", "item_id", "quantity", "value").rows() == [
        ("3", "10", "7", 2.0, 19.0),
        ("3", "10", "8", 1.0, 5.0),
    ]


def test_users_and_items_follow_the_columns_of_the_log(tmp_path: Path) -> None:
    files = {
        "orders.csv": "order_id,customer_id,sku\n1,7,M\n2,8,C\n",
        "wc_customer_lookup.csv": "customer_id,user_id,city\n7,70,Bonn\n8,,Rome\n",
        "products.csv": "product_id,sku,name\n1,M,Mug\n2,C,Cup\n",
    }
    shop = shop_of(tmp_path, files)
    assert shop.table("users")["user_id"].to_list() == ["7", "8"]
    assert shop.table("items")["item_id"].to_list() == ["M", "C"]
    assert shop.rows("events") == 2


def test_lines_of_postage_are_no_products(tmp_path: Path) -> None:
    text = (
        "order_item_id,order_id,customer_id,order_item_type,product_id,qty\n"
        "1,10,3,line_item,7,2\n2,10,3,shipping,flat,1\n3,11,3,fee,gift,1\n"
    )
    assert shop_of(tmp_path, {"order_items.csv": text}).table("events")["item_id"].to_list() == [
        "7"
    ]
    assert told(tmp_path)["skipped"] == {"lines that are no products": 2}


MAGENTO = """item_id,order_id,parent_item_id,created_at,product_id,product_type,sku,name,qty_ordered,qty_refunded,\
price,row_total
1,5,,2024-03-01 10:00:00,70,configurable,TEE-M,Tee,1.0,0,20.00,20.00
2,5,1,2024-03-01 10:00:00,71,simple,TEE-M,Tee M,1.0,0,0.00,0.00
3,5,,2024-03-01 10:00:00,80,simple,MUG,Mug,3.0,1,10.00,30.00
4,6,,2024-03-02 10:00:00,80,simple,MUG,Mug,2.0,2,10.00,20.00
"""
MAGENTO_ORDERS = """entity_id,increment_id,customer_id,created_at,grand_total
5,000005,9,2024-03-01 10:00:00,50
6,000006,8,2024-03-02 10:00:00,20
"""


def test_magento_order_items(tmp_path: Path) -> None:
    files = {"sales_order_item.csv": MAGENTO, "sales_order.csv": MAGENTO_ORDERS}
    shop = shop_of(tmp_path, files)
    assert shop.table("events").select("user_id", "session_id", "item_id", "quantity").rows() == [
        ("9", "5", "70", 1.0),
        ("9", "5", "80", 2.0),
    ]
    assert told(tmp_path)["skipped"] == {
        "lines that are parts of a line of the same order": 1,
        "lines that were taken back as a whole": 1,
    }


FEED_TSV = (
    "id\ttitle\tdescription\tlink\timage_link\tprice\tbrand\tproduct_type\n"
    '0001\tRed mug\tA "red" mug\thttps://x/1\thttps://x/1.jpg\t10.00\tPotters\tHome > Mugs\n'
    '0002\tBlue 5" mug\tblue\thttps://x/2\t\t11.00\tPotters\tHome > Mugs\n'
)
FEED_XML = """<?xml version="1.0"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><title>Shop</title>
<item><g:id>0001</g:id><g:title>Red mug</g:title><g:price>10.00</g:price><g:brand>Potters</g:brand>
<g:additional_image_link>https://x/a.jpg</g:additional_image_link><g:additional_image_link>https://x/b.jpg</g:additional_image_link>
<g:product_type>Home &gt; Mugs</g:product_type></item>
<item><g:id>0002</g:id><title>Blue mug</title><g:price>11.00</g:price></item>
</channel></rss>
"""


@pytest.mark.parametrize("name", ["feed.tsv", "feed.txt", "feed.xml"])
def test_a_merchant_feed(tmp_path: Path, name: str) -> None:
    shop = shop_of(tmp_path, {name: FEED_XML if name.endswith("xml") else FEED_TSV})
    items = shop.table("items")
    assert items["item_id"].to_list() == ["0001", "0002"]
    assert items["price"].to_list() == [10.0, 11.0]
    assert items["category"][0].to_list() == ["Home", "Mugs"]
    assert items["brand"][0] == "Potters"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FEED_XML[:300], "is no whole XML"),
        ("<rss><channel/></rss>", "holds no product"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><rss><item><id>&b;</id></item></rss>', "document type"),
    ],
)
def test_a_feed_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        shop_of(tmp_path, {"feed.xml": text})


DUNNHUMBY = {
    "transaction_data.csv": "household_key,BASKET_ID,DAY,PRODUCT_ID,QUANTITY,SALES_VALUE,STORE_ID,TRANS_TIME\n"
    "1,b2,2,p1,1,1.5,s,0900\n1,b1,1,p1,2,3.0,s,1000\n2,b3,1,p2,1,2.0,s,0800\n",
    "hh_demographic.csv": "AGE_DESC,household_key\n25-34,1\n",
    "product.csv": "PRODUCT_ID,MANUFACTURER,DEPARTMENT,BRAND,COMMODITY_DESC,SUB_COMMODITY_DESC\n"
    "p1,9,GROCERY,Private,SOUP,TOMATO SOUP\np2,9,GROCERY,National,TEA,GREEN TEA\n",
    "coupon.csv": "COUPON_UPC,PRODUCT_ID,CAMPAIGN\n1,p1,A\n2,p1,A\n",
    "coupon_redempt.csv": "household_key,DAY,COUPON_UPC,CAMPAIGN\n1,2,1,A\n1,3,1,A\n",
    "campaign_table.csv": "DESCRIPTION,household_key,CAMPAIGN\nTypeA,1,A\nTypeB,1,B\n",
    "campaign_desc.csv": "DESCRIPTION,CAMPAIGN,START_DAY,END_DAY\nTypeA,A,1,9\n",
}


def test_dunnhumby_complete_journey(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, DUNNHUMBY)
    events = shop.table("events")
    assert events.select("user_id", "session_id", "item_id", "quantity", "value").rows() == [
        ("2", "b3", "p2", 1.0, 2.0),
        ("1", "b1", "p1", 2.0, 3.0),
        ("1", "b2", "p1", 1.0, 1.5),
    ]
    items = shop.table("items")
    assert items["title"].to_list() == ["TOMATO SOUP", "GREEN TEA"]
    assert items["category"][0].to_list() == ["GROCERY", "SOUP", "TOMATO SOUP"]
    assert shop.rows("users") == 2


MATOMO = json.dumps(
    [
        {
            "idVisit": 1,
            "visitorId": "v",
            "actionDetails": [
                {"type": "action", "timestamp": 1709280000},
                {
                    "type": "ecommerceOrder",
                    "timestamp": 1709280060,
                    "itemDetails": [
                        {"itemSKU": "M", "itemName": "Mug", "price": 10, "quantity": 2},
                        {"itemSKU": "C", "itemName": "Cup", "price": 5, "quantity": 1},
                    ],
                },
            ],
        }
    ]
)
MATOMO_MAP = """
[[table]]
file = "visits.json"
table = "events"
each = "actionDetails.itemDetails"
keep = { "actionDetails.type" = ["ecommerceOrder"] }
[table.columns]
user_id = "visitorId"
session_id = "idVisit"
time = "actionDetails.timestamp"
item_id = "actionDetails.itemDetails.itemSKU"
quantity = "actionDetails.itemDetails.quantity"
"""


def test_matomo_visits(tmp_path: Path) -> None:
    events = shop_of(tmp_path, {"visits.json": MATOMO, "map.toml": MATOMO_MAP}).table("events")
    assert events.select("user_id", "session_id", "item_id", "quantity").rows() == [
        ("v", "1", "M", 2.0),
        ("v", "1", "C", 1.0),
    ]
    assert str(events["time"][0]) == "2024-03-01 08:01:00"
    assert told(tmp_path)["skipped"] == {"rows of visits.json that the map passes over": 1}


SEGMENT = [
    {
        "type": "track",
        "event": name,
        "anonymousId": "a1",
        "timestamp": f"2024-03-01T10:00:0{n}.000Z",
        "properties": properties,
    }
    for n, (name, properties) in enumerate(
        [
            ("Product Viewed", {"products": [{"product_id": "M", "price": 10}]}),
            ("Signed Up", {}),
            (
                "Order Completed",
                {
                    "order_id": "o1",
                    "products": [
                        {"product_id": "M", "price": 10, "quantity": 1},
                        {"product_id": "C", "price": 5, "quantity": 2},
                    ],
                },
            ),
        ]
    )
]
SEGMENT_MAP = """
[[table]]
file = "track*"
table = "events"
each = "properties.products"
drop = { event = ["Signed Up"] }
[table.columns]
user_id = "anonymousId"
session_id = "properties.order_id"
item_id = "properties.products.product_id"
quantity = "properties.products.quantity"
value = "properties.products.price"
"""


@pytest.mark.parametrize("packing", ["jsonl", "json", "parquet"])
def test_segment_tracks(tmp_path: Path, packing: str) -> None:
    source = tmp_path / f"track.{packing}"
    if packing == "jsonl":
        source.write_text("\n".join(map(json.dumps, SEGMENT)))
    elif packing == "json":
        source.write_text(json.dumps(SEGMENT, indent=1))
    else:
        pl.DataFrame(SEGMENT).write_parquet(source)
    (tmp_path / "map.toml").write_text(SEGMENT_MAP)
    shop = read(source, to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")})
    assert shop.table("events").select(
        "user_id", "session_id", "item_id", "event", "quantity", "value"
    ).rows() == [
        ("a1", None, "M", "view_item", None, 10.0),
        ("a1", "o1", "M", "purchase", 1.0, 10.0),
        ("a1", "o1", "C", "purchase", 2.0, 5.0),
    ]


def test_snowplow_events_whose_contexts_are_text(tmp_path: Path) -> None:
    lines = [
        {
            "domain_userid": "d",
            "domain_sessionid": "s",
            "collector_tstamp": "2024-03-01 10:00:00.000",
            "event_name": "product_view",
            "contexts_product_1": json.dumps([{"id": "M", "price": 10}]),
        }
    ]
    text = (
        '[[table]]\nfile = "*.jsonl"\ntable = "events"\neach = "contexts_product_1"\n'
        'columns = { item_id = "contexts_product_1.id" }\n'
    )
    files = {"events.jsonl": "\n".join(map(json.dumps, lines)), "map.toml": text}
    assert shop_of(tmp_path, files).table("events").select(
        "user_id", "session_id", "item_id", "event"
    ).rows() == [("d", "s", "M", "view_item")]


def test_a_path_that_no_record_has(tmp_path: Path) -> None:
    text = '[[table]]\nfile = "*"\ntable = "events"\ncolumns = { item_id = "a.b.c" }\n'
    with pytest.raises(SchemaError, match=r"lacks the column 'a\.b\.c'"):
        shop_of(tmp_path, {"x.jsonl": '{"user_id": "u", "a": {"b": {"d": 1}}}\n', "map.toml": text})


def test_orders_that_their_headers_call_cancelled(tmp_path: Path) -> None:
    files = {
        "orders.csv": "order_id,customer_id,order_status,order_date\n"
        "1,u,delivered,2024-01-01\n2,v,canceled,2024-01-02\n",
        "order_items.csv": "order_id,product_id\n1,a\n2,b\n",
    }
    events = shop_of(tmp_path, files).table("events")
    assert events.select("user_id", "item_id").rows() == [("u", "a")]
    assert told(tmp_path)["skipped"] == {"lines of orders that were refunded or cancelled": 1}


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    text = '[[table]]\nfile = "x.jsonl"\ntable = "events"\neach = "product"\n'
    line = '{"user_id": "u", "products": [{"sku": "a"}]}\n'
    with pytest.raises(SchemaError, match=r"no list 'product'.*Did you mean 'products'"):
        shop_of(tmp_path, {"x.jsonl": line, "map.toml": text})


def test_judgments_by_the_ids_of_their_queries(tmp_path: Path) -> None:
    files = {
        "qrels.csv": "qid,docid,rating\n1,a,2\n2,a,0\n9,b,1\n",
        "queries.csv": "qid,query\n1,red mug\n2,tea\n",
        "docs.csv": "docid,title\na,Red mug\nb,Cup\n",
    }
    judgments = shop_of(tmp_path, files).table("judgments")
    assert judgments.select("query", "item_id", "grade").rows() == [
        ("red mug", "a", 3.0),
        ("tea", "a", 0.0),
    ]
    assert told(tmp_path)["tables"]["judgments"]["rejected"] == {"query: missing": 1}
    assert told(tmp_path)["joined"] == {"qrels.csv": ["queries.csv"]}


def test_a_query_file_setting_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="separator is ';;'; give one plain character"):
        shop_of(tmp_path, {"log.csv": "user_id,sku\nu,a\n"}, separator=";;")


def test_a_shop_is_taken_as_it_stands_with_what_it_says(tmp_path: Path) -> None:
    """Naive: the tables are read anew, and a released sample is a real log from then on."""
    made = small_shop().table("events").with_columns(origin=pl.lit("synthetic"))
    shop = small_shop().with_tables(events=made).keeping("counts")
    shop.meta["release"] = "abc"
    saved = shop.save(tmp_path / "sample")
    again = read(str(tmp_path / "sample"), to=tmp_path / "shop")
    assert (again.keeps, again.meta) == ("counts", saved.meta)
    assert again.fingerprint == saved.fingerprint
    (tmp_path / "sample" / "events.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError):
        read(str(tmp_path / "sample"), to=tmp_path / "other")
    assert not (tmp_path / "other").exists()
