"""Intervals of what has bounds end there, relative falls end at 100 %, and one request gives none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wareloom as wl
from conftest import small_shop
from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.evaluation.evaluate import judge
from wareloom.evaluation.ranking import Evaluation, bounds_of, intervals
from wareloom.experiment.plan import CONTROLS, MIXED, REAL
from wareloom.metrics import ClickMetric, Metric, metrics_of
from wareloom.preparing.splits import SplitSettings, split
from wareloom.proof.decide import Question, between, decide
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import ProofSettings
from wareloom.proof.table import contrast, lift_ends, lifted, reach
from wareloom.report import render
from wareloom.stats.bootstrap import Interval, combine, resample, verdict

CASE = Path(__file__).parents[1] / "cases" / "93-interval-over-one" / "data"
ENDS = st.floats(-5, 5)


@pytest.mark.parametrize("seed", [0, 12, 20, 22])
def test_shares_of_few_queries_stay_within_one(tmp_path: Path, seed: int) -> None:
    shop = wl.read(CASE, to=tmp_path / "shop")
    parts = split(shop, SplitSettings(by="query", parts=(1.0, 1.0, 3.0), seed=seed))
    model = wl.ranker("bm25").fit(shop)
    for part in ("validation", "test"):
        for row in judge(model, parts, part, ("ndcg@10", "recall@10")).table.iter_rows(named=True):
            if row["requests"] < 2:
                assert row["low"] is row["high"] is None
            else:
                assert 0 <= row["low"] <= row["mean"] <= row["high"] <= 1


@pytest.mark.parametrize("name", [*metrics_of("rankings"), *metrics_of("clicks")])
def test_every_metric_of_the_house_says_what_it_can_be(name: str) -> None:
    made = METRICS.load(name)
    assert issubclass(made, Metric | ClickMetric)
    low, high = made.bounds
    assert low == 0.0 < high
    for label in (name, f"{name}@7", f"{name}@7, all items", f"{name}@7 of bm25"):
        assert bounds_of(label) == made.bounds


def test_what_nobody_knows_has_no_bounds() -> None:
    assert bounds_of("my_own@5") == (-math.inf, math.inf)


@given(ENDS, ENDS, ENDS, st.floats(-3, 0), st.floats(0, 3))
def test_clipping_keeps_the_estimate_what_can_be_true_and_the_verdict(
    a: float, b: float, c: float, low: float, high: float
) -> None:
    """For bounds around 0, which no difference lacks: what is left out of the interval lies outside the bounds."""
    ends = sorted((a, b, c))
    interval = Interval(min(max(ends[1], low), high), min(ends[0], low), max(ends[2], high), 0.5)
    clipped = interval.within(low, high)
    assert clipped.low == max(interval.low, low)
    assert clipped.high == min(interval.high, high)
    assert clipped.low <= clipped.mean <= clipped.high
    assert verdict(clipped) == verdict(interval)


@given(st.floats(0.001, 1), st.floats(-1, 1), st.floats(0, 3))
def test_verdicts_are_those_without_bounds(base: float, difference: float, half: float) -> None:
    interval = Interval(difference, difference - half, difference + half, 0.5)
    bare = lifted(difference, interval, base)
    held = lifted(difference, interval.within(-1, 1), base, (-1.0, math.inf))
    assert held["verdict"] == bare["verdict"]
    assert held["lift"] == bare["lift"]
    assert held["low"] >= -1 or held["low"] == difference
    assert held["lift_low"] >= min(-1, held["lift"])


def test_a_fall_is_of_the_whole_at_most() -> None:
    assert lift_ends("ndcg@10/all") == (-1.0, math.inf)
    assert lift_ends("log_loss/all", turned=True) == (-math.inf, 1.0)
    assert lift_ends("my_own/all") == (-math.inf, math.inf)
    assert reach("recall@5/tail") == (-1.0, 1.0)
    assert reach("log_loss/all") == (-math.inf, math.inf)
    ours = [Evaluation({"ndcg@10/all": np.array([0.0, 0.0, 0.02])}, {}) for _ in range(2)]
    theirs = [Evaluation({"ndcg@10/all": np.array([0.0, 0.05, 0.03])}, {}) for _ in range(2)]
    row = contrast(ours, theirs, "ndcg@10/all", Run().rng("test"))
    assert row["lift_low"] == -1.0
    over = contrast(ours, theirs, "ndcg@10/all", Run().rng("test"), base=0.001)
    assert over["lift_low"] < -1.0, "over another base a fall may be more than the whole"


def test_one_request_has_no_interval_and_no_verdict() -> None:
    values = np.array([[0.9], [np.nan]])
    drawn = resample(values, Run().rng("test"))[:, 0]
    alone = combine(0.9, drawn, np.array([0.9, 0.8]), requests=1)
    assert alone == Interval(0.9, None, None, 1.0)
    assert verdict(alone) == "no evidence"
    row = lifted(0.9, alone, 0.5)
    assert row["low"] is row["lift"] is row["lift_low"] is None
    assert between(row) == "no interval: one request"
    table = intervals(Evaluation({"recall@10/all": np.array([0.7, np.nan])}, {}))
    assert table.row(0, named=True) == {
        "metric": "recall@10", "slice": "all", "mean": 0.7, "low": None, "high": None, "requests": 1,
    }  # fmt: skip


def test_a_proof_of_one_request_is_no_evidence() -> None:
    alone = lifted(0.5, combine(0.5, np.zeros(9), np.array([0.5]), requests=1), 0.5)
    rows = [
        {"ties": "file", "metric": "ndcg@10", "arm": MIXED, "slice": part, "against": against,
         "requests": 1, **alone}
        for against in {REAL, *CONTROLS}
        for part in ("all", "the tail")
    ]  # fmt: skip
    found = decide(rows, Question(ties="file", metric="ndcg@10"))
    assert found["verdict"] == "no evidence"
    assert "no interval: one request" in found["sentence"]


def test_turned_means_get_their_own_sign_and_bounds() -> None:
    losses = -np.array([0.01, 0.02, 2.0])
    row = intervals(Evaluation({"log_loss/all": losses}, {}), turned=True).row(0, named=True)
    assert row["mean"] == pytest.approx(2.03 / 3)
    assert row["low"] == 0.0 < row["mean"] < row["high"]


def test_a_proof_with_slices_of_one_request_is_told_whole() -> None:
    settings = ProofSettings(seeds=2, ratios=(1.0,), ranker="transitions", baselines={})
    found = prove(small_shop(users=9), settings, Run(seed=1, threads=1))
    alone = [row for row in found.data["comparisons"] if row["requests"] < 2]
    assert alone, "there are slices of one request"
    assert {(row["low"], row["lift_low"], row["verdict"]) for row in alone} == {
        (None, None, "no evidence")
    }
    for row in found.data["comparisons"]:
        if row["low"] is not None:
            assert -1 <= row["low"] <= row["difference"] <= row["high"] <= 1
        if row["lift"] is not None:
            assert -1 <= row["lift_low"] <= row["lift"] <= row["lift_high"]
    for row in found.data["arms"]:
        if row["low"] is not None:
            assert 0 <= row["low"] <= row["mean"] <= row["high"] <= 1
    assert "no evidence" in render(found.data).casefold()
