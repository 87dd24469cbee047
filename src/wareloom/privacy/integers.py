"""Noise in whole numbers, drawn exactly: no floating-point number is part of a draw, so none can give it away.

`discrete_gaussian` follows Canonne, Kamath & Steinke (NeurIPS 2020), algorithms 1 to 3, with fractions and rejections.
`whole_numbers` draws many at once: 64 random bits are looked up in a table of the distribution function. Where they lie
too near to an edge to decide, the edge is computed to 192 bits and more bits are drawn. So a draw differs from the
exact distribution by less than 2⁻¹⁵⁰, though the table itself is in floating point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import ndtr

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
NEAR = 1 << 20
"""Units of 2⁻⁶⁴ about an edge within which 64 bits do not decide: hundreds of times the error of the table"""
WIDEST = 100_000.0
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
    heads, edge = _table(exact.numerator, exact.denominator, kind)
    words = noise.words(count)
    found = np.searchsorted(heads, words, side="right")
    for place in np.flatnonzero(_undecided(heads, words, found)):
        longer = (int(words[place]) << MORE) | noise.below(1 << MORE)
        found[place] = _settled(edge, int(found[place]), len(heads), longer)
    return found.astype(np.int64) - len(heads) // 2


def _undecided(heads: np.ndarray, words: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Whether the edge below or above lies near, bool; both differences are of unsigned numbers and not negative."""
    above = np.full(len(words), True)
    last = found == len(heads)
    above[~last] = heads[found[~last]] - words[~last] <= NEAR
    above[last] = False
    below = np.full(len(words), False)
    below[found > 0] = words[found > 0] - heads[found[found > 0] - 1] <= NEAR
    return above | below


def _settled(edge: Callable[[int], int], found: int, edges: int, longer: int) -> int:
    """How many edges a number of 192 bits passes, from a guess on."""
    while found < edges and edge(found) <= longer:
        found += 1
    while found > 0 and edge(found - 1) > longer:
        found -= 1
    return found


@lru_cache(maxsize=16)
def _table(numerator: int, denominator: int, kind: Kind) -> tuple[np.ndarray, Callable[[int], int]]:
    """Chances of at most −T … T − 1: about, uint64 in units of 2⁻⁶⁴, and a function that tells one in units of 2⁻¹⁹².

    A draw is how many of these edges a uniform number passes, less T. The distribution is symmetric: P(X ≤ k) is
    1 − P(X ≤ −k − 1).
    """
    sigma, whole = Fraction(numerator, denominator), 1 << BITS
    reach = math.ceil(REACH * sigma) + 2
    if kind == "discrete":
        below = _discrete(sigma, reach)
        low = np.array([each >> MORE for each in below], dtype=np.uint64)
    else:
        at = (np.arange(-reach, 0) + 0.5) / float(sigma)
        low = np.ldexp(ndtr(at), 64).astype(np.uint64)

    def edge(place: int) -> int:
        left = place if place < reach else 2 * reach - 1 - place
        chance = below[left] if kind == "discrete" else _rounded(sigma, left - reach)
        return chance if place < reach else min(whole - chance, whole - 1)

    high = np.uint64(2**64 - 1) - np.maximum(low, np.uint64(1))[::-1] + np.uint64(1)
    return np.concatenate([low, high]), edge


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


def _rounded(sigma: Fraction, k: int) -> int:
    """P(X ≤ k) for k < 0, of a rounded normal number: Φ((k + ½) / σ)."""
    return max(0, (1 << (BITS - 1)) - _half_erf(Fraction(-2 * k - 1, 2) / sigma))


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
