"""Snowplow's enriched events: lines of 131 fields, whose places are Snowplow's own list of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wareloom.errors import SchemaError, SourceError
from wareloom.readers import find, read

HEADER = """app_id platform etl_tstamp collector_tstamp dvce_created_tstamp event event_id txn_id name_tracker v_tracker
v_collector v_etl user_id user_ipaddress user_fingerprint domain_userid domain_sessionidx network_userid geo_country
geo_region geo_city geo_zipcode geo_latitude geo_longitude geo_region_name ip_isp ip_organization ip_domain ip_netspeed
page_url page_title page_referrer page_urlscheme page_urlhost page_urlport page_urlpath page_urlquery page_urlfragment
refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery refr_urlfragment refr_medium refr_source refr_term
mkt_medium mkt_source mkt_term mkt_content mkt_campaign contexts se_category se_action se_label se_property se_value
unstruct_event tr_orderid tr_affiliation tr_total tr_tax tr_shipping tr_city tr_state tr_country ti_orderid ti_sku
ti_name ti_category ti_price ti_quantity pp_xoffset_min pp_xoffset_max pp_yoffset_min pp_yoffset_max useragent br_name
br_family br_version br_type br_renderengine br_lang br_features_pdf br_features_flash br_features_java
br_features_director br_features_quicktime br_features_realplayer br_features_windowsmedia br_features_gears
br_features_silverlight br_cookies br_colordepth br_viewwidth br_viewheight os_name os_family os_manufacturer
os_timezone dvce_type dvce_ismobile dvce_screenwidth dvce_screenheight doc_charset doc_width doc_height tr_currency
tr_total_base tr_tax_base tr_shipping_base ti_currency ti_price_base base_currency geo_timezone mkt_clickid mkt_network
etl_tags dvce_sent_tstamp refr_domain_userid refr_dvce_tstamp derived_contexts domain_sessionid derived_tstamp
event_vendor event_name event_format event_version event_fingerprint true_tstamp"""
NAMES = HEADER.split()
OURS = "com.snowplowanalytics.snowplow"
GOOGLE = "com.google.analytics.enhanced-ecommerce"


def line(number: int, **cells: str) -> str:
    usual = {
        "app_id": "shop",
        "platform": "web",
        "collector_tstamp": "2024-03-01 10:00:09.000",
        "derived_tstamp": f"2024-03-01 10:00:{number:02d}.250",
        "event": "unstruct",
        "event_id": f"c6ef3124-b53a-4b13-a233-{number:012d}",
        "domain_userid": "d1",
        "domain_sessionid": "s1",
        "network_userid": "n1",
        "page_title": 'A "red" mug, 5" tall',
        "useragent": "Mozilla/5.0 (X11; Linux x86_64)",
        "event_fingerprint": f"f{number}",
    }
    cells = usual | cells
    assert set(cells) <= set(NAMES)
    return "\t".join(cells.get(name, "") for name in NAMES) + "\n"


def entity(schema: str, /, **data: Any) -> dict[str, Any]:
    return {"schema": f"iglu:{schema}/jsonschema/1-0-0", "data": data}


def contexts(*entities: dict[str, Any]) -> str:
    return json.dumps({"schema": f"iglu:{OURS}/contexts/jsonschema/1-0-1", "data": entities})


def unstruct(schema: str, /, **data: Any) -> str:
    return json.dumps(
        {
            "schema": f"iglu:{OURS}/unstruct_event/jsonschema/1-0-0",
            "data": entity(schema, **data),
        }
    )


def action(kind: str) -> str:
    return unstruct(f"{OURS}.ecommerce/snowplow_ecommerce_action", type=kind)


MUG = entity(
    f"{OURS}.ecommerce/product",
    id="M",
    name="Mug",
    category="Home/Mugs",
    price=9.5,
    currency="EUR",
    brand="Potters",
    quantity=2,
)
CUP = entity(f"{OURS}.ecommerce/product", id="007", name="Cup", price=5, currency="EUR")
PAGE = entity(f"{OURS}/web_page", id="not a product")
LINES = [
    line(1, event="page_view", event_name="page_view", contexts=contexts(PAGE)),
    line(2, unstruct_event=action("list_view"), contexts=contexts(PAGE, MUG, CUP)),
    line(3, unstruct_event=action("product_view"), contexts=contexts(MUG, PAGE)),
    line(
        4,
        unstruct_event=action("transaction"),
        contexts=contexts(
            MUG, CUP, entity(f"{OURS}.ecommerce/transaction", transaction_id="T1", revenue=24)
        ),
    ),
    line(5, unstruct_event=action("refund"), contexts=contexts(CUP)),
    line(
        6,
        unstruct_event=unstruct(f"{OURS}/site_search", terms=["red", "mug"], totalResults=2),
        event_name="site_search",
    ),
    line(
        7,
        unstruct_event=unstruct(f"{GOOGLE}/action", action="add"),
        contexts=contexts(entity(f"{GOOGLE}/productFieldObject", id="G", name="Glass", position=3)),
        domain_userid="",
        domain_sessionid="",
    ),
    line(
        8,
        event="transaction_item",
        event_name="transaction_item",
        ti_orderid="T2",
        ti_sku="M",
        ti_name="Mug",
        ti_price="9.5",
        ti_quantity="1",
        domain_userid="d2",
    ),
]


def test_enriched_events_as_they_come(tmp_path: Path) -> None:
    source = tmp_path / "enriched"
    source.mkdir()
    # The pipeline writes some events twice, perhaps into two files.
    (source / "part-00000.gz").write_bytes(gzip.compress("".join(LINES).encode()))
    (source / "part-00001.gz").write_bytes(gzip.compress((LINES[3] + LINES[0]).encode()))
    assert find(str(source)).__name__ == "Snowplow"
    shop = read(source, to=tmp_path / "shop")
    events = shop.table("events")
    assert events.select("user_id", "session_id", "item_id", "event", "quantity", "value").rows() == [
        ("d1", "s1", "M", "view_item_list", 2.0, 19.0),
        ("d1", "s1", "007", "view_item_list", None, 5.0),
        ("d1", "s1", "M", "view_item", 2.0, 19.0),
        ("d1", "s1", "M", "purchase", 2.0, 19.0),
        ("d1", "s1", "007", "purchase", None, 5.0),
        ("d1", "s1", None, "search", None, None),
        ("n1", None, "G", "add_to_cart", None, None),
        ("d2", "s1", "M", "purchase", 1.0, 9.5),
    ]  # fmt: skip
    assert str(events["time"][3]) == "2024-03-01 10:00:04.250000"
    assert events["position"].to_list()[6] == 3
    items = shop.table("items")
    assert items.select("item_id", "title", "brand", "price").sort("item_id").rows() == [
        ("007", "Cup", None, 5.0),
        ("G", "Glass", None, None),
        ("M", "Mug", "Potters", 9.5),
    ]
    assert items.filter(pl.col("item_id") == "M")["category"][0].to_list() == ["Home", "Mugs"]
    assert shop.table("searches").select("query", "user_id").rows() == [("red mug", "d1")]
    assert events["search_id"][5] == shop.table("searches")["search_id"][0]
    told = json.loads((tmp_path / "shop" / "read.json").read_text())
    assert told["skipped"] == {
        "events that were delivered again": 2,
        "event page_view": 1,
        "event refund": 1,
    }


def test_a_line_that_is_no_event(tmp_path: Path) -> None:
    source = tmp_path / "events.tsv"
    broken = line(9, unstruct_event=action("product_view"), contexts='{"data": [{"schema"')
    source.write_text(LINES[2] + "cut\toff\n" + broken)
    with pytest.raises(SchemaError, match=r"row 2: no record \(2 fields between tabs"):
        read(source, to=tmp_path / "shop")
    shop = read(source, to=tmp_path / "shop", on_error="reject")
    assert shop.table("events")["item_id"].to_list() == ["M"]
    aside = pl.read_parquet(tmp_path / "shop/rejected/events.parquet")
    assert aside["source_row"].to_list() == [2, 3]


def test_what_is_no_enriched_event(tmp_path: Path) -> None:
    (tmp_path / "events.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(SourceError, match="lines of 131 fields between tabs"):
        read(tmp_path / "events.tsv", to=tmp_path / "shop", as_="snowplow")
