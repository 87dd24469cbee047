"""TREC qrels in tabs and in blanks, with and without a catalogue."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from wareloom.errors import SettingError, SourceError
from wareloom.readers import find, read


def source(folder: Path, qrels: str) -> Path:
    folder.mkdir()
    (folder / "topics.txt").write_text("q1\tred shoes\nq2\t蓝色 裙子\n", encoding="utf-8")
    (folder / "qrels.txt").write_text(qrels, encoding="utf-8")
    return folder


@pytest.mark.parametrize("mark", ["\t", " "])
def test_grades_are_mapped_to_three(tmp_path: Path, mark: str) -> None:
    lines = [
        ("q1", "0", "a", "4"),
        ("q1", "0", "b", "1"),
        ("q2", "0", "a", "-1"),
        ("q2", "0", "c", "2"),
    ]
    folder = source(tmp_path / "in", "".join(mark.join(line) + "\n" for line in lines))
    assert find(str(folder)).__name__ == "Qrels"
    shop = read(folder, to=tmp_path / "shop")
    rows = shop.table("judgments").select("query", "item_id", "grade").rows()
    assert rows == [
        ("red shoes", "a", 3.0),
        ("red shoes", "b", 0.75),
        ("蓝色 裙子", "a", 0.0),
        ("蓝色 裙子", "c", 1.5),
    ]
    assert shop.table("items")["item_id"].sort().to_list() == ["a", "b", "c"]


def test_a_judgment_without_its_query_or_item_is_set_aside(tmp_path: Path) -> None:
    folder = source(tmp_path / "in", "q1\t0\ta\t1\nq9\t0\ta\t1\nq2\t0\tz\t1\n")
    (folder / "corpus.tsv").write_text("a\tRed shoe\nb\tBlue skirt\n", encoding="utf-8")
    shop = read(folder, to=tmp_path / "shop", settings={"top": 3})
    assert shop.table("judgments").select("item_id", "grade").rows() == [("a", 1.0)]
    assert shop.table("items").select("item_id", "title").rows() == [
        ("a", "Red shoe"),
        ("b", "Blue skirt"),
    ]
    assert len(pl.read_parquet(tmp_path / "shop" / "rejected" / "judgments.parquet")) == 2


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    folder = source(tmp_path / "in", "q1\t0\ta\t1\n")
    (folder / "topics.txt").unlink()
    with pytest.raises(SourceError, match=r"one of queries .* it has qrels\.txt"):
        read(folder, to=tmp_path / "shop", as_="qrels")
    with pytest.raises(SettingError, match="top is -1"):
        read(folder, to=tmp_path / "shop", as_="qrels", settings={"top": -1})
