"""Rankers side by side: the figures are those of `evaluate`, the best stands first, finished pieces are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import wareloom as wl
from conftest import small_shop
from wareloom.core.run import Run
from wareloom.errors import SettingError, UnknownNameError
from wareloom.evaluation.ranking import evaluate
from wareloom.evaluation.tasks import build_task
from wareloom.preparing.splits import SplitSettings, split
from wareloom.proof.leaderboard import LeaderboardSettings, leaderboard
from wareloom.proof.table import contrast

LEAVE = SplitSettings(by="leave-last-out")


def test_figures_are_those_of_a_plain_evaluation() -> None:
    shop = small_shop(users=120)
    found = leaderboard(
        shop,
        LeaderboardSettings(rankers={"popularity": {}, "transitions": {}}, split=LEAVE),
        Run(seed=1),
    )
    table = found.table().filter(pl.col("metric") == "ndcg@10")
    assert table["ranker"].to_list() == ["transitions", "popularity"]
    parts = split(shop, LEAVE, None, Run(seed=1))
    plain = evaluate(wl.ranker("transitions").fit(parts.train), build_task(parts), ("ndcg@10",))
    assert table["mean"][0] == pytest.approx(plain.overall["ndcg@10"])
    assert table["low"][0] < table["mean"][0] < table["high"][0]
    assert "transitions" in str(found)
    first, second = table["behind"]
    assert first == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    own = Run(seed=Run(seed=1).seed_for("leaderboard", 0))
    other = evaluate(wl.ranker("popularity").fit(parts.train), build_task(parts), ("ndcg@10",), own)
    told = contrast([plain], [other], "ndcg@10/all", Run(seed=5).rng("bootstrap"))
    assert second["difference"] == pytest.approx(told["difference"])
    assert (second["low"], second["high"]) == pytest.approx((told["low"], told["high"]), rel=0.1)


def test_every_seed_is_drawn_where_there_is_chance(tmp_path: Path) -> None:
    asked = {
        "als": {"embedding_size": 4, "epochs": 2},
        "wide": {"ranker": "als", "embedding_size": 8, "epochs": 2},
    }
    how = LeaderboardSettings(
        rankers=asked | {"popularity": {}}, split=LEAVE, seeds=2, metrics=("recall@10",)
    )
    run = Run(seed=1, cache=tmp_path)
    found = leaderboard(small_shop(users=80), how, run)
    seeds = dict(zip(found.table()["ranker"], found.table()["seeds"], strict=True))
    assert {label: len(each) for label, each in seeds.items()} == {
        "als": 2,
        "wide": 2,
        "popularity": 1,
    }
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(kept) == 5
    again = leaderboard(small_shop(users=80), how, run)
    assert again.data == found.data
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_ties_are_told_apart() -> None:
    shop = small_shop(users=80)
    day = shop.table("events").with_columns(pl.col("time").dt.truncate("30d"))
    found = wl.leaderboard(
        shop.with_tables(events=day), ["popularity", "transitions"], split="leave-last-out", seeds=1
    )
    frame = (
        found.table()
        .filter(pl.col("metric") == "ndcg@10")
        .filter(pl.col("ranker") == "transitions")
    )
    by = dict(zip(frame["ties"], frame["mean"], strict=True))
    assert by["file"] > by["shuffled"]
    assert not np.isclose(by["file"], by["shuffled"])


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"rankers": {}}, SettingError, "at least one ranker"),
        ({"rankers": {"transitoins": {}}}, UnknownNameError, "transitions"),
        (
            {"rankers": {"mine": {"ranker": "ease", "lambda": 3}}},
            SettingError,
            "no setting 'lambda'",
        ),
        ({"ties": ("random",)}, SettingError, "'shuffled' or 'file'"),
    ],
)
def test_what_could_not_work_is_refused_before(
    settings: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        leaderboard(small_shop(), LeaderboardSettings(**settings))  # type: ignore[arg-type]
