"""The contract of screens."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.screening import Screen
from wareloom.shop import Shop
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law, again, law, make

LAWS: dict[str, Law] = {}
"""What every screen keeps to"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""
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


def _parts() -> tuple[Shop, Shop]:
    """A training and a held-out part."""
    return strolls(40, 1), strolls(10, 5)


def _ordered(events: pl.DataFrame) -> pl.DataFrame:
    return events.sort(events.columns)


LAWS["every setting is documented"] = kit.documented
LAWS["settings go round"] = kit.settings_go_round


@law(LAWS, "saved and restored")
def saved_and_restored(cls: type[Screen]) -> None:
    """Saved and restored, it has the same settings and finds the same."""
    screen = make(cls)
    restored = again(screen)
    assert restored.settings() == screen.settings()
    assert restored.screen(dirty(), *_parts()).report == screen.screen(dirty(), *_parts()).report


@law(LAWS, "what goes in stays as it was")
def inputs_unchanged(cls: type[Screen]) -> None:
    """Screening changes no table of the shops that it looks at."""
    shops = [dirty(), *_parts()]
    before = [shop.table("events").clone() for shop in shops]
    make(cls).screen(*shops, Run(seed=1))
    assert all(
        shop.table("events").equals(rows, null_equal=True)
        for shop, rows in zip(shops, before, strict=True)
    )


@law(LAWS, "kept or rejected")
def kept_or_rejected(cls: type[Screen]) -> None:
    """Every row is kept, in its order, or rejected with a reason."""
    pool = dirty()
    screened = make(cls).screen(pool, *_parts(), Run(seed=1))
    none = pool.table("events").clear().with_columns(reason=pl.lit(""))
    rejected = screened.rejected.get("events", none)
    assert rejected["reason"].null_count() == 0
    assert (rejected["reason"].str.len_chars() > 0).all()
    kept = screened.kept.table("events")
    whole = _ordered(pl.concat([kept, rejected.drop("reason")]))
    assert whole.equals(_ordered(pool.table("events")), null_equal=True), "rows are lost or changed"
    remaining = pool.table("events").join(
        rejected.drop("reason"),
        on=kept.columns,
        how="anti",
        nulls_equal=True,
        maintain_order="left",
    )
    assert kept["user_id"].to_list() == remaining["user_id"].to_list(), "out of order"


@law(LAWS, "a clean pool")
def clean_pool(cls: type[Screen]) -> None:
    """A clean pool passes whole."""
    pool = strolls(60, 3, "made@1", "fake-")
    screened = make(cls).screen(pool, strolls(60, 1), strolls(20, 5), Run(seed=1))
    assert screened.kept.fingerprint == pool.fingerprint
    assert sum(len(rows) for rows in screened.rejected.values()) == 0


@law(LAWS, "once is enough")
def once_is_enough(cls: type[Screen]) -> None:
    """What was kept passes again."""
    screen, parts = make(cls), _parts()
    once = screen.screen(dirty(), *parts).kept
    twice = screen.screen(once, *parts)
    assert twice.kept.fingerprint == once.fingerprint
    assert sum(len(rows) for rows in twice.rejected.values()) == 0


@law(LAWS, "a plain report")
def plain_report(cls: type[Screen]) -> None:
    """The report is plain JSON, and is not empty."""
    report = make(cls).screen(dirty(), *_parts()).report
    assert report
    assert json.loads(json.dumps(report, allow_nan=False)) == report


@law(LAWS, "an empty pool")
def empty_pool(cls: type[Screen]) -> None:
    """An empty pool is no trouble."""
    pool = dirty()
    empty = pool.with_tables(events=pool.table("events").clear())
    assert make(cls).screen(empty, *_parts()).kept.rows("events") == 0
