"""The autoencoder of users: its bound, what it learns of tastes, how items are drawn from it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.neural import torch
from wareloom.shop import Log, Shop
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour._coder import Coder, divergence
from wareloom.synthesis.behaviour.vae import VAE

QUICK = {
    "epochs": 40,
    "hidden_size": 16,
    "latent_size": 4,
    "batch_size": 64,
    "learning_rate": 0.02,
    "dropout": 0.2,
}


def tastes(users: int = 400, seed: int = 0) -> Shop:
    """Users who choose among the first fifteen items, or among the last."""
    rng = np.random.default_rng(seed)
    item = rng.integers(15, size=(users, 6)) + 15 * rng.integers(2, size=users)[:, None]
    rows = pl.DataFrame({"user": np.repeat(np.arange(users), 6), "item": item.ravel()})
    events = rows.select(
        user_id=pl.format("u{}", "user"), item_id=pl.format("i{}", "item"), event=pl.lit("purchase")
    )
    return Shop({"items": small_shop().table("items"), "events": events})


def purity(shop: Shop) -> float:
    """Mean share of a user's events on the side on which most of them are."""
    log = Log.of(shop)
    late = np.array([int(item[1:]) >= 15 for item in log.items.ids])[log.item]
    share = np.bincount(log.user, weights=late) / log.lengths()
    return float(np.maximum(share, 1 - share).mean())


@pytest.fixture(scope="module")
def fitted() -> VAE:
    made: VAE = SYNTHESIZERS.make("vae", **QUICK).fit(tastes(), Run(seed=1))
    return made


def test_the_divergence_is_that_of_two_normals() -> None:
    torch.manual_seed(1)
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    one = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(one, torch.distributions.Normal(0.0, 1.0)).sum(
        dim=1
    )
    torch.testing.assert_close(divergence(mean, log_variance), expected)


def test_the_loss_is_the_bound_user_by_user() -> None:
    torch.manual_seed(2)
    net = Coder(9, 8, 3, 0.0).train()
    item, start = torch.tensor([1, 2, 2, 8, 0]), torch.tensor([0, 3, 4])
    torch.manual_seed(5)
    told = float(net.loss((item, start, torch.tensor(0.3))).detach())
    torch.manual_seed(5)
    bags = [item[0:3], item[3:4], item[4:5]]
    codes = [
        net.code(torch.tanh(net.item.weight[bag].sum(0) / len(bag) ** 0.5)).chunk(2) for bag in bags
    ]
    noise, total = torch.randn(3, 3), 0.0
    for bag, (mean, log_variance), e in zip(bags, codes, noise, strict=True):
        chance = torch.log_softmax(net.decode(mean + e * (0.5 * log_variance).exp()), dim=0)
        kl = divergence(mean[None], log_variance[None])[0]
        total += float((-chance[bag].sum() + 0.3 * kl).detach())
    assert told == pytest.approx(total / 3, rel=1e-4)


def test_a_shopper_has_one_taste(fitted: VAE) -> None:
    naive = SYNTHESIZERS.make("independent").fit(tastes(), Run(seed=1)).sample(400, Run(seed=2))
    assert purity(naive) < 0.8
    assert purity(fitted.sample(400, Run(seed=2))) > 0.93
    free = SYNTHESIZERS.make("vae", **QUICK, latent="prior").fit(tastes(), Run(seed=1))
    assert purity(free.sample(400, Run(seed=2))) > 0.85


def test_both_tastes_are_drawn_and_no_item_twice(fitted: VAE) -> None:
    log = Log.of(fitted.sample(1000, Run(seed=3)))
    late = np.array([int(item[1:]) >= 15 for item in log.items.ids])[log.item]
    assert late.mean() == pytest.approx(0.5, abs=0.06)
    real = Log.of(tastes())
    pairs = [
        len(set(x.item[a:b])) / (b - a)
        for x in (log, real)
        for a, b in zip(x.offsets[:-1], x.offsets[1:], strict=True)
    ]
    assert np.mean(pairs[:1000]) == pytest.approx(np.mean(pairs[1000:]), abs=0.05), (
        "repeats as real users have them"
    )


def test_a_given_history_is_read(fitted: VAE) -> None:
    past = Shop(
        {
            "items": tastes().table("items"),
            "events": pl.DataFrame(
                {
                    "user_id": ["a", "a", "a", "b", "b", "b"],
                    "item_id": ["i1", "i2", "i3", "i20", "i21", "i22"],
                    "event": "purchase",
                }
            ),
        }
    )
    late = [
        int(item[1:]) >= 15
        for seed in range(30)
        for item in fitted.sample(2, Run(seed=seed), Given(histories=past, length=5))
        .table("events")
        .sort("user_id")["item_id"]
    ]
    share = np.array(late).reshape(30, 2, 5).mean(axis=(0, 2))
    assert share[0] < 0.15
    assert share[1] > 0.85


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 0}, "vae: epochs is 0; give 1 or more"),
        ({"beta": -1.0}, "vae: beta is -1.0; give 0 or more"),
        ({"temperature": 0.0}, "vae: temperature is 0.0; give a number above 0"),
        ({"dropout": 1.0}, "vae: dropout is 1.0; give a number from 0, below 1"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        SYNTHESIZERS.make("vae", **settings)
