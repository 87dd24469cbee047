"""Columns: names that are known, nearly known, repeated or ours; wide files; maps that are heard."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wareloom.errors import SchemaError, SettingError
from wareloom.readers import read
from wareloom.readers._header import OWN, apart
from wareloom.readers._names import recognise, table_of
from wareloom.shop import Shop


def shop_of(tmp_path: Path, files: dict[str, str], **settings: Any) -> Shop:
    """Read files of these texts; a file called map.toml is the map."""
    source = tmp_path / "in"
    source.mkdir()
    for name, text in files.items():
        place = tmp_path if name == "map.toml" else source
        (place / name).write_text(text, encoding="utf-8")
    if "map.toml" in files:
        settings["map"] = str(tmp_path / "map.toml")
    return read(source, to=tmp_path / "shop", settings=settings)


def told(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "shop" / "read.json").read_text(encoding="utf-8"))


def said(tmp_path: Path) -> str:
    return "\n".join(told(tmp_path)["said"])


@pytest.mark.parametrize(
    ("user", "item", "when"),
    [
        ("Customer User ID", "SKU", "Order Date"),
        ("household_key", "PRODUCT_ID", "date"),
        ("customerNumber", "productCode", "createdAt"),
        ("CUST_NO", "ART_NO", "SALE_DATE"),
        ("domain_userid", "sku", "collector_tstamp"),
        ("anonymousId", "productId", "originalTimestamp"),
        ("会员编号", "商品编码", "下单日期"),
        ("user_id:token", "item_id:token", "timestamp:float"),
    ],
)
def test_usual_names_of_who_what_and_when(user: str, item: str, when: str) -> None:
    assert recognise("events", [user, item, when, "x"]) == {
        "user_id": user,
        "item_id": item,
        "time": when,
    }


@pytest.mark.parametrize("grade", ["rating", "grade", "rel", "label", "esci_label", "judgement"])
@pytest.mark.parametrize("document", ["docid", "doc_id", "document_id", "docno", "asin"])
def test_names_of_open_search_tools(grade: str, document: str) -> None:
    found = recognise("judgments", ["qid", "query", document, grade])
    assert found == {"query": "query", "item_id": document, "grade": grade}


@pytest.mark.parametrize(
    ("user", "when"),
    [("shopper_hash_v2", "moment"), ("cust_ref", "ordered_on"), ("kunden_schluessel", "zeitpunkt")],
)
def test_a_column_that_nearly_is_the_user_or_the_time_is_named_with_the_line_of_the_map(
    tmp_path: Path, user: str, when: str
) -> None:
    rows = "".join(f"s{n % 3},{100 + n % 4},i{n % 2},2024-01-0{n % 8 + 1}\n" for n in range(12))
    shop_of(tmp_path, {"log.csv": f"session,{user},sku,{when}\n" + rows})
    words = said(tmp_path)
    assert f'columns = {{ user_id = "{user}" }}' in words
    assert f'columns = {{ time = "{when}" }}' in words


def test_a_log_without_a_known_user_is_no_list_of_items(tmp_path: Path) -> None:
    rows = "".join(f"h{n % 3},i{n % 2},{n}\n" for n in range(12))
    with pytest.raises(
        SchemaError, match=r'repeats its items.*user_id = "hh_ref", item_id = "PRODUCT_ID"'
    ):
        shop_of(
            tmp_path, {"data.csv": "shopper_ref,PRODUCT_ID,n\n".replace("shopper", "hh") + rows}
        )


def test_a_log_with_users_and_times_hears_of_nothing(tmp_path: Path) -> None:
    shop_of(tmp_path, {"log.csv": "user_id,sku,time,customer_name\nu,a,2024-01-01,Jo\n"})
    assert said(tmp_path) == ""


def test_repeated_names_keep_their_places(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, {"items.csv": "sku,a,a_2,a,a\n1,one,two,three,four\n"})
    assert [tuple(p.values()) for p in shop.table("items")["attributes"][0].to_list()] == [
        ("a", "one"),
        ("a_2", "two"),
        ("a (2)", "three"),
        ("a (3)", "four"),
    ]
    assert "the column 'a' stands more than once; it is called 'a (2)' here" in said(tmp_path)


@given(st.lists(st.sampled_from(["a", "a (2)", "b", *OWN]), min_size=1))
def test_names_are_made_apart_in_their_order(names: list[str]) -> None:
    made, _ = apart(names, "x.csv")
    assert len(set(made)) == len(names)
    assert not set(made) & set(OWN)
    assert all(new.startswith(name) for new, name in zip(made, names, strict=True))


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_column_with_a_name_of_ours_stays(tmp_path: Path, ending: str) -> None:
    source = tmp_path / f"items.{ending}"
    frame = pl.DataFrame({"sku": ["a", "b"], "source_row": ["x", "y"], "source_file": ["p", "q"]})
    getattr(
        frame, {"csv": "write_csv", "parquet": "write_parquet", "jsonl": "write_ndjson"}[ending]
    )(source)
    attributes = read(source, to=tmp_path / "shop").table("items")["attributes"]
    assert attributes[1].to_list() == [
        {"name": "source_row (2)", "value": "y"},
        {"name": "source_file (2)", "value": "q"},
    ]


def test_line_breaks_in_a_header_and_columns_without_a_name(tmp_path: Path) -> None:
    text = ',"item\nid","shelf  \nplace",Unnamed: 3\n0,a,7,1\n1,b,8,2\n'
    items = shop_of(tmp_path, {"items.csv": text}).table("items")
    assert items["item_id"].to_list() == ["a", "b"]
    assert items["attributes"][0].to_list() == [{"name": "shelf place", "value": "7"}]
    assert told(tmp_path)["not_recognised"] == {"items.csv": ["column_1", "Unnamed: 3"]}


@pytest.mark.parametrize("table", ["items", "events"])
def test_thousands_of_columns(tmp_path: Path, table: str) -> None:
    names = [f"c{n}" for n in range(5000)]
    head = "user_id,sku,time" if table == "events" else "sku"
    rows = [
        (f"u,i{r},2024-01-01," if table == "events" else f"i{r},")
        + ",".join(f"{r}{n}" if (r + n) % 3 else "" for n in range(5000))
        for r in range(50)
    ]
    (tmp_path / f"{table}.csv").write_text(f"{head},{','.join(names)}\n" + "\n".join(rows) + "\n\n")
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    shop = read(tmp_path / f"{table}.csv", to=tmp_path / "shop")
    assert shop.rows("items") == 50
    assert time.monotonic() - start < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000
    if table == "items":
        made = shop.table("items")["attributes"][1].to_list()
        assert made[:2] == [{"name": "c0", "value": "10"}, {"name": "c1", "value": "11"}]
        assert len(made) == sum(bool((1 + n) % 3) for n in range(5000))


def test_files_about_the_same_users_are_joined(tmp_path: Path) -> None:
    files = {
        "customers.csv": "customer_id,age\nu1,30\nu2,40\n",
        "members.csv": "customer_id,city\nu2,Rome\nu3,Bonn\n",
        "log.csv": "customer_id,sku\nu1,a\n",
    }
    users = dict(
        shop_of(tmp_path, files).table("users").select("user_id", "attributes").iter_rows()
    )
    assert {u: [p["value"] for p in a] for u, a in users.items()} == {
        "u1": ["30"],
        "u2": ["40", "Rome"],
        "u3": ["Bonn"],
    }
    assert "members.csv is joined to customers.csv on user_id" in said(tmp_path)


def test_parts_of_one_table_stay_one_behind_the_other(tmp_path: Path) -> None:
    files = {"items_1.csv": "sku,title\na,A\n", "items_2.csv": "sku,title\nb,B\n"}
    assert shop_of(tmp_path, files).table("items")["item_id"].to_list() == ["a", "b"]
    assert told(tmp_path)["joined"] == {}


def test_files_that_all_repeat_items_are_not_joined(tmp_path: Path) -> None:
    files = {"items_a.csv": "sku,title\na,A\na,B\n", "items_b.csv": "sku,price\na,1\na,2\n"}
    with pytest.raises(SchemaError, match="'a' was used before"):
        shop_of(tmp_path, files)


def test_a_file_that_repeats_users_is_no_table_of_them(tmp_path: Path) -> None:
    files = {
        "hh_demographic.csv": "household_key,age\n1,30\n2,40\n",
        "campaign_table.csv": "household_key,CAMPAIGN\n1,A\n1,B\n",
        "log.csv": "household_key,sku\n1,a\n",
    }
    assert shop_of(tmp_path, files).rows("users") == 2
    assert "campaign_table.csv repeats its users and is no list of them" in said(tmp_path)


TWICE = """
[[table]]
file = "search*.csv"
table = "judgments"
columns = { query = "was", item_id = "art", grade = "note" }

[[table]]
file = "search*.csv"
table = "items"
columns = { item_id = "art", title = "name" }
"""
SEARCH = "was,art,note,name\nred mug,a,3,Red mug\nblue mug,a,0,\nblue mug,b,1,Blue mug\n"


def test_two_tables_of_one_file_are_both_read(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, {"search_1.csv": SEARCH, "map.toml": TWICE})
    assert shop.rows("judgments") == 3
    assert shop.table("items").select("item_id", "title").rows() == [
        ("a", "Red mug"),
        ("b", "Blue mug"),
    ]
    assert told(tmp_path)["not_recognised"] == {}


def test_one_table_twice_from_one_file(tmp_path: Path) -> None:
    entry = '[[table]]\nfile = "log.csv"\ntable = "events"\n{}\n'
    text = entry.format('columns = { item_id = "seen" }\nconstants = { event = "view_item" }')
    text += entry.format('columns = { item_id = "bought" }')
    shop = shop_of(tmp_path, {"log.csv": "user_id,seen,bought\nu,a,b\n", "map.toml": text})
    assert shop.table("events").select("item_id", "event").rows() == [
        ("a", "view_item"),
        ("b", "purchase"),
    ]


def test_an_entry_that_another_one_hides(tmp_path: Path) -> None:
    text = (
        '[[table]]\nfile = "log.csv"\ntable = "events"\n[[table]]\nfile = "l*"\ntable = "items"\n'
    )
    with pytest.raises(
        SettingError, match=r"number 2: 'l\*' fits log.csv, for which other entries"
    ):
        shop_of(tmp_path, {"log.csv": "user_id,sku\nu,a\n", "map.toml": text})


def test_a_total_that_the_map_calls_a_value_is_heard_and_doubted(tmp_path: Path) -> None:
    text = '[[table]]\nfile = "o.csv"\ntable = "events"\ncolumns = { value = "total" }\n'
    orders = "order_id,user_id,sku,total\n1,u,a,35\n1,u,b,\n2,v,a,12\n"
    shop = shop_of(tmp_path, {"o.csv": orders, "map.toml": text})
    assert shop.table("events")["value"].to_list() == [35.0, None, 12.0]
    assert "as an order's total is; the map says" in said(tmp_path)


def test_judgments_tell_of_their_items(tmp_path: Path) -> None:
    text = (
        "query,product_id,product_title,price,label\nmug,a,Red mug,5,3\nmug,b,Cup,,0\ntea,a,,5,1\n"
    )
    shop = shop_of(tmp_path, {"judgments.csv": text})
    assert shop.table("items").select("item_id", "title", "price").rows() == [
        ("a", "Red mug", 5.0),
        ("b", "Cup", None),
    ]
    assert told(tmp_path)["items_from_log"]["judgments.csv"]["title"] == "product_title"


def test_judgments_and_a_log_tell_of_their_items_together(tmp_path: Path) -> None:
    files = {
        "judgments.csv": "query,product_id,product_title,label\nmug,a,Red mug,3\nmug,b,Cup,0\n",
        "log.csv": "user_id,product_id,brand\nu,b,Potters\nu,c,Cups\n",
    }
    shop = shop_of(tmp_path, files)
    assert shop.table("items").select("item_id", "title", "brand").rows() == [
        ("a", "Red mug", None),
        ("b", "Cup", "Potters"),
        ("c", None, "Cups"),
    ]
    assert shop.rows("events") == 2


def test_a_file_of_the_map_that_is_not_there(tmp_path: Path) -> None:
    wrong = TWICE.replace("search*", "serch_1")
    with pytest.raises(
        SettingError,
        match=r"number 1: no file is called 'serch_1.csv'.*Did you mean 'search_1.csv'",
    ):
        shop_of(tmp_path, {"search_1.csv": SEARCH, "map.toml": wrong})


def test_each_file_has_its_own_clock_and_decimals(tmp_path: Path) -> None:
    entry = '[[table]]\nfile = "{}"\ntable = "events"\ncolumns = {{ value = "sum" }}\n{}\n'
    files = {
        "map.toml": entry.format("de.csv", 'time_format = "%d.%m.%y %H:%M"\ndecimal = ","')
        + entry.format("us.csv", 'time_format = "%m/%d/%Y"\ndecimal = "."'),
        "de.csv": "user_id;sku;time;sum\nu;a;03.04.24 10:00;1.299,500\nu;a;03.04.24 11:00;0,500\n",
        "us.csv": 'user_id,sku,time,sum\nu,a,04/03/2024,"1,299.5"\nu,a,12/03/2024,1.299\n',
    }
    events = shop_of(tmp_path, files).table("events")
    assert events["value"].to_list() == [1299.5, 0.5, 1299.5, 1.299]
    assert [str(t) for t in events["time"]] == [
        "2024-04-03 10:00:00",
        "2024-04-03 11:00:00",
        "2024-04-03 00:00:00",
        "2024-12-03 00:00:00",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('decimal = "comma"', "decimal='comma' is not known"),
        ('skip = "two"', "skip is 'two', and should be a number of lines"),
        ('escape = "/"', "escape='/' is not known"),
        ("time_format = 3", "time_format is 3, and should be text"),
    ],
)
def test_forms_of_a_map_that_cannot_be_meant(tmp_path: Path, line: str, words: str) -> None:
    text = f'[[table]]\nfile = "log.csv"\ntable = "events"\n{line}\n'
    with pytest.raises(SettingError, match=words):
        shop_of(tmp_path, {"log.csv": "user_id,sku\nu,a\n", "map.toml": text})


def test_hints_name_a_column_that_fits(tmp_path: Path) -> None:
    text = "Name,Email,Article ref,Notes\n1,x@y.z,a,n\n"
    with pytest.raises(SchemaError, match="item_id = 'Article ref'"):
        shop_of(tmp_path, {"x.csv": text})


def test_lines_before_a_header_are_found_where_quote_signs_are_text(tmp_path: Path) -> None:
    """A title with a quote sign, and every mark that could part fields, in a file without quotes."""
    rows = 'Export\nall of it\nSKU\tProduct Title\tprice\n7\tP0;," #\t9.50\n'
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "items.csv").write_text(rows)
    shop = read(tmp_path / "in", to=tmp_path / "shop", settings={"quote": "none"})
    assert shop.table("items").select("item_id", "title", "price").row(0) == ("7", 'P0;," #', 9.5)


def test_a_table_behind_a_title_is_no_note_where_quote_signs_are_text(tmp_path: Path) -> None:
    rows = 'Report of orders\n\nproductId\tProduct Name\tprice\n7\tP0 a">\t9.50\n8\tP1\t1.25\n'
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "items.txt").write_text(rows)
    shop = read(tmp_path / "in", to=tmp_path / "shop", settings={"quote": "none"})
    assert shop.table("items")["title"].to_list() == ['P0 a">', "P1"]


@pytest.mark.parametrize(
    ("items", "orders"),
    [
        ("Artikelnummer;Bezeichnung;Warengruppe;Hersteller;Preis",
         "Kundennummer;Artikelnummer;Bestelldatum;Menge;Auftragsnummer"),
        ("code_produit;nom_produit;catégorie;marque;prix",
         "code_client;code_produit;date_commande;quantité;numéro_commande"),
        ("codigo_producto;nombre_producto;categoría;marca;precio",
         "codigo_cliente;codigo_producto;fecha_pedido;cantidad;numero_pedido"),
        ("codice_prodotto;nome_prodotto;categoria;marca;prezzo",
         "codice_cliente;codice_prodotto;data_ordine;quantità;numero_ordine"),
    ],
)  # fmt: skip
def test_columns_of_european_exports(items: str, orders: str) -> None:
    found = recognise("items", items.split(";"))
    assert list(found) == ["item_id", "title", "category", "brand", "price"]
    assert list(found.values()) == items.split(";")
    found = recognise("events", orders.split(";"))
    user, item, time, quantity, order = orders.split(";")
    assert found == {
        "user_id": user, "session_id": order, "item_id": item, "time": time, "quantity": quantity,
    }  # fmt: skip
    assert (table_of("a.csv", items.split(";")), table_of("b.csv", orders.split(";"))) == (
        "items",
        "events",
    )


def test_books_are_items_by_their_isbn() -> None:
    assert recognise("items", ["isbn", "title", "genre"])["item_id"] == "isbn"
    assert recognise("items", ["id", "title", "isbn", "price"])["item_id"] == "id"
    assert recognise("events", ["user_id", "book_id", "isbn"])["item_id"] == "book_id"


def test_an_order_is_not_offered_as_the_item(tmp_path: Path) -> None:
    """`order_id` is near `offer_id` by its letters, and is known as something else."""
    (tmp_path / "a.csv").write_text("customer_id,thing,order_id\nu,a,1\n")
    with pytest.raises(SchemaError) as caught:
        read(tmp_path / "a.csv", to=tmp_path / "shop")
    assert "item_id = 'order_id'" not in str(caught.value)


def test_a_log_without_users_says_so(tmp_path: Path) -> None:
    """It has a time and is called orders: items that are used twice are not what is wrong with it."""
    with pytest.raises(
        SchemaError, match=r"orders.csv, taken for events, lacks the column 'user_id'"
    ):
        shop_of(tmp_path, {"orders.csv": "sku,date\na,2024-03-01\na,2024-03-02\n"})


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        ('"[""Tea"", ""Green, loose""]"', ["Tea", "Green, loose"]),
        ("\"[['Home', 'Tea'], ['Sale']]\"", ["Home", "Tea"]),
        ("[Tea]", ["Tea"]),
        ("[]", ["[]"]),
        ("Tea [new]", ["Tea [new]"]),
    ],
)
def test_a_list_of_categories_in_text_is_a_path(tmp_path: Path, cell: str, path: list[str]) -> None:
    shop = shop_of(
        tmp_path,
        {"items.csv": f"item_id,title,category\na,x,{cell}\n", "events.csv": "user,item\nu,a\n"},
    )
    assert shop.table("items")["category"].to_list() == [path]
