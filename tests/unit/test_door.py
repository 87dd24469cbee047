"""The door: what it takes, what it sets aside, where it stops."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.errors import SchemaError, SettingError, UnknownNameError
from wareloom.preparing.door import admit
from wareloom.preparing.times import clock
from wareloom.preparing.values import LIST


def lazy(**columns: list) -> pl.LazyFrame:
    return pl.LazyFrame(columns, strict=False)


def events(**columns: list) -> pl.LazyFrame:
    size = len(next(iter(columns.values())))
    return lazy(
        **{"user_id": ["u"] * size, "event": ["purchase"] * size, "item_id": ["a"] * size} | columns
    )


def table(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"{name}.parquet")


def test_rows_that_cannot_be_used_are_always_set_aside(tmp_path: Path) -> None:
    log = events(item_id=["a", "zz", None, "b", "a"], user_id=["u", "u", "u", None, "v"])
    told = admit({"items": lazy(item_id=["a", "b", None]), "events": log}, tmp_path)
    assert told.taken == {"items": 2, "events": 2}
    assert told.rejected["events"] == {
        "user_id: missing": 1,
        "item_id: missing": 1,
        "item_id: not in the table items": 1,
    }
    assert table(tmp_path, "events")["user_id"].to_list() == ["u", "v"]
    aside = table(tmp_path / "rejected", "events")
    assert aside.select("item_id", "reason", "source_row").rows() == [
        ("zz", "item_id: not in the table items", 2),
        (None, "item_id: missing", 3),
        ("b", "user_id: missing", 4),
    ]
    assert table(tmp_path / "rejected", "items")["reason"].to_list() == ["item_id: missing"]


@pytest.mark.parametrize(
    ("column", "cells", "words"),
    [
        ("price", ["1", "abc"], "'abc' is not a number"),
        ("price", ["1", "NaN"], "'NaN' is NaN or infinite"),
        ("price", ["1", "-inf"], "'-inf' is NaN or infinite"),
        ("price", [1.0, -2.5], "'-2.5' is less than 0"),
        ("price", [1.0, float("nan")], "'NaN' is NaN or infinite"),
        (
            "launched_at",
            ["2020-01-02", "03.04.2020"],
            "'03.04.2020' is not a time in the form %Y-%m-%d",
        ),
        (
            "launched_at",
            ["1600000000", "1600000001", "1600000000000"],
            "'1600000000000' is not a time in seconds since 1970",
        ),
        (
            "launched_at",
            ["1600000000000", "1500000000000", "1600000000"],
            "'1600000000' is not a time in milliseconds",
        ),
    ],
)
def test_a_malformed_cell_stops_or_is_blanked(
    tmp_path: Path, column: str, cells: list, words: str
) -> None:
    items = lazy(item_id=[f"i{n}" for n in range(len(cells))], **{column: cells})
    with pytest.raises(SchemaError) as caught:
        admit({"items": items}, tmp_path)
    message = str(caught.value)
    assert words in message
    assert f"Table 'items', items, row {len(cells)}, column '{column}'" in message
    assert "--on-error reject" in message
    told = admit({"items": items}, tmp_path, on_error="reject")
    assert told.taken["items"] == len(cells)
    assert told.rejected["items"] == {}
    assert sum(told.blanked["items"].values()) == 1
    assert table(tmp_path, "items")[column][len(cells) - 1] is None
    aside = table(tmp_path / "blanked", "items")
    assert aside["reason"][0].startswith(f"{column}: ")
    assert aside[column][0] == str(cells[-1]).replace("nan", "NaN")
    assert aside["source_row"].to_list() == [len(cells)]


def test_an_item_id_used_twice_names_both_rows(tmp_path: Path) -> None:
    items = lazy(item_id=["a", "b", "a", "a"], title=["first", "b", "second", "third"])
    with pytest.raises(
        SchemaError,
        match=r"row 3, column 'item_id': 'a' was used before, in items, row 1; .*reject.*first row is kept",
    ):
        admit({"items": items}, tmp_path)
    told = admit({"items": items}, tmp_path, on_error="reject")
    assert told.rejected["items"] == {"item_id: used before": 2}
    assert table(tmp_path, "items")["title"].to_list() == ["first", "b"]


def test_an_unknown_event_and_an_impossible_propensity(tmp_path: Path) -> None:
    with pytest.raises(
        SchemaError,
        match=r"'newsletter' is not one of view_item_list, .*purchase.*say in a map .*newsletter.*view_item",
    ):
        admit({"events": events(event=["purchase", "newsletter"])}, tmp_path)
    with pytest.raises(SchemaError, match=r"column 'propensity': '1.5' is more than 1"):
        admit({"events": events(propensity=["0.5", "1.5"])}, tmp_path)


def test_items_come_from_the_log_and_users_are_completed(tmp_path: Path) -> None:
    judged = lazy(query=["q"], item_id=["c"], grade=["3"])
    log = events(item_id=["b", "a", "b"], user_id=["u", "v", "w"])
    told = admit({"events": log, "judgments": judged, "users": lazy(user_id=["v"])}, tmp_path)
    assert table(tmp_path, "items")["item_id"].to_list() == ["a", "b", "c"]
    assert table(tmp_path, "users")["user_id"].to_list() == ["v", "u", "w"]
    assert told.derived == {"items": 3, "users": 2}


def test_ids_are_text_whatever_they_came_as(tmp_path: Path) -> None:
    admit(
        {"events": events(item_id=[1.0, 2.0, 3.0], user_id=[7, 8, 9], session_id=[" s ", "", "t"])},
        tmp_path,
    )
    rows = table(tmp_path, "events").select("item_id", "user_id", "session_id").rows()
    assert rows == [("1", "7", "s"), ("2", "8", None), ("3", "9", "t")]


def test_categories_from_text_lists_and_nested_lists(tmp_path: Path) -> None:
    cells = ["A > B", "A|B", f"{LIST}A{LIST}B{LIST}A", "A", None, " "]
    admit({"items": lazy(item_id=list("abcdef"), category=cells)}, tmp_path)
    assert table(tmp_path, "items")["category"].to_list() == [["A", "B"]] * 3 + [["A"], None, None]
    admit({"items": lazy(item_id=["a"], category=[[["A", "B"], ["A", "C"]]])}, tmp_path)
    assert table(tmp_path, "items")["category"].to_list() == [["A", "B", "C"]]


@pytest.mark.parametrize(
    "cell",
    ["1577880000", "1577880000000", "1577880000000000", "2020-01-01T12:00:00Z", "2020-01-01T14:00:00+02:00",
     "2020-01-01 12:00:00", "2020-01-01 12:00:00 UTC", "2020/01/01 12:00",
     "2020年01月01日 12:00:00", "01.01.2020 12:00:00"],
)  # fmt: skip
def test_the_usual_forms_of_a_time(tmp_path: Path, cell: str) -> None:
    admit({"events": events(time=[cell, cell])}, tmp_path)
    assert table(tmp_path, "events")["time"][0] == dt.datetime(2020, 1, 1, 12)


def test_day_and_month_are_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(
        SchemaError, match=r"'time'.*'03/04/2020' day and month cannot be told apart.*time_format"
    ):
        admit({"events": events(time=["03/04/2020"])}, tmp_path)
    admit({"events": events(time=["03/04/2020"])}, tmp_path, time_format="%d/%m/%Y")
    assert table(tmp_path, "events")["time"][0] == dt.datetime(2020, 4, 3)
    assert clock(pl.Series(["13/04/2020", "03/04/2020"]), "here").pattern == "%d/%m/%Y"


def test_what_is_not_a_time_says_so(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"'soon' is not a time in any known form; .*time_format"):
        admit({"events": events(time=["soon"])}, tmp_path)


def test_wrong_calls(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"on_error='rejct'.*'reject'"):
        admit({"events": events(item_id=["a"])}, tmp_path, on_error="rejct")
    with pytest.raises(UnknownNameError, match=r"'event'.*'events'"):
        admit({"event": events(item_id=["a"])}, tmp_path)
    with pytest.raises(SchemaError, match="'judgments' lacks the column 'grade'"):
        admit({"judgments": lazy(query=["q"], item_id=["a"])}, tmp_path)
    with pytest.raises(SchemaError, match="'events' needs a column user_id or session_id"):
        admit({"events": lazy(item_id=["a"], event=["purchase"])}, tmp_path)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "zz", "", None]),
            st.sampled_from(["1", "x", "inf", "", None]),
        ),
        min_size=1,
    )
)
def test_no_row_is_lost_and_order_is_kept(
    tmp_path_factory: pytest.TempPathFactory, rows: list
) -> None:
    folder = tmp_path_factory.mktemp("shop")
    ids, values = zip(*rows, strict=True)
    frame = pl.LazyFrame(
        {
            "user_id": [f"u{n}" for n in range(len(rows))],
            "item_id": ids,
            "value": values,
            "event": ["purchase"] * len(rows),
        },
        schema=dict.fromkeys(("user_id", "item_id", "value", "event"), pl.String),
    )
    good = [n for n, (i, _) in enumerate(rows) if i in ("a", "b")]
    tables = {"items": lazy(item_id=["a", "b"]), "events": frame}
    if not good:
        with pytest.raises(SchemaError, match="Nothing is left of the table 'events'"):
            admit(tables, folder, on_error="reject")
        return
    told = admit(tables, folder, on_error="reject")
    assert told.taken["events"] + sum(told.rejected["events"].values()) == len(rows)
    kept = table(folder, "events")
    assert kept["user_id"].to_list() == [f"u{n}" for n in good]
    assert kept["value"].to_list() == [1.0 if rows[n][1] == "1" else None for n in good]
