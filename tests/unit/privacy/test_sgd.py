"""Private descent: a step as Opacus takes it, one user's bound, the ledger first, and bugs that are found."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from private_shops import crowd, events, private, shop_of

from wareloom.errors import BudgetError, NotFittedError, SettingError
from wareloom.neural import torch
from wareloom.privacy import mechanisms, sgd
from wareloom.privacy.accounting import SampledGaussian, compose
from wareloom.privacy.integers import whole_numbers
from wareloom.privacy.ledger import Ledger
from wareloom.privacy.noise import Entropy, Seeded
from wareloom.privacy.private import Private
from wareloom.privacy.rows import Answer, Rows
from wareloom.privacy.sgd import Steps

ITEMS = 20
EPSILON = 100.0
ONE = Steps(rate=0.5, steps=1, clip=0.3, learning_rate=1.0, momentum=False, max_length=6)


class Tiny(torch.nn.Module):  # type: ignore[misc]
    """Embeddings, a recurrent cell written out, and scores of all items."""

    def __init__(self, size: int = 4) -> None:
        super().__init__()
        self.item = torch.nn.Embedding(ITEMS + 1, size)
        self.reset, self.update, self.new = (torch.nn.Linear(2 * size, size) for _ in range(3))
        self.score = torch.nn.Linear(size, ITEMS + 1)

    def forward(self, codes: Any) -> Any:
        x = self.item(codes)
        state, states = torch.zeros_like(x[:, 0]), []
        for place in range(x.shape[1]):
            both = torch.cat([x[:, place], state], dim=1)
            keep = torch.sigmoid(self.update(both))
            reset = torch.sigmoid(self.reset(both)) * state
            new = torch.tanh(self.new(torch.cat([x[:, place], reset], dim=1)))
            state = keep * state + (1 - keep) * new
            states.append(state)
        return self.score(torch.stack(states, dim=1))


def loss_of(model: Any, codes: Any) -> Any:
    """Summed over the events of a user: longer histories have larger gradients."""
    scores = model(codes[:, :-1]).log_softmax(dim=-1)
    right = scores.gather(2, codes[:, 1:, None])[..., 0]
    return -(right * (codes[:, 1:] > 0)).sum()


def items_of(rows: Rows) -> Answer:
    return rows.all, rows.log.item


def tiny() -> Any:
    torch.manual_seed(0)
    return Tiny()


def door(folder: Path, epsilon: float = EPSILON, rows: list[Any] | None = None) -> Private:
    made = private(shop_of(rows or crowd(40)), folder, epsilon=epsilon, users=40)
    made.bounded(6)
    return made


def flat(model: Any) -> Any:
    return torch.cat([value.detach().flatten() for value in model.parameters()]).double()


def histories(made: Private) -> list[list[int]]:
    """Codes from 1 of each user, laid out by hand."""
    assert made._rows is not None
    with made._rows.shown() as rows:
        owner, item = rows.owner(), rows.log.item
    return [(item[owner == user] + 1).tolist() for user in range(owner.max() + 1)]


def alone(model: Any, codes: list[int]) -> Any:
    """The gradient of one user, by autograd and without padding."""
    model.zero_grad()
    loss_of(model, torch.tensor([codes])).backward()
    return torch.cat([value.grad.flatten() for value in model.parameters()]).double()


def check_one_step(folder: Path) -> None:
    """A step by the loop is what is written out here: users one by one, bounded, noised, over the expected number."""
    made, model = door(folder), tiny()
    users = histories(made)
    made._noise = Seeded(7)
    before = flat(model)
    cost = sgd.teach(made, "a step", items_of, model, loss_of, ONE)
    moved, oracle, noise = before - flat(model), tiny(), Seeded(7)
    total = torch.zeros_like(before)
    sample = mechanisms.poisson_sample(40, ONE.rate, noise)
    assert len(sample) != 20  # otherwise the sampled number is the expected one
    for user in sample:
        gradient = alone(oracle, users[user])
        total += gradient * min(1.0, ONE.clip / float(gradient.norm()))
    sigma = ONE.clip * cost.noise_multiplier
    drawn = torch.from_numpy(whole_numbers(len(total), 65536.0, noise)) / 65536.0
    torch.testing.assert_close(moved, (total + sigma * drawn) / 20, rtol=0, atol=1e-5)


def check_bound_of_a_user(folder: Path) -> None:
    """Whoever leaves moves the sum by at most the bound: by short histories and long."""
    long = events("u0", [n % 10 for n in range(30)])
    rows = [*long, *(row for row in crowd(40) if row[0] != "u0")]
    how = Steps(rate=1.0, steps=1, clip=0.3, learning_rate=1.0, momentum=False, max_length=6)
    sums = []
    for there in (rows, rows[len(long) :]):
        made, model = door(folder / str(len(there)), rows=there), tiny()
        made._noise, before = Seeded(7), flat(model)
        with pytest.MonkeyPatch.context() as patch:
            # The same noise to both, whoever was sampled before.
            patch.setattr(mechanisms, "poisson_sample", lambda users, *_: np.arange(users))
            sgd.teach(made, "a step", items_of, model, loss_of, how)
        sums.append((before - flat(model)) * 40)
    assert float((sums[0] - sums[1]).norm()) <= 0.3 + 1e-3
    assert float((sums[0] - sums[1]).norm()) > 0.2


def check_noise(_: Path) -> None:
    """Noise alone has the standard deviation that was paid for, within 3 %."""
    model = torch.nn.Linear(100, 200)
    noisy = sgd.noisy_gradient(model, loss_of, iter(()), 0.3, 1.7, Seeded(3))
    assert float(noisy.std()) == pytest.approx(0.3 * 1.7, rel=0.03)


CHECKS: list[Callable[[Path], None]] = [check_one_step, check_bound_of_a_user, check_noise]


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_right_passes(check: Callable[[Path], None], tmp_path: Path) -> None:
    check(tmp_path)


def no_clip(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sgd, "factors", lambda g, _: torch.ones(len(g), dtype=torch.float64))


def noise_too_small_by_root_two(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sgd, "noise_for", lambda size, n: whole_numbers(size, sgd.GRID / 2**0.5, n))


def divided_by_the_sampled(patch: pytest.MonkeyPatch) -> None:
    """Opacus, issue 571."""
    patch.setattr(sgd, "divided", lambda total, expected, sampled: total / max(1, sampled))


def bound_per_event(patch: pytest.MonkeyPatch) -> None:
    """Each step of a history a sample of its own."""
    real = sgd._Histories.parts

    def parts(self: Any, users: np.ndarray, at_once: int) -> Any:
        for codes in real(self, users, at_once):
            yield codes.unfold(1, 2, 1).flatten(0, 1)

    patch.setattr(sgd._Histories, "parts", parts)


@pytest.mark.parametrize(
    ("bug", "finders"),
    [
        (no_clip, {check_one_step, check_bound_of_a_user}),
        (noise_too_small_by_root_two, {check_one_step, check_noise}),
        (divided_by_the_sampled, {check_one_step}),
        (bound_per_event, {check_one_step, check_bound_of_a_user}),
    ],
)
def test_a_bug_is_found(
    bug: Callable[[Any], None], finders: set[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bug(monkeypatch)
    for check in CHECKS:
        if check in finders:
            with pytest.raises(AssertionError):
                check(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_a_step_is_that_of_opacus() -> None:
    opacus = pytest.importorskip("opacus")
    optimizers = pytest.importorskip("opacus.optimizers.optimizer")
    rng, clip, multiplier = np.random.default_rng(0), 0.3, 0.8
    codes = torch.from_numpy(rng.integers(1, ITEMS + 1, size=(9, 7)))
    for row, length in enumerate(rng.integers(2, 8, size=9)):
        codes[row, length:] = 0
    ours = sgd.noisy_gradient(tiny(), loss_of, iter(codes.split(4)), clip, multiplier, Seeded(5))
    model = opacus.GradSampleModule(tiny(), loss_reduction="sum")
    sizes = [value.numel() for value in model.parameters()]
    drawn = torch.from_numpy(whole_numbers(sum(sizes), 65536.0, Seeded(5))) / 65536.0
    parts = iter((drawn * multiplier * clip).float().split(sizes))
    optimiser = opacus.optimizers.DPOptimizer(
        torch.optim.SGD(model.parameters(), lr=1.0),
        noise_multiplier=multiplier,
        max_grad_norm=clip,
        expected_batch_size=6,
    )
    with pytest.MonkeyPatch.context() as patch:
        given = lambda std, reference, **_: next(parts).view_as(reference)  # noqa: E731
        patch.setattr(optimizers, "_generate_noise", given)
        loss_of(model, codes).backward()
        optimiser.pre_step()
    theirs = torch.cat([value.grad.flatten() for value in model.parameters()]).double()
    torch.testing.assert_close(sgd.divided(ours, 6, 9), theirs, rtol=0, atol=1e-5)


def test_no_norm_passes_the_bound_whatever_the_length() -> None:
    codes = torch.zeros((30, 40), dtype=torch.int64)
    for row in range(30):
        codes[row, : row + 2] = torch.arange(row + 2) % ITEMS + 1
    gradients = sgd.user_gradients(tiny(), loss_of, codes)
    raw = gradients.double().norm(dim=1)
    assert raw.max() > 3 * raw.min()  # unbounded, the longest would weigh most
    clip = float(raw.median())
    unit = clip / sgd.GRID
    units = sgd.in_units(gradients.clone(), sgd.factors(gradients, clip), unit).double()
    assert (units == units.round()).all()
    assert (units.norm(dim=1) * unit <= clip).all()
    small = raw < clip
    near = (units * unit)[small]
    torch.testing.assert_close(near, gradients[small].double(), rtol=2e-5, atol=unit)


def test_one_broken_gradient_is_nobody_elses() -> None:
    gradients = torch.tensor([[3.0, 4.0], [math.nan, 1.0], [math.inf, 1.0]])
    units = sgd.in_units(gradients, sgd.factors(gradients, 1.0), 1e-3)
    assert units.tolist() == [[599.0, 799.0], [0.0, 0.0], [0.0, 0.0]]


def test_sums_are_exact_where_32_bits_are_not() -> None:
    units = torch.full((300, 1), float(2**24 - 1))
    assert float(sgd.exact_sum(units, 2.0**24)[0]) == 300 * (2**24 - 1)
    assert float(units.sum()) != 300 * (2**24 - 1)


def test_the_ledger_is_charged_once_and_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, model, seen = door(tmp_path, epsilon=3.0), tiny(), []
    how = Steps(rate=0.1, steps=3, clip=0.3, max_length=6)
    real = sgd.noisy_gradient

    def watched(*args: Any) -> Any:
        seen.append(len(made._ledger.entries()))
        return real(*args)

    monkeypatch.setattr(sgd, "noisy_gradient", watched)
    cost = sgd.teach(made, "the writer", items_of, model, loss_of, how)
    assert seen == [1, 1, 1]
    entry = made._ledger.entries()[0]
    assert (entry.purpose, entry.costs) == ("the writer", (cost,))
    assert cost == SampledGaussian(cost.noise_multiplier, 0.1, 3)
    assert 2.9 < made.spent.epsilon <= 3.0


def test_overspending_is_refused_and_nothing_is_taught(tmp_path: Path) -> None:
    how = Steps(rate=0.1, steps=2, max_length=6)
    made, model = door(tmp_path, epsilon=3.0), tiny()
    made._ledger = Ledger.open(tmp_path / "other", made._ledger.fingerprint)
    made._ledger.allow(1.0, 1e-6)
    before = flat(model)
    with pytest.raises(BudgetError, match="the budget of this shop is ε 1"):
        sgd.teach(made, "the writer", items_of, model, loss_of, how)
    assert torch.equal(before, flat(model))
    assert made._ledger.entries() == []
    spent = door(tmp_path / "third", epsilon=3.0)
    spent.histogram("all of it", lambda rows: (rows.all, rows.log.item), ITEMS, 1.0)
    with pytest.raises(BudgetError, match="No noise makes 2 steps cost what is left"):
        sgd.teach(spent, "the writer", items_of, model, loss_of, how)
    assert torch.equal(before, flat(model))


def test_the_multiplier_is_the_least_that_fits() -> None:
    found = sgd.noise_multiplier_of(2.0, 1e-6, 0.05, 100)
    assert compose([SampledGaussian(found, 0.05, 100)], 1e-6).epsilon <= 2.0
    assert compose([SampledGaussian(0.99 * found, 0.05, 100)], 1e-6).epsilon > 2.0


def test_what_is_needed_is_asked_for(tmp_path: Path) -> None:
    made = private(shop_of(crowd(20)), tmp_path, users=None)
    made.bounded(6)
    with pytest.raises(NotFittedError, match="The number of users is not public"):
        sgd.teach(made, "a step", items_of, tiny(), loss_of, ONE)
    for name, value in {"rate": 0.0, "steps": 0, "clip": math.inf, "learning_rate": 0.0}.items():
        with pytest.raises(SettingError, match=name):
            Steps(**({"rate": 0.1, "steps": 1} | {name: value}))  # type: ignore[arg-type]


def test_it_learns_where_noise_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sgd, "noise_multiplier_of", lambda *_: 0.7)
    made, model = door(tmp_path, epsilon=1e6), tiny()
    users = [user for user in histories(made) if len(user) > 2]

    def lost() -> float:
        with torch.no_grad():
            return sum(float(loss_of(model, torch.tensor([user]))) for user in users)

    before = lost()
    how = Steps(rate=0.5, steps=60, clip=1.0, learning_rate=0.05, max_length=6)
    sgd.teach(made, "the writer", items_of, model, loss_of, how)
    assert lost() < 0.6 * before


def test_noise_is_of_the_system_unless_a_test_says_otherwise(tmp_path: Path) -> None:
    made = private(shop_of(crowd(20)), tmp_path, seed=None)
    assert isinstance(made._noise, Entropy)
