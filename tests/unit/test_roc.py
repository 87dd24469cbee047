"""Areas, alarms and their intervals, beside obvious versions and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from sklearn.metrics import roc_auc_score

from wareloom.stats.roc import advantage, alarms, area, newcombe, threshold, told


def groups(
    m: int, n: int, apart: float, seed: int, *, whole: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(apart, 1, m), rng.normal(0, 1, n)
    return (np.round(a), np.round(b)) if whole else (a, b)


@pytest.mark.parametrize("whole", [False, True])
def test_the_area_is_that_of_all_pairs(whole: bool) -> None:
    a, b = groups(70, 50, 0.8, 1, whole=whole)
    pairs = (a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean()
    found = area(a, b)
    assert found.value == pytest.approx(pairs)
    labels = np.r_[np.ones(70), np.zeros(50)]
    assert found.value == pytest.approx(roc_auc_score(labels, np.r_[a, b]))


@pytest.mark.parametrize("whole", [False, True])
def test_the_variance_is_delongs_by_all_pairs(whole: bool) -> None:
    a, b = groups(40, 60, 0.5, 2, whole=whole)
    psi = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    variance = psi.mean(axis=1).var(ddof=1) / 40 + psi.mean(axis=0).var(ddof=1) / 60
    found = area(a, b)
    width = special.logit(found.high) - special.logit(found.low)
    slope = found.value * (1 - found.value)
    assert width / 2 == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(variance) / slope)


@pytest.mark.parametrize("whole", [False, True])
def test_the_p_value_is_mann_and_whitneys(whole: bool) -> None:
    a, b = groups(40, 60, 0.4, 3, whole=whole)
    expected = stats.mannwhitneyu(a, b, alternative="greater", method="asymptotic")
    assert area(a, b).p == pytest.approx(expected.pvalue)


def test_scores_that_are_all_tied_tell_nothing() -> None:
    found, few = area(np.zeros(50), np.zeros(60)), alarms(np.zeros(50), np.zeros(60), 0.01)
    assert (found.value, found.p) == (0.5, 1.0)
    assert (few.value, few.p) == (0.0, 1.0)


def test_newcombes_interval_holds_at_the_ends() -> None:
    """DeLong's variance is 0 there, and an interval without width would say that 30 users settle it."""
    low, high = newcombe(1.0, 30, 30)
    assert high == 1.0
    assert 0.85 < low < 0.95
    assert newcombe(0.0, 30, 30) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    found = area(np.arange(31.0, 61), np.arange(30.0))
    assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize("apart", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("of", ["DeLong", "Newcombe"])
def test_intervals_cover_the_truth_as_often_as_they_say(apart: float, of: str) -> None:
    truth, covered = stats.norm.cdf(apart / np.sqrt(2)), 0
    for seed in range(400):
        found = area(*groups(60, 60, apart, seed))
        ends = (found.low, found.high) if of == "DeLong" else newcombe(found.value, 60, 60)
        covered += ends[0] <= truth <= ends[1]
    assert covered / 400 >= 0.91


def test_ties_are_broken_against_the_attacker() -> None:
    """In its favour, all of these members would be told at no false alarm."""
    members, others = np.array([1.0, 1.0, 1.0, 2.0]), np.array([1.0, 0.0, 0.0, 0.0])
    assert told(members, others, 0.0) == 1
    assert told(members, others, 0.25) == 4
    in_favour = int((members >= np.sort(others)[::-1][0]).sum())
    assert in_favour == 4


def test_alarms_count_the_members_above_all_but_few_others() -> None:
    members, others = np.arange(100.0), np.arange(100.0) - 50.5
    found = alarms(members, others, 0.01)
    assert found.value == (members > np.sort(others)[-2]).mean()
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("share", [0.001, 0.01])
def test_the_interval_of_alarms_covers_and_its_p_value_holds(share: float) -> None:
    """Members and others are alike: the truth is the share itself."""
    covered, low = 0, 0
    for seed in range(400):
        found = alarms(*groups(500, 500, 0.0, seed), share)
        covered += found.low <= share <= found.high
        low += found.p < 0.05
    assert covered >= 380
    assert low / 400 <= 0.07


def test_p_of_alarms_is_that_of_dealing_at_random() -> None:
    members, others = groups(12, 15, 0.7, 5)
    found, rng = alarms(members, others, 0.1), np.random.default_rng(0)
    hits, both, shuffled = told(members, others, 0.1), np.r_[members, others], []
    for _ in range(20_000):
        dealt = rng.permutation(both)
        shuffled.append(told(dealt[:12], dealt[12:], 0.1) >= hits)
    assert found.p == pytest.approx(np.mean(shuffled), abs=0.01)


def test_the_threshold_is_where_the_advantage_is_greatest() -> None:
    a, b = groups(50, 70, 1.0, 6, whole=True)
    best = max(advantage(a, b, at) for at in np.unique(np.r_[a, b]))
    assert advantage(a, b, threshold(a, b)) == pytest.approx(best)
