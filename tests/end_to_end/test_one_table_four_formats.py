"""One table written as CSV, TSV, JSON lines and Parquet is one shop, or is refused with a sentence."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.errors import WareloomError
from wareloom.readers import read

DAY = dt.datetime(2024, 3, 1, 12, 30)
NOTHING = st.sampled_from([None, None, "", "NULL", "N/A", "(not set)", "<NA>", r"\N", "-"])
IDS = {
    "int": st.integers(1, 5),
    "float": st.integers(1, 5).map(float),
    "text": st.sampled_from(["a", "B", "007", "7", "c d", "é", " a ", "a\u200b", "1.0"]),
    "text.0": st.integers(1, 5).map(lambda n: f"{n}.0"),
    "word": st.one_of(NOTHING, st.sampled_from(["x", "y"])),
}
TIMES = {
    "moment": st.integers(0, 99).map(lambda n: DAY + dt.timedelta(hours=n)),
    "day": st.integers(0, 99).map(lambda n: (DAY + dt.timedelta(days=n)).date()),
    "ticks": st.integers(1_700_000_000, 1_710_000_000),
    "float": st.integers(1_700_000_000, 1_710_000_000).map(lambda n: n * 1000.0),
    "stamp": st.integers(0, 99).map(lambda n: int(f"{DAY + dt.timedelta(days=n):%Y%m%d%H%M%S}")),
    "serial": st.integers(45_000, 45_400).map(lambda n: n + 0.5),
    "text": st.integers(0, 99).map(lambda n: f"{DAY + dt.timedelta(days=n):%d-%m-%Y %H:%M}"),
}
AMOUNTS = {
    "float": st.integers(1, 99999).map(lambda n: n / 100),
    "int": st.integers(0, 5000),
    "comma": st.integers(1, 999_999).map(lambda n: f"{n // 100},{n % 100:02d}"),
    "money": st.integers(1, 99999).map(lambda n: f"{n / 100:,.2f} USD"),
    "odd": st.one_of(NOTHING, st.sampled_from(["5", "2.50", "on request", "1,299", "€ 3"])),
}


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    size = draw(st.integers(1, 6))

    def column(kinds: dict, missing: bool) -> list:
        kind = kinds[draw(st.sampled_from(sorted(kinds)))]
        cell = st.one_of(st.none(), kind) if missing and draw(st.booleans()) else kind
        return draw(st.lists(cell, min_size=size, max_size=size))

    return pl.DataFrame(
        {
            "user_id": column(IDS, True),
            "session_id": [f"s{k}" for k in range(size)],
            "item_id": column(IDS, True),
            "time": column(TIMES, True),
            "value": column(AMOUNTS, True),
        }
    )


def _or_null(column: str, there: list[str]) -> pl.Expr:
    return (
        pl.col(column).cast(pl.String) if column in there else pl.lit(None, pl.String).alias(column)
    )


@settings(max_examples=60, deadline=None)
@given(frame=frames(), on_error=st.sampled_from(["stop", "reject"]))
def test_the_four_formats_are_one_shop(
    tmp_path_factory: pytest.TempPathFactory, frame: pl.DataFrame, on_error: str
) -> None:
    folder = tmp_path_factory.mktemp("table")
    frame.write_csv(folder / "log.csv")
    frame.write_csv(folder / "log.tsv", separator="\t")
    frame.write_ndjson(folder / "log.jsonl")
    frame.write_parquet(folder / "log.parquet")
    found = []
    for form in ("csv", "tsv", "jsonl", "parquet"):
        try:
            shop = read(folder / f"log.{form}", to=folder / form, on_error=on_error)
        except WareloomError as error:
            assert len(str(error)) > 20  # noqa: PT017
            continue
        # JSON lines have no column of which no cell says anything.
        events = shop.table("events")
        found.append(events.select(_or_null(c, events.columns) for c in frame.columns))
    assert all(one.equals(found[0]) for one in found)
