"""The Gaussian mechanism, exactly: μ is sensitivity over noise, and many compose to one with the sum of all μ².

Balle & Wang, “Improving the Gaussian mechanism for differential privacy” (ICML 2018), equation 6; Dong, Roth & Su,
“Gaussian differential privacy” (2022), corollary 3.3.
"""

from __future__ import annotations

import math

from scipy.special import log_ndtr, ndtri_exp

from wareloom.errors import require

WHO = "Privacy"


def delta_of(epsilon: float, mu: float) -> float:
    """δ of a Gaussian mechanism with sensitivity over noise `mu`, at `epsilon` ≥ 0."""
    require(WHO, "epsilon", epsilon, epsilon >= 0, "a number of at least 0")
    require(WHO, "mu", mu, mu >= 0, "a number of at least 0")
    if mu == 0:
        return 0.0
    if math.isinf(mu):
        return 1.0
    first = float(log_ndtr(mu / 2 - epsilon / mu))
    # Both terms are tiny where δ is: their difference is taken of logarithms.
    second = epsilon + float(log_ndtr(-mu / 2 - epsilon / mu))
    return max(0.0, -math.exp(first) * math.expm1(second - first))


def epsilon_of(delta: float, mu: float) -> float:
    """The smallest ε ≥ 0 at which a Gaussian mechanism with `mu` has at most `delta`; rounded up."""
    check_delta(delta)
    if delta_of(0.0, mu) <= delta:
        return 0.0
    if math.isinf(mu):
        return math.inf
    low, high = 0.0, 1.0
    while delta_of(high, mu) > delta:
        low, high = high, 2 * high
        if math.isinf(high):
            return math.inf
    return _bisected(low, high, lambda epsilon: delta_of(epsilon, mu) <= delta)


def mu_of(epsilon: float, delta: float) -> float:
    """The largest μ that `epsilon` and `delta` allow; rounded down."""
    check_epsilon(epsilon)
    check_delta(delta)
    low, high = 0.0, 1.0
    while delta_of(epsilon, high) <= delta:
        low, high = high, 2 * high
    # What does not fit is above; the last that fits is returned.
    return _bisected(high, low, lambda mu: delta_of(epsilon, mu) <= delta)


def mu_of_pure(epsilon: float) -> float:
    """μ whose Gaussian mechanism is no more private than any that is `epsilon`-private with δ = 0.

    Randomised response is the worst of these; its one corner lies on the trade-off curve of this μ (Dong, Roth & Su).
    """
    require(WHO, "epsilon", epsilon, epsilon >= 0, "a number of at least 0")
    # By its logarithm: the share itself is 0 in double precision from ε 745 on.
    return -2 * float(ndtri_exp(-epsilon - math.log1p(math.exp(-epsilon))))


def mu_of_range(epsilon: float) -> float:
    """μ whose Gaussian mechanism is no more private than any of bounded range `epsilon`, as the exponential one is.

    Its privacy loss lies in [t − ε, t] for some t (Dong, Durfee & Rogers 2020). The worst mechanism for t takes both
    ends, and its one corner has to lie above the trade-off curve; μ is the largest over t, which is at t = ε / 2.
    """
    require(WHO, "epsilon", epsilon, epsilon >= 0, "a number of at least 0")
    return mu_of_pure(epsilon / 2)


def range_of(mu: float) -> float:
    """The bounded range whose price is `mu`: the inverse of `mu_of_range`."""
    require(WHO, "mu", mu, mu >= 0, "a number of at least 0")
    return 2 * float(log_ndtr(mu / 2) - log_ndtr(-mu / 2))


def check_epsilon(epsilon: float) -> None:
    """Raise `SettingError` unless ε is a number above 0."""
    require(WHO, "epsilon", epsilon, 0 < epsilon < math.inf, "a number above 0; 1 to 3 is usual")


def check_delta(delta: float) -> None:
    """Raise `SettingError` unless δ lies between 0 and 1, both left out: no Gaussian noise has δ = 0."""
    require(WHO, "delta", delta, 0 < delta < 1, "a number above 0, at most 1 / (10 · users)")


def _bisected(bad: float, good: float, fits: object) -> float:
    """The value nearest to `bad` that still fits, up to the last bits."""
    for _ in range(200):
        middle = (bad + good) / 2
        if middle in (bad, good):
            break
        if fits(middle):  # type: ignore[operator]
            good = middle
        else:
            bad = middle
    return good
