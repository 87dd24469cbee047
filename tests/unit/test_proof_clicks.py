"""The proof of clicks: signs, baselines, verdicts, folds, the synthesizer of exposures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss

from conftest import exposures
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.ranking import metric
from wareloom.evaluation.shown_items import ShownItems
from wareloom.experiment.plan import ARMS, MIXED, REAL
from wareloom.experiment.result import Proof
from wareloom.proof.clicks import ClickProofSettings, by_position, constant
from wareloom.proof.prove import prove
from wareloom.sampling.generator import Generator
from wareloom.shop.impressions import impressions
from wareloom.synthesis.behaviour._clicks import position_model

QUICK: dict[str, Any] = {"ratios": (1.0,), "seeds": 2}


@pytest.fixture(scope="module")
def proof() -> Proof:
    shop, _ = exposures(4000)
    return prove(
        shop, ClickProofSettings(**QUICK, baselines={"boosting": {}}), Run(seed=3, threads=1)
    )


def test_arms_and_baselines_stand_in_their_own_sign(proof: Proof) -> None:
    whole = proof.arms().filter(pl.col("slice") == "all")
    assert set(whole["arm"]) == set(ARMS)
    assert (whole.filter(pl.col("metric") == "log_loss")["mean"] > 0).all()
    inside = whole.drop_nulls("low")
    assert (inside["low"] <= inside["mean"]).all()
    assert (inside["mean"] <= inside["high"]).all()
    told = {
        (r["ranker"], r["metric"]): r["mean"]
        for r in proof.data["baselines"]
        if r["slice"] == "all"
    }
    assert told["constant", "click_auc"] == 0.5
    assert (
        told["constant", "log_loss"] > told["position", "log_loss"] > told["boosting", "log_loss"]
    )
    assert told["constant", "normalised_entropy"] == pytest.approx(1.0, abs=0.02)


def test_a_gain_is_what_the_loss_falls_by(proof: Proof) -> None:
    mean = {
        r["arm"]: r["mean"]
        for r in proof.data["arms"]
        if (r["metric"], r["slice"]) == ("log_loss", "all")
    }
    for row in proof.data["comparisons"]:
        if (row["metric"], row["slice"]) == ("log_loss", "all"):
            gain = mean[row["against"]] - mean[row["arm"]]
            assert row["difference"] == pytest.approx(gain, abs=1e-7)
            assert row["lift"] == pytest.approx(gain / mean[row["against"]], abs=1e-6)
            assert row["lift_low"] <= row["lift"] <= row["lift_high"]


def test_synthetic_clicks_of_the_same_model_are_not_said_to_help(proof: Proof) -> None:
    assert proof.verdict != "helps"
    assert "log_loss" in str(proof)
    assert proof.data["better"] == {
        "log_loss": "lower",
        "normalised_entropy": "lower",
        "brier": "lower",
        "click_auc": "higher",
        "calibration_error": "lower",
    }
    assert {"clicks_needed", "impressions_needed", "detectable_lift"} <= set(proof.power().columns)
    assert all(row["detectable_lift"] >= 0 for row in proof.data["power"])


def test_goes_through_a_file_and_is_the_same_again(proof: Proof, tmp_path: Path) -> None:
    proof.save(tmp_path / "proof")
    assert Proof.open(tmp_path / "proof").data["arms"] == proof.data["arms"]
    shop, _ = exposures(4000)
    settings = ClickProofSettings(**QUICK, baselines={"boosting": {}})
    for _ in range(2):
        again = prove(shop, settings, Run(seed=3, threads=1, cache=tmp_path / "cells"))
        assert again.data["comparisons"] == proof.data["comparisons"]


def test_wrong_clicks_are_found_out() -> None:
    """A generator whose clicks know nothing of items, ten for each real event, hurts beside real data."""
    shop, _ = exposures(4000)
    noise = Generator(synthesizer="exposures", settings={"clicks": "constant"}, screens=("schema",))
    found = prove(
        shop, ClickProofSettings(generator=noise, ratios=(5.0,), seeds=2), Run(seed=1, threads=1)
    )
    assert found.verdict == "hurts"
    assert "worse than with real" in str(found)


def test_owners_are_drawn_and_the_mean_is_that_of_impressions() -> None:
    shop, chance = exposures(300)
    grouped = shop.with_tables(
        events=shop.table("events").with_columns(
            session_id=pl.format("v{}", pl.col("session_id").str.slice(1).cast(pl.Int64) // 7)
        )
    )
    part = ShownItems(grouped, "test", grouped)
    found = part.evaluate(chance, ("log_loss", "click_auc"))
    values = found.per_request["log_loss/all"]
    assert values.shape == (43,)
    assert -values.mean() == pytest.approx(log_loss(part.label, chance))
    at = part.position.to_numpy() == 2
    assert -np.nanmean(found.per_request["log_loss/position 2"]) == pytest.approx(
        log_loss(part.label[at], chance[at])
    )


def test_plain_baselines_by_hand() -> None:
    shown = impressions(exposures(500)[0])
    mean = (shown["clicked"].sum() + 0.5) / 501
    asked = pl.Series([1, None, 9], dtype=pl.Int32)
    assert constant(shown, asked).tolist() == pytest.approx([mean] * 3)
    first = shown.filter(pl.col("position") == 1)["clicked"]
    assert by_position(shown, asked).tolist() == pytest.approx(
        [(first.sum() + 5) / (len(first) + 5 / mean), mean, mean]
    )


def test_what_cannot_be_proved_is_refused() -> None:
    shop, _ = exposures(400)
    with pytest.raises(SettingError, match="'ndcg' judges rankings, not clicks"):
        prove(shop, ClickProofSettings(metrics=("ndcg",)))
    with pytest.raises(SettingError, match="'click_auc' is no mean over impressions"):
        prove(shop, ClickProofSettings(metrics=("click_auc",)))
    with pytest.raises(SettingError, match="'ease' gives no probabilities"):
        prove(shop, ClickProofSettings(ranker="ease"))
    with pytest.raises(SettingError, match="seeds is 0; give a whole number from 1 to 1000"):
        ClickProofSettings(seeds=0)
    views = shop.table("events").filter(
        (pl.col("event") == "view_item_list") | (pl.int_range(pl.len()) < 250)
    )
    with pytest.raises(InputError, match="of the validation part 0 were clicked"):
        prove(shop.with_tables(events=views), ClickProofSettings(**QUICK))


@pytest.mark.parametrize("clicks", ["logistic", "position", "constant"])
def test_exposures_keep_what_was_shown_and_draw_clicks(clicks: str) -> None:
    shop, chance = exposures(3000)
    made = SYNTHESIZERS.make("exposures", clicks=clicks).fit(shop, Run(seed=1))
    sample = made.sample(6000, Run(seed=2))
    shown, real = impressions(sample), impressions(shop)
    assert len(shown) == 6000
    assert shown["owner"].n_unique() == 6000
    key = pl.format("{} {}", "item_id", "position")
    assert set(shown.select(key).to_series()) <= set(real.select(key).to_series())
    assert shown["clicked"].mean() == pytest.approx(real["clicked"].mean(), abs=0.02)
    assert (
        sample.table("events").filter(pl.col("event") == "select_item").height
        == shown["clicked"].sum()
    )
    best, worst = (shown.filter(pl.col("item_id") == i)["clicked"].mean() for i in (f"i{11}", "i0"))
    assert best > 2 * worst if clicks != "constant" else abs(best - worst) < 0.1
    assert chance.shape == (3000,)


def test_the_position_model_finds_examination_and_attraction() -> None:
    rng = np.random.default_rng(0)
    item, place = rng.integers(6, size=60_000), rng.integers(3, size=60_000)
    theta, gamma = np.array([1.0, 0.6, 0.3]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    truth = theta[place] * gamma[item]
    clicked = (rng.random(60_000) < truth).astype(float)
    found = position_model(pl.Series(place + 1), pl.Series(item).cast(pl.String), clicked)
    assert np.abs(found - truth).max() < 0.03


def test_a_metric_of_clicks_is_refused_for_rankings() -> None:
    with pytest.raises(SettingError, match="'log_loss' judges predictions, not rankings"):
        metric("log_loss")


def test_settings_of_no_model_are_refused() -> None:
    with pytest.raises(SettingError, match="click_settings are for clicks='logistic'"):
        SYNTHESIZERS.make("exposures", clicks="position", click_settings={"max_steps": 3})


def test_mixed_arm_has_more_rows_than_real(proof: Proof) -> None:
    rows = {r["arm"]: r["events"] for r in proof.data["training"]}
    assert rows[MIXED][0] > 1.8 * rows[REAL][0]
