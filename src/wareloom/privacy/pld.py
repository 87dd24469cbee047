"""Composition by distributions of the privacy loss, on a grid, pessimistic at every rounding, convolved by FFT.

Koskela, Jälkö & Honkela (AISTATS 2020); the grid follows Doroshenko, Ghazi, Kamath, Kumar & Manurangsi, “Connect the
dots” (PETS 2022): mass between two nodes is dealt to both so that its shares under either neighbour stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtr

from wareloom.privacy import renyi

STEP = 1e-4
"""Distance between two nodes of the grid, unless the grid would have more than `NODES`"""
NODES = 1 << 20
ALLOWANCE = 1e-12
"""What floating point may do to δ; a δ below a thousand times this is not answered"""
TAIL = 1e-16
"""Mass beyond the window; it counts as disclosed"""


@dataclass(frozen=True)
class Loss:
    """What is composed: Gaussian noise on a Poisson sample of users, or randomised response, some times over."""

    mu: float = 0.0
    """Sensitivity over noise; 0 for randomised response"""
    rate: float = 1.0
    epsilon: float = 0.0
    """ε of the randomised response, which is the worst of all mechanisms with δ = 0"""
    times: int = 1

    def divergence(self) -> np.ndarray:
        """Rényi divergence of all times together, float64 [orders]."""
        if self.mu == 0:
            return self.times * renyi.pure(self.epsilon)
        return self.times * renyi.sampled_gaussian(1 / self.mu, self.rate)


def epsilon_of(losses: Sequence[Loss], delta: float) -> float:
    """The smallest ε at `delta` for the composition of `losses`, the worse of adding and removing one user.

    Infinite where δ is too small for double precision (`ALLOWANCE`), or the window cannot hold the losses.
    """
    if delta < 1000 * ALLOWANCE:
        return math.inf
    total = np.sum([loss.divergence() for loss in losses], axis=0)
    if not len(losses) or not np.any(total > 0):
        return 0.0
    window = _window(total)
    if not math.isfinite(window) or window > 600:
        return math.inf
    step = max(STEP, 2 * window / NODES)
    sides = (True,) if all(loss.rate == 1 for loss in losses) else (True, False)
    return max(_one_side(losses, delta, window, step, removed) for removed in sides)


def _window(total: np.ndarray) -> float:
    """A loss that the sum passes, upwards or downwards, with a chance of at most `TAIL` (Chernoff, at any order)."""
    alpha = np.asarray(renyi.ORDERS)
    return float(np.min(total - math.log(TAIL) / (alpha - 1)))


def _one_side(
    losses: Sequence[Loss], delta: float, window: float, step: float, removed: bool
) -> float:
    half = math.ceil(window / step)
    # Twice the window on either side: what wraps round lies beyond it, and its mass is in the allowance.
    length = next_fast_len(4 * half + 2, real=True)
    nodes = np.arange(-half, half + 1) * step
    spectrum = np.ones(length // 2 + 1, dtype=np.complex128)
    finite = 0.0
    for loss in losses:
        masses, lost = _masses(loss, nodes, removed)
        around = np.zeros(length)
        around[np.arange(-half, half + 1)] = masses
        spectrum *= rfft(around) ** loss.times
        finite += loss.times * math.log1p(-min(lost, 1 - 1e-16))
    summed = np.maximum(irfft(spectrum, length), 0.0)
    summed = np.roll(summed, length // 2)
    at = (np.arange(length) - length // 2) * step
    return _read(at, summed, -math.expm1(finite) + ALLOWANCE + 4 * TAIL, delta)


def _read(at: np.ndarray, mass: np.ndarray, infinite: float, delta: float) -> float:
    """The smallest ε ≥ 0 with infinite + Σ_{L > ε} mass · (1 − exp(ε − L)) ≤ δ."""
    keep = (at > 0) & (mass > 0)
    loss, weight = at[keep], mass[keep]
    if infinite > delta:
        return math.inf
    # From the top down: with the losses from i on counted, ε between the losses i − 1 and i solves the equation.
    above = np.cumsum(weight[::-1])[::-1]
    scaled = np.cumsum((weight * np.exp(-loss))[::-1])[::-1]
    there = infinite + above - scaled
    if not len(loss) or there[0] <= delta:
        return 0.0
    at_node = infinite + above - np.exp(loss) * scaled
    first = int(np.argmax(at_node <= delta))
    return max(0.0, math.log((infinite + above[first] - delta) / scaled[first]))


def _masses(loss: Loss, nodes: np.ndarray, removed: bool) -> tuple[np.ndarray, float]:
    """Mass at each node and mass at infinity, of one time."""
    if loss.mu == 0:
        chance = 1 / (1 + math.exp(-loss.epsilon))
        ends = np.array([-loss.epsilon, loss.epsilon])
        edges = (np.searchsorted(nodes, ends, side="left")).clip(0, len(nodes) - 1)
        masses = np.zeros(len(nodes))
        # Rounded up, never down.
        for edge, mass in zip(edges, (1 - chance, chance), strict=True):
            masses[edge] += mass
        return masses, chance if loss.epsilon > nodes[-1] else 0.0
    upper, lower = _sampled(loss.mu, loss.rate, removed)
    return _dealt(nodes, *upper(nodes), *lower(nodes))


Both = tuple[np.ndarray, np.ndarray]


def _sampled(
    mu: float, rate: float, removed: bool
) -> tuple[Callable[[np.ndarray], Both], Callable[[np.ndarray], Both]]:
    """Masses under either neighbour between nodes, and beyond the last and before the first.

    Removed: P is (1 − q) N(0, 1) + q N(μ, 1) and Q is N(0, 1); added: the other way round.
    """

    def between(low: np.ndarray, high: np.ndarray) -> Both:
        base = _between(low, high)
        mixed = (1 - rate) * base + rate * _between(low - mu, high - mu)
        return (mixed, base) if removed else (base, mixed)

    def inside(nodes: np.ndarray) -> Both:
        x = _where(nodes if removed else -nodes, mu, rate)
        return between(x[:-1], x[1:]) if removed else between(x[1:], x[:-1])

    def ends(nodes: np.ndarray) -> Both:
        x = _where(nodes[[0, -1]] if removed else -nodes[[0, -1]], mu, rate)
        infinite = np.array([np.inf])
        first, last = (x[:1], x[1:])
        below = between(-infinite, first) if removed else between(first, infinite)
        above = between(last, infinite) if removed else between(-infinite, last)
        return np.concatenate([below[0], above[0]]), np.concatenate([below[1], above[1]])

    return inside, ends


def _where(loss: np.ndarray, mu: float, rate: float) -> np.ndarray:
    """The x at which log((1 − q) + q exp(μx − μ²/2)) is `loss`; −∞ where it is always more."""
    with np.errstate(divide="ignore", invalid="ignore"):
        # exp(loss) − 1 + q, exact where both are small
        inner = np.log(np.maximum((np.expm1(loss) + rate) / rate, 0.0))
        large = loss > 30
        inner = np.where(
            large, loss + np.log1p(-(1 - rate) * np.exp(-loss)) - math.log(rate), inner
        )
    return (inner + mu**2 / 2) / mu


def _between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Mass of N(0, 1) between, from whichever tail is the smaller."""
    turned = low > 0
    first, second = np.where(turned, -high, low), np.where(turned, -low, high)
    return np.maximum(ndtr(second) - ndtr(first), 0.0)


def _dealt(
    nodes: np.ndarray,
    inner_p: np.ndarray,
    inner_q: np.ndarray,
    ends_p: np.ndarray,
    ends_q: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Deal the mass between nodes i and i + 1 to both: a + b = P and a exp(−ε_i) + b exp(−ε_{i+1}) = Q."""
    step = nodes[1] - nodes[0]
    upper = (inner_p - inner_q * np.exp(nodes[:-1])) / -np.expm1(-step)
    upper = np.clip(upper, 0.0, inner_p)
    masses = np.zeros(len(nodes))
    masses[1:] += upper
    masses[:-1] += inner_p - upper
    masses[0] += ends_p[0]
    # Beyond the last node: as much at that node as Q allows, the rest at infinity.
    at_last = min(float(ends_p[1]), float(ends_q[1]) * math.exp(min(nodes[-1], 700.0)))
    masses[-1] += at_last
    return masses, float(ends_p[1]) - at_last
