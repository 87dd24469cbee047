"""What is made of noisy counts: held to oracles, and to what the counts were without noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression

from wareloom.synthesis.behaviour import _private_tables as tables
from wareloom.synthesis.behaviour._private_draw import Clock, drawn, times_of
from wareloom.synthesis.behaviour._private_items import ALIKE, RANKS, Catalogue
from wareloom.synthesis.behaviour._private_questions import DAY, GAPS, HOURS, WEEK


def noisy(true: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return true + np.rint(rng.normal(0, sigma, true.shape)).astype(np.int64)


def test_shrinking_comes_near_to_who_knows_the_sizes_there_are() -> None:
    rng, sigma = np.random.default_rng(0), 8.0
    true = np.where(rng.random(20_000) < 0.8, 5, 60)
    seen = noisy(true, sigma, rng)
    # Bayes' rule with the true shares, to the last digit.
    like = 0.8 * norm.pdf(seen, 5, sigma), 0.2 * norm.pdf(seen, 60, sigma)
    oracle = (5 * like[0] + 60 * like[1]) / (like[0] + like[1])
    found = tables.shrunk(seen, sigma, np.zeros(len(true), dtype=np.int64))
    errors = [np.mean((guess - true) ** 2) for guess in (found, oracle, seen)]
    assert errors[0] < errors[1] + 0.05 * errors[2]
    assert found.sum() == pytest.approx(true.sum(), rel=0.02)


def test_a_category_of_small_items_shrinks_to_small_ones() -> None:
    rng, sigma = np.random.default_rng(1), 8.0
    group = np.repeat([0, 1], 2000)
    true = np.where(group == 0, 3, 30)
    seen = noisy(true, sigma, rng)
    error = [np.abs(tables.shrunk(seen, sigma, g) - true).mean() for g in (group, 0 * group)]
    assert error[0] < 0.7 * error[1]


def test_without_noise_nothing_is_shrunk() -> None:
    counts = np.array([0, 3, 500])
    assert tables.shrunk(counts, 0.1, np.zeros(3, dtype=int)).tolist() == [0, 3, 500]


def test_what_noise_alone_makes_is_cleared() -> None:
    rng = np.random.default_rng(2)
    seen = noisy(np.array([900, 0, 0, 100] + [0] * 96), 20.0, rng)
    shares = tables.cleared(seen, 20.0)
    # Cut off at 0 alone, half of the empty cells would hold something.
    assert (np.maximum(seen, 0) > 0).sum() > 40
    assert (shares > 0).sum() < 8
    assert shares[[0, 3]] == pytest.approx([0.9, 0.1], abs=0.07)
    rows = tables.cleared(np.array([[0, 0], [30, 90]]), 1.0)
    assert rows.tolist() == [[0.25, 0.75], [0.25, 0.75]]


def test_a_smoothed_total_is_not_raised_by_cutting_off() -> None:
    seen = noisy(np.full(400, 3), 10.0, np.random.default_rng(3))
    seen[0] = 5000
    assert tables.smoothed(seen, 10.0)[0] == pytest.approx(5000 / 6197, abs=0.02)


def test_rates_fall_as_isotonic_regression_says() -> None:
    rng = np.random.default_rng(4)
    value, weight = rng.normal(size=12) - np.arange(12) / 4, rng.uniform(1, 9, 12)
    oracle = IsotonicRegression(increasing=False).fit(np.arange(12), value, weight)
    oracle = oracle.predict(np.arange(12))
    np.testing.assert_allclose(tables._falling(value, weight), oracle)


def test_a_kernel_is_found_again() -> None:
    rng, items, near = np.random.default_rng(5), 400, 64
    alike = rng.integers(ALIKE, size=(items, near))
    rank = np.searchsorted(RANKS, np.arange(near), side="right") - 1
    cell = (rank * ALIKE + alike).astype(np.int8)
    neighbour = rng.integers(items, size=(items, near)).astype(np.int32)
    zero = np.zeros(items, np.int32)
    places = Catalogue(neighbour, cell, zero, zero, np.array([1]))
    true = np.outer(1 / (1 + RANKS), [0.2, 0.4, 0.5, 1.0]).ravel()
    popularity = rng.uniform(1, 50, items)
    open_ = np.bincount(
        cell.ravel(),
        weights=(popularity[:, None] * popularity[neighbour]).ravel(),
        minlength=len(true),
    )
    steps = 4000 * true * open_ / (true * open_).sum()
    found = tables.kernel_of(noisy(np.rint(steps).astype(int), 5.0, rng), 5.0, places, popularity)
    large = steps > 60
    np.testing.assert_allclose(
        found[large] / found[large].max(), true[large] / true[large].max(), rtol=0.35
    )


def test_a_category_table_agrees_with_counts_and_with_popularity() -> None:
    rng = np.random.default_rng(6)
    share = np.array([0.5, 0.3, 0.2])
    joint = np.array([[4000, 600, 400], [600, 2300, 100], [400, 100, 1500]])
    exact = tables.category_table(joint, 1e-3, share)
    np.testing.assert_allclose(exact, joint / joint.sum(axis=1, keepdims=True), atol=1e-3)
    rough = tables.category_table(noisy(joint, 400.0, rng), 400.0, share)
    np.testing.assert_allclose(rough.sum(axis=1), 1.0)
    # Popularity is what a long walk comes to.
    np.testing.assert_allclose(share @ rough, share, atol=1e-6)
    raw = np.maximum(noisy(joint, 400.0, rng), 0)
    assert np.abs(rough * share[:, None] - joint / joint.sum()).sum() < 0.3
    assert raw.sum() > 0


def test_gaps_keep_their_classes_and_hours_their_shares() -> None:
    rng = np.random.default_rng(7)
    hours = np.zeros(HOURS + 1)
    hours[[10, 60]] = [0.75, 0.25]
    gaps = np.zeros((len(GAPS) + 1, len(GAPS)))
    gaps[:, 8] = 1.0
    bounds = np.array([0, 300 * WEEK, 1], dtype=np.int64)
    clock = Clock(hours, np.eye(48)[0], gaps, bounds)
    begins = np.ones((5000, 3), dtype=bool)
    time = times_of(clock, begins, rng)
    hour = (time + 3 * DAY) % WEEK // (DAY // 24)
    assert set(np.unique(hour)) == {10, 60}
    assert np.mean(hour == 10) == pytest.approx(0.75, abs=0.02)
    gap = np.diff(time, axis=1)
    assert (gap >= GAPS[8] - WEEK // 2).all()
    assert (gap <= GAPS[9] + WEEK // 2).all()


def test_draws_go_by_shares() -> None:
    found = np.bincount(drawn(np.array([1.0, 0.0, 3.0]), 40_000, np.random.default_rng(8)))
    assert found[1] == 0
    assert found[2] / found.sum() == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize(("steps", "sigma"), [(3_000, 1.0), (3_000, 3.0), (30_000, 8.0)])
def test_the_forecast_is_what_counting_finds(steps: int, sigma: float) -> None:
    rng, items, near = np.random.default_rng(9), 60, 16
    neighbour = np.stack([(np.arange(items) + k) % items for k in range(1, near + 1)], axis=1)
    rank = np.searchsorted(RANKS, np.arange(near), side="right") - 1
    cell = np.tile(rank * ALIKE, (items, 1)).astype(np.int8)
    zero = np.zeros(items, np.int32)
    places = Catalogue(neighbour.astype(np.int32), cell, zero, zero, np.array([1]))
    popularity = 1.0 / (1 + np.arange(items))
    rate = np.repeat(1.0 / (1 + RANKS), ALIKE)
    needed = round(4 * sigma) + 1
    found = tables.forecast((needed, sigma), places, popularity, (rate, steps / 2, float(steps)))
    weight = tables.walk_weights(places, popularity, rate, 1.0)
    going = popularity[:, None] / popularity.sum() * weight / weight.sum(axis=1, keepdims=True)
    passed, kept = [], []
    for _ in range(30):
        counts = rng.poisson(steps / 2 * going)
        there = noisy(counts, sigma, rng) >= needed
        passed.append((there & (counts > 0)).sum())
        kept.append(counts[there].sum() / steps)
    assert found.share == pytest.approx(np.mean(kept), abs=0.02)
    assert found.pairs == pytest.approx(np.mean(passed), rel=0.15)
    assert 0.02 < found.share < 0.5
