"""What every screen keeps to, found by walking the folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.core.family import SCREENS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import SettingError
from wareloom.screening import Screen, reject, save_screened, screen_all
from wareloom.shop import Shop

NAMES = SCREENS.names()
ITEMS = 200


def strolls(users: int, seed: int, origin: str = "real", name: str = "u") -> Shop:
    """A shop whose users choose items at random, five to nine each, once a day."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 10, users)
    rows = [
        (f"{name}{u}", f"i{i}", int(86400 * d))
        for u in range(users)
        for d, i in enumerate(rng.integers(0, ITEMS, lengths[u]), 100)
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row").with_columns(
        time=pl.from_epoch("time"),
        event=pl.lit("purchase"),
        origin=pl.lit(origin),
        quantity=pl.lit(1.0),
        value=pl.lit(2.5),
    )
    return Shop(
        {"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(ITEMS)]}), "events": events}
    )


def dirty() -> Shop:
    """A pool with one flaw of each sort that a screen looks for, among many good rows."""
    pool = strolls(30, 2, "made@1", "fake-")
    events = pool.table("events")
    copied = (
        strolls(40, 1)
        .table("events")
        .filter(pl.col("user_id") == "u0")
        .with_columns(user_id=pl.lit("copy"), origin=pl.lit("made@1"))
    )
    one = events.head(1)
    flaws = [
        one.with_columns(item_id=pl.lit("gone")),
        one.with_columns(event=pl.lit("no such kind")),
        one.with_columns(user_id=pl.lit(None, dtype=pl.String)),
        one.with_columns(origin=pl.lit("real")),
        one.with_columns(time=pl.col("time") + pl.duration(days=1000)),
        one.with_columns(time=pl.col("time") - pl.duration(days=1000)),
        one.with_columns(quantity=pl.lit(-4.0)),
        one.with_columns(value=pl.lit(float("nan"))),
    ]
    return pool.with_tables(events=pl.concat([events, *flaws, copied]))


def order(events: pl.DataFrame) -> pl.DataFrame:
    return events.sort(events.columns)


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_documented_and_go_round(name: str, tmp_path: Path) -> None:
    entry, screen = SCREENS.describe(name), SCREENS.make(name)
    assert entry.summary.endswith(".")
    assert [s.name for s in entry.settings if not s.doc] == []
    assert isinstance(screen, Screen)
    assert screen.name == name
    assert configure(type(screen), screen.settings()).settings() == screen.settings()
    with pytest.raises(SettingError, match="has no setting 'no_such'"):
        SCREENS.make(name, no_such=1)
    screen.save(tmp_path / name)
    again = SCREENS.restore(tmp_path / name)
    assert again.settings() == screen.settings()
    train, holdout = strolls(40, 1), strolls(10, 5)
    assert (
        again.screen(dirty(), train, holdout).report
        == screen.screen(dirty(), train, holdout).report
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_kept_or_rejected_with_a_reason(name: str) -> None:
    pool, train = dirty(), strolls(40, 1)
    screened = SCREENS.make(name).screen(pool, train, strolls(10, 5), Run(seed=1))
    rejected = screened.rejected.get(
        "events", pool.table("events").clear().with_columns(reason=pl.lit(""))
    )
    assert rejected["reason"].null_count() == 0
    assert (rejected["reason"].str.len_chars() > 0).all()
    kept = screened.kept.table("events")
    assert order(pl.concat([kept, rejected.drop("reason")])).equals(
        order(pool.table("events")), null_equal=True
    )
    remaining = pool.table("events").join(
        rejected.drop("reason"),
        on=kept.columns,
        how="anti",
        nulls_equal=True,
        maintain_order="left",
    )
    assert kept["user_id"].to_list() == remaining["user_id"].to_list(), (
        "what is kept stays in order"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_clean_pool_passes_whole(name: str) -> None:
    pool = strolls(60, 3, "made@1", "fake-")
    screened = SCREENS.make(name).screen(pool, strolls(60, 1), strolls(20, 5), Run(seed=1))
    assert screened.kept.fingerprint == pool.fingerprint
    assert sum(len(rows) for rows in screened.rejected.values()) == 0


@pytest.mark.parametrize("name", NAMES)
def test_what_was_kept_passes_again(name: str) -> None:
    train, holdout = strolls(40, 1), strolls(10, 5)
    screen = SCREENS.make(name)
    once = screen.screen(dirty(), train, holdout).kept
    twice = screen.screen(once, train, holdout)
    assert twice.kept.fingerprint == once.fingerprint
    assert sum(len(rows) for rows in twice.rejected.values()) == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_report_is_plain_json(name: str) -> None:
    report = SCREENS.make(name).screen(dirty(), strolls(40, 1), strolls(10, 5)).report
    assert report
    assert json.loads(json.dumps(report, allow_nan=False)) == report


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_pool_is_no_trouble(name: str) -> None:
    pool = dirty()
    empty = pool.with_tables(events=pool.table("events").clear())
    screened = SCREENS.make(name).screen(empty, strolls(40, 1), strolls(10, 5))
    assert screened.kept.rows("events") == 0


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
