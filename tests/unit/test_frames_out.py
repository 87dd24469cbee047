"""Results as frames of polars and pandas: values, gaps and types as they were."""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

import wareloom as wl
from conftest import small_shop
from wareloom.core.frames import to_pandas, unnested
from wareloom.evaluation.agreement import Agreement
from wareloom.evaluation.compare import Comparison
from wareloom.evaluation.evaluate import Judged
from wareloom.experiment.result import Proof
from wareloom.proof.leaderboard import Leaderboard
from wareloom.screening import Screened

pd = pytest.importorskip("pandas")

T = dt.datetime(2024, 3, 31, 0, 30)
COLUMNS: dict[str, pl.Series] = {
    "whole": pl.Series([1, 2, 3]),
    "whole with gaps": pl.Series([1, None, 2**62]),
    "small": pl.Series([1, None, 255], dtype=pl.UInt8),
    "number": pl.Series([1.5, None, 2.0]),
    "single": pl.Series([1.5, None, 2.0], dtype=pl.Float32),
    "text": pl.Series(["a", None, "b"]),
    "no text": pl.Series([None, None, None], dtype=pl.String),
    "yes or no": pl.Series([True, False, True]),
    "with gaps": pl.Series([True, None, False]),
    "time": pl.Series([T, None, T + dt.timedelta(microseconds=1)]),
    "zoned": pl.Series([T, None, T]).dt.replace_time_zone("Europe/Berlin"),
    "length": pl.Series([dt.timedelta(hours=1), None, dt.timedelta(0)]),
    "day": pl.Series([T.date(), None, T.date()]),
    "category": pl.Series(["x", None, "y"], dtype=pl.Categorical),
    "grade": pl.Series(["x", None, "y"], dtype=pl.Enum(["y", "x"])),
    "list": pl.Series([[1, 2], None, []]),
    "exact": pl.Series([Decimal("1.50"), None, Decimal("2.00")]),
    "bytes": pl.Series([b"a", None, b"b"]),
    "nothing": pl.Series([None, None, None]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_pandas_has_the_same_values(name: str) -> None:
    column = COLUMNS[name].alias(name)
    found = to_pandas(column.to_frame())[name]
    assert [None if gone else v for v, gone in zip(found, found.isna(), strict=True)] == column.to_list()  # fmt: skip


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("whole", "int64"),
        ("whole with gaps", "Int64"),
        ("small", "UInt8"),
        ("number", "float64"),
        ("single", "float32"),
        ("yes or no", "bool"),
        ("with gaps", "boolean"),
        ("time", "datetime64[us]"),
        ("zoned", "datetime64[us, Europe/Berlin]"),
        ("length", "timedelta64[us]"),
        ("category", "category"),
        ("grade", "category"),
    ],
)
def test_a_column_of_pandas_has_the_type_that_holds_it_exactly(name: str, dtype: str) -> None:
    assert str(to_pandas(COLUMNS[name].alias(name).to_frame())[name].dtype) == dtype


def test_a_frame_comes_back_as_it_went(tmp_path: Any) -> None:
    """Out to pandas and in through the reader: the same rows."""
    shop = small_shop()
    bare = [pl.exclude("origin", "weight")]
    frames = {n: to_pandas(shop.table(n).select(bare)) for n in ("items", "events")}
    again = wl.read(frames, to=tmp_path / "shop")
    for name in frames:
        columns = [c for c in shop.columns(name) if again.has(name, c)]
        assert len(columns) > 3 or name == "items"
        assert again.table(name).select(columns).equals(shop.table(name).select(columns)), name


def test_the_library_that_is_known_for_it_agrees() -> None:
    pytest.importorskip("pyarrow")
    frame = pl.DataFrame({k: COLUMNS[k] for k in ("whole", "number", "text", "time", "yes or no")})
    pd.testing.assert_frame_equal(to_pandas(frame), frame.to_pandas(), check_dtype=False)


def test_records_become_columns() -> None:
    frame = pl.DataFrame({"a": [1], "behind": [{"low": 0.5, "of": {"p": 0.1}}]})
    assert unnested(frame).row(0, named=True) == {"a": 1, "behind.low": 0.5, "behind.of.p": 0.1}
    assert list(to_pandas(frame).columns) == ["a", "behind.low", "behind.of.p"]


def test_a_frame_without_rows_keeps_its_columns() -> None:
    frame = pl.DataFrame({k: v.head(0) for k, v in COLUMNS.items()})
    assert list(to_pandas(frame).columns) == list(COLUMNS)
    assert len(to_pandas(frame)) == 0


def test_without_pandas_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(wl.WareloomError, match=r"pip install 'wareloom\[pandas\]'"):
        to_pandas(pl.DataFrame({"a": [1]}))
    assert small_shop().to_polars("items").height


ROW = {"metric": "ndcg@10", "slice": "all", "mean": 0.5, "low": None, "high": 0.75, "requests": 3}
RESULTS: dict[str, Any] = {
    "judged": Judged("recommendation", 3, pl.DataFrame([ROW])),
    "proof": Proof({"arms": [ROW]}),  # type: ignore[typeddict-item]
    "leaderboard": Leaderboard({"rows": [ROW | {"behind": {"difference": 0.1, "p": 0.2}}]}),
    "agreement": Agreement({"measures": [ROW]}),
    "comparison": Comparison(
        {"figures": [{"name": "gaps", "value": 0.5, "low": None, "high": 0.75}]}
    ),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_results_give_both_kinds_of_frame(kind: str) -> None:
    one, other = RESULTS[kind].to_polars(), RESULTS[kind].to_pandas()
    assert isinstance(one, pl.DataFrame)
    assert list(other.columns) == one.columns
    row = {k: v for k, v in one.row(0, named=True).items() if v is not None}
    assert {k: other[k][0] for k in row} == row
    assert 0.75 in row.values()
    assert other["low"].isna().all()


def test_a_leaderboards_difference_is_a_column() -> None:
    assert RESULTS["leaderboard"].to_polars()["behind.difference"].to_list() == [0.1]


def test_a_table_that_a_proof_has_not_is_named_with_those_that_it_has() -> None:
    with pytest.raises(wl.WareloomError, match=r"'arm'.*Did you mean 'arms'\?.*comparisons"):
        RESULTS["proof"].to_polars("arm")


def test_what_screens_kept_is_a_frame() -> None:
    shop = small_shop()
    kept = Screened(shop)
    assert kept.to_polars().equals(shop.table("events"))
    assert len(kept.to_pandas("items")) == shop.rows("items")
    with pytest.raises(wl.WareloomError, match="no table 'queries'"):
        kept.to_pandas("queries")
