"""What mechanisms cost, and what they cost together: the tightest ε that any valid way of composing gives.

Three ways: μ² adds up (exact for Gaussian noise, any adaptive order), Rényi divergences add up (all mechanisms), and
the distributions of the privacy loss are convolved (all but the discrete Gaussian; prices fixed beforehand). Where all
have δ = 0, their ε also add up.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np

from wareloom.errors import InputError, require, unknown
from wareloom.privacy import gaussian, pld, renyi

WHO = "Privacy"


@dataclass(frozen=True)
class Cost(ABC):
    """What one mechanism takes out of a budget, some `times` over."""

    kind: ClassVar[str]

    def mu(self) -> float | None:
        """μ of a Gaussian mechanism that is no more private than all times together; None where there is none."""
        return None

    @abstractmethod
    def divergence(self) -> np.ndarray:
        """Rényi divergence of all times together at `renyi.ORDERS`, float64 [orders]."""

    def loss(self) -> pld.Loss | None:
        """What `pld` composes; None where no distribution is known that is the worst."""
        return None

    @property
    def delta(self) -> float:
        """Chance of disclosure that is added to δ as it is."""
        return 0.0

    def to_json(self) -> dict[str, Any]:
        """Kind and numbers."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Gaussian(Cost):
    """Normal noise, rounded to whole numbers or not: rounding is post-processing."""

    kind: ClassVar[str] = "gaussian"
    each: float
    """L2 sensitivity over standard deviation"""
    times: int = 1

    def __post_init__(self) -> None:
        _positive("each", self.each)
        _counted(self.times)

    def mu(self) -> float:
        return self.each * math.sqrt(self.times)

    def divergence(self) -> np.ndarray:
        return renyi.gaussian(self.mu())

    def loss(self) -> pld.Loss:
        return pld.Loss(mu=self.mu())


@dataclass(frozen=True)
class DiscreteGaussian(Gaussian):
    """Discrete Gaussian noise: its Rényi divergence is no more than the normal's, but no μ is proven for it."""

    kind: ClassVar[str] = "discrete_gaussian"

    def mu(self) -> None:  # type: ignore[override]
        return None

    def divergence(self) -> np.ndarray:
        return self.times * renyi.gaussian(self.each)

    def loss(self) -> None:  # type: ignore[override]
        return None


@dataclass(frozen=True)
class SampledGaussian(Cost):
    """Normal noise on a Poisson sample of users, as in a step of DP-SGD."""

    kind: ClassVar[str] = "sampled_gaussian"
    noise_multiplier: float
    """Standard deviation over L2 sensitivity"""
    rate: float
    """Chance of each user to be in a step's sample"""
    times: int = 1
    """Steps"""

    def __post_init__(self) -> None:
        _positive("noise_multiplier", self.noise_multiplier)
        require(WHO, "rate", self.rate, 0 < self.rate <= 1, "a chance above 0, at most 1")
        _counted(self.times)

    def divergence(self) -> np.ndarray:
        return self.times * renyi.sampled_gaussian(self.noise_multiplier, self.rate)

    def loss(self) -> pld.Loss:
        return pld.Loss(mu=1 / self.noise_multiplier, rate=self.rate, times=self.times)


@dataclass(frozen=True)
class Pure(Cost):
    """Any mechanism that is ε-private with δ = 0."""

    kind: ClassVar[str] = "pure"
    epsilon: float
    times: int = 1

    def __post_init__(self) -> None:
        _positive("epsilon", self.epsilon)
        _counted(self.times)

    def mu(self) -> float:
        return gaussian.mu_of_pure(self.epsilon) * math.sqrt(self.times)

    def divergence(self) -> np.ndarray:
        return self.times * renyi.pure(self.epsilon)

    def loss(self) -> pld.Loss:
        return pld.Loss(epsilon=self.epsilon, times=self.times)


@dataclass(frozen=True)
class Choice(Pure):
    """The exponential mechanism: its privacy loss has a range of ε, which is less than being ε-private."""

    kind: ClassVar[str] = "choice"

    def mu(self) -> float:
        return gaussian.mu_of_range(self.epsilon) * math.sqrt(self.times)

    def divergence(self) -> np.ndarray:
        return self.times * renyi.bounded_range(self.epsilon)

    def loss(self) -> pld.Loss:
        return pld.Loss(mu=self.mu())


@dataclass(frozen=True)
class Chance(Cost):
    """A chance of disclosure: that a key which one user alone has passes a threshold."""

    kind: ClassVar[str] = "chance"
    of: float

    def __post_init__(self) -> None:
        require(WHO, "of", self.of, 0 < self.of < 1, "a chance above 0 and below 1")

    def mu(self) -> float:
        return 0.0

    def divergence(self) -> np.ndarray:
        return np.zeros(len(renyi.ORDERS))

    def loss(self) -> pld.Loss:
        return pld.Loss(times=1)

    @property
    def delta(self) -> float:
        return self.of


KINDS: dict[str, type[Cost]] = {
    cost.kind: cost for cost in (Gaussian, DiscreteGaussian, SampledGaussian, Pure, Choice, Chance)
}


def cost_of(data: dict[str, Any]) -> Cost:
    """The cost that `Cost.to_json` wrote; raises `InputError` where it is none."""
    given = dict(data)
    name = given.pop("kind", "")
    if name not in KINDS:
        raise unknown("kind of mechanism", str(name), KINDS)
    try:
        return KINDS[name](**given)
    except TypeError as error:
        raise InputError(f"A {name} mechanism cannot have the numbers {given}: {error}.") from error


@dataclass(frozen=True)
class Spent:
    """What mechanisms cost together."""

    epsilon: float
    """The smallest of all ways"""
    delta: float
    """At which ε holds, chances of disclosure within it"""
    way: str
    """"mu", "renyi" or "pld": the one that gave it"""
    ways: dict[str, float] = field(default_factory=dict)
    """ε of each way that is valid for these mechanisms"""


def compose(costs: Sequence[Cost], delta: float) -> Spent:
    """What `costs` cost together at `delta`: the tightest valid ε, infinite where their own chances pass δ.

    Neighbours are two shops of which one has one user more, with all rows in all tables.
    """
    gaussian.check_delta(delta)
    if not costs:
        return Spent(0.0, delta, "mu", {"mu": 0.0})
    # (ε, δ') and a disclosure with chance c make (ε, δ' + c).
    left = delta - math.fsum(cost.delta for cost in costs)
    if left <= 0:
        return Spent(math.inf, delta, "mu", {})
    ways = {"renyi": renyi.epsilon_of(np.sum([c.divergence() for c in costs], axis=0), left)[0]}
    mus = [cost.mu() for cost in costs]
    known = [mu for mu in mus if mu is not None]
    if len(known) == len(mus):
        ways["mu"] = gaussian.epsilon_of(left, math.sqrt(math.fsum(mu**2 for mu in known)))
    if all(isinstance(cost, Pure | Chance) for cost in costs):
        ways["sum"] = math.fsum(c.epsilon * c.times for c in costs if isinstance(c, Pure))
    # A Gaussian, or what is priced as one, gains nothing by it.
    if any(isinstance(cost, SampledGaussian) or type(cost) is Pure for cost in costs):
        losses = [loss for cost in costs if (loss := cost.loss()) is not None]
        if len(losses) == len(costs):
            ways["pld"] = pld.epsilon_of(_joined(losses), left)
    way = min(ways, key=lambda name: (ways[name], name))
    return Spent(ways[way], delta, way, ways)


def _joined(losses: Sequence[pld.Loss]) -> list[pld.Loss]:
    """Gaussian losses as one, equal ones counted: fewer distributions to convolve."""
    mu = math.sqrt(math.fsum(each.mu**2 * each.times for each in losses if each.rate == 1))
    counted: dict[tuple[float, float, float], int] = {}
    for each in losses:
        key = (each.mu, each.rate, each.epsilon)
        if each.rate < 1 or each.epsilon > 0:
            counted[key] = counted.get(key, 0) + each.times
    others = [pld.Loss(mu=m, rate=q, epsilon=e, times=n) for (m, q, e), n in counted.items()]
    return [*([pld.Loss(mu=mu)] if mu > 0 else []), *others]


def _positive(name: str, value: float) -> None:
    require(WHO, name, value, 0 < value < math.inf, "a number above 0")


def _counted(times: int) -> None:
    require(WHO, "times", times, times >= 1 and int(times) == times, "a whole number of at least 1")
