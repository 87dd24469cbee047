"""Noise in whole numbers, drawn exactly: no floating-point number is part of a draw, so none can give it away.

`discrete_gaussian` follows Canonne, Kamath & Steinke (NeurIPS 2020), algorithms 1 to 3, with fractions and rejections.
`whole_numbers` draws many at once from a table of the distribution function to 192 bits, looked up by 64 bits and by
more where these do not decide; it differs from the exact distribution by less than 2⁻¹⁵⁰.
"""

from __future__ import annotations

import bisect
import math
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np

from wareloom.errors import require
from wareloom.privacy.noise import Noise

Kind = Literal["rounded", "discrete"]
BITS = 192
"""Bits of the table of a distribution function"""
MORE = BITS - 64
REACH = 15
"""Standard deviations that a table reaches; the chance beyond is below 2⁻¹⁶⁰"""
FAR = 20
"""Standard deviations beyond which less than 2⁻²⁸⁸ of a normal number lies: nothing, in 192 bits"""
WIDEST = 5_000.0
"""Largest standard deviation; for more, count in larger units"""


def discrete_gaussian(variance: Fraction, noise: Noise) -> int:
    """One draw with chances proportional to exp(−k² / (2 · variance)): exact, for any rational `variance` above 0."""
    t = math.isqrt(variance.numerator // variance.denominator) + 1
    while True:
        drawn = _discrete_laplace(t, noise)
        gap = abs(drawn) - variance / t
        if _bernoulli_exp(gap * gap / (2 * variance), noise):
            return drawn


def _discrete_laplace(scale: int, noise: Noise) -> int:
    """Chances proportional to exp(−|k| / scale)."""
    while True:
        u = noise.below(scale)
        if not _bernoulli_exp(Fraction(u, scale), noise):
            continue
        v = 0
        while _bernoulli_exp(Fraction(1), noise):
            v += 1
        negative, size = noise.below(2), u + scale * v
        if negative and size == 0:
            continue
        return -size if negative else size


def _bernoulli_exp(gamma: Fraction, noise: Noise) -> bool:
    """True with chance exp(−gamma), gamma ≥ 0."""
    while gamma > 1:
        if not _bernoulli_exp(Fraction(1), noise):
            return False
        gamma -= 1
    k = 1
    while noise.below(k * gamma.denominator) < gamma.numerator:
        k += 1
    return k % 2 == 1


def whole_numbers(count: int, sigma: float, noise: Noise, kind: Kind = "rounded") -> np.ndarray:
    """`count` independent whole numbers of standard deviation about `sigma`, int64 [count].

    "rounded": normal numbers, each rounded to the nearest whole one. Added to whole counts that is post-processing of
    the Gaussian mechanism, so its μ holds in any dimension. "discrete": the discrete Gaussian.
    """
    require("Privacy", "sigma", sigma, 0 < sigma <= WIDEST, f"a number above 0, at most {WIDEST:g}")
    exact = Fraction(sigma)
    table, heads = _table(exact.numerator, exact.denominator, kind)
    words = noise.words(count)
    found = np.searchsorted(heads, words, side="left")
    undecided = heads[np.minimum(found, len(heads) - 1)] == words
    for place in np.flatnonzero(undecided):
        longer = (int(words[place]) << MORE) | noise.below(1 << MORE)
        found[place] = bisect.bisect_right(table, longer)
    return found.astype(np.int64) - len(table) // 2


@lru_cache(maxsize=64)
def _table(numerator: int, denominator: int, kind: Kind) -> tuple[list[int], np.ndarray]:
    """Chances of at most −T … T − 1 in units of 2⁻¹⁹², and their first 64 bits.

    A draw is how many of them a uniform number passes, less T.
    """
    sigma = Fraction(numerator, denominator)
    reach = math.ceil(REACH * sigma) + 2
    below = _discrete(sigma, reach) if kind == "discrete" else _rounded(sigma, reach)
    # The function is symmetric: P(X ≤ k) = 1 − P(X ≤ −k − 1).
    whole = 1 << BITS
    table = [*below, *(min(whole - each, whole - 1) for each in reversed(below))]
    return table, np.array([each >> MORE for each in table], dtype=np.uint64)


def _discrete(sigma: Fraction, reach: int) -> list[int]:
    """P(X ≤ k) for k = −T … −1, of the discrete Gaussian."""
    scale, variance = 1 << (BITS + 64), sigma * sigma
    heights = [_exp_minus(Fraction(k * k) / (2 * variance), scale) for k in range(reach + 1)]
    total = heights[0] + 2 * sum(heights[1:])
    below, run = [], 0
    for k in range(reach, 0, -1):
        run += heights[k]
        below.append((run << BITS) // total)
    return below


def _rounded(sigma: Fraction, reach: int) -> list[int]:
    """P(X ≤ k) for k = −T … −1, of a rounded normal number: Φ((k + ½) / σ)."""
    half = 1 << (BITS - 1)
    return [max(0, half - _half_erf(Fraction(2 * k - 1, 2) / sigma)) for k in range(reach, 0, -1)]


def _half_erf(x: Fraction) -> int:
    """Φ(x) − ½ for x ≥ 0 in units of 2⁻¹⁹²: φ(x) · (x + x³/3 + x⁵/(3·5) + …), all terms positive."""
    if x > FAR:
        return 1 << (BITS - 1)
    # The density falls to 2⁻²⁹⁰ and the sum grows as much: both need the bits.
    scale = 1 << (BITS + 320)
    square = (x.numerator**2 * scale) // x.denominator**2
    term = (x.numerator * scale) // x.denominator
    total, n = 0, 1
    while term:
        total += term
        n += 2
        term = term * square // scale // n
    density = _exp_minus(x * x / 2, scale)
    root = math.isqrt(_two_pi(scale) * scale)
    return (total * density // root) >> 320


def _exp_minus(value: Fraction, scale: int) -> int:
    """exp(−value) in units of 1 / scale, for value ≥ 0: halved until small, summed, squared back."""
    halvings = max(0, math.ceil(value).bit_length() + 4)
    guard = scale << (halvings + 16)
    small = (value.numerator * guard) // (value.denominator << halvings)
    term, total, n = guard, guard, 1
    while term:
        term = -(-term * small // guard) if n % 2 == 0 else term * small // guard
        term //= n
        total += term if n % 2 == 0 else -term
        n += 1
    for _ in range(halvings):
        total = total * total // guard
    return total * scale // guard


@lru_cache(maxsize=4)
def _two_pi(scale: int) -> int:
    """2π in units of 1 / scale, by Machin's formula."""
    guard = scale << 32

    def arctan(inverse: int) -> int:
        term = total = guard // inverse
        n, sign = 3, -1
        while term:
            term //= inverse * inverse
            total += sign * (term // n)
            n, sign = n + 2, -sign
        return total

    return (8 * (4 * arctan(5) - arctan(239))) >> 32
