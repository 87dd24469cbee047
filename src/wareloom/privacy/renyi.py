"""Rényi divergences of mechanisms at many orders: they add up, and any one order gives an ε.

Mironov, Talwar & Zhang, “Rényi differential privacy of the sampled Gaussian mechanism” (2019); the conversion is of
Canonne, Kamath & Steinke, “The discrete Gaussian for differential privacy” (2020), proposition 12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import gammaln, logsumexp

from wareloom.privacy.gaussian import check_delta

ORDERS: tuple[float, ...] = (
    *(1 + step / 20 for step in range(1, 20)),
    *(2 + step / 10 for step in range(80)),
    *map(float, range(10, 64)),
    *map(float, (64, 80, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)),
)
"""Orders α that are tried; each is valid, so more of them only make the ε smaller."""
SPREAD = 14.0
"""Standard deviations of noise beyond either centre that the integral takes in"""


def gaussian(mu: float, orders: Sequence[float] = ORDERS) -> np.ndarray:
    """Divergence of the Gaussian mechanism, float64 [orders]: α μ² / 2. The discrete one has no more."""
    return np.asarray(orders, dtype=np.float64) * mu**2 / 2


def pure(epsilon: float, orders: Sequence[float] = ORDERS) -> np.ndarray:
    """Divergence of randomised response with `epsilon`, the worst of all that have δ = 0: float64 [orders]."""
    alpha = np.asarray(orders, dtype=np.float64)
    # log p = -log(1 + exp(-ε)), log q = log p - ε
    high = -np.logaddexp(0.0, -epsilon)
    low = high - epsilon
    both = np.logaddexp(alpha * high + (1 - alpha) * low, alpha * low + (1 - alpha) * high)
    return np.asarray(np.minimum(both / (alpha - 1), epsilon))


def bounded_range(epsilon: float, orders: Sequence[float] = ORDERS) -> np.ndarray:
    """Divergence of a mechanism of bounded range `epsilon`, float64 [orders]: α ε² / 8 (Cesar & Rogers 2021)."""
    alpha = np.asarray(orders, dtype=np.float64)
    return np.minimum(alpha * epsilon**2 / 8, pure(epsilon, orders))


def sampled_gaussian(
    noise_multiplier: float, rate: float, orders: Sequence[float] = ORDERS
) -> np.ndarray:
    """Divergence of one step of the Gaussian mechanism on a Poisson sample, float64 [orders].

    `noise_multiplier`: standard deviation of the noise over the sensitivity. `rate`: chance of each user to be in the
    sample. Neighbours add or remove one user. Whole orders are summed (equation 11 of Mironov et al.), others are
    integrated, both in logarithms.
    """
    if rate == 0:
        return np.zeros(len(orders))
    if rate == 1:
        return gaussian(1 / noise_multiplier, orders)
    return np.array(_at(noise_multiplier, rate, tuple(map(float, orders))))


@lru_cache(maxsize=256)
def _at(sigma: float, rate: float, orders: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(_one(sigma, rate, alpha) for alpha in orders)


def _one(sigma: float, rate: float, alpha: float) -> float:
    whole = float(alpha).is_integer()
    moment = _summed(sigma, rate, int(alpha)) if whole else _integrated(sigma, rate, alpha)
    return max(0.0, moment) / (alpha - 1)


def _summed(sigma: float, rate: float, alpha: int) -> float:
    """log E[((1 − q) + q exp((2z − 1) / 2σ²))^α] for z ~ N(0, σ²), by the binomial theorem."""
    k = np.arange(alpha + 1, dtype=np.float64)
    chosen = gammaln(alpha + 1) - gammaln(k + 1) - gammaln(alpha - k + 1)
    terms = chosen + k * math.log(rate) + (alpha - k) * math.log1p(-rate)
    return float(logsumexp(terms + (k * k - k) / (2 * sigma**2)))


def _integrated(sigma: float, rate: float, alpha: float) -> float:
    """The same for any α, by the trapezoid rule.

    For an analytic integrand its error falls exponentially with the step; the nearest branch point lies πσ² off the
    axis.
    """
    step = min(sigma / 24, sigma**2 / 6)
    low, high = -SPREAD * sigma, alpha + SPREAD * sigma
    z = np.linspace(low, high, max(64, math.ceil((high - low) / step)))
    ratio = np.logaddexp(math.log1p(-rate), math.log(rate) + (2 * z - 1) / (2 * sigma**2))
    height = -(z**2) / (2 * sigma**2) - math.log(sigma * math.sqrt(2 * math.pi))
    return float(logsumexp(height + alpha * ratio) + math.log(z[1] - z[0]))


def epsilon_of(
    divergence: np.ndarray, delta: float, orders: Sequence[float] = ORDERS
) -> tuple[float, float]:
    """The smallest ε that any order gives at `delta`, and that order."""
    check_delta(delta)
    alpha = np.asarray(orders, dtype=np.float64)
    epsilon = divergence + np.log1p(-1 / alpha) - (math.log(delta) + np.log(alpha)) / (alpha - 1)
    best = int(np.argmin(epsilon))
    return max(0.0, float(epsilon[best])), float(alpha[best])
