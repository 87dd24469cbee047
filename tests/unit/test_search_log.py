"""Search sessions: what is shown, clicked, tried again and bought."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from search_shop import search_shop
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.shop import Shop
from wareloom.shop.impressions import impressions
from wareloom.synthesis import GivenItems
from wareloom.synthesis.behaviour._clicks import examination

RUN = Run(seed=5, threads=1)
FEW = {"label_settings": {"round_trip": 0}, "shown": 6}


def catalogue() -> Shop:
    return search_shop(10).with_tables(judgments=None)


def clicks(events: pl.DataFrame) -> np.ndarray:
    """Share of the impressions at each position that were clicked."""
    counts = [
        events.filter(pl.col("event") == kind).group_by("position").len().sort("position")
        for kind in ("select_item", "view_item_list")
    ]
    both = counts[1].join(counts[0], on="position", how="left").fill_null(0).sort("position")
    return (both["len_right"] / both["len"]).to_numpy()


@pytest.mark.parametrize("how", ["position", "cascade"])
def test_a_log_is_whole_and_of_one_piece(how: str, tmp_path: Path) -> None:
    made = SYNTHESIZERS.make("search_log", clicks=how, **FEW).fit(catalogue(), RUN)
    sample = made.sample(300, RUN)
    searches, events = sample.table("searches"), sample.table("events")
    assert searches["session_id"].n_unique() == 300
    assert searches["search_id"].is_unique().all()
    assert set(searches["origin"]) == {made.origin}
    assert searches["results"].list.len().max() <= 6
    shown = events.filter(pl.col("event") == "view_item_list")
    listed = shown.group_by("search_id", maintain_order=True).agg(
        pl.col("item_id").sort_by("position")
    )
    both = listed.join(searches, on="search_id")
    assert both["item_id"].to_list() == both["results"].to_list(), (
        "what is shown is what was found, in its order"
    )
    pairs = {
        kind: set(events.filter(pl.col("event") == kind).select("search_id", "item_id").iter_rows())
        for kind in set(events["event"])
    }
    assert (
        pairs["purchase"]
        <= pairs["add_to_cart"]
        <= pairs["view_item"]
        == pairs["select_item"]
        <= pairs["view_item_list"]
    )
    again = searches.group_by("session_id").len()["len"]
    assert 1 < again.max() <= 3
    tried = searches.filter(pl.col("session_id").is_duplicated())
    first = tried.group_by("session_id", maintain_order=True).agg(pl.col("search_id").first())[
        "search_id"
    ]
    assert not set(first) & {search for search, _ in pairs["select_item"]}, (
        "who clicked does not try again"
    )
    assert "time" not in events.columns
    made.save(tmp_path / "log")
    assert SYNTHESIZERS.restore(tmp_path / "log").sample(300, RUN).fingerprint == sample.fingerprint
    assert made.sample(300, RUN.with_(seed=6)).fingerprint != sample.fingerprint


def test_the_top_is_clicked_most_and_what_is_wanted_more_than_what_is_not() -> None:
    made = SYNTHESIZERS.make("search_log", **FEW).fit(catalogue(), RUN)
    events = made.sample(2_000, RUN, GivenItems(items=("i3",))).table("events")
    share = clicks(events)
    assert share[0] > share[2] > share[5]
    hits = events.filter(pl.col("event") == "select_item")["item_id"].value_counts(sort=True)
    assert hits["item_id"][0] == "i3"


def test_attention_is_that_of_the_shops_own_impressions() -> None:
    rng = np.random.default_rng(0)
    rows, attention = [], [1.0, 0.5, 0.25]
    for n in range(6_000):
        for place, item in enumerate(rng.permutation(10)[:3]):
            rows.append((f"u{n}", f"i{item}", "view_item_list", place + 1))
            if rng.random() < 0.5 * attention[place]:
                rows.append((f"u{n}", f"i{item}", "select_item", place + 1))
    events = pl.DataFrame(rows, ["user_id", "item_id", "event", "position"], orient="row")
    shop = catalogue().with_tables(events=events)
    seen = impressions(shop)
    theta = examination(
        seen["position"], seen["item_id"], seen["clicked"].cast(pl.Float64).to_numpy()
    )
    np.testing.assert_allclose(theta, attention, atol=0.04)
    made = SYNTHESIZERS.make("search_log", **FEW).fit(shop, RUN)
    np.testing.assert_allclose(made.attention_[:3], attention, atol=0.04)
    assert (np.diff(made.attention_) <= 0).all()
    assert len(made.attention_) == 6


def test_times_and_funnel_come_from_the_log() -> None:
    times = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 10), "1h", eager=True)
    kinds = (["view_item"] * 4 + ["add_to_cart"] * 2 + ["purchase"]) * 40
    events = pl.DataFrame({"time": times[:200], "event": kinds[:200]}).with_columns(
        user_id=pl.lit("u1"), item_id=pl.lit("i1")
    )
    made = SYNTHESIZERS.make("search_log", **FEW).fit(catalogue().with_tables(events=events), RUN)
    assert made.cart_ == pytest.approx(0.5, abs=0.02)
    assert made.buy_ == pytest.approx(0.5, abs=0.02)
    sample = made.sample(200, RUN)
    events, searches = sample.table("events"), sample.table("searches")
    assert searches["time"].null_count() == 0
    assert searches["time"].min() >= times[0]
    assert (
        events.group_by("session_id", maintain_order=True)
        .agg(pl.col("time").is_sorted())["time"]
        .all()
    )
    both = events.join(searches, on="search_id", suffix="_searched")
    assert (both["time"] >= both["time_searched"]).all()


def test_what_gives_no_labels_is_refused() -> None:
    with pytest.raises(SettingError, match="'attributes' gives no labels"):
        SYNTHESIZERS.make("search_log", labels="attributes")
    with pytest.raises(SettingError, match="clicks is 'deep'; give 'position' or 'cascade'"):
        SYNTHESIZERS.make("search_log", clicks="deep")
