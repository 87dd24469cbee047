"""The audit itself: it is right where the truth is known, and shows as much as draws can."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from honest import histograms
from private_shops import crowd, events, private, shop_of
from scipy.stats import binom

from wareloom.errors import SettingError
from wareloom.privacy import audit, gaussian, mechanisms
from wareloom.privacy.accounting import Choice, Gaussian, SampledGaussian, compose
from wareloom.privacy.integers import whole_numbers
from wareloom.privacy.noise import Seeded


@pytest.mark.parametrize(
    ("epsilon", "expected"), [(0.5, 0.24), (1.0, 0.56), (3.0, 1.86), (8.0, 4.59)]
)
def test_what_200_000_draws_can_show_is_what_was_computed(epsilon: float, expected: float) -> None:
    shown = audit.visible(gaussian.mu_of(epsilon, 1e-6), 1e-6, 200_000)
    assert shown == pytest.approx(expected, abs=0.01)


def test_a_lower_bound_holds_as_often_as_it_says() -> None:
    """Randomised response has ε = log 3: shares .75 and .25; the bound is above it in at most one draw of twenty."""
    rng, epsilon = np.random.default_rng(1), math.log(3)
    above = sum(
        audit.epsilon_shown(int(t), int(f), 500, 0.0) > epsilon
        for t, f in zip(rng.binomial(500, 0.75, 2000), rng.binomial(500, 0.25, 2000), strict=True)
    )
    assert above <= 2000 * 0.05
    assert audit.epsilon_shown(7500, 2500, 10_000, 0.0) > 0.95 * epsilon
    assert audit.epsilon_shown(100, 0, 100, 0.999) == 0


@pytest.mark.parametrize("epsilon", [1.0, 3.0, 8.0])
def test_a_histogram_shows_no_more_than_its_epsilon_and_what_draws_can(epsilon: float) -> None:
    draws, mu = 40_000, gaussian.mu_of(epsilon, 1e-6)
    can = audit.visible(mu, 1e-6, draws)
    shown = []
    for seed in range(3):
        inside, outside = histograms(mu, (3, 3), 1, Seeded(20 + seed))
        found = audit.white_box(inside, outside, 1e-6, draws=draws)
        assert found.epsilon <= epsilon
        shown.append(found.epsilon)
        # The standard error of μ is 1 / 140 at so many draws.
        assert found.mu == pytest.approx(mu, abs=max(0.03 * mu, 3 / 140))
    assert np.mean(shown) > 0.8 * can


def test_a_composition_shows_no_more_than_it_cost_and_is_the_root_of_its_squares() -> None:
    mus, draws, delta = (0.3, 0.4, 0.5), 60_000, 1e-6
    cost = compose([Gaussian(mu) for mu in mus], delta)
    noise = Seeded(30)
    sigmas = [mechanisms.sigma_of(mu, 1.0) for mu in mus]

    def drawn(count: int, with_user: int) -> np.ndarray:
        # The best statistic of all three: each weighed by its shift over its variance.
        parts = [(whole_numbers(count, s, noise) + with_user) / s**2 for s in sigmas]
        return np.sum(parts, axis=0)

    found = audit.white_box(lambda n: drawn(n, 1), lambda n: drawn(n, 0), delta, draws=draws)
    assert found.epsilon <= cost.epsilon
    assert found.mu == pytest.approx(math.sqrt(sum(mu**2 for mu in mus)), rel=0.03)


def test_steps_on_samples_show_no_more_than_they_cost() -> None:
    steps, rate, sigma, draws, delta = 20, 0.3, 1.5, 40_000, 1e-5
    cost = compose([SampledGaussian(sigma, rate, steps)], delta)
    noise = Seeded(31)

    def drawn(count: int, with_user: bool) -> np.ndarray:
        total = np.zeros(count)
        for _ in range(steps):
            x = whole_numbers(count, 100 * sigma, noise) / 100
            if with_user:
                x[mechanisms.poisson_sample(count, rate, noise)] += 1
            total += np.log1p(rate * np.expm1((2 * x - 1) / (2 * sigma**2)))
        return total

    found = audit.white_box(lambda n: drawn(n, True), lambda n: drawn(n, False), delta, draws=draws)
    assert found.epsilon <= cost.epsilon
    assert found.epsilon > 0.3 * cost.epsilon
    # Without the samples' coins, at the same price, more is shown than was paid: the naive account.
    naive = compose([SampledGaussian(sigma, 0.02, steps)], delta)
    assert found.epsilon > naive.epsilon


def test_a_choice_shows_no_more_than_it_cost() -> None:
    """The worst scores for a range of ε: one user raises one score of two by all it may and lowers the other."""
    epsilon, draws = 2.0, 3000
    noise = Seeded(32)

    def drawn(count: int, shift: int) -> np.ndarray:
        return np.array(
            [mechanisms.choose([-shift, shift], epsilon, 1, noise) for _ in range(count)]
        )

    found = audit.white_box(lambda n: drawn(n, 1), lambda n: drawn(n, 0), 1e-6, draws=draws)
    assert found.epsilon <= compose([Choice(epsilon)], 1e-6).epsilon
    assert found.epsilon > 0.2


# One run


def slow_p_value(planted: int, guessed: int, right: int, epsilon: float, delta: float) -> float:
    """As in the paper's appendix, term by term."""
    q = 1 / (1 + math.exp(-epsilon))
    tail = binom.sf(right - 1, guessed, q)
    alpha, run = 0.0, 0.0
    for i in range(1, right + 1):
        run += binom.pmf(right - i, guessed, q)
        if run > i * alpha:
            alpha = run / i
    return float(min(1.0, tail + alpha * delta * 2 * planted))


@pytest.mark.parametrize(("guessed", "right"), [(10, 9), (100, 71), (1000, 640), (50, 50)])
@pytest.mark.parametrize("epsilon", [0.0, 0.7, 3.0])
def test_the_p_value_of_one_run_is_that_of_the_paper(
    guessed: int, right: int, epsilon: float
) -> None:
    for delta in (0.0, 1e-6, 1e-3):
        assert audit.one_run_p_value(1000, guessed, right, epsilon, delta) == pytest.approx(
            slow_p_value(1000, guessed, right, epsilon, delta), rel=1e-9, abs=1e-300
        )


def planted(mu: float, seed: int, users: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    coins = rng.random(users) < 0.5
    return coins * mu + (rng.normal(size=users) if mu < math.inf else 0), coins


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0, 8.0])
def test_one_run_shows_no_more_than_the_epsilon_of_its_noise(epsilon: float) -> None:
    mu = gaussian.mu_of(epsilon, 1e-6)
    shown = [audit.one_run(*planted(mu, seed), 1e-6) for seed in range(40)]
    assert sum(bound > epsilon for bound in shown) <= 2
    if epsilon >= 3:
        assert np.mean(shown) > 0.15 * epsilon


def test_one_run_without_noise_shows_at_least_five() -> None:
    coins = np.random.default_rng(3).random(1000) < 0.5
    assert audit.one_run(coins.astype(float), coins, 1e-6) >= 5
    # and one whose scores say nothing shows nothing
    assert audit.one_run(np.random.default_rng(4).normal(size=1000), coins, 1e-6) == 0


def test_many_tries_are_paid_for() -> None:
    """Scores without knowledge: with the best of many guesses and no correction an ε is shown too often."""
    found, naive = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(100 + seed)
        scores, coins = rng.normal(size=300), rng.random(300) < 0.5
        tries = tuple(range(10, 301, 20))
        found += audit.one_run(scores, coins, 0.0, guesses=tries) > 0
        naive += max(audit.one_run(scores, coins, 0.0, guesses=(n,)) for n in tries) > 0
    assert found <= 6
    assert naive > 10


def test_more_right_than_guessed_is_refused() -> None:
    with pytest.raises(SettingError, match="right is 11"):
        audit.one_run_p_value(100, 10, 11, 1.0, 0.0)
    with pytest.raises(SettingError, match="coins is 3"):
        audit.one_run(np.zeros(4), np.ones(3, dtype=bool), 0.0)


def test_mu_is_the_distance_between_two_normals() -> None:
    rng = np.random.default_rng(5)
    assert audit.mu_shown(rng.normal(0.7, 1, 50_000), rng.normal(0, 1, 50_000)) == pytest.approx(
        0.7, abs=0.03
    )
    assert audit.mu_shown(np.ones(3), np.zeros(3)) == math.inf


def test_the_whole_door_shows_the_mu_it_was_paid_for(tmp_path: Path) -> None:
    """From a shop on the disk to the counts: a user with fifty rows on one item, who may keep four."""
    draws, shown = 100, {}
    for there in (True, False):
        rows = [*crowd(40), *(events("ann", [15] * 50) if there else [])]
        asked = private(shop_of(rows), tmp_path / str(there), epsilon=200.0, users=40, seed=40)
        asked.bounded(4)
        place = asked.items["item_id"].to_list().index("i15")
        shown[there] = np.array(
            [
                asked.histogram(f"items {n}", lambda r: (r.all, r.log.item), 20, 1 / draws)[place]
                for n in range(draws)
            ]
        )
    told = asked.mu(1 / draws)
    # Two standard errors of the shift are .28.
    assert audit.mu_shown(shown[True], shown[False]) == pytest.approx(told, abs=0.3)
    assert told > 1.5
