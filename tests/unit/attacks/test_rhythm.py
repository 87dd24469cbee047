"""Re-used outlines are caught by their rhythm; rhythms of others are not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from wareloom.attacks import run_attacks
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.shop import Shop
from wareloom.testing.lively import lively

RUN = Run(seed=3, threads=1)


@pytest.fixture(scope="module")
def members() -> Shop:
    return lively(300, 1, "m")


@pytest.fixture(scope="module")
def holdout() -> Shop:
    return lively(300, 2, "h")


def moved(shop: Shop, seed: int, *, stretch: float, prefix: str = "s") -> Shop:
    """The same people a few weeks off, their gaps stretched, each item another."""
    rng = np.random.default_rng(seed)
    events = shop.table("events").sort("user_id", "time")
    events = events.with_columns(factor=np.exp(stretch * rng.normal(size=len(events))))
    gap = pl.col("time").diff().over("user_id").cast(pl.Int64).fill_null(0) * pl.col("factor")
    events = events.with_columns(gap=gap.cast(pl.Int64))
    since = pl.col("gap").cum_sum().over("user_id").cast(pl.Duration("us"))
    events = events.with_columns(
        time=pl.col("time").first().over("user_id") + pl.duration(weeks=3) + since,
        item_id=pl.Series([f"i{i}" for i in rng.integers(0, 120, len(events))]),
        user_id=pl.format(prefix + "{}", "user_id"),
    )
    return shop.with_tables(events=events.drop("factor", "gap"))


@pytest.mark.parametrize("stretch", [0.0, 0.1])
def test_a_rhythm_is_known_again_when_moved_and_stretched(
    members: Shop, holdout: Shop, stretch: float
) -> None:
    found = run_attacks(
        members, moved(members, 0, stretch=stretch), holdout, RUN, names=["rhythm"]
    ).worst
    assert found.area.value > (0.98 if stretch == 0 else 0.9)
    assert found.tpr(0.01).value > (0.9 if stretch == 0 else 0.3)
    assert found.caught


def test_the_rhythm_of_others_is_not_taken_for_anyones(members: Shop, holdout: Shop) -> None:
    found = run_attacks(
        members, moved(lively(300, 5), 0, stretch=0.1), holdout, RUN, names=["rhythm"]
    ).worst
    assert not found.caught
    assert found.area.low < 0.5


def test_outlines_are_caught_and_shuffled_members_told_by_no_luck(
    members: Shop, holdout: Shop
) -> None:
    made = SYNTHESIZERS.make("markov").fit(members, RUN).sample(300, RUN)
    assert run_attacks(members, made, holdout, RUN, names=["rhythm"]).worst.area.low > 0.9


def test_shops_without_times_are_left_out(members: Shop, holdout: Shop) -> None:
    bare = [s.with_tables(events=s.table("events").drop("time")) for s in (members, holdout)]
    report = run_attacks(bare[0], moved(members, 0, stretch=0.1), bare[1], RUN, names=["rhythm"])
    assert report.left_out == {"rhythm": "not all sides have times"}
    assert str(report) == "No attack was made."
