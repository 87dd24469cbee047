"""Common exports as they are downloaded: which table a file is, its usual names, its dates."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest

from wareloom.errors import SchemaError
from wareloom.readers import read
from wareloom.readers._names import recognise, table_of

REES46 = """event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,,35.79,541312140,72d76fde
2019-10-01 00:00:01 UTC,cart,3900821,2053013552326770905,appliances.environment.water_heater,aqua,33.20,554748717,9333
2019-10-01 00:00:02 UTC,purchase,3900821,2053013552326770905,appliances.kitchen,other,31.20,554748717,9333
2019-10-01 00:00:03 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde
"""
DIGINETICA = """sessionId;userId;itemId;timeframe;eventdate
1;NA;81766;526309;2016-05-09
1;NA;31331;1031018;2016-05-09
2;7;31331;1031018;2016-05-10
"""


def written(folder: Path, **files: str) -> Path:
    source = folder / "source"
    source.mkdir()
    for name, text in files.items():
        (source / f"{name}.csv").write_text(text, encoding="utf-8")
    return source


@pytest.mark.parametrize(
    ("file", "columns", "table"),
    [
        (
            "train-item-views.csv",
            ["sessionId", "userId", "itemId", "timeframe", "eventdate"],
            "events",
        ),
        ("order_items.csv", ["order_id", "product_id", "price"], "events"),
        ("products.csv", ["product_id", "user_id", "event_time"], "events"),
        ("products.csv", ["product_id", "title", "account"], "items"),
        ("x.csv", ["query", "product_id", "user_id", "grade"], "judgments"),
        ("product_category_name_translation.csv", ["product_category_name", "english"], None),
    ],
)
def test_who_and_what_make_an_event(file: str, columns: list[str], table: str | None) -> None:
    assert table_of(file, columns) == table


def test_words_for_missing_ids_are_missing(tmp_path: Path) -> None:
    shop = read(
        written(tmp_path, **{"train-item-views": DIGINETICA + "null;;None;1;2016-05-10\n"}),
        to=tmp_path / "shop",
    )
    events = shop.table("events")
    assert events["user_id"].to_list() == [None, None, "7"]
    assert events["session_id"].to_list() == ["1", "1", "2"]
    assert events["time"][2] == dt.datetime(2016, 5, 10)
    assert pl.read_parquet(tmp_path / "shop/rejected/events.parquet")["reason"].to_list() == [
        "user_id or session_id: missing"
    ]


@pytest.mark.parametrize(
    ("table", "columns", "found"),
    [
        (
            "events",
            "t_dat customer_id article_id",
            {"time": "t_dat", "user_id": "customer_id", "item_id": "article_id"},
        ),
        ("events", "user_session cookie visit", {"session_id": "user_session"}),
        (
            "events",
            "order_purchase_timestamp line_total",
            {"time": "order_purchase_timestamp", "value": "line_total"},
        ),
        (
            "events",
            "created client_id sales",
            {"time": "created", "user_id": "client_id", "value": "sales"},
        ),
        ("events", "日期 金额", {"time": "日期", "value": "金额"}),
        (
            "items",
            "prod_name detail_desc vendor",
            {"title": "prod_name", "description": "detail_desc", "brand": "vendor"},
        ),
        ("items", "product_group_name product_type_name", {"category": "product_type_name"}),
        (
            "items",
            "category_id category_code maker",
            {"category": "category_code", "brand": "maker"},
        ),
        ("items", "类别 cat", {"category": "cat"}),
    ],
)
def test_more_usual_names(table: str, columns: str, found: dict[str, str]) -> None:
    assert recognise(table, columns.split()) == found


@pytest.mark.parametrize(
    ("cells", "last", "form"),
    [
        (
            ["12/1/2010 8:26", "12/13/2010 18:06"],
            dt.datetime(2010, 12, 13, 18, 6),
            "%m/%d/%Y %H:%M",
        ),
        (
            ["1/12/2010 8:26", "13/12/2010 18:06"],
            dt.datetime(2010, 12, 13, 18, 6),
            "%d/%m/%Y %H:%M",
        ),
        (
            ["12/1/2010 8:26:05 AM", "12/13/2010 6:06:07 PM"],
            dt.datetime(2010, 12, 13, 18, 6, 7),
            "%m/%d/%Y %I:%M:%S%.f %p",
        ),
        (["1/2/10 8:26pm", "1/31/10 8:26pm"], dt.datetime(2010, 1, 31, 20, 26), "%m/%d/%y %I:%M%p"),
        (["12/1/2010"] * 2000 + ["12/13/2010"], dt.datetime(2010, 12, 13), "%m/%d/%Y"),
        (["31.12.2020 14:05"], dt.datetime(2020, 12, 31, 14, 5), "%d.%m.%Y %H:%M"),
        (["1.2.2020 4:05"], dt.datetime(2020, 2, 1, 4, 5), "%d.%m.%Y %H:%M"),
    ],
)
def test_a_number_above_12_is_the_day(
    tmp_path: Path, cells: list[str], last: dt.datetime, form: str
) -> None:
    source = written(tmp_path, log="user,sku,date\n" + "".join(f"u,a,{cell}\n" for cell in cells))
    assert read(source, to=tmp_path / "shop").table("events")["time"][-1] == last
    assert f"the form {form}" in (tmp_path / "shop" / "read.json").read_text()


def test_dates_that_leave_day_and_month_open_ask_for_the_form(tmp_path: Path) -> None:
    source = written(tmp_path, log="user,sku,date\nu,a,12/1/2010 8:26\n")
    both = r"time_format='%m/%d/%Y %H:%M' or --set time_format='%d/%m/%Y %H:%M'"
    with pytest.raises(
        SchemaError, match=f"'12/1/2010 8:26' day and month cannot be told apart.*{both}"
    ):
        read(source, to=tmp_path / "shop")
    shop = read(source, to=tmp_path / "shop", settings={"time_format": "%d/%m/%Y %H:%M"})
    assert shop.table("events")["time"][0] == dt.datetime(2010, 1, 12, 8, 26)


def test_a_date_that_contradicts_its_column_is_malformed(tmp_path: Path) -> None:
    source = written(
        tmp_path, log="user,sku,date\nu,a,12/13/2010\nu,a,12/14/2010\nu,a,13/12/2010\n"
    )
    with pytest.raises(
        SchemaError, match=r"row 4, column 'time': '13/12/2010' is not a time in the form %m/%d/%Y"
    ):
        read(source, to=tmp_path / "shop")


def told(shop: Path) -> dict:
    return json.loads((shop / "read.json").read_text(encoding="utf-8"))


def test_a_log_tells_of_its_items(tmp_path: Path) -> None:
    shop = read(written(tmp_path, **{"2019-Oct": REES46}), to=tmp_path / "shop")
    assert shop.table("items").select("item_id", "category", "brand", "price").rows() == [
        ("3900821", ["appliances", "environment", "water_heater"], "aqua", 33.2),
        ("44600062", None, "shiseido", 35.79),
    ]
    assert shop.table("events")["value"].to_list() == [35.79, 33.2, 31.2, 35.79]
    words = told(tmp_path / "shop")
    assert words["items_from_log"] == {
        "2019-Oct.csv": {"brand": "brand", "category": "category_code", "price": "price"}
    }
    assert words["value_from"] == {"2019-Oct.csv": "price"}
    assert words["not_recognised"] == {"2019-Oct.csv": ["category_id"]}


RETAIL = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,71053,,6,12/1/2010 8:26,0,17850,United Kingdom
536366,71053,WHITE METAL LANTERN,2,12/1/2010 8:28,3.5,17850,United Kingdom
C536379,71053,LANTERN,-1,12/13/2010 9:41,-27.5,,United Kingdom
536380,71053,LANTERN,1,12/13/2010 9:41,null,,United Kingdom
"""


def test_a_description_is_the_title_where_there_is_no_other(tmp_path: Path) -> None:
    shop = read(written(tmp_path, online_retail=RETAIL), to=tmp_path / "shop")
    assert shop.table("items").select("title", "price").rows() == [("WHITE METAL LANTERN", 3.5)]
    assert shop.table("events")["value"].to_list() == [0, 7, 27.5, None]
    assert told(tmp_path / "shop")["value_from"] == {"online_retail.csv": "UnitPrice × Quantity"}


def test_a_table_of_items_goes_before_the_log(tmp_path: Path) -> None:
    items = "StockCode,name\n71053,Lantern\n"
    shop = read(written(tmp_path, items=items, online_retail=RETAIL), to=tmp_path / "shop")
    assert shop.table("items").select("item_id", "title").rows() == [("71053", "Lantern")]
    assert shop.table("events")["value"][1] == 7
    words = told(tmp_path / "shop")
    assert words["items_from_log"] == {}
    assert words["not_recognised"] == {"online_retail.csv": ["Country", "Description"]}


def test_the_words_of_a_review_are_not_the_items(tmp_path: Path) -> None:
    log = "user_id,sku,title,text,product_title\nu,a,Great!,I like it,Lamp\n"
    assert read(written(tmp_path, log=log), to=tmp_path / "shop").table("items")[
        "title"
    ].to_list() == ["Lamp"]


def test_a_price_in_a_log_that_is_no_number_stops_the_reading(tmp_path: Path) -> None:
    source = written(tmp_path, log="user,sku,price\nu,a,1\nu,a,cheap\n")
    with pytest.raises(
        SchemaError, match=r"log.csv, row 3, column 'value': 'cheap' is not a number"
    ):
        read(source, to=tmp_path / "shop")
    shop = read(source, to=tmp_path / "shop", on_error="reject")
    assert shop.table("events")["value"].to_list() == [1.0, None]


LINES = """order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value
o2,1,p1,s1,2017-10-06 11:07:15,29.99,8.72
o1,1,p1,s1,2017-10-06 11:07:15,29.99,8.72
o1,2,p2,s1,2017-10-06 11:07:15,5,8.72
o9,1,p2,s1,2017-10-06 11:07:15,5,8.72
"""
HEADERS = """order_id,customer_id,order_status,order_purchase_timestamp
o1,c1,delivered,2017-10-02 10:56:33
o2,c2,delivered,2017-10-03 10:56:33
"""


def test_order_headers_are_joined_to_order_lines(tmp_path: Path) -> None:
    files = {"olist_order_items_dataset": LINES, "olist_orders_dataset": HEADERS}
    files["olist_order_reviews_dataset"] = "review_id,order_id,review_score\nr,o1,5\n"
    shop = read(written(tmp_path, **files), to=tmp_path / "shop")
    rows = shop.table("events").select("session_id", "user_id", "item_id", "event", "value").rows()
    assert rows == [
        ("o2", "c2", "p1", "purchase", 29.99),
        ("o1", "c1", "p1", "purchase", 29.99),
        ("o1", "c1", "p2", "purchase", 5.0),
        ("o9", None, "p2", "purchase", 5.0),
    ]
    assert shop.table("events")["time"].to_list()[1:3] == [dt.datetime(2017, 10, 2, 10, 56, 33)] * 2
    words = told(tmp_path / "shop")
    assert words["joined"] == {"olist_order_items_dataset.csv": ["olist_orders_dataset.csv"]}
    # The state of an order is used: what came to nothing is passed over.
    assert "olist_orders_dataset.csv" not in words["not_recognised"]
    assert words["not_recognised"]["olist_order_reviews_dataset.csv"] == [
        "review_id",
        "order_id",
        "review_score",
    ]


def test_order_headers_alone_lack_their_items(tmp_path: Path) -> None:
    with pytest.raises(
        SchemaError, match=r"olist_orders_dataset.csv, taken for events, lacks the column 'item_id'"
    ):
        read(written(tmp_path, olist_orders_dataset=HEADERS), to=tmp_path / "shop")


@pytest.mark.parametrize("row", ["u2,b,2020-01-02,NaN,1", "u2,b,2020-01-02,nan,2"])
def test_a_price_of_the_log_that_is_nan_is_refused(tmp_path: Path, row: str) -> None:
    source = tmp_path / "log.csv"
    source.write_text(f"user_id,item_id,timestamp,price,quantity\nu1,a,2020-01-01,3,2\n{row}\n")
    with pytest.raises(SchemaError, match=r"row 3, column 'value'.*NaN or infinite"):
        read(source, to=tmp_path / "shop")
    shop = read(source, to=tmp_path / "shop", on_error="reject")
    assert shop.table("events")["value"].to_list() == [6.0, None]
