"""Gradient descent that is private user by user: one sample is one user's whole history.

Each step takes a Poisson sample of the users, bounds each one's gradient, adds noise to the sum and divides it by the
public expected number (Abadi et al. 2016; McMahan et al. 2018). All steps are paid before the first.

Noise in floating point has known weaknesses: the low bits of a sum tell what was added (Mironov 2012; Jin et al. 2022).
Here no floating-point number is noised. Each user's bounded gradient is cut towards 0 to a grid of `GRID` steps a
standard deviation, which makes no norm larger. The sums are whole numbers, exact in 64 bits. Their noise is
`integers.whole_numbers`, normal numbers rounded to the grid: post-processing of the Gaussian mechanism on whole sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.errors import BudgetError, require
from wareloom.neural import torch
from wareloom.neural.batches import padded, windows
from wareloom.privacy import mechanisms, renyi
from wareloom.privacy.accounting import Cost, SampledGaussian, compose
from wareloom.privacy.integers import whole_numbers
from wareloom.privacy.noise import Noise
from wareloom.privacy.private import Private
from wareloom.privacy.rows import Answer, Rows

WHO = "Private training"
GRID = 65536
"""Steps of the grid a standard deviation of the noise"""
MARGIN = 1e-5
"""What rounding in 32 bits may add to a norm, taken off the bound"""
LANE = 64
"""Squares that are summed in 32 bits"""
BYTES = 16 << 20
"""Gradients of single users that are held at once"""
WEAKEST = 1e-2
STRONGEST = 1e4
"""Noise multipliers that are looked for lie between"""

Loss = Callable[[Any, Any], Any]
"""(model, codes int64 [1, places], 0 behind the last) → the loss of one user, a number"""


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How a model is taught; every number is public. There is no early stopping, and nothing is tried out."""

    rate: float
    """Chance of each user to be in a step's sample"""
    steps: int
    clip: float = 1.0
    """Largest norm of one user's gradient"""
    learning_rate: float = 1e-2
    max_length: int = 50
    """Latest events of a user that are read"""
    momentum: bool = True
    """Adam, which sees noisy gradients alone; otherwise plain descent"""

    def __post_init__(self) -> None:
        """Check every number; raises `SettingError`."""
        require(WHO, "rate", self.rate, 0 < self.rate <= 1, "a chance above 0, at most 1")
        require(WHO, "steps", self.steps, self.steps >= 1, "a whole number of at least 1")
        require(WHO, "clip", self.clip, 0 < self.clip < math.inf, "a number above 0")
        positive = 0 < self.learning_rate < math.inf
        require(WHO, "learning_rate", self.learning_rate, positive, "a number above 0")
        require(WHO, "max_length", self.max_length, self.max_length >= 1, "at least 1")


@lru_cache(maxsize=64)
def noise_multiplier_of(
    epsilon: float, delta: float, rate: float, steps: int, paid: tuple[Cost, ...] = ()
) -> float:
    """Standard deviation over `clip` at which all steps and what was `paid` cost `epsilon` at most, to about 0.3 %.

    Raises `BudgetError` where no noise is enough, as where `paid` took it all.
    """
    left = delta - math.fsum(cost.delta for cost in paid)
    before = np.sum([cost.divergence() for cost in paid], axis=0) if paid else 0.0

    def cheap(multiplier: float) -> bool:
        divergence = before + SampledGaussian(multiplier, rate, steps).divergence()
        return left > 0 and renyi.epsilon_of(divergence, left)[0] <= epsilon

    def tight(multiplier: float) -> bool:
        return compose([*paid, SampledGaussian(multiplier, rate, steps)], delta).epsilon <= epsilon

    if not cheap(STRONGEST):
        raise BudgetError(
            f"No noise makes {steps} steps cost what is left of ε {epsilon:g} at δ {delta:g}: leave a larger part of "
            "the release to the training, or take fewer steps."
        )
    # Rényi's price is never below the tight one, and quickly found: the search begins there.
    high = _least(WEAKEST, STRONGEST, 1.001, cheap)
    return _least(max(WEAKEST, 0.8 * high), high, 1.003, tight)


def _least(low: float, high: float, within: float, fits: Callable[[float], bool]) -> float:
    """The least multiplier that fits, where `high` does: above it by a factor of at most `within`."""
    while high / low > within:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def teach(
    private: Private,
    purpose: str,
    question: Callable[[Rows], Answer],
    model: Any,
    loss: Loss,
    how: Steps,
    run: Run | None = None,
    before: Callable[[], None] | None = None,
) -> SampledGaussian:
    """Teach `model` in place with what is left of the release of `private`; returns what it cost.

    `question` returns (row, code): places of rows of the log in order, and what stands there, from 0. `loss` is
    asked for one user at a time: codes are from 1 there. The model's buffers stay as they are, and it has no layer
    that mixes users or draws random numbers. `before` is called before each step, as to draw what `loss` compares with.

    The number of users has to be public or paid for (`Private.size`). Raises `BudgetError` where release or ledger
    cannot pay; nothing is taught then.
    """
    owner, code = private._asked(question, "log")
    expected = how.rate * private.users
    release = private.release
    paid = tuple(cost for _, cost in private._paid)
    multiplier = noise_multiplier_of(release.epsilon, release.delta, how.rate, how.steps, paid)
    cost = SampledGaussian(multiplier, how.rate, how.steps)
    private._spend(purpose, cost)
    histories = _Histories.of(owner, code, how.max_length)
    optimiser = _optimiser(model, how)
    names = [name for name, value in model.named_parameters() if value.requires_grad]
    parameters = dict(model.named_parameters())
    model.train()
    run = run or Run()
    with run.task(purpose, how.steps) as advance:
        for _ in range(how.steps):
            if before is not None:
                before()
            sample = mechanisms.poisson_sample(len(histories), how.rate, private._noise)
            parts = histories.parts(sample, _at_once(model))
            step = noisy_gradient(model, loss, parts, how.clip, multiplier, private._noise)
            step = divided(step, expected, len(sample))
            _put(step, [parameters[name] for name in names])
            optimiser.step()
            advance(1)
    optimiser.zero_grad(set_to_none=True)
    model.eval()
    return cost


def noisy_gradient(
    model: Any,
    loss: Loss,
    parts: Iterator[Any],
    clip: float,
    multiplier: float,
    noise: Noise,
) -> Any:
    """The noisy sum of all users' bounded gradients, float64 [numbers], in the order of `model.named_parameters`.

    `parts`: users in parts that fit the memory, each int64 [users, places]. A user adds `clip` to its norm at most.
    """
    unit = clip * multiplier / GRID
    size = sum(value.numel() for value in _free(model).values())
    total = torch.zeros(size, dtype=torch.float64)
    for codes in parts:
        gradients = user_gradients(model, loss, codes)
        units = in_units(gradients, factors(gradients, clip), unit)
        total += exact_sum(units, clip / unit)
    total += torch.from_numpy(noise_for(size, noise)).double()
    return total * unit


def user_gradients(model: Any, loss: Loss, codes: Any) -> Any:
    """The gradient of each user's loss, float32 [users, numbers], for codes int64 [users, places]."""
    free = _free(model)
    fixed = {name: value for name, value in model.named_parameters() if name not in free}
    fixed |= dict(model.named_buffers())

    def one(values: dict[str, Any], row: Any) -> Any:
        return loss(_Bound(model, {**fixed, **values}), row[None])

    # The fused kernels of attention have no gradient of single users.
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        every = torch.func.vmap(torch.func.grad(one), in_dims=(None, 0))(free, codes)
    return torch.cat([every[name].flatten(1) for name in free], dim=1)


def factors(gradients: Any, clip: float) -> Any:
    """What scales each user's gradient to a norm of at most `clip`, float64 [users]; 0 for what is no number."""
    whole = gradients.shape[1] // LANE * LANE
    lanes = gradients[:, :whole].unflatten(1, (-1, LANE))
    # Short sums in 32 bits, the long one in 64: as near as `MARGIN`, and far faster than all in 64.
    inner = torch.cat([torch.linalg.vector_norm(lanes, dim=2), gradients[:, whole:]], dim=1)
    norm = torch.linalg.vector_norm(inner, dim=1, dtype=torch.float64)
    factor = (clip / norm).clamp(max=1) * (1 - MARGIN)
    return torch.where(torch.isfinite(norm), factor, 0.0)


def in_units(gradients: Any, factor: Any, unit: float) -> Any:
    """Gradients [users, numbers] times a factor each, in whole units: cut towards 0, in place, so no norm grows."""
    broken = factor == 0
    if broken.any():
        # One user's overflow would otherwise be everybody's.
        gradients[broken] = 0.0
    return gradients.mul_((factor / unit).to(gradients.dtype)[:, None]).trunc_()


def exact_sum(units: Any, largest: float) -> Any:
    """The sum over users of whole numbers of at most `largest`, float64 [numbers]: exact, and so in any order."""
    at_once = max(1, int(2**24 / largest))
    return sum(part.sum(dim=0).double() for part in units.split(at_once))


def noise_for(size: int, noise: Noise) -> np.ndarray:
    """Noise of one standard deviation on the grid, int64 [size]."""
    return whole_numbers(size, float(GRID), noise)


def divided(total: Any, expected: float, sampled: int) -> Any:
    """The sum over the public `expected` number of users; how many were `sampled` is behaviour and not used."""
    return total / expected


class _Bound:
    """A model with other weights, called as the model is."""

    def __init__(self, model: Any, values: dict[str, Any]) -> None:
        self._model, self._values = model, values

    def __call__(self, *args: Any) -> Any:
        return torch.func.functional_call(self._model, self._values, args)


@dataclass(frozen=True)
class _Histories:
    """Codes of users' events, from 1, user after user; users without events are there, too."""

    offsets: np.ndarray
    codes: np.ndarray
    length: int

    @classmethod
    def of(cls, owner: np.ndarray, code: np.ndarray, length: int) -> _Histories:
        users = int(owner.max(initial=-1)) + 1
        order = np.argsort(owner, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=users))])
        return cls(offsets.astype(np.int64), np.asarray(code)[order].astype(np.int64) + 1, length)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def parts(self, users: np.ndarray, at_once: int) -> Iterator[Any]:
        """The latest events of `users`, users of like length together: int64 [at most `at_once`, places] each."""
        starts, sizes = windows(self.offsets, self.length)
        # Who has no events has no gradient.
        users = users[sizes[users] > 0]
        users = users[np.argsort(sizes[users], kind="stable")]
        for first in range(0, len(users), at_once):
            part = users[first : first + at_once]
            yield torch.from_numpy(padded(self.codes, starts[part], sizes[part]))


def _free(model: Any) -> dict[str, Any]:
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def _at_once(model: Any) -> int:
    size = sum(value.numel() for value in _free(model).values())
    return int(max(1, BYTES // (4 * size)))


def _optimiser(model: Any, how: Steps) -> Any:
    free = [p for p in model.parameters() if p.requires_grad]
    kind = torch.optim.Adam if how.momentum else torch.optim.SGD
    return kind(free, lr=how.learning_rate)


def _put(gradient: Any, parameters: list[Any]) -> None:
    """Lay a gradient [numbers] out over parameters."""
    at = 0
    for value in parameters:
        part = gradient[at : at + value.numel()]
        value.grad = part.view_as(value).to(value.dtype)
        at += value.numel()
