"""Frames in memory, of polars, pandas and Arrow, are read like files of their names."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wareloom.errors import InputError, SettingError, SourceError
from wareloom.readers import read

pd = pytest.importorskip("pandas")

USERS, ITEMS = ["u1", "u2", "u1"], [1001, 1002, 1001]
LOG = {"user_id": USERS, "item_id": ITEMS, "time": ["2024-01-01", "2024-01-02", "2024-01-03"]}


class OfArrow:
    """What gives Arrow data and nothing else."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.frame.__arrow_c_stream__(requested_schema)


def cells(folder: Path, frame: Any, column: str) -> list[Any]:
    return read(frame, to=folder / "shop").table("events")[column].to_list()


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "arrow", "csv"])
def test_a_frame_is_read_like_a_file(tmp_path: Path, kind: str) -> None:
    given = {"customer": ["u", None, "v"], "sku": [1.0, 2.0, 3.0], "price": [5.0, None, 7.0]}
    frame: Any = pl.DataFrame(given)
    if kind == "pandas":
        frame = pd.DataFrame(given)
    elif kind == "lazy":
        frame = frame.lazy()
    elif kind == "arrow":
        frame = OfArrow(frame)
    elif kind == "csv":
        frame.write_csv(tmp_path / "frame.csv")
        frame = tmp_path / "frame.csv"
    shop = read(frame, to=tmp_path / "shop")
    assert shop.table("events").select("user_id", "item_id", "value").rows() == [
        ("u", "1", 5.0),
        ("v", "3", 7.0),
    ]
    told = json.loads((tmp_path / "shop" / "read.json").read_text())
    assert told["tables"]["events"]["rejected"] == {"user_id: missing": 1}


@pytest.mark.parametrize(
    ("items", "wanted"),
    [
        (pd.Series([1001.0, np.nan, 1002.0]), ["1001", "1002"]),
        (pd.Series([1001, None, 1002], dtype=object), ["1001", "1002"]),
        (pd.Series([1001, "A7", 1001.0], dtype=object), ["1001", "A7", "1001"]),
        (pd.Series([np.int64(5), pd.NA, np.float64(6)], dtype=object), ["5", "6"]),
        (pd.Series([2**70, 1.0, Decimal("3.00")], dtype=object), [str(2**70), "1", "3"]),
        (pd.Series([1001, None, 1002], dtype="Int64"), ["1001", "1002"]),
        (pd.Series(np.array([2**63 + 1, 2, 3], dtype="uint64")), [str(2**63 + 1), "2", "3"]),
        (pd.Series(["007", None, "8"], dtype="string"), ["007", "8"]),
        (pd.Series(["007", None, "8"], dtype="category"), ["007", "8"]),
        (pd.Series([7, 8, 7], dtype="category"), ["7", "8", "7"]),
        (pd.Series([b"a", b"b", None], dtype=object), ["a", "b"]),
    ],
)
def test_ids_of_pandas(tmp_path: Path, items: Any, wanted: list[str]) -> None:
    frame = pd.DataFrame({"user_id": USERS}).assign(item_id=items)
    assert cells(tmp_path, frame, "item_id") == wanted


T = dt.datetime


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        (
            pd.to_datetime(["2024-01-01 10:00:00.123456789", None, "2024-01-02"], format="ISO8601"),
            [T(2024, 1, 1, 10, 0, 0, 123456), None, T(2024, 1, 2)],
        ),
        (
            pd.to_datetime(["2024-01-01", "2024-07-01", None]).tz_localize("Europe/Berlin"),
            [T(2023, 12, 31, 23), T(2024, 6, 30, 22), None],
        ),
        (
            [T(2024, 1, 1, tzinfo=dt.UTC), pd.NaT, T(2024, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2)))],
            [T(2024, 1, 1), None, T(2024, 1, 2, 1)],
        ),
        ([dt.date(2024, 1, 1), None, dt.date(2024, 1, 2)], [T(2024, 1, 1), None, T(2024, 1, 2)]),
        (pd.period_range("2024-01-01", periods=3, freq="D"), [T(2024, 1, d) for d in (1, 2, 3)]),
        (np.array(["2024-01-01", "NaT", "1969-12-31"], dtype="datetime64[s]"), [T(2024, 1, 1), None, T(1969, 12, 31)]),
    ],
)  # fmt: skip
def test_times_of_pandas(tmp_path: Path, times: Any, wanted: list[Any]) -> None:
    frame = pd.DataFrame({"user_id": USERS, "item_id": ITEMS, "time": times})
    assert cells(tmp_path, frame, "time") == wanted


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        # Three decimals are no thousands where they come as numbers.
        (pd.array([1.125, None, 2.375], dtype="Float64"), [1.125, None, 2.375]),
        (pd.Series([1.125, None, 2], dtype=object), [1.125, None, 2.0]),
        (pd.Series([Decimal("1.125"), None, Decimal(2)], dtype=object), [1.125, None, 2.0]),
        (pd.array([1, None, 3], dtype="Int32"), [1.0, None, 3.0]),
        (pd.arrays.SparseArray([0.0, 1.5, 0.0]), [0.0, 1.5, 0.0]),
        (pd.Series(["1,50", None, "2,25"], dtype=object), [1.5, None, 2.25]),
    ],
)
def test_amounts_of_pandas(tmp_path: Path, values: Any, wanted: list[Any]) -> None:
    assert cells(tmp_path, pd.DataFrame(LOG).assign(value=values), "value") == wanted


@pytest.mark.parametrize("names", [["user_id"], ["user_id", "item_id"], ["time"]])
def test_a_named_index_is_a_column(tmp_path: Path, names: list[str]) -> None:
    shop = read(pd.DataFrame(LOG).set_index(names), to=tmp_path / "shop")
    assert shop.table("events").select("user_id", "item_id").rows() == [
        ("u1", "1001"),
        ("u2", "1002"),
        ("u1", "1001"),
    ]
    assert shop.table("events")["time"].null_count() == 0


def test_rows_keep_their_order_and_not_their_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(LOG).sort_values("time", ascending=False)
    assert [t.day for t in cells(tmp_path, frame, "time")] == [3, 2, 1]


def test_several_levels_of_columns_are_one_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user_id": ["u", "u"], "item_id": [1, 1], "sales": [2, 3]})
    grouped = frame.groupby(["user_id", "item_id"]).agg({"sales": ["sum"]})
    text = '[[table]]\nfile = "frame"\ntable = "events"\ncolumns = { value = "sales_sum" }\n'
    (tmp_path / "map.toml").write_text(text)
    shop = read(grouped, to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")})
    assert shop.table("events").select("user_id", "item_id", "value").rows() == [("u", "1", 5.0)]


@pytest.mark.parametrize("lists", [[[1, 2], [3]], [np.array([1, 2]), np.array([3])], [(1, 2), {3}]])
def test_lists_in_cells_are_histories(tmp_path: Path, lists: list[Any]) -> None:
    frame = pd.DataFrame({"session_id": ["s", "t"], "items": lists})
    assert cells(tmp_path, frame, "item_id") == ["1", "2", "3"]


def test_records_in_cells_are_reached_by_a_map(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user_id": ["u"], "at": [{"sku": "a", "n": 2}]})
    text = '[[table]]\nfile = "*"\ntable = "events"\ncolumns = { item_id = "at.sku", quantity = "at.n" }\n'
    (tmp_path / "map.toml").write_text(text)
    shop = read(frame, to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")})
    assert shop.table("events").select("item_id", "quantity").rows() == [("a", 2.0)]


def test_frames_by_name(tmp_path: Path) -> None:
    frames = {
        "items": pl.DataFrame({"id": [1, 2], "name": ["A", "B"], "price": [1.0, 2.0]}),
        "orders": pd.DataFrame({"user_id": ["u"], "item_id": [2.0]}),
    }
    shop = read(frames, to=tmp_path / "shop")
    assert (shop.rows("items"), shop.rows("events")) == (2, 1)


TWICE = pd.DataFrame([["u", 1, "2024-01-01", 5]], columns=["user_id", "item_id", "time", "time"])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (3, "frame is a int"),
        ({}, "the mapping is empty"),
        ({"log": pd.Series([1])}, "log is a Series"),
        (TWICE, "several columns that are called 'time'"),
        (pd.DataFrame(LOG).iloc[:0], "frame has columns and no rows"),
        (pl.DataFrame(LOG).lazy().head(0), "frame has columns and no rows"),
        (pd.DataFrame(), "Found no tables"),
        ({"items": pd.DataFrame({"item_id": []}), "log": pd.DataFrame(LOG)}, "items has columns"),
    ],
)
def test_what_is_no_frame(tmp_path: Path, wrong: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(wrong, to=tmp_path / "shop")
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("kind", ["frame", "parquet"])
def test_types_that_are_no_text_and_no_number(tmp_path: Path, kind: str) -> None:
    frame: Any = pl.DataFrame(LOG).with_columns(
        pl.col("user_id").cast(pl.Categorical),
        pl.Series("took", [dt.timedelta(seconds=90), None, dt.timedelta(0)]),
        pl.Series("event", ["buy", "view", "view"]).cast(pl.Enum(["buy", "view"])),
    )
    if kind == "parquet":
        frame.write_parquet(tmp_path / "log.parquet")
        frame = tmp_path / "log.parquet"
    text = '[[table]]\nfile = "*"\ntable = "events"\ncolumns = { context = ["took"] }\n'
    (tmp_path / "map.toml").write_text(text)
    shop = read(frame, to=tmp_path / "shop", settings={"map": str(tmp_path / "map.toml")})
    events = shop.table("events")
    assert events["user_id"].to_list() == USERS
    assert events["event"].to_list() == ["purchase", "view_item", "view_item"]
    assert events["context"][0].to_list() == [{"name": "took", "value": "PT1M30S"}]


def test_objects_of_python_are_read_as_their_words(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": ["u"], "item_id": pl.Series([Path("a/b")], dtype=pl.Object)})
    assert cells(tmp_path, frame, "item_id") == ["a/b"]


def test_frames_are_for_tables_alone(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="reads no frames"):
        read(pl.DataFrame({"a": [1]}), to=tmp_path / "shop", as_="ga4")


def test_an_object_that_only_looks_like_a_frame(tmp_path: Path) -> None:
    class Looks:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise TypeError("nothing to stream")

    with pytest.raises(SourceError, match="frame is a Looks"):
        read(Looks(), to=tmp_path / "shop")


def arrow_of(kind: str) -> Any:
    pa = pytest.importorskip("pyarrow")
    made = pa.table(LOG | {"price": [1.5, None, 2.0]})
    if kind == "chunks":
        return pa.concat_tables([made.slice(0, 1), made.slice(1)])
    if kind == "dictionary":
        return made.set_column(0, "user_id", made["user_id"].dictionary_encode())
    if kind == "batch":
        return made.to_batches()[0]
    if kind == "reader":
        return pa.RecordBatchReader.from_batches(made.schema, made.to_batches())
    if kind == "pandas":
        return pd.DataFrame(LOG | {"price": [1.5, None, 2.0]}).convert_dtypes(
            dtype_backend="pyarrow"
        )
    return made


@pytest.mark.parametrize("kind", ["table", "chunks", "dictionary", "batch", "reader", "pandas"])
def test_what_pyarrow_has_is_read_as_the_same_frame_of_polars_is(kind: str) -> None:
    frame = pl.DataFrame(LOG | {"price": [1.5, None, 2.0]})
    wanted = read(frame).table("events")
    assert wanted["value"].to_list() == [1.5, None, 2.0]
    assert read(arrow_of(kind)).table("events").equals(wanted)


def test_frames_of_several_kinds_are_one_shop() -> None:
    titles = pd.DataFrame({"item_id": [1001, 1002, 1003], "title": ["a", "b", None]})
    shop = read({"events": pl.DataFrame(LOG), "items": titles})
    assert shop.table("items")["title"].to_list() == ["a", "b", None]
    assert shop.rows("events") == 3
    assert shop.path is None


def test_a_file_needs_a_folder_to_be_read_into(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"wl.read\('orders.csv', to='shop'\). Frames alone"):
        read("orders.csv")


def test_rows_of_python_are_no_frame_and_the_message_says_what_makes_one() -> None:
    with pytest.raises(SourceError, match=r"a list: give .* polars.DataFrame\(rows\)"):
        read([{"user_id": "u", "item_id": "i"}])
