"""Small exports that once became other rows or other values, read by the command line."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest

from wareloom.errors import SchemaError
from wareloom.preparing.cleaning import clean
from wareloom.readers import read
from wareloom.shop import Shop

CASES = Path(__file__).resolve().parents[1] / "cases"


def shop_of(name: str, folder: Path, **settings: str) -> Shop:
    case = CASES / name
    source = case / "data" if (case / "data").is_dir() else next(case.iterdir())
    on_error = settings.pop("on_error", "stop")
    return read(source, to=folder / "shop", settings=settings, on_error=on_error)


def told(folder: Path) -> dict:
    return json.loads((folder / "shop" / "read.json").read_text(encoding="utf-8"))


def test_stamps_of_fourteen_digits_are_no_ticks(tmp_path: Path) -> None:
    times = shop_of("48-compact-stamp-14", tmp_path).table("events")["time"]
    assert times.to_list() == [
        dt.datetime(2024, 3, 1, 12, 30),
        dt.datetime(2024, 3, 2, 12, 30),
        dt.datetime(2024, 3, 3, 12, 30),
        dt.datetime(2024, 3, 4, 9, 30),
    ]


def test_ids_of_a_float_column_meet_those_of_the_catalogue(tmp_path: Path) -> None:
    events = shop_of("02-float-ids", tmp_path).table("events")
    assert events.select("user_id", "item_id").rows() == [("55", "1001"), ("56", "1002")]
    said = told(tmp_path)
    assert any("'1001.0': they were read as '1001'" in note for note in said["notes"])
    assert any("2 of 4 rows of events (50%)" in words for words in said["warnings"])


def test_a_csv_and_a_parquet_of_one_frame_are_one_shop(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "customer_id": [55.0, 56.0, None, 57.0],
            "product_id": [1001.0, None, 1003.0, 1001.0],
            "order_id": [1, 2, 3, 4],
            "order_date": ["2024-01-01"] * 4,
        }
    )
    shops = []
    for form, write in (("csv", frame.write_csv), ("parquet", frame.write_parquet)):
        write(tmp_path / f"orders.{form}")
        shops.append(read(tmp_path / f"orders.{form}", to=tmp_path / form).table("events"))
    assert shops[0].equals(shops[1])


def test_rounded_ids_are_warned_of(tmp_path: Path) -> None:
    shop_of("03-scientific-ids", tmp_path)
    assert sum("look rounded" in words for words in told(tmp_path)["warnings"]) == 2


def test_a_decimal_comma_is_read_by_column(tmp_path: Path) -> None:
    shop = shop_of("18-comma-reject", tmp_path, on_error="reject")
    assert shop.table("items")["price"].to_list() == [12.9, 1299.0, 1299.0, 0.5]
    assert shop.rows("events") == 2


def test_prices_with_currencies_cost_no_product(tmp_path: Path) -> None:
    shop = shop_of("72-gmc-with-log", tmp_path, on_error="reject", quote="none")
    assert shop.table("items")["price"].to_list() == [10.0, 11.0]
    assert shop.rows("events") == 2


def test_categories_are_decoded_then_split(tmp_path: Path) -> None:
    found = shop_of("63-html-category", tmp_path).table("items")["category"].to_list()
    assert found[0] == ["Home", "Mugs & Cups"]


def test_two_files_have_two_clocks(tmp_path: Path) -> None:
    times = shop_of("79-two-csv-times", tmp_path).table("events")["time"].sort().to_list()
    assert [t.month for t in times] == [1, 1, 2, 2]
    assert {t.year for t in times} == {2024}


def test_repeated_judgments_are_cleaned(tmp_path: Path) -> None:
    shop = clean(shop_of("89-duplicate-judgments", tmp_path), to=tmp_path / "clean")
    assert shop.rows("judgments") == 4
    report = json.loads((tmp_path / "clean" / "clean.json").read_text())
    assert report["tables"]["judgments"]["rejected"] == {"exact duplicate": 2}


def test_serials_of_a_spreadsheet_are_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id,time\nu,a,45352.5\nu,b,45353\n")
    with pytest.raises(SchemaError, match=r"spreadsheet's serial date.*time_format=serial"):
        read(log, to=tmp_path / "shop")
    shop = read(log, to=tmp_path / "shop", settings={"time_format": "serial"})
    assert shop.table("events")["time"][0] == dt.datetime(2024, 3, 1, 12)
