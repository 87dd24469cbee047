"""Plain lists of queries, and titles whose parts are tagged: what is read, and what is said of broken ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from wareloom.errors import SchemaError, SourceError
from wareloom.readers import find, read

TAGGED = "红 B-HPPX\n豆 I-HPPX\n女 B-HCCX\n鞋 I-HCCX\n3 B-MISC\n8 I-MISC\n码 I-MISC\n新 O\n\nA O\n1 B-XH\n"


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("name", ["queries.txt", "train.query.tsv", "搜索词.txt"])
@pytest.mark.parametrize("text", ["7\tred shoes\n9\t连衣裙\n", "red shoes\n\n连衣裙\n"])
def test_queries_become_searches(tmp_path: Path, name: str, text: str) -> None:
    source = write(tmp_path / name, text)
    assert find(str(source)).__name__ == "Queries"
    shop = read(source, to=tmp_path / "shop")
    assert shop.table("searches")["query"].to_list() == ["red shoes", "连衣裙"]
    assert shop.table("searches")["search_id"].is_unique().all()
    assert shop.rows("items") == 0


def test_what_is_no_list_of_queries_is_left_to_others(tmp_path: Path) -> None:
    columns = write(tmp_path / "a" / "queries.tsv", "query\titem_id\tgrade\nred shoes\ta\t3\n")
    assert find(str(columns)).__name__ == "Tables"
    assert find(str(write(tmp_path / "b" / "notes.txt", "red shoes\n"))).__name__ == "Tables"
    judged = write(tmp_path / "c" / "queries.txt", "1\tred shoes\n").parent
    write(judged / "qrels.txt", "1 0 a 1\n")
    assert find(str(judged)).__name__ == "Qrels"


def test_broken_lists_of_queries(tmp_path: Path) -> None:
    def refused(text: bytes, kind: type[Exception], said: str, name: str = "queries.txt") -> None:
        with pytest.raises(kind, match=said):
            read(write(tmp_path / "in" / name, text), to=tmp_path / "shop", as_="queries")
        assert not (tmp_path / "shop").exists()

    refused(b"", SourceError, r"queries.txt is empty \(0 bytes\)")
    refused("1\t红鞋\n".encode("gb18030"), SourceError, "is not utf-8.*encoding=")
    refused(b"1\ta\n1\tb\n", SchemaError, "'1' was used before")
    whole = gzip.compress("".join(f"{n}\tquery {n * 7919}\n" for n in range(999)).encode())
    refused(whole[: len(whole) // 2], SourceError, "truncated or damaged", "queries.txt.gz")
    with pytest.raises(SourceError, match="holds no file of queries"):
        read(write(tmp_path / "other.docx", "x"), to=tmp_path / "shop", as_="queries")
    shop = read(write(tmp_path / "queries.txt", b"1\ta\n2\n"), to=tmp_path / "shop")
    assert shop.rows("searches") == 1
    assert len(pl.read_parquet(tmp_path / "shop" / "rejected" / "searches.parquet")) == 1


def test_tagged_titles_become_items(tmp_path: Path) -> None:
    source = write(tmp_path / "train.txt", TAGGED)
    assert find(str(source)).__name__ == "Bio"
    items = read(source, to=tmp_path / "shop").table("items")
    assert items.select("item_id", "title", "brand").rows() == [
        ("train-1", "红豆女鞋38码新", "红豆"),
        ("train-2", "A1", None),
    ]
    assert items["attributes"].to_list() == [
        [{"name": "product", "value": "女鞋"}, {"name": "specification", "value": "38码"}],
        [{"name": "pattern", "value": "1"}],
    ]


def test_whole_words_unknown_tags_and_parts_without_a_beginning(tmp_path: Path) -> None:
    source = write(
        tmp_path / "t.conll",
        "nike I-BRAND\nair I-BRAND\nshoe B-THING\nbox B-THING\n\u3000 O\nx\tO\n",
    )
    settings = {"tags": {"BRAND": "brand"}}
    items = read(source, to=tmp_path / "shop", settings=settings).table("items")
    assert items.select("title", "brand").rows() == [("nike air shoe box\u3000x", "nike air")]
    assert [part["value"] for part in items["attributes"][0]] == ["shoe", "box"]


def test_broken_tagged_titles(tmp_path: Path) -> None:
    def refused(text: bytes, kind: type[Exception], said: str, name: str = "train.txt") -> None:
        with pytest.raises(kind, match=said):
            read(write(tmp_path / "in" / name, text), to=tmp_path / "shop", as_="bio")

    refused(b"", SourceError, r"train.txt is empty \(0 bytes\)")
    refused(b"\n\n", SourceError, "has no title")
    refused(TAGGED.encode("gb18030"), SourceError, "is not utf-8.*gb18030")
    whole = gzip.compress(TAGGED.encode() * 50)
    refused(whole[:60], SourceError, "truncated or damaged", "train.txt.gz")
    cut = TAGGED.encode()[: TAGGED.encode().index(b"HCCX")]
    refused(
        cut, SchemaError, "'items', train.txt, row 1: line 3 is '女 B-', not a character or word"
    )
    other = write(tmp_path / "train.txt", TAGGED + "\nno tag here\n\nB O\n")
    with pytest.raises(SchemaError, match="line 13 is 'no tag here'"):
        read(other, to=tmp_path / "shop")
    shop = read(other, to=tmp_path / "shop", on_error="reject")
    assert shop.table("items")["title"].to_list() == ["红豆女鞋38码新", "A1", "B"]
    assert pl.read_parquet(tmp_path / "shop" / "rejected" / "items.parquet")[
        "source_row"
    ].to_list() == [13]
