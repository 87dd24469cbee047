"""A log of searches in one file with what was clicked: no query is lost, and none counts twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wareloom.readers import read
from wareloom.shop import Shop

ITEMS = "item_id,title\na,Red shoe\nb,Blue shoe\n"


def opened(folder: Path, log: str, **settings: Any) -> tuple[Shop, dict[str, Any]]:
    source = folder / "export"
    source.mkdir()
    (source / "items.csv").write_text(ITEMS)
    (source / "search_log.csv").write_text(log)
    shop = read(source, to=folder / "shop", settings=settings)
    return shop, json.loads((folder / "shop" / "read.json").read_text())


def rows(shop: Shop, table: str, *columns: str) -> list[tuple[Any, ...]]:
    return shop.table(table).select(columns).rows()


def test_a_row_of_a_search_log_is_a_search_and_a_click(tmp_path: Path) -> None:
    shop, told = opened(
        tmp_path,
        "user_id,search_id,query,clicked_item,position,time\n"
        "u1,s1,shoe,a,1,2024-03-01 10:00\n"
        "u1,s1,shoe,b,2,2024-03-01 10:01\n"
        "u2,s2,boots,,,2024-03-01 11:00\n"
        "u2,s3,None,b,1,2024-03-01 12:00\n",
    )
    assert rows(shop, "searches", "search_id", "user_id", "query") == [
        ("s1", "u1", "shoe"),
        ("s2", "u2", "boots"),
        ("s3", "u2", "None"),
    ]
    assert rows(shop, "events", "user_id", "item_id", "event", "search_id", "position") == [
        ("u1", "a", "select_item", "s1", 1),
        ("u1", "b", "select_item", "s1", 2),
        ("u2", "b", "select_item", "s3", 1),
    ]
    assert told["tables"]["events"]["rejected"] == {}
    assert "query" not in told["not_recognised"].get("search_log.csv", [])
    (said,) = told["said"]
    assert "1 rows have no item" in said
    assert "kind select_item" in said


@pytest.mark.parametrize("known", ["", "query_id"])
def test_a_shoppers_run_of_one_query_is_a_search_where_no_id_tells(
    tmp_path: Path, known: str
) -> None:
    """An id of the query itself, which shoppers share, tells no search from another."""
    log = [("u1", "shoe", "a"), ("u2", "shoe", "b"), ("u1", "shoe", "b"), ("u1", "boots", "")]
    log += [("u1", "shoe", "a"), ("u2", "", "a"), ("u2", "shoe", "a")]
    ids = {"shoe": "q7", "boots": "q8", "": ""}
    lines = [
        f"{u},{q},{i},{n}" + (f",{ids[q]}" if known else "") for n, (u, q, i) in enumerate(log)
    ]
    head = "user_id,query,item_id,event_time" + (f",{known}" if known else "")
    times = [line.replace(f",{n}", f",2024-03-01 10:0{n}", 1) for n, line in enumerate(lines)]
    shop, _ = opened(tmp_path, "\n".join([head, *times]) + "\n")
    asked = shop.table("searches").select("user_id", "query").sort("user_id", "query")
    # u1: shoe (two clicks), boots, shoe again; u2: shoe, something without a search, shoe again.
    assert asked.rows() == [
        ("u1", "boots"),
        ("u1", "shoe"),
        ("u1", "shoe"),
        ("u2", "shoe"),
        ("u2", "shoe"),
    ]
    clicks = shop.table("events").join(
        shop.table("searches").select("search_id", "query"), on="search_id", how="left"
    )
    assert clicks["event"].unique().to_list() == ["purchase"]
    assert clicks.select("user_id", "query", "item_id").rows() == [
        (u, q or None, i) for u, q, i in log if i
    ]


def test_kinds_of_events_stay_those_of_their_column(tmp_path: Path) -> None:
    shop, told = opened(
        tmp_path,
        "user_id,event,search_term,product_id,time\n"
        "u1,search,shoe,,2024-03-01 10:00\nu1,click,shoe,a,2024-03-01 10:01\n"
        "u1,purchase,,a,2024-03-01 10:05\n",
    )
    assert rows(shop, "events", "event", "item_id") == [("select_item", "a"), ("purchase", "a")]
    assert rows(shop, "searches", "query") == [("shoe",)]
    assert "as event says" in told["said"][0]


def test_a_file_of_searches_beside_it_is_the_one_that_counts(tmp_path: Path) -> None:
    source = tmp_path / "export"
    source.mkdir()
    (source / "events.csv").write_text("user_id,item_id,query\nu1,a,shoe\n")
    (source / "searches.csv").write_text("user_id,query\nu1,boots\n")
    shop = read(source, to=tmp_path / "shop")
    assert rows(shop, "searches", "query") == [("boots",)]


def test_rows_are_neither_lost_nor_made(tmp_path: Path) -> None:
    """Every row is an event, or a search without one; every query that stood in the file is there as often."""
    lines = [
        f"u{n % 3},{['shoe', 'boots', ''][n % 5 % 3]},{['a', 'b', ''][n % 7 % 3]}"
        for n in range(60)
    ]
    shop, told = opened(tmp_path, "user_id,query,item_id\n" + "\n".join(lines) + "\n")
    empty = sum(not line.split(",")[1] and not line.split(",")[2] for line in lines)
    alone = sum(bool(line.split(",")[1]) and not line.split(",")[2] for line in lines)
    assert shop.rows("events") == 60 - empty - alone
    assert sum(told["tables"]["events"]["rejected"].values()) == empty
    frame = pl.DataFrame([line.split(",") for line in lines], schema=["u", "q", "i"], orient="row")
    runs = frame.with_columns(new=pl.col("q").ne_missing(pl.col("q").shift(1)).over("u"))
    assert shop.rows("searches") == runs.filter(pl.col("new") & (pl.col("q") != "")).height
