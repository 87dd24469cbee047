"""Small exports in the forms that people have, read from the command line: what stands where it should."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

CASES = Path(__file__).parents[1] / "cases"


def read(case: str, source: str, to: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `wareloom read` on the source of a case."""
    folder = to / "case"
    shutil.copytree(CASES / case, folder)
    command = [sys.executable, "-m", "wareloom", "read", source, "--to", str(to / "shop")]
    return subprocess.run(
        [*command, *options], cwd=folder, capture_output=True, text=True, check=False
    )


def table(to: Path, name: str = "events") -> pl.DataFrame:
    return pl.read_parquet(to / "shop" / f"{name}.parquet", glob=False)


@pytest.mark.parametrize(
    ("case", "options"), [("21-shopify-orders", ()), ("22-shopify-map", ("--set", "map=map.toml"))]
)
def test_shopify(tmp_path: Path, case: str, options: tuple[str, ...]) -> None:
    done = read(case, "orders_export_1.csv", tmp_path, *options)
    assert done.returncode == 0, done.stderr
    events = table(tmp_path)
    assert len(events) == 22
    assert set(events.filter(pl.col("quantity") == 2)["value"]) == {20.0}
    assert set(events.filter(pl.col("quantity") == 1)["value"]) == {10.0}
    assert events["session_id"].n_unique() == 11
    assert events["user_id"].null_count() == 0
    assert not events["user_id"].str.contains("@").any()
    assert set(events["item_id"].str.slice(0, 3)) == {"MUG", "CUP"}
    assert "is the order's total and no line's value" in done.stdout
    assert "refunded or cancelled" in done.stdout


def test_instacart(tmp_path: Path) -> None:
    assert read("28-instacart", "data", tmp_path).returncode == 0
    events = table(tmp_path)
    by_user = events.group_by("user_id", maintain_order=True).agg("item_id", "session_id")
    assert dict(zip(by_user["user_id"], by_user["item_id"].to_list(), strict=True)) == {
        "1": ["10", "11", "10", "12"],
        "2": ["12"],
    }
    items = table(tmp_path, "items")
    assert items["title"].to_list() == ["Bananas", 'Milk, "whole"', "Bread"]
    assert items["category"][0].to_list() == ["produce", "fruit"]


def test_hm(tmp_path: Path) -> None:
    assert read("34-hm", "data", tmp_path).returncode == 0
    assert table(tmp_path, "items")["item_id"].to_list() == ["0663713001", "0541518023"]
    assert len(table(tmp_path, "users")) == 2
    names = {p["name"] for a in table(tmp_path, "users")["attributes"].to_list() for p in a}
    assert "prediction" not in names


def test_ga4(tmp_path: Path) -> None:
    assert read("29-ga4-json", "events_20240301.json", tmp_path).returncode == 0
    events = table(tmp_path)
    assert events.filter(pl.col("event") == "purchase").height == 1
    assert "(not set)" not in events["item_id"].to_list()
    items = table(tmp_path, "items")
    assert items["brand"].null_count() == len(items)
    assert items["category"].to_list() == [["Home"]] * len(items)


def test_ga4_with_a_broken_line(tmp_path: Path) -> None:
    done = read("32-ga4-bad-line", "events_20240301.json", tmp_path)
    assert done.returncode == 2
    assert "events_20240301.json, row 2: no JSON object" in done.stderr
    shutil.rmtree(tmp_path / "case")
    done = read("32-ga4-bad-line", "events_20240301.json", tmp_path, "--on-error", "reject")
    assert done.returncode == 0
    assert len(table(tmp_path)) == 2
    assert table(tmp_path, "rejected/events")["source_row"].to_list() == [2]


def test_ga4_as_parquet_is_what_it_is_as_json(tmp_path: Path) -> None:
    lines = (CASES / "29-ga4-json" / "events_20240301.json").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    values = pl.Struct({"string_value": pl.String, "int_value": pl.Int64})
    params = pl.List(pl.Struct({"key": pl.String, "value": values}))
    for row in rows:
        row["event_timestamp"] = int(row["event_timestamp"])
        for pair in row["event_params"]:
            if "int_value" in pair["value"]:
                pair["value"]["int_value"] = int(pair["value"]["int_value"])
    names = (
        "event_name",
        "event_timestamp",
        "user_pseudo_id",
        "event_params",
        "items",
        "ecommerce",
    )
    frame = pl.DataFrame(
        [{name: row[name] for name in names} for row in rows],
        schema_overrides={"event_params": params},
        infer_schema_length=None,
        strict=False,
    )
    from wareloom.readers import read as read_in

    frame.write_parquet(tmp_path / "events_20240301.parquet")
    one = read_in(tmp_path / "events_20240301.parquet", to=tmp_path / "one")
    two = read_in(CASES / "29-ga4-json" / "events_20240301.json", to=tmp_path / "two")
    for name in ("items", "events", "searches"):
        assert one.table(name).equals(two.table(name)), name


def test_woocommerce_guests(tmp_path: Path) -> None:
    done = read("19-woo-guests", "orders.csv", tmp_path)
    assert done.returncode == 0
    users = table(tmp_path)["user_id"]
    assert users.null_count() == 0
    assert "0" not in users.to_list()
    assert {"32", "36", "40"} <= set(users)
    assert users.n_unique() == len(users)


@pytest.mark.parametrize("case", ["59-sep-line", "61-cr-only"])
def test_odd_text(tmp_path: Path, case: str) -> None:
    assert read(case, "events.csv", tmp_path).returncode == 0
    assert table(tmp_path).select("user_id", "item_id").rows() == [("u", "i"), ("v", "j")]
