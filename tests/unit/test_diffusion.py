"""Diffusion over users' vectors: its schedule, its sampler, and that it makes every kind of users."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from planted import SETTINGS, history, kinds, planted
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.neural import torch
from wareloom.shop import Log, Shop
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour._coder import Coder
from wareloom.synthesis.behaviour._latent import UserBlock
from wareloom.synthesis.behaviour._vectors import Average, back, conditions, scaled, space
from wareloom.synthesis.behaviour.diffusion import (
    WAVES,
    Diffusion,
    _Denoising,
    ddim,
    schedule,
    waves,
)


@pytest.fixture(scope="module")
def fitted() -> Diffusion:
    made: Diffusion = SYNTHESIZERS.make("diffusion", **SETTINGS, updates=500, denoiser_rate=3e-3)
    return made.fit(planted(), Run(seed=1))


def test_the_schedule_is_a_quarter_of_a_circle() -> None:
    t = np.linspace(0, 1, 101)
    a, s = (part.numpy().astype(np.float64) for part in schedule(torch.from_numpy(t)))
    np.testing.assert_allclose(a**2 + s**2, 1.0, atol=1e-6)
    assert (a[0], a[-1]) == (1.0, pytest.approx(0.0, abs=1e-6))
    assert (np.diff(a) < 0).all()
    paper = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(a**2, paper / paper[0], atol=1e-6)


@pytest.mark.parametrize("steps", [8, 16, 40])
def test_a_known_normal_is_recovered(steps: int) -> None:
    mean, factor = np.array([1.0, -2.0]), np.array([[1.0, 0.0], [0.8, 0.5]])
    covariance = factor @ factor.T

    def velocity(x: np.ndarray, t: float) -> np.ndarray:
        a, s = (float(part) for part in schedule(t))
        off = np.linalg.solve(a * a * covariance + s * s * np.eye(2), (x - a * mean).T)
        clean, noise = mean + (a * covariance @ off).T, s * off.T
        return a * noise - s * clean

    x = np.random.default_rng(1).standard_normal((4000, 2))
    x = (x - x.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    found = ddim(velocity, x, steps)
    np.testing.assert_allclose(found.mean(axis=0), mean, atol=0.05 if steps == 8 else 0.02)
    np.testing.assert_allclose(np.cov(found.T), covariance, rtol=0.05 if steps == 8 else 0.02)


def test_a_point_is_reached_from_anywhere() -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))

    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        a, s = schedule(t)
        return a * (x - a * 2.0) / s.clamp_min(1e-3) - s * 2.0

    torch.testing.assert_close(ddim(velocity, x, 100), torch.full((5, 3), 2.0), atol=0.1, rtol=0)


def test_the_loss_is_the_error_of_the_velocity() -> None:
    class Fixed(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: torch.Tensor, c: torch.Tensor, wave: torch.Tensor) -> torch.Tensor:
            assert wave.shape == (4, 2 * WAVES)
            return 0.5 * x + c[:, :3]

    net = _Denoising(Fixed(), 0.9)
    x, c = torch.ones(4, 3), torch.arange(16.0).reshape(4, 4) / 16
    torch.manual_seed(3)
    told = float(net.loss((x, c)))
    torch.manual_seed(3)
    start, total = float(torch.rand(1)), 0.0
    noise = torch.randn(4, 3).numpy()
    for u in range(4):
        a, s = (float(part) for part in schedule((start + u / 4) % 1.0))
        noisy = a * x[u].numpy() + s * noise[u]
        total += (
            ((0.5 * noisy + c[u, :3].numpy()) - (a * noise[u] - s * x[u].numpy())) ** 2
        ).mean()
    assert told == pytest.approx(total / 4, rel=1e-4)


def test_a_time_is_told_apart_from_every_other() -> None:
    told = waves(torch.linspace(0, 1, 200))
    assert float(torch.cdist(told, told).fill_diagonal_(9.0).min()) > 0.1


def test_vectors_are_scaled_together_and_back() -> None:
    rng = np.random.default_rng(2)
    mean, spread = (
        rng.standard_normal((500, 3)) * [3, 1, 0.1] + 5,
        np.abs(rng.standard_normal((500, 3))),
    )
    of = space(mean, spread)
    z = np.concatenate([mean + spread * rng.standard_normal((500, 3)) for _ in range(40)])
    np.testing.assert_allclose(of[0], z.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(of[1:] @ of[1:].T, np.cov(z.T), atol=0.15)
    x = scaled(of, z)
    assert (x**2).mean() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(back(of, x), z, atol=1e-4)


def test_a_condition_says_whether_there_is_one() -> None:
    torch.manual_seed(1)
    coder, of = Coder(9, 8, 3, 0.0), space(np.zeros((2, 3)), np.ones((2, 3)))
    asked = UserBlock(
        np.arange(3), np.array([True, False, True]), np.array([0, 2, 3]), np.array([1, 2, 5])
    )
    c = conditions(coder, of, asked)
    assert c.shape == (3, 4)
    assert c[:, -1].tolist() == [1, 0, 1]
    assert not c[1].any()
    alone = coder.read(np.array([0, 1]), np.array([5]))[0]
    np.testing.assert_allclose(c[2, :-1], scaled(of, alone)[0], rtol=1e-5)


def test_an_average_follows_quickly_at_first() -> None:
    net = torch.nn.Linear(1, 1)
    held = Average(net, 0.5)
    with torch.no_grad():
        net.weight.fill_(1.0)
        held.net.weight.fill_(0.0)
    held.follow(net)
    assert float(held.net.weight) == pytest.approx(0.9)
    for _ in range(20):
        held.follow(net)
    with torch.no_grad():
        net.weight.fill_(3.0)
    held.follow(net)
    assert float(held.net.weight) == pytest.approx(2.0, abs=1e-3)


def test_every_kind_of_users_is_made_in_its_share(fitted: Diffusion) -> None:
    real, (shares, purity) = kinds(planted())[0], kinds(fitted.sample(2000, Run(seed=2)))
    np.testing.assert_allclose(shares, real, atol=0.06)
    assert purity > 0.8
    assert fitted.training_[-1]["loss"] < fitted.training_[0]["loss"]


def test_a_history_and_a_first_item_say_the_kind(fitted: Diffusion) -> None:
    after = fitted.sample(40, Run(seed=2), Given(histories=history(4), length=5))
    assert kinds(after)[0][4] > 0.8
    begun = fitted.sample(200, Run(seed=2), Given(start_items=("i34",), length=6))
    assert kinds(begun)[0][4] > 0.6
    deaf = Diffusion.restore(fitted.settings() | {"guidance": 0.0}, fitted.state())
    assert kinds(deaf.sample(40, Run(seed=2), Given(histories=history(4), length=5)))[0][4] < 0.5


def test_an_order_leads_where_others_went() -> None:
    ring = [(u, (u + k) % 12) for u in range(80) for k in range(5)]
    events = pl.DataFrame(ring, schema=["user", "item"], orient="row").select(
        user_id=pl.format("u{}", "user"), item_id=pl.format("i{}", "item"), event=pl.lit("purchase")
    )
    shop = Shop(
        {"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(12)]}), "events": events}
    )
    quick = {
        "epochs": 2,
        "hidden_size": 8,
        "latent_size": 3,
        "updates": 20,
        "width": 8,
        "batch_size": 32,
    }

    def next_ones(order: float) -> float:
        made = SYNTHESIZERS.make("diffusion", **quick, order=order, structure="chain").fit(
            shop, Run(seed=1)
        )
        log = Log.of(made.sample(300, Run(seed=2)))
        item = np.array([int(i[1:]) for i in log.items.ids])[log.item].reshape(-1, 5)
        return float((np.diff(item, axis=1) % 12 == 1).mean())

    assert next_ones(0.0) < 0.2
    assert next_ones(1.0) > 0.4


def test_outlines_keep_their_categories_whatever_the_vector() -> None:
    shop = planted(200)
    side = pl.col("item_id").str.slice(1).cast(pl.Int32) % 2
    items = shop.table("items").with_columns(category=pl.concat_list(pl.format("side {}", side)))
    quick = {
        "epochs": 2,
        "hidden_size": 8,
        "latent_size": 3,
        "updates": 20,
        "width": 8,
        "batch_size": 32,
    }
    made = SYNTHESIZERS.make("diffusion", **quick, order=0.0).fit(
        shop.with_tables(items=items), Run(seed=1)
    )

    def odd(shop: Shop) -> list[int]:
        log = Log.of(shop)
        return sorted(
            np.bincount(
                log.user, weights=np.array([int(i[1:]) % 2 for i in log.items.ids])[log.item]
            )
        )

    assert odd(made.sample(200, Run(seed=2))) == odd(shop), "each outline is drawn once"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 0}, "diffusion: steps is 0; give 1 or more"),
        ({"guidance": -1.0}, "diffusion: guidance is -1.0; give 0 or more"),
        ({"average": 1.0}, "diffusion: average is 1.0; give a number from 0, below 1"),
        ({"denoiser_rate": 0.0}, "diffusion: denoiser_rate is 0.0; give a number above 0"),
        ({"order": 2.0}, "diffusion: order is 2.0; give a number from 0 to 1"),
        ({"latent_size": 0}, "diffusion: latent_size is 0; give 1 or more"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        SYNTHESIZERS.make("diffusion", **settings)
