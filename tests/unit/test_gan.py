"""The generator and its critic: penalties, who learns from what, collapse, and that every kind of users is made."""

from __future__ import annotations

import numpy as np
import pytest

from planted import SETTINGS, history, kinds, planted
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.neural import torch
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour._vectors import diversity
from wareloom.synthesis.behaviour.gan import GAN, Generator, _Players, gradient_penalty

SMALL = {"latent_size": 3, "width": 8, "depth": 1, "pack": 2}


@pytest.fixture(scope="module")
def fitted() -> GAN:
    made: GAN = SYNTHESIZERS.make("gan", **SETTINGS, updates=1000, player_rate=2e-3)
    return made.fit(planted(), Run(seed=1))


def test_the_penalty_of_a_linear_critic_is_known() -> None:
    slope = torch.tensor([3.0, -4.0])
    points = torch.randn(7, 2, generator=torch.Generator().manual_seed(1))
    assert float(gradient_penalty(lambda x: x @ slope + 1, points, 1.0)) == pytest.approx(
        (5 - 1) ** 2
    )
    assert float(gradient_penalty(lambda x: x @ slope + 1, points, 0.0)) == pytest.approx(25)
    bent = float(gradient_penalty(lambda x: x.square().sum(dim=1), points, 1.0).detach())
    assert bent == pytest.approx(float((2 * points.norm(dim=1) - 1).square().mean()))


@pytest.mark.parametrize("loss", ["relativistic", "wasserstein"])
def test_each_player_learns_from_its_own_loss(loss: str) -> None:
    torch.manual_seed(1)
    settings = SYNTHESIZERS.make("gan", **SMALL, loss=loss)
    players = _Players(settings, np.concatenate([np.zeros((1, 3)), np.eye(3)]))
    x, c = torch.randn(8, 3), torch.randn(8, 4)
    for generate, learner, other in ((True, "generator", "critic"), (False, "critic", "generator")):
        players.zero_grad(set_to_none=True)
        players.loss((torch.tensor(generate), x, c)).backward()
        assert any(
            p.grad is not None and p.grad.abs().sum() > 0
            for p in getattr(players, learner).parameters()
        )
        assert all(p.grad is None for p in getattr(players, other).parameters())
        assert all(p.grad is None for p in players.average.parameters())


def test_losses_are_those_of_packs() -> None:
    torch.manual_seed(1)
    space = np.concatenate([np.zeros((1, 3)), np.diag([1.0, 1.0, 2.0])])
    x, c = torch.randn(8, 3), torch.randn(8, 4)
    for loss in ("relativistic", "wasserstein"):
        players = _Players(SYNTHESIZERS.make("gan", **SMALL, loss=loss, penalty=0.0), space)
        torch.manual_seed(5)
        told = [float(players.loss((torch.tensor(g), x, c)).detach()) for g in (False,)]
        torch.manual_seed(5)
        told.append(float(players.loss((torch.tensor(True), x, c)).detach()))
        torch.manual_seed(5)
        noise = torch.randn(8, 3)
        fake = noise * torch.tensor([1.0, 1.0, 2.0]) / 2**0.5
        gap = []
        for first in range(0, 8, 2):
            beside = torch.cat([c[first], c[first + 1]])[None]
            pair = [torch.cat([v[first], v[first + 1]])[None] for v in (x, fake)]
            gap.append(
                float((players.critic(pair[0], beside) - players.critic(pair[1], beside)).detach())
            )
        d = np.array(gap)
        expected = [-d, d] if loss == "wasserstein" else [np.log1p(np.exp(-d)), np.log1p(np.exp(d))]
        assert told == pytest.approx([e.mean() for e in expected], abs=1e-5)


def test_diversity_sees_what_is_missing() -> None:
    rng = np.random.default_rng(1)
    centre = rng.standard_normal((5, 8)) * 10

    def draw(modes: int) -> np.ndarray:
        drawn: np.ndarray = centre[rng.integers(modes, size=600)] + rng.standard_normal((600, 8))
        return drawn

    real = draw(5)
    same, two, one = (
        diversity(real, draw(5)),
        diversity(real, draw(2)),
        diversity(real, np.zeros((600, 8)) + real[0]),
    )
    assert same["coverage"] > 0.93
    assert same["spread"] == pytest.approx(1.0, abs=0.05)
    assert same["energy"] == pytest.approx(0.0, abs=0.1)
    assert two["coverage"] == pytest.approx(0.4, abs=0.08)
    assert two["energy"] > 1
    assert one["coverage"] < 0.1
    assert one["spread"] == pytest.approx(0.0, abs=1e-6)


def test_energy_is_the_distance_of_pairs() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((9, 2)), rng.standard_normal((9, 2)) + 1

    def far(a: np.ndarray, b: np.ndarray) -> list[float]:
        return [
            float(np.linalg.norm(p - q))
            for i, p in enumerate(a)
            for j, q in enumerate(b)
            if a is not b or i != j
        ]

    expected = 2 * np.mean(far(x, y)) - np.mean(far(x, x)) - np.mean(far(y, y))
    assert diversity(x, y)["energy"] == pytest.approx(expected)


def test_collapse_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    quick = SETTINGS | {"epochs": 3, "updates": 20}
    assert SYNTHESIZERS.make("gan", **quick).fit(planted(100), Run(seed=1)).kept_["spread"] > 0.8
    assert not recwarn
    monkeypatch.setattr(Generator, "forward", lambda self, noise, c: self.net(0 * noise, c))
    with pytest.warns(
        RuntimeWarning, match="^gan: the generator has collapsed: its users come near [0-5]% of"
    ):
        made = SYNTHESIZERS.make("gan", **quick).fit(planted(100), Run(seed=1))
    assert made.kept_["spread"] < 0.01


def test_every_kind_of_users_is_made_in_its_share(fitted: GAN) -> None:
    real, (shares, purity) = kinds(planted())[0], kinds(fitted.sample(2000, Run(seed=2)))
    np.testing.assert_allclose(shares, real, atol=0.07)
    assert purity > 0.8
    assert len(fitted.training_) == 10
    assert all(
        {"critic", "coverage", "spread", "energy", "joint"} <= set(told)
        for told in fitted.training_
    )
    assert fitted.kept_["joint"] + fitted.kept_["energy"] == min(
        e["joint"] + e["energy"] for e in fitted.training_
    )


def test_a_collapsed_generator_would_be_seen(fitted: GAN) -> None:
    still = {name: np.zeros_like(value) for name, value in fitted.generator_.items()}
    shares = kinds(
        GAN.restore(fitted.settings(), fitted.state() | {"generator_": still}).sample(
            500, Run(seed=2)
        )
    )[0]
    assert np.abs(shares - kinds(planted())[0]).max() > 0.1


def test_a_history_and_a_first_item_say_the_kind(fitted: GAN) -> None:
    after = fitted.sample(40, Run(seed=2), Given(histories=history(4), length=5))
    assert kinds(after)[0][4] > 0.8
    begun = fitted.sample(200, Run(seed=2), Given(start_items=("i34",), length=6))
    assert kinds(begun)[0][4] > 0.6


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pack": 0}, "gan: pack is 0; give 1 or more"),
        ({"critic_steps": 0}, "gan: critic_steps is 0; give 1 or more"),
        ({"penalty": -1.0}, "gan: penalty is -1.0; give 0 or more"),
        ({"player_rate": 0.0}, "gan: player_rate is 0.0; give a number above 0"),
        ({"temperature": 0.0}, "gan: temperature is 0.0; give a number above 0"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        SYNTHESIZERS.make("gan", **settings)
