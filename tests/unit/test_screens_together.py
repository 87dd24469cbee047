"""Screens one after the other, and how reasons are named."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.core.family import SCREENS
from wareloom.screening import reject, save_screened, screen_all
from wareloom.shop import Shop
from wareloom.testing.screens import dirty, strolls

NAMES = SCREENS.names()


def test_all_screens_in_a_row_and_what_they_leave_behind(tmp_path: Path) -> None:
    train, pool = strolls(40, 1), dirty()
    screened = screen_all(NAMES, pool, train, strolls(10, 5))
    assert list(screened.report) == NAMES
    assert set(screened.rejected["events"]["screen"]) == {"copies", "impossible", "schema"}
    assert screened.kept.rows("events") + len(screened.rejected["events"]) == pool.rows("events")
    saved = save_screened(screened, tmp_path / "screened")
    assert saved.table("events").equals(screened.kept.table("events"))
    assert pl.read_parquet(tmp_path / "screened" / "rejected" / "events.parquet").equals(
        screened.rejected["events"], null_equal=True
    )
    assert json.loads((tmp_path / "screened" / "screen.json").read_text()) == screened.report


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30),
    st.lists(st.integers(0, 3), max_size=4),
)
def test_the_first_reason_that_holds_is_the_one_named(
    rows: list[tuple[int, int]], limits: list[int]
) -> None:
    events = pl.DataFrame(
        {"user_id": [f"u{a}" for a, _ in rows], "quantity": [float(b) for _, b in rows]},
        schema_overrides={"user_id": pl.String},
    )
    pool = Shop(
        {
            "items": pl.DataFrame({"item_id": ["i"]}),
            "events": events.with_columns(event=pl.lit("purchase")),
        }
    )
    screened = reject(
        pool,
        {f"rule {n}: above {limit}": pl.col("quantity") > limit for n, limit in enumerate(limits)},
    )
    expected = [
        next((f"rule {n}: above {limit}" for n, limit in enumerate(limits) if b > limit), None)
        for _, b in rows
    ]
    taken = screened.rejected["events"]["reason"].to_list() if screened.rejected else []
    assert taken == [reason for reason in expected if reason]
    assert screened.kept.table("events")["quantity"].to_list() == [
        b for (_, b), reason in zip(rows, expected, strict=True) if not reason
    ]
    assert sum(screened.report["reasons"].values()) == screened.report["rejected"] == len(taken)
