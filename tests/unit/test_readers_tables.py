"""Any tables: usual names, maps, packings, times, grades; the same bytes each time."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import zipfile
from pathlib import Path

import polars as pl
import pytest

from wareloom.errors import SchemaError, SettingError, SourceError
from wareloom.readers import read
from wareloom.readers._names import USUAL, recognise, table_of
from wareloom.shop.schema import EVENTS, TABLES

LOG = "customer,sku,ts,action\n"
LOG += (
    "u1,a,1600000000,pv\nu2,b,1600000060,加购\nu1,a,1600000120,Add To Cart\nu1,a,1600000200,buy\n"
)


def test_usual_names_are_columns_of_the_schema_and_name_one_column_a_table() -> None:
    for table, columns in USUAL.items():
        assert set(columns) <= set(TABLES[table].columns)
        words = [word for names in columns.values() for word in names.split()]
        assert len(words) == len(set(words)), table


@pytest.mark.parametrize(
    ("file", "columns", "table"),
    [
        ("x.csv", ["visitorid", "itemid", "timestamp"], "events"),
        ("x.csv", ["ASIN", "Title"], "items"),
        ("x.csv", ["query", "product_id", "label"], "judgments"),
        ("x.csv", ["q", "time"], "searches"),
        ("x.csv", ["Customer ID", "age"], "users"),
        ("items.csv", ["item_id", "account"], "items"),
        ("x.csv", ["colour", "size"], None),
        ("x.csv", ["用户ID", "商品ID", "行为类型", "时间"], "events"),
    ],
)
def test_the_table_is_told_by_columns_and_name(
    file: str, columns: list[str], table: str | None
) -> None:
    assert table_of(file, columns) == table


def test_the_more_usual_name_wins() -> None:
    assert recognise("events", ["date", "timestamp", "user_id", "sku", "productId"]) == {
        "user_id": "user_id", "item_id": "productId", "time": "timestamp"
    }  # fmt: skip


@pytest.mark.parametrize("packing", ["csv", "csv.gz", "tsv", "zip", "jsonl", "parquet", "folder"])
def test_every_packing_gives_the_same_shop(tmp_path: Path, packing: str) -> None:
    source = tmp_path / f"log.{packing}"
    frame = pl.read_csv(LOG.encode())
    if packing == "csv":
        source.write_text(LOG)
    elif packing == "csv.gz":
        source.write_bytes(gzip.compress(LOG.encode()))
    elif packing == "tsv":
        source.write_text(LOG.replace(",", "\t"))
    elif packing == "zip":
        first, *rest = LOG.splitlines(keepends=True)
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("deep/part1.csv", first + "".join(rest[:2]))
            archive.writestr("x/part2.csv.gz", gzip.compress((first + "".join(rest[2:])).encode()))
    elif packing == "jsonl":
        frame.write_ndjson(source)
    elif packing == "parquet":
        frame.write_parquet(source)
    else:
        source.mkdir()
        frame[:2].write_csv(source / "part1.csv")
        frame[2:].write_csv(source / "part2.csv")
    events = read(source, to=tmp_path / "shop").table("events")
    assert events["event"].to_list() == ["view_item", "add_to_cart", "add_to_cart", "purchase"]
    assert events["user_id"].to_list() == ["u1", "u2", "u1", "u1"]
    assert events["time"][1] == dt.datetime(2020, 9, 13, 12, 27, 40)
    assert set(events["event"]) <= set(EVENTS)
    assert not list(tmp_path.glob(".shop*"))


def test_a_shop_made_inside_its_source_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    assert [read(tmp_path, to=tmp_path / "shop").rows("events") for _ in range(2)] == [4, 4]


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    one, two = (read(tmp_path / "log.csv", to=tmp_path / name) for name in ("one", "two"))
    assert one.fingerprint == two.fingerprint
    assert (tmp_path / "one" / "read.json").read_bytes() == (
        tmp_path / "two" / "read.json"
    ).read_bytes()


def test_items_keep_what_is_left_as_attributes_but_nothing_from_after_the_log(
    tmp_path: Path,
) -> None:
    line = {
        "asin": "a",
        "name": "Lip",
        "categories": [["B", "M"], ["B", "L"]],
        "price": "$1,299.50",
        "colour": "red",
        "tags": ["x", "y"],
    }
    (tmp_path / "items.jsonl").write_text(
        json.dumps(line | {"sales_rank": 3, "reviewCount": 7, "empty": None}) + "\n"
    )
    item = read(tmp_path / "items.jsonl", to=tmp_path / "shop").table("items").row(0, named=True)
    assert item["category"] == ["B", "M", "L"]
    assert item["price"] == 1299.5
    assert item["attributes"] == [
        {"name": "colour", "value": "red"},
        {"name": "tags", "value": "x, y"},
    ]
    told = json.loads((tmp_path / "shop" / "read.json").read_text())
    assert told["left_out"] == {"items.jsonl": ["sales_rank", "reviewCount"]}


def test_nested_columns_of_parquet_become_text(tmp_path: Path) -> None:
    nested = {
        "sku": ["a", "b"],
        "category": [["A", "B"], None],
        "sizes": [[1, 2], None],
        "extra": [{"q": 1}, None],
    }
    pl.DataFrame(nested).write_parquet(tmp_path / "items.parquet")
    items = read(tmp_path / "items.parquet", to=tmp_path / "shop").table("items")
    assert items["category"].to_list() == [["A", "B"], None]
    first = items["attributes"][0].to_list()
    assert first == [{"name": "sizes", "value": "1, 2"}, {"name": "extra", "value": '{"q":1}'}]


def test_without_times_the_order_of_rows_stays(tmp_path: Path) -> None:
    lines = [f"u{n % 7},i{n * 31 % 11}" for n in range(60_000)]
    (tmp_path / "log.csv").write_text("user_id,item_id\n" + "\n".join(lines) + "\n")
    shop = read(tmp_path / "log.csv", to=tmp_path / "shop", settings={"event": "view_item"})
    events = shop.table("events")
    assert (events["user_id"] + "," + events["item_id"]).to_list() == lines
    assert not shop.has("events", "time")
    assert events["event"].unique().to_list() == ["view_item"]


@pytest.mark.parametrize(
    ("grades", "scale", "expected"),
    [
        (["0", "1", "3"], "", [0, 1, 3]),
        (["1", "2", "3"], "", [0, 1.5, 3]),
        (["0", "1", "1"], "", [0, 3, 3]),
        (["2", "3", "4"], "1:5", [0.75, 1.5, 2.25]),
    ],
)
def test_grades_of_any_scale(
    tmp_path: Path, grades: list[str], scale: str, expected: list[float]
) -> None:
    rows = "".join(f"shoes,i{n},{grade}\n" for n, grade in enumerate(grades))
    (tmp_path / "j.csv").write_text("query,item_id,relevance\n" + rows)
    shop = read(tmp_path / "j.csv", to=tmp_path / "shop", settings={"grade_scale": scale})
    assert shop.table("judgments")["grade"].to_list() == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["Exact", "Partial", "Irrelevant"], [3.0, 1.5, 0.0]),
        (["E", "s", "C", "I"], [3.0, 2.0, 1.0, 0.0]),
        # The ends of the scale are not there: nothing is stretched.
        (["fair", "good", "fair"], [0.75, 1.5, 0.75]),
        (["相关", "不相关", "部分相关"], [3.0, 0.0, 1.5]),
        (["True", "false"], [3.0, 0.0]),
    ],
)
def test_grades_that_are_words(tmp_path: Path, words: list[str], expected: list[float]) -> None:
    rows = "".join(f"shoes,i{n},{word}\n" for n, word in enumerate(words))
    (tmp_path / "j.csv").write_text("query,item_id,relevance\n" + rows)
    shop = read(tmp_path / "j.csv", to=tmp_path / "shop")
    assert shop.table("judgments")["grade"].to_list() == expected
    (said,) = json.loads((tmp_path / "shop" / "read.json").read_text())["said"]
    assert f"{words[0]} {expected[0]:g}" in said
    with pytest.raises(SettingError, match="grade_scale='0:3' is for numbers"):
        read(tmp_path / "j.csv", to=tmp_path / "x", settings={"grade_scale": "0:3"})


def test_a_word_that_is_no_grade_is_named_with_those_that_are(tmp_path: Path) -> None:
    """Before, "All grades are None" was all that was said."""
    (tmp_path / "j.csv").write_text("query,item_id,relevance\nq,a,Exact\nq,b,meh\n")
    with pytest.raises(
        SchemaError, match=r"column 'grade': 'meh' is neither a number nor a word.*partial"
    ):
        read(tmp_path / "j.csv", to=tmp_path / "shop")


def test_a_scale_that_was_found_is_said(tmp_path: Path) -> None:
    """A grade of -1 becomes 0, and 2 becomes 3: whoever has 4 on the scale must be able to see it."""
    (tmp_path / "j.csv").write_text("query,item_id,relevance\nq,a,-1\nq,b,0\nq,c,2\n")
    shop = read(tmp_path / "j.csv", to=tmp_path / "shop")
    assert shop.table("judgments")["grade"].to_list() == [0.0, 1.0, 3.0]
    (said,) = json.loads((tmp_path / "shop" / "read.json").read_text())["said"]
    assert said.startswith(
        "Grades from -1 to 2 are taken for the whole scale: -1 is 0, and 2 is 3."
    )
    assert "--set grade_scale=-1:3" in said


def test_grades_whose_scale_cannot_be_found(tmp_path: Path) -> None:
    (tmp_path / "j.csv").write_text("query,item_id,relevance\nq,a,0\n")
    with pytest.raises(SchemaError, match=r"All grades are 0.0.*grade_scale=0:3"):
        read(tmp_path / "j.csv", to=tmp_path / "shop")
    with pytest.raises(SettingError, match="grade_scale='5' is not of the form lo:hi"):
        read(tmp_path / "j.csv", to=tmp_path / "shop", settings={"grade_scale": "5"})


@pytest.mark.parametrize("grade", ["1", "2.0", "0,5"])
def test_one_grade_above_zero_is_that_of_right_items_alone(tmp_path: Path, grade: str) -> None:
    (tmp_path / "j.tsv").write_text(f"query\titem_id\trelevance\nq\ta\t{grade}\nr\tb\t{grade}\n")
    shop = read(tmp_path / "j.tsv", to=tmp_path / "shop")
    assert shop.table("judgments")["grade"].to_list() == [3.0, 3.0]
    said = json.loads((tmp_path / "shop" / "read.json").read_text())["said"]
    assert any("taken for the highest, 3, as of right items alone" in words for words in said)
    told = read(tmp_path / "j.tsv", to=tmp_path / "told", settings={"grade_scale": "0:4"})
    wanted = float(grade.replace(",", ".")) * 3 / 4
    assert told.table("judgments")["grade"].to_list() == [wanted, wanted]


def test_grades_with_a_decimal_comma_are_on_the_scale_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "j.tsv").write_text("query\titem_id\trelevance\nq\ta\t1\nq\tb\t2,5\nq\tc\t4\n")
    shop = read(tmp_path / "j.tsv", to=tmp_path / "shop")
    assert shop.table("judgments")["grade"].to_list() == [0.0, 1.5, 3.0]


MAP = """
[[table]]
file = "orders*.csv"
table = "events"
columns = { user_id = "wer", item_id = "was", context = ["device"] }
constants = { event = "begin_checkout" }

[[table]]
file = "clicks.csv"
table = "events"
columns = { user_id = "wer", item_id = "was", event = "wie" }
events = { "in den Korb" = "add_to_cart" }
"""


def test_a_map_names_columns_constants_events_and_context(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "clicks.csv").write_text("wer,was,wie\nu,a,in den Korb\nu,b,view\n")
    (source / "orders1.csv").write_text("wer,was,device,note\nu,c,phone,x\n")
    (tmp_path / "map.toml").write_text(MAP)
    events = read(source, to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")}).table(
        "events"
    )
    assert events["event"].to_list() == ["add_to_cart", "view_item", "begin_checkout"]
    assert events["context"].to_list() == [None, None, [{"name": "device", "value": "phone"}]]
    told = json.loads((tmp_path / "shop" / "read.json").read_text())
    assert told["not_recognised"] == {"orders1.csv": ["note"]}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('table = "events"', 'table = "event"', "no table 'event'.*'events'"),
        ("user_id =", "user =", "'user' is not known.*'user_id'"),
        ("constants =", "constant =", "'constant' is not known.*'constants'"),
        ('"add_to_cart"', '"add_to_card"', "'add_to_card' is not known.*'add_to_cart'"),
        ('"was"', '"wass"', "lacks the column 'wass'.*'was'"),
        ("[[table]]", "[[tabel]]", "'tabel' is not known.*'table'"),
        ("[[table]]", "[[table]", "not valid TOML"),
    ],
)
def test_wrong_maps(tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / "orders.csv").write_text("wer,was,device\nu,a,x\n")
    (tmp_path / "clicks.csv").write_text("wer,was,wie\nu,a,view\n")
    (tmp_path / "map.toml").write_text(MAP.replace(old, new))
    with pytest.raises((SettingError, SchemaError), match=words):
        read(tmp_path / "*.csv", to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")})


def test_a_map_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    with pytest.raises(SourceError, match=r"map file .*none.toml is not there"):
        read(
            tmp_path / "log.csv",
            to=tmp_path / "shop",
            settings={"map": str(tmp_path / "none.toml")},
        )
