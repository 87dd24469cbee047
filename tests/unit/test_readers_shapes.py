"""Files of other shapes: JSON of any form, histories, splits, notes; encodings, preambles; frames, archives."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wareloom.errors import InputError, SchemaError, SourceError
from wareloom.readers import read
from wareloom.shop import Shop

RECORDS = [{"id": "a", "title": "Mug", "price": 5}, {"id": "b", "title": "Cup", "price": 4}]
LOG = "user_id,item_id,time\nu,a,2024-01-01\nv,b,2024-01-02\n"


def shop_of(tmp_path: Path, files: dict[str, str | bytes], **settings: Any) -> Shop:
    source = tmp_path / "in"
    source.mkdir()
    for name, text in files.items():
        (source / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read(source, to=tmp_path / "shop", settings=settings)


def told(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "shop" / "read.json").read_text(encoding="utf-8"))


def said(tmp_path: Path) -> str:
    return "\n".join(told(tmp_path)["said"])


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        json.dumps({r["id"]: r for r in RECORDS}),
        json.dumps(
            {r["id"]: {"title": r["title"], "price": r["price"]} for r in RECORDS}, indent=1
        ),
        json.dumps({"count": 2, "products": RECORDS}),
        json.dumps({name: [r[name] for r in RECORDS] for name in RECORDS[0]}),
        json.dumps({name: {str(n): r[name] for n, r in enumerate(RECORDS)} for name in RECORDS[0]}),
        "\n".join(map(json.dumps, RECORDS)),
        "\ufeff" + json.dumps(RECORDS),
    ],
    ids=[
        "array",
        "indented",
        "by id",
        "by id alone",
        "wrapped",
        "lists",
        "columns",
        "lines",
        "mark",
    ],
)
def test_a_catalogue_as_json_of_any_form(tmp_path: Path, text: str) -> None:
    items = shop_of(tmp_path, {"products.json": text}).table("items")
    assert items.select("item_id", "title", "price").rows() == [
        ("a", "Mug", 5.0),
        ("b", "Cup", 4.0),
    ]


def test_an_array_longer_than_its_pieces(tmp_path: Path) -> None:
    records = [
        {"sku": f"i{n}", "title": "x" * (n % 97), "tags": ["]", "{", str(n)]} for n in range(30_000)
    ]
    items = shop_of(tmp_path, {"items.json": json.dumps(records)}).table("items")
    assert items["item_id"].to_list() == [f"i{n}" for n in range(30_000)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('[["a", "b"], ["c"]]', [(None, "1", "a"), (None, "1", "b"), (None, "2", "c")]),
        ('["a", "b"]\n["c"]\n', [(None, "1", "a"), (None, "1", "b"), (None, "2", "c")]),
        (
            '{"u1": ["a", "b"], "u2": ["c"]}',
            [("u1", None, "a"), ("u1", None, "b"), ("u2", None, "c")],
        ),
        (
            '{"user_id": "u1", "history": ["a", "b"]}\n{"user_id": "u2", "history": ["c"]}\n',
            [("u1", None, "a"), ("u1", None, "b"), ("u2", None, "c")],
        ),
    ],
)
def test_baskets_and_histories_in_json(tmp_path: Path, text: str, rows: list[tuple]) -> None:
    events = shop_of(tmp_path, {"baskets.json": text}).table("events")
    columns = [c for c in ("user_id", "session_id", "item_id") if c in events.columns]
    assert events.select(columns).rows() == [
        tuple(
            v
            for v, c in zip(row, ("user_id", "session_id", "item_id"), strict=True)
            if c in columns
        )
        for row in rows
    ]


@pytest.mark.parametrize("history", ["a b c", "\"['a', 'b', 'c']\"", '"a,b,c"', "a|b|c"])
def test_histories_in_a_column(tmp_path: Path, history: str) -> None:
    shop = shop_of(tmp_path, {"train.csv": f"user_id,history\nu,{history}\nv,a\n"})
    assert shop.table("events").select("user_id", "item_id").rows() == [
        ("u", "a"),
        ("u", "b"),
        ("u", "c"),
        ("v", "a"),
    ]


def test_histories_with_the_item_that_came_next(tmp_path: Path) -> None:
    text = "session_id:token\titem_id_list:token_seq\titem_id:token\n1\ta b\tc\n2\td\te\n"
    events = shop_of(tmp_path, {"next.inter": text}).table("events")
    assert events.select("session_id", "item_id").rows() == [
        ("1", "a"),
        ("1", "b"),
        ("1", "c"),
        ("2", "d"),
        ("2", "e"),
    ]


@pytest.mark.parametrize("text", ['["a", "b"]', "[" * 9999, "3\n4\n"])
def test_json_without_a_record(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"items.json holds no record"):
        shop_of(tmp_path, {"items.json": text})


def test_a_line_that_is_no_record_among_records(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="row 2: no JSON object"):
        shop_of(tmp_path, {"items.json": '{"sku": "a"}\n["b"]\n{"sku": "c"}\n'})


def test_half_of_a_character_is_one_bad_row(tmp_path: Path) -> None:
    source = tmp_path / "items.jsonl"
    source.write_text('{"sku": "a", "title": "\\ud83d"}\n{"sku": "b", "title": "x"}\n')
    shop = read(source, to=tmp_path / "shop", on_error="reject")
    assert shop.table("items")["item_id"].to_list() == ["b"]


@pytest.mark.parametrize(
    "name",
    [
        "NOTES.txt",
        "PROVENANCE.txt",
        "README",
        "README.md",
        "LICENSE",
        "licence.txt",
        "about this data.txt",
    ],
)
def test_a_note_never_stops_a_folder(tmp_path: Path, name: str) -> None:
    note = 'These are "our orders, 5" long;\n\nof 2024: see\tthe other file, and mind the quotes"\n'
    assert shop_of(tmp_path, {"log.csv": LOG, name: note}).rows("events") == 2
    assert name in told(tmp_path)["not_recognised"]


def test_a_note_beside_queries_and_tagged_titles(tmp_path: Path) -> None:
    note = "These are our queries.\n\nOf 2024.\n"
    assert (
        shop_of(tmp_path, {"queries.txt": "red mug\ntea\n", "README.txt": note}).rows("searches")
        == 2
    )
    assert told(tmp_path)["reader"] == "queries"


@pytest.mark.parametrize("indent", [None, 1])
def test_ga4_events_as_an_array(tmp_path: Path, indent: int | None) -> None:
    events = [
        {
            "event_name": name,
            "event_timestamp": 1709280000000000,
            "user_pseudo_id": "p",
            "event_params": [{"key": "ga_session_id", "value": {"int_value": 7}}],
            "items": [{"item_id": "M", "price": 5, "quantity": 2}],
        }
        for name in ("view_item", "purchase")
    ]
    shop = shop_of(tmp_path, {"events.json": json.dumps(events, indent=indent)})
    assert told(tmp_path)["reader"] == "ga4"
    assert shop.table("events").select("session_id", "item_id", "event", "value").rows() == [
        ("p.7", "M", "view_item", 10.0),
        ("p.7", "M", "purchase", 10.0),
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "stock.csv",
            r"stock.csv may be the catalogue, and none of its columns is known as item_id",
        ),
        ("catalog.csv", r"catalog.csv, taken for items, lacks the column 'item_id'"),
    ],
)
def test_a_file_that_may_be_the_catalogue_stops(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        shop_of(tmp_path, {"log.csv": LOG, name: "ref,name,price\na,Mug,5\n"})


def test_a_spreadsheet_of_products_stops_and_another_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"products.xlsx may be the catalogue.*write it as CSV"):
        shop_of(tmp_path, {"log.csv": LOG, "products.xlsx": b"PK\x03\x04"})
    (tmp_path / "in" / "products.xlsx").rename(tmp_path / "in" / "budget.xlsx")
    read(tmp_path / "in", to=tmp_path / "shop")
    assert "budget.xlsx is not read: its kind is not known" in said(tmp_path)


@pytest.mark.parametrize("name", ["retail.dat", "train.txt"])
def test_lines_of_ids_stop(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="lines of ids without column names"):
        shop_of(tmp_path, {"log.csv": LOG, name: "1 2 3\n2 3\n4 5 6 7\n"})


def test_text_without_columns_is_said_to_be_a_note(tmp_path: Path) -> None:
    shop_of(
        tmp_path, {"log.csv": LOG, "letter.txt": "Dear all,\n\nhere are the orders.\nYours, Jo\n"}
    )
    assert "letter.txt is taken for a note" in said(tmp_path)


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    shop_of(tmp_path, {"log.csv": LOG, "stores.csv": "store,region\n1,north\n"})
    assert "stores.csv is not read: no table of a shop has its columns (store, region)" in said(
        tmp_path
    )


@pytest.mark.parametrize("names", [("train", "valid", "test"), ("x_train", "x_dev", "x_test")])
def test_parts_of_a_split_are_read_in_their_order(tmp_path: Path, names: tuple[str, ...]) -> None:
    files: dict[str, str | bytes] = {
        f"{name}.csv": f"user_id,item_id\nu,i{n}\n" for n, name in enumerate(names)
    }
    events = shop_of(tmp_path, files).table("events")
    assert events["item_id"].to_list() == ["i0", "i1", "i2"]
    order = ", ".join(f"{name}.csv" for name in names)
    assert f"{order} are taken for parts of a split" in said(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_unmarked_encodings_are_known_by_their_zeros(
    tmp_path: Path, encoding: str, packed: bool
) -> None:
    data = "item_id,title\na,Müll\nb,红色\n".encode(encoding)
    if packed:
        box = io.BytesIO()
        with zipfile.ZipFile(box, "w") as archive:
            archive.writestr("items.csv", data)
        data = box.getvalue()
    items = shop_of(tmp_path, {"items.zip" if packed else "items.csv": data}).table("items")
    assert items.select("item_id", "title").rows() == [("a", "Müll"), ("b", "红色")]
    assert ("byte order mark" in said(tmp_path)) == (encoding != "utf-16")


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_lines_that_end_with_carriage_returns(tmp_path: Path, name: str) -> None:
    text = LOG
    if name.endswith("l"):
        text = "\n".join(json.dumps({"user_id": u, "item_id": "a"}) for u in "uv") + "\n"
    events = shop_of(tmp_path, {name: text.replace("\n", "\r")}).table("events")
    assert events["user_id"].to_list() == ["u", "v"]
    assert "carriage return" in said(tmp_path)


@pytest.mark.parametrize(
    ("before", "separator", "lines"),
    [
        ("sep=;\n", ";", 1),
        ('"sep=,"\n', ",", 1),
        ("# ----\n# All sessions\n# 20240101-20240131\n\n", ",", 4),
        ("Orders of 2024\n\nmade on Monday\n", ";", 3),
        ("\n\n", ",", 2),
        ("Report,Orders\nFrom,2024-01-01\nTo,2024-02-01\n\n", ",", 4),
        ('"Shop, all orders"\n', ",", 1),
    ],
)
def test_lines_before_the_header(tmp_path: Path, before: str, separator: str, lines: int) -> None:
    body = (LOG + "w,c\n").replace(",", separator)
    source = tmp_path / "log.csv"
    source.write_text(before + body)
    shop = read(source, to=tmp_path / "shop", on_error="reject")
    assert shop.table("events")["user_id"].to_list() == ["u", "v"]
    aside = pl.read_parquet(tmp_path / "shop" / "rejected" / "events.parquet")
    assert aside["source_row"].to_list() == [lines + 4]
    assert ("before the header" in said(tmp_path)) == (not before.strip('"').startswith("sep="))


def test_rows_that_look_like_a_header_are_rows(tmp_path: Path) -> None:
    text = "who,what\nuser,item\nuser,product\nu,a\n"
    map_ = '[[table]]\nfile = "log.csv"\ntable = "events"\ncolumns = { user_id = "who", item_id = "what" }\n'
    (tmp_path / "map.toml").write_text(map_)
    shop = shop_of(tmp_path, {"log.csv": text}, map=str(tmp_path / "map.toml"))
    assert shop.rows("events") == 3


def test_lines_to_skip_are_said(tmp_path: Path) -> None:
    events = shop_of(tmp_path, {"log.csv": "a,b,c\nd,e,f\n" + LOG}, skip=2).table("events")
    assert events["user_id"].to_list() == ["u", "v"]


def test_more_lines_to_skip_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no more than the 9 lines"):
        shop_of(tmp_path, {"log.csv": LOG}, skip=9)


@pytest.mark.parametrize(("escape", "title"), [("", 'a "red" mug'), ("\\", 'a "red" mug')])
def test_quotes_behind_backslashes(tmp_path: Path, escape: str, title: str) -> None:
    text = 'item_id,title,maker\n1,"a \\"red\\" mug",x\n2,"C:\\\\",y\n'
    items = shop_of(tmp_path, {"items.csv": text}, escape=escape).table("items")
    assert items["title"].to_list() == [title, "C:\\"]


def test_a_backslash_at_the_end_of_a_field_is_a_backslash(tmp_path: Path) -> None:
    items = shop_of(tmp_path, {"items.csv": 'item_id,title\n1,"C:\\"\n2,"a ""b"""\n'}).table(
        "items"
    )
    assert items["title"].to_list() == ["C:\\", 'a "b"']


def test_a_shop_folder_whose_name_is_a_pattern(tmp_path: Path) -> None:
    for name, item in (("export[1]", "right"), ("export1", "wrong")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text(f"user_id,item_id\nu,{item}\n")
        pl.DataFrame({"item_id": [item]}).write_parquet(tmp_path / name / "items.parquet")
    shop = read(tmp_path / "export[1]", to=tmp_path / "shop")
    assert shop.table("items")["item_id"].to_list() == ["right"]
    assert shop.rows("events") == 1


def test_members_of_one_name_are_both_read(tmp_path: Path) -> None:
    source = tmp_path / "all.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("log.csv", "user_id,item_id\nu,a\n")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("log.csv", "user_id,item_id\nv,b\n")
    events = read(source, to=tmp_path / "shop").table("events")
    assert events["user_id"].to_list() == ["u", "v"]


def test_what_is_wrong_with_an_archive_is_said(tmp_path: Path) -> None:
    source = tmp_path / "all.zip"
    source.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(SourceError, match=r"all.zip is not a whole zip archive"):
        read(source, to=tmp_path / "shop")
    with zipfile.ZipFile(tmp_path / "none.zip", "w"):
        pass
    with pytest.raises(SourceError, match=r"none.zip is a zip archive without files"):
        read(tmp_path / "none.zip", to=tmp_path / "shop")
