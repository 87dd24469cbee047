"""How many pairs would survive, told from public size alone: the law that it says it takes, simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from private_shops import crowd, private, shop_of

from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.synthesis.behaviour import _private_tables as tables
from wareloom.synthesis.behaviour._private_tables import FALL, HEAD, NEAR, by_size
from wareloom.synthesis.behaviour.private_walk import PrivateWalk


def test_a_pair_needs_as_many_users_as_the_door_asks(tmp_path: Path) -> None:
    """The oracle: the threshold that the mechanism itself has, for the same share of the same release."""
    asked = private(shop_of(crowd()), tmp_path, epsilon=3.0)
    asked.bounded(10)
    walk = PrivateWalk(epsilon=3.0, delta=1e-6, bound=10)
    assert walk.expected_pairs(200, 20).users == asked.forecast(0.15, 9, of_delta=0.5)


def test_the_forecast_is_what_happens_where_the_law_holds() -> None:
    """Counts drawn by the law, noise added, the threshold held: pairs and steps that survive, over 20 shops."""
    needed, sigma, items = 35, 9.0, 400
    told = by_size((needed, sigma), 20_000, items, 9)
    rng = np.random.default_rng(3)
    popular = (np.arange(1, items + 1) + HEAD) ** -FALL
    follows = 1 / np.arange(1, NEAR + 1)
    going = (0.5 * np.outer(popular / popular.sum(), follows / follows.sum())).ravel()
    pairs, kept = [], []
    for _ in range(20):
        count = rng.poisson(90_000 * going)
        passed = np.rint(count + rng.normal(0, sigma, len(count))) >= needed
        pairs.append(passed.sum())
        kept.append(count[passed].sum() / 90_000)
    assert told.pairs == pytest.approx(np.mean(pairs), rel=0.02)
    assert told.share == pytest.approx(np.mean(kept), rel=0.02)


def test_more_users_and_more_epsilon_let_more_survive() -> None:
    by_users = [
        PrivateWalk(epsilon=3.0).expected_pairs(n, 5_000).share for n in (10**3, 10**5, 10**6)
    ]
    by_epsilon = [
        PrivateWalk(epsilon=e).expected_pairs(10**5, 5_000).share for e in (1.0, 3.0, 8.0)
    ]
    for told in (by_users, by_epsilon):
        assert told == sorted(told)
        assert told[0] < 0.01 < told[-1] < 0.5


def test_pairs_are_bought_where_size_says_so_and_texts_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Naive: only steps between texts that read alike are forecast, so that pairs of others are never bought."""
    shop = shop_of(crowd(3000))

    def pairs() -> int:
        walk = PrivateWalk(
            epsilon=8.0, noise_seed=1, shoppers=3000, bound=6, public=("items.title",), neighbours=1
        )
        return len(walk.fit(shop, Run(threads=1)).walk_pair_item_)

    none = tables.Forecast(0, 0.0, 0.0)
    monkeypatch.setattr(tables, "forecast", lambda *_: none)
    assert 8 <= pairs() <= 12  # ten steps of the crowd's walk
    monkeypatch.setattr(tables, "by_size", lambda *_: none)
    assert pairs() == 0


@pytest.mark.parametrize(("users", "items"), [(0, 10), (10, 0), (-5, 10)])
def test_sizes_that_cannot_be_are_refused(users: int, items: int) -> None:
    with pytest.raises(SettingError, match="a whole number of at least 1"):
        PrivateWalk().expected_pairs(users, items)
