"""Noise in whole numbers: exact chances, no floating point in a draw, entropy of the operating system."""

from __future__ import annotations

import math
import os
import secrets
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import chisquare, norm

from wareloom.errors import SettingError
from wareloom.privacy import integers, mechanisms
from wareloom.privacy.noise import Entropy, Seeded, source_of

mpmath = pytest.importorskip("mpmath")


def pmf(k: np.ndarray, sigma: float, kind: str) -> np.ndarray:
    if kind == "rounded":
        return norm.cdf((k + 0.5) / sigma) - norm.cdf((k - 0.5) / sigma)
    height = np.exp(-(k**2) / (2 * sigma**2))
    return height / height.sum()


def fits(drawn: np.ndarray, sigma: float, kind: str) -> float:
    """p-value of a χ² test over the values that are expected at least ten times, and the rest on either side."""
    k = np.arange(-math.ceil(12 * sigma), math.ceil(12 * sigma) + 1)
    chance = pmf(k, sigma, kind)
    wide = k[chance * len(drawn) >= 10]
    low, high = wide.min(), wide.max()
    seen = np.bincount(np.clip(drawn, low, high) - low, minlength=high - low + 1)
    expected = chance[(k >= low) & (k <= high)]
    expected[0] += chance[k < low].sum()
    expected[-1] += chance[k > high].sum()
    return float(chisquare(seen, expected * len(drawn) / expected.sum()).pvalue)


@pytest.mark.parametrize("kind", ["rounded", "discrete"])
@pytest.mark.parametrize("sigma", [0.25, 0.4, 1.0, 7.3])
def test_many_at_once_have_the_chances_that_the_formula_says(kind: str, sigma: float) -> None:
    drawn = integers.whole_numbers(200_000, sigma, Seeded(1), kind)
    assert fits(drawn, sigma, kind) > 1e-3
    # and the test can fail: noise that is 2 % wider is told
    assert sigma < 0.4 or fits(drawn, sigma * 1.02, kind) < 1e-3


@pytest.mark.parametrize("kind", ["rounded", "discrete"])
def test_hardly_any_noise_is_no_noise(kind: str) -> None:
    # Beyond twenty standard deviations the table's arithmetic has no bits left; it once said half there.
    for sigma in (0.001, 0.02, 0.03, 0.05):
        assert not integers.whole_numbers(10_000, sigma, Entropy(), kind).any()


@pytest.mark.parametrize("variance", [Fraction(1, 5), Fraction(9), Fraction(1517, 100)])
def test_one_at_a_time_has_the_same_chances(variance: Fraction) -> None:
    noise = Seeded(2)
    drawn = np.array([integers.discrete_gaussian(variance, noise) for _ in range(20_000)])
    assert fits(drawn, math.sqrt(variance), "discrete") > 1e-3


@pytest.mark.parametrize("kind", ["rounded", "discrete"])
def test_the_table_is_right_to_its_last_bits(kind: str) -> None:
    mpmath.mp.prec = 400
    sigma = Fraction(37, 16)
    heads, edge = integers._table(sigma.numerator, sigma.denominator, kind)
    reach, scale = len(heads) // 2, mpmath.mpf(2) ** integers.BITS
    s = mpmath.mpf(37) / 16
    heights = {k: mpmath.exp(-(k**2) / (2 * s**2)) for k in range(-reach - 200, reach + 201)}
    whole = sum(heights.values())
    for k in (-reach, -20, -3, -1, 0, 1, 9, reach - 2):
        if kind == "rounded":
            truth = mpmath.ncdf((k + mpmath.mpf(1) / 2) / s)
        else:
            truth = sum(height for at, height in heights.items() if at <= k) / whole
        assert abs(edge(k + reach) - truth * scale) < 2**30


@pytest.mark.parametrize("sigma", [0.3, 2.3125, 61.7, 900.0])
def test_the_table_in_floating_point_is_nearer_to_its_edges_than_where_it_decides(
    sigma: float,
) -> None:
    exact = Fraction(sigma)
    heads, edge = integers._table(exact.numerator, exact.denominator, "rounded")
    assert np.all(heads[1:] >= heads[:-1])
    for place in np.linspace(0, len(heads) - 1, 60).astype(int):
        assert abs(int(heads[place]) - (edge(int(place)) >> integers.MORE)) < integers.NEAR / 64


class Told(Seeded):
    """Words that are given, so that a draw falls on the edge of a table's first 64 bits."""

    def __init__(self, words: list[int], more: int) -> None:
        super().__init__(0)
        self.told, self.more = words, more

    def words(self, count: int) -> np.ndarray:
        return np.array(self.told[:count], dtype=np.uint64)

    def below(self, limit: int) -> int:
        return self.more if self.more >= 0 else limit + self.more


def test_where_64_bits_do_not_decide_more_are_drawn() -> None:
    heads, edge = integers._table(2, 1, "rounded")
    zero = len(heads) // 2
    cut = edge(zero)  # the edge between 0 and 1
    word, rest = cut >> integers.MORE, cut & ((1 << integers.MORE) - 1)
    assert integers.whole_numbers(1, 2.0, Told([word], rest - 1)).tolist() == [0]
    assert integers.whole_numbers(1, 2.0, Told([word], rest)).tolist() == [1]
    # The table alone is off by a few thousand units here, and would say the same of both.
    for away in (1, 1000, integers.NEAR // 2):
        assert integers.whole_numbers(1, 2.0, Told([word - away], 0)).tolist() == [0]
        assert integers.whole_numbers(1, 2.0, Told([word + away], 0)).tolist() == [1]
    # The ends of the table are reached, and nothing lies beyond.
    assert integers.whole_numbers(1, 2.0, Told([0], 0)).tolist() == [-zero]
    assert integers.whole_numbers(1, 2.0, Told([2**64 - 1], -1)).tolist() == [zero]


def test_noise_comes_from_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"urandom": 0, "below": 0}
    real, below = os.urandom, secrets.randbelow

    def urandom(count: int) -> bytes:
        asked["urandom"] += count
        return real(count)

    def randbelow(limit: int) -> int:
        asked["below"] += 1
        return below(limit)

    monkeypatch.setattr(os, "urandom", urandom)
    monkeypatch.setattr(secrets, "randbelow", randbelow)
    integers.whole_numbers(1000, 3.0, Entropy())
    integers.discrete_gaussian(Fraction(9), Entropy())
    assert asked["urandom"] >= 8000
    assert asked["below"] > 0


def test_no_seed_decides_it_and_the_seeded_source_says_what_it_is() -> None:
    np.random.seed(0)  # noqa: NPY002
    first = integers.whole_numbers(100, 50.0, source_of(None))
    np.random.seed(0)  # noqa: NPY002
    second = integers.whole_numbers(100, 50.0, source_of(None))
    assert not np.array_equal(first, second)
    assert source_of(None).private
    assert not source_of(0).private
    again = [integers.whole_numbers(100, 50.0, source_of(7)) for _ in range(2)]
    assert np.array_equal(*again)


def test_floating_point_noise_shows_what_it_was_added_to() -> None:
    """The hole that whole numbers close (Mironov 2012): sums with floats fall on grids that hang on the true count."""
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 3, 2000)
    zero, large = 0.0 + noise, 1000.0 + noise

    def fine(values: np.ndarray) -> np.ndarray:
        # Whether a number has bits finer than those that a float near 1000 can have.
        return np.ldexp(values, 43) % 1 != 0

    assert fine(zero).mean() > 0.5
    assert fine(large).mean() == 0  # so one look tells 0 from 1000, whatever the noise
    drawn = integers.whole_numbers(2000, 3.0, Entropy())
    assert drawn.dtype == np.int64  # no bits below 1, at any count


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.inf, 1e9])
def test_a_width_that_cannot_be_is_refused(sigma: float) -> None:
    with pytest.raises(SettingError, match="sigma is"):
        integers.whole_numbers(1, sigma, Entropy())


def test_the_exponential_mechanism_has_its_chances() -> None:
    noise, scores, epsilon = Seeded(4), [0, 3, -2, 3, 1], 1.3
    drawn = [mechanisms.choose(scores, epsilon, 2, noise) for _ in range(20_000)]
    weight = np.exp(epsilon * np.array(scores) / 4)
    assert chisquare(np.bincount(drawn, minlength=5), 20_000 * weight / weight.sum()).pvalue > 1e-3
    # A gap of ten thousand is no overflow and no division by nought.
    assert mechanisms.choose([0, 10_000], 50.0, 1, noise) == 1


def test_widths_are_rounded_up_never_down() -> None:
    for mu in np.random.default_rng(5).uniform(0.001, 9, 200):
        sigma = mechanisms.sigma_of(float(mu), math.sqrt(7))
        assert math.sqrt(7) / sigma <= mu
        assert math.sqrt(7) / sigma > mu * (1 - 1e-4)
