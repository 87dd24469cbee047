"""What an honest privacy layer passes and a broken one does not: the audit and properties, small enough for a test."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from private_shops import PUBLIC, START, crowd, events, private, shop_of
from scipy.stats import beta, binomtest, chisquare

from wareloom.errors import BudgetError, RefusedError
from wareloom.privacy import accounting, audit, bounds, gaussian, mechanisms
from wareloom.privacy.accounting import DiscreteGaussian, Gaussian, compose
from wareloom.privacy.ledger import Ledger
from wareloom.privacy.noise import Seeded
from wareloom.privacy.private import Private, Release
from wareloom.privacy.public import Public
from wareloom.privacy.rows import Answer, Rows
from wareloom.screening import screen_all

DRAWS = 40_000
DELTA = 1e-6


def hours(rows: Rows) -> Answer:
    return rows.all, (rows.log.time // 3_600_000_000) % 24


def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="wareloom-test-"))


def histograms(
    mu: float, bound: tuple[int, int], cells: int, noise: Any
) -> tuple[Callable[[int], np.ndarray], Callable[[int], np.ndarray]]:
    """Draws of a histogram with and without the worst user, who has three times the rows that count.

    Each draw has cells and a user of its own, so that one call draws many.
    """

    def drawn(count: int, rows: int) -> np.ndarray:
        user = np.repeat(np.arange(count), rows)
        cell = user * cells + np.tile(np.arange(rows) % cells, count)
        sigma = mechanisms.sigma_of(mu, mechanisms.sensitivity_of(*bound))
        found = mechanisms.histogram(
            user, cell, count * cells, sigma=sigma, bounds=bound, noise=noise
        )
        return found.reshape(count, cells).sum(axis=1) / np.sqrt(cells)

    return lambda n: drawn(n, 3 * bound[0]), lambda n: drawn(n, 0)


def counts_hold_their_epsilon() -> None:
    for epsilon, bound, cells in ((3.0, (3, 3), 1), (3.0, (4, 1), 4)):
        mu = gaussian.mu_of(epsilon, DELTA)
        inside, outside = histograms(mu, bound, cells, Seeded(11))
        found = audit.white_box(inside, outside, DELTA, draws=DRAWS)
        assert found.epsilon <= epsilon
        assert abs(found.mu / mu - 1) < 0.03, f"μ {found.mu:.3f}, told {mu:.3f}"


def unknown_keys_of_one_user_hardly_appear() -> None:
    delta, each, users = 0.01, 3, 20_000
    sigma = mechanisms.sigma_of(0.8, mechanisms.sensitivity_of(each, 1))
    threshold = mechanisms.threshold_of(sigma, delta, each)
    user = np.repeat(np.arange(users), each)
    found = mechanisms.sparse_histogram(
        user,
        pl.Series(np.arange(len(user))),
        sigma=sigma,
        threshold=threshold,
        per_user=each,
        noise=Seeded(12),
    )
    shown = len(np.unique(found["key"].to_numpy() // each))
    assert beta.ppf(0.001, max(shown, 1), users - shown + 1) <= delta


def a_threshold_knows_nothing_but_the_noisy_count() -> None:
    mu, count = 1.0, 4000
    sigma = mechanisms.sigma_of(mu, 1.0)
    threshold = mechanisms.threshold_of(sigma, 1e-4, 1)

    def present(users: int, seed: int) -> int:
        found = mechanisms.sparse_histogram(
            np.arange(count * users),
            pl.Series(np.repeat(np.arange(count), users)),
            sigma=sigma,
            threshold=threshold,
            per_user=1,
            noise=Seeded(seed),
        )
        return found.height

    shown = audit.epsilon_shown(
        present(threshold, 13), present(threshold - 1, 14), count, 1e-4, 0.99
    )
    assert shown <= gaussian.epsilon_of(1e-4, mu)


def chances_of_disclosure_are_in_the_ledger() -> None:
    asked = private(shop_of(crowd(50)), folder())
    asked.bounded(5)
    asked.keys("items", lambda rows: (rows.all, pl.Series(rows.log.item)), 0.5, per_user=3)
    costs = [cost for entry in asked._ledger.entries() for cost in entry.costs]
    told = sum(cost.delta for cost in costs)
    threshold = asked.forecast(0.5, 3)
    truth = mechanisms.chance_of(threshold, asked.sigma(0.5, 3, 1), 3)
    assert 0 < truth <= told * (1 + 1e-9) <= DELTA
    assert asked.spent.epsilon > compose([c for c in costs if not c.delta], DELTA).epsilon


def empty_cells_have_noise_too() -> None:
    asked = private(shop_of(crowd(50)), folder())
    asked.bounded(5)
    noisy = asked.histogram("items", lambda rows: (rows.all, rows.log.item), 2000, 0.5)
    sigma = asked.sigma(0.5, 5)
    assert abs(noisy[50:].std() / sigma - 1) < 0.1


def noise_is_never_the_same_twice() -> None:
    drawn = []
    for _ in range(2):
        asked = private(shop_of(crowd(50)), folder(), seed=None)
        asked.bounded(20)
        drawn.append(asked.histogram("hours", hours, 24, 0.1))
    assert not np.array_equal(*drawn)


def a_seed_is_stamped() -> None:
    asked = private(shop_of(crowd(50)), folder(), seed=5)
    assert asked.stamp()["private"] is False
    assert "not private" in json.dumps(asked.stamp())


def the_number_of_users_has_noise() -> None:
    asked = private(shop_of(crowd(50)), folder(), users=None)
    sizes = [asked.size(0.01) for _ in range(40)]
    assert np.std(sizes) > 0.7 * mechanisms.sigma_of(asked.mu(0.01), 1.0)


def a_user_is_bounded_over_all_tables() -> None:
    rows = crowd(20) + events("big", list(range(10)) * 5)
    searches = [("big", "big/s", "shoes", START)] * 50
    kept = bounds.bounded(bounds.owned(shop_of(rows, searches)), 7, Seeded(0))
    assert bounds.rows_of_users(kept)["rows"].max() == 7


def all_rows_of_a_user_are_the_users() -> None:
    rows = crowd(5) + events("a", [1, 2], session="s")
    rows += [(None, "s", "i3", "view_item", START)]
    owned = bounds.owned(shop_of(rows)).table("events")
    assert owned.filter(pl.col("user_id") == "a").height == 3
    assert owned["user_id"].n_unique() == 6


class Coupled(Seeded):
    """Words of which the last are always the same: those of rows that stay when rows before them leave."""

    def words(self, count: int) -> np.ndarray:
        return Seeded(3)._words.integers(0, 2**64, size=5000, dtype=np.uint64)[5000 - count :]


def what_is_kept_of_others_does_not_change_when_one_leaves() -> None:
    user = np.repeat(np.arange(50), 20)
    cell = np.tile(np.arange(20), 50)
    whole = mechanisms.clipped(user, cell, 5, 1, Coupled(0))
    rest = mechanisms.clipped(user[20:], cell[20:], 5, 1, Coupled(0))
    assert (whole[whole >= 20] - 20).tolist() == rest.tolist()


def paid_before_drawn() -> None:
    asked = private(shop_of(crowd(50)), folder())
    asked.bounded(5)
    seen = []

    def question(rows: Rows) -> Answer:
        return hours(rows)

    drawn = mechanisms.histogram

    def watched(*args: Any, **kwargs: Any) -> np.ndarray:
        seen.append(len(asked._ledger.entries()))
        return drawn(*args, **kwargs)

    mechanisms.histogram = watched
    try:
        asked.histogram("hours", question, 24, 0.5)
    finally:
        mechanisms.histogram = drawn
    assert seen == [1]


def releases_of_one_shop_share_a_budget() -> None:
    shop, place = shop_of(crowd(50)), folder()
    ledger = Ledger.open(place, shop.fingerprint)
    ledger.allow(1.0, DELTA)
    refused = False
    for _ in range(12):
        again = Ledger.open(place, shop.fingerprint)
        asked = Private(shop, again, Release(0.4, DELTA, noise_seed=0), public=PUBLIC, users=50)
        asked.bounded(5)
        try:
            asked.histogram("hours", hours, 24, 1.0)
        except BudgetError:
            refused = True
            break
    assert refused


def prices_are_those_of_a_slow_sum() -> None:
    total = compose([Gaussian(0.3)] * 4 + [Gaussian(0.8)], DELTA).epsilon
    slow = gaussian.epsilon_of(DELTA, (4 * 0.3**2 + 0.8**2) ** 0.5)
    assert abs(total - slow) < 1e-9
    discrete = compose([DiscreteGaussian(1.0)], DELTA).epsilon
    assert discrete > gaussian.epsilon_of(DELTA, 1.0)
    rate = compose([accounting.SampledGaussian(1.0, 0.3, 1)], DELTA).epsilon
    # One step on a sample shows no less than its own mixture does at its best threshold.
    at = np.linspace(0, 12, 2000)
    from scipy.stats import norm

    true = 0.7 * norm.sf(at) + 0.3 * norm.sf(at - 1)
    assert rate >= np.max(np.log(np.maximum(true - DELTA, 1e-300) / norm.sf(at)))


def quantiles_have_the_chances_of_the_formula() -> None:
    values, grid, epsilon = np.array([1.0, 1, 2, 2, 3, 5, 5, 5]), range(6), 1.0
    noise = Seeded(15)
    drawn = [
        mechanisms.quantile(np.arange(8), values, grid, 0.9, epsilon=epsilon, noise=noise)
        for _ in range(4000)
    ]
    score = np.zeros(6)
    for g in grid:
        # The target rank is 7.2: how far it lies outside the ranks of the values in (g − 1, g].
        first, last = np.sum(values <= g - 1), np.sum(values <= g)
        score[g] = -max(0.0, first - 7.2, 7.2 - last)
    # One user more below a point moves its score by .1, one above by .9.
    weight = np.exp(epsilon * score / (2 * 0.9))
    seen = np.bincount(np.array(drawn, dtype=int), minlength=6)
    assert chisquare(seen, weight / weight.sum() * 4000).pvalue > 1e-3


def samples_are_dealt_by_coins() -> None:
    noise, rate = Seeded(16), 0.1
    drawn = [mechanisms.poisson_sample(50, rate, noise) for _ in range(2000)]
    sizes = np.array([len(each) for each in drawn])
    assert abs(sizes.var() / (50 * rate * (1 - rate)) - 1) < 0.2
    for user in (0, 49):
        seen = int(sum(user in each for each in drawn))
        assert binomtest(seen, 2000, rate).pvalue > 1e-4


def the_catalogue_shows_no_log() -> None:
    shop = shop_of(crowd(50))
    table = shop.table("items").sample(fraction=1, shuffle=True, seed=2)
    ghost = pl.DataFrame({"item_id": ["only-ann"]})
    shop = shop.with_tables(items=pl.concat([table, ghost], how="diagonal"))
    ids = PUBLIC.items(shop)["item_id"].to_list()
    assert ids == sorted(ids)
    assert "only-ann" not in ids


def popularity_is_not_public() -> None:
    try:
        Public.of("items.title,items.attributes.popularity")
    except RefusedError:
        return
    raise AssertionError("popularity was taken as public")


def a_screen_that_looks_costs_the_word_private() -> None:
    shop = shop_of(crowd(30))
    sample = shop_of(crowd(30, seed=4)).keeping("private")
    for name in ("copies", "schema"):
        assert screen_all([name], sample, shop).kept.keeps != "private"


def what_leaves_names_no_shop() -> None:
    shop = shop_of(crowd(50))
    text = json.dumps(private(shop, folder()).stamp())
    assert shop.fingerprint not in text
    assert f'"{shop.rows("events")}"' not in text
    assert "rows" not in json.loads(text)


CHECKS: dict[str, Callable[[], None]] = {
    check.__name__: check
    for check in (
        counts_hold_their_epsilon,
        unknown_keys_of_one_user_hardly_appear,
        a_threshold_knows_nothing_but_the_noisy_count,
        chances_of_disclosure_are_in_the_ledger,
        empty_cells_have_noise_too,
        noise_is_never_the_same_twice,
        a_seed_is_stamped,
        the_number_of_users_has_noise,
        a_user_is_bounded_over_all_tables,
        all_rows_of_a_user_are_the_users,
        what_is_kept_of_others_does_not_change_when_one_leaves,
        paid_before_drawn,
        releases_of_one_shop_share_a_budget,
        prices_are_those_of_a_slow_sum,
        quantiles_have_the_chances_of_the_formula,
        samples_are_dealt_by_coins,
        the_catalogue_shows_no_log,
        popularity_is_not_public,
        a_screen_that_looks_costs_the_word_private,
        what_leaves_names_no_shop,
    )
}
