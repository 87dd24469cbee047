"""The interval where seeds dominate: how often it is taken in, its p-value, and the power of it, by simulation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from wareloom.stats.bootstrap import Interval, combine, half_width, verdict
from wareloom.stats.power import Spread, detectable, power

RUNS, USERS = 3000, 120
SEEDS, SHARES = (2, 3, 5), (0.0, 1.0, 10.0)
"""Share: what the seeds add to the variance of the mean, over what the users add"""
CHANCE = 3.0
"""Standard errors of a simulated rate"""


def spread_of(seeds: int, share: float) -> Spread:
    return Spread(user=1.0, seed=share * seeds / USERS, both=0.0, requests=USERS, seeds=seeds)


def experiments(of: Spread, effect: float) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Mean, two bootstrap means whose variance is that of the users' mean, and the mean of each seed."""
    rng = np.random.default_rng(of.seeds)
    users = rng.normal(effect, of.user**0.5, (RUNS, USERS))
    middle, error = users.mean(axis=1), users.std(axis=1, ddof=1) / USERS**0.5
    per_seed = middle[:, None] + rng.normal(0.0, of.seed**0.5, (RUNS, of.seeds))
    mean = per_seed.mean(axis=1)
    drawn = mean[:, None] + error[:, None] * np.array([-1.0, 1.0]) / 2**0.5
    return zip(mean.tolist(), drawn, per_seed, strict=True)


def welch(mean: float, drawn: np.ndarray, per_seed: np.ndarray) -> Interval:
    """The rule that took the degrees of freedom of Welch and Satterthwaite for known."""
    who, which = np.var(drawn, ddof=1), np.var(per_seed, ddof=1) / len(per_seed)
    freedom = (who + which) ** 2 / (which**2 / (len(per_seed) - 1) + who**2 / 1e6)
    half = stats.t.ppf(0.975, freedom) * (who + which) ** 0.5
    return Interval(mean, mean - half, mean + half, 1.0)


def error_of(rate: float) -> float:
    """Standard error of a rate in so many runs."""
    return (rate * (1 - rate) / RUNS) ** 0.5


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("share", SHARES)
def test_luck_is_said_to_help_as_often_as_promised_at_most(seeds: int, share: float) -> None:
    drawn = list(experiments(spread_of(seeds, share), 0.0))
    said = [verdict(combine(*one)) for one in drawn]
    for word in ("helps", "hurts"):
        assert said.count(word) / RUNS <= 0.025 + CHANCE * error_of(0.025), word
    if share == 10.0 and seeds < 5:
        before = np.mean([verdict(welch(*one)) == "helps" for one in drawn])
        assert before > 0.025 + CHANCE * error_of(0.025), "the case is one that matters"


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("share", SHARES)
def test_power_is_how_often_an_effect_is_found(seeds: int, share: float) -> None:
    of, wanted = spread_of(seeds, share), 0.8
    effect = detectable(of, wanted)
    assert power(effect, of) == pytest.approx(wanted, abs=1e-6)
    found = np.mean([combine(*one).low > 0 for one in experiments(of, effect)])
    # What is known of the users' variance from so many of them moves the rate by a hundredth at most.
    assert found == pytest.approx(wanted, abs=CHANCE * error_of(wanted) + 0.01)


@settings(deadline=None)
@given(st.floats(1e-4, 0.45), st.floats(-4, 4), st.integers(2, 30))
def test_no_share_of_the_seeds_makes_it_too_narrow(tail: float, share: float, seeds: int) -> None:
    """The rate by numerical integration over what the spread between seeds may be estimated at."""
    ratio, grid = 10.0**share, (np.arange(4000) + 0.5) / 4000
    estimate = stats.chi2.ppf(grid, seeds - 1) / (seeds - 1)
    half = half_width(tail, 1.0, ratio * estimate, seeds)
    assert np.mean(stats.norm.sf(half / (1 + ratio) ** 0.5)) <= tail + 2e-4


@settings(deadline=None)
@given(st.floats(1e-3, 30), st.floats(1e-3, 10), st.floats(0, 10), st.integers(1, 8))
def test_p_is_the_level_at_which_the_interval_ends_at_zero(
    mean: float, who: float, which: float, seeds: int
) -> None:
    drawn = np.array([-1.0, 1.0]) * who
    per_seed = mean + which * (np.arange(seeds) - (seeds - 1) / 2)
    found = combine(mean, drawn, per_seed)
    assume(1e-12 < found.p < 1 - 1e-6)
    ends = combine(mean, drawn, per_seed, level=1 - found.p)
    assert ends.low == pytest.approx(0.0, abs=1e-3 * mean)
    assert (found.p < 0.05) == (found.low > 0)
    assert combine(-mean, drawn, per_seed - 2 * mean).p == pytest.approx(found.p, rel=1e-9)
    assert combine(1.01 * mean, drawn, per_seed).p < found.p


def test_what_is_beyond_all_chance_has_the_p_value_zero() -> None:
    assert combine(1e6, np.array([-1.0, 1.0]), np.array([1e6])).p == 0.0


def test_one_seed_says_what_the_requests_do_and_no_more() -> None:
    drawn = np.array([-1.0, 1.0])
    alone, agreed = combine(3.0, drawn, np.array([3.0])), combine(3.0, drawn, np.full(4, 3.0))
    assert alone == agreed
    assert alone.p == pytest.approx(2 * stats.norm.sf(3.0 / 2**0.5))
