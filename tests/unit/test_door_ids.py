"""Ids: one thing written in several ways is one, two things never are; words for nothing and guests are nobody."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.errors import SchemaError
from wareloom.preparing.door import TRANSACTION, admit
from wareloom.preparing.nothing import EMPTY


def table(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"{name}.parquet")


def log(items: list, users: list | None = None, **more: list) -> pl.LazyFrame:
    size = len(items)
    columns = {"user_id": users or ["u"] * size, "item_id": items, "event": ["purchase"] * size}
    return pl.LazyFrame(columns | more, strict=False)


def test_ids_of_programs_are_one_form_over_all_tables(tmp_path: Path) -> None:
    items = pl.LazyFrame({"item_id": ["1001", "1002"]})
    frame = log(["1001.0", "1002.0", "1.001E+03"], ["55.0", "56", "55"])
    told = admit(
        {"items": items, "events": frame, "users": pl.LazyFrame({"user_id": [55.0]})}, tmp_path
    )
    assert table(tmp_path, "events")["item_id"].to_list() == ["1001", "1002", "1001"]
    assert table(tmp_path, "events")["user_id"].to_list() == ["55", "56", "55"]
    assert table(tmp_path, "users")["user_id"].to_list() == ["55", "56"]
    assert sum("in all tables" in note for note in told.notes) == 2


def test_versions_are_no_numbers(tmp_path: Path) -> None:
    admit({"events": log(["1.0", "1", "v1.0"])}, tmp_path)
    assert table(tmp_path, "events")["item_id"].to_list() == ["1.0", "1", "v1.0"]


@pytest.mark.parametrize(
    ("there", "here", "found"),
    [
        (["007", "008"], ["7", "8", "007"], ["007", "008", "007"]),
        (["SKU 1", "SKU-2"], ["sku1", "SKU-2"], ["SKU 1", "SKU-2"]),
        (["A\u200b", "B"], ["A", "\ufeffB\x00"], ["A", "B"]),
        ([" A\u00a0", "B"], ["A", "B "], ["A", "B"]),
        (["A1.0", "5"], ["A1.0", "5.0"], ["A1.0", "5"]),
    ],
)
def test_what_differs_in_form_alone_meets(
    tmp_path: Path, there: list, here: list, found: list
) -> None:
    told = admit({"items": pl.LazyFrame({"item_id": there}), "events": log(here)}, tmp_path)
    assert table(tmp_path, "events")["item_id"].to_list() == found
    assert told.rejected["events"] == {}


def test_two_products_are_never_one(tmp_path: Path) -> None:
    items = pl.LazyFrame({"item_id": ["7", "007", "a", "A", "x"]})
    told = admit(
        {"items": items, "events": log(["7", "007", "a", "A", "x"] * 3 + ["07", "aA"])}, tmp_path
    )
    assert table(tmp_path, "events")["item_id"].to_list() == ["7", "007", "a", "A", "x"] * 3
    assert told.rejected["events"] == {"item_id: not in the table items": 2}
    assert "'07' and others may be one id or another" in " ".join(told.warnings)


def test_users_of_a_table_and_of_the_log_meet(tmp_path: Path) -> None:
    users = pl.LazyFrame({"user_id": ["ann@x.example", "007"]})
    admit({"events": log(["a", "b"], ["Ann@X.example", "7"]), "users": users}, tmp_path)
    assert table(tmp_path, "events")["user_id"].to_list() == ["ann@x.example", "007"]
    assert table(tmp_path, "users")["user_id"].to_list() == ["ann@x.example", "007"]


def test_rounded_ids_are_said(tmp_path: Path) -> None:
    told = admit({"events": log(["4.00638E+12", "4.00639E+12"])}, tmp_path)
    assert "look rounded by a spreadsheet ('4.00638E+12')" in told.warnings[0]


def test_a_table_of_which_much_is_lost_says_so_with_both_sides(tmp_path: Path) -> None:
    items = pl.LazyFrame({"item_id": ["a1", "a2"]})
    told = admit({"items": items, "events": log(["a1", "zz", "zz"])}, tmp_path)
    assert "2 of 3 rows of events (67%) were set aside" in told.warnings[0]
    assert "here 'zz'; there 'a1', 'a2'" in told.warnings[0]
    with pytest.raises(
        SchemaError, match=r"Nothing is left of the table 'events'.*here 'zz'; there 'a1'"
    ):
        admit({"items": items, "events": log(["zz", "zz"])}, tmp_path, on_error="reject")


@settings(max_examples=60, deadline=None)
@given(
    word=st.sampled_from([w for w in EMPTY if w]),
    column=st.sampled_from(["user_id", "item_id", "brand"]),
)
def test_words_for_nothing_are_nothing(
    tmp_path_factory: pytest.TempPathFactory, word: str, column: str
) -> None:
    folder = tmp_path_factory.mktemp("shop")
    items = {"item_id": ["a", "b"], "title": ["Mug", "None"], "brand": ["X", "Y"]}
    events = {"item_id": ["a", "b", "a"], "user_id": ["u", "v", "w"], "session_id": ["1", "2", "3"]}
    holder = items if column == "brand" else events
    holder[column] = [f" {word} ", *holder[column][1:]]
    admit({"items": pl.LazyFrame(items), "events": log(events["item_id"], events["user_id"],
           session_id=events["session_id"])}, folder)  # fmt: skip
    name = "items" if column == "brand" else "events"
    left = table(folder, name)
    assert left[column].drop_nulls().to_list() == holder[column][1:]
    assert table(folder, "items")["title"].to_list() == ["Mug", "None"]


def test_guests_are_nobody_where_an_order_tells_them_apart(tmp_path: Path) -> None:
    users = ["0", "u1", "0", "u2", "0", "u3", "0", "u4"]
    sessions = [str(k) for k in range(8)]
    told = admit({"events": log(["a"] * 8, users, session_id=sessions)}, tmp_path)
    found = table(tmp_path, "events")["user_id"].to_list()
    assert found == [None, "u1", None, "u2", None, "u3", None, "u4"]
    assert "'0' (50%)" in told.warnings[0]
    admit({"events": log(["a"] * 8, users)}, tmp_path)
    assert table(tmp_path, "events")["user_id"].to_list() == users
    numbered = [str(k % 4) for k in range(8)]
    admit({"events": log(["a"] * 8, numbered, session_id=sessions)}, tmp_path)
    assert table(tmp_path, "events")["user_id"].to_list() == numbered


def test_a_transaction_counts_once(tmp_path: Path) -> None:
    frame = log(
        ["a", "a", "b", "a", "a"],
        **{TRANSACTION: ["T1", "T1", "T1", "T1", None], "source_row": [2, 2, 2, 3, 4]},
    )
    told = admit({"events": frame}, tmp_path)
    assert table(tmp_path, "events")["item_id"].to_list() == ["a", "a", "b", "a"]
    assert told.rejected["events"] == {"transaction: sent twice: the purchase counts once": 1}


def test_returns_are_said(tmp_path: Path) -> None:
    told = admit({"events": log(["a", "a"], quantity=["1", "-1"])}, tmp_path)
    assert "Events with a negative quantity or value: 1. They are returns" in told.notes[-1]
