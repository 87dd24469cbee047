"""From which size on do pairs of items survive differential privacy, and what are they worth?

    python benchmarks/pairs_by_size.py [--users N ...] [--epsilons E ...] [--items N] [--json FILE]

A made-up shop whose steps are known: from each item six steps in ten go to one of its ten followers, half of which read
like it, the others to popular items. `private_walk` (preset teaching, δ 1e-7, at most 10 rows of a user) is fitted with
pairs bought in any case, and with what they cost spent on popularity instead. Each sample of as many users teaches
`transitions`; NDCG@10 on the last events of other users of the same shop. Beside: the real log, and a forecast by what
is public alone, the number of users and of items (`PrivateWalk.expected_pairs`). The noise is rehearsed: of full
strength, from a seed.
"""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import numpy as np
import polars as pl

from _common import arguments, machine, write
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.rankers.held import Held, hold_back
from wareloom.rankers.members import ndcg_of_held
from wareloom.shop import Log, Shop
from wareloom.synthesis.behaviour import _private_buying
from wareloom.synthesis.behaviour.private_walk import PrivateWalk

FOLLOWERS, FAMILY, CATEGORIES = 10, 8, 40
ALONG = 0.6
"""Share of the steps that go to a follower"""
LONGEST = 10
ASKED = 6000
"""Other users, whose last event is asked for"""
TAUGHT = 40_000
"""Users of each sample: sampling more costs no privacy"""
PUBLIC = ("items.title", "items.category")
DELTA = 1e-7
START = 1_704_067_200_000_000
HOUR = 3_600_000_000


class Town:
    """The shop's law: its catalogue, what is popular, and what follows what."""

    def __init__(self, items: int, rng: np.random.Generator) -> None:
        weight = (np.arange(items) + 25.0) ** -0.8
        self.popular = np.cumsum(rng.permutation(weight / weight.sum()))
        family = np.arange(items) // FAMILY
        near = family[:, None] * FAMILY + rng.integers(FAMILY, size=(items, FOLLOWERS // 2))
        far = rng.integers(items, size=(items, FOLLOWERS - FOLLOWERS // 2))
        self.follower = rng.permuted(np.concatenate([near % items, far], axis=1), axis=1)
        chance = 0.7 ** np.arange(FOLLOWERS)
        self.chance = np.cumsum(chance / chance.sum())
        self.items = pl.DataFrame(
            {
                "item_id": [f"i{i}" for i in range(items)],
                "title": [f"kind{f % CATEGORIES} family{f}" for f in family],
                "category": [["All", f"kind{f % CATEGORIES}"] for f in family],
            }
        )

    def shop(self, users: int, rng: np.random.Generator, prefix: str = "u") -> Shop:
        """So many users of it, of two to ten events each."""
        length = rng.integers(2, LONGEST + 1, users)
        item = np.empty((users, LONGEST), dtype=np.int64)
        item[:, 0] = np.searchsorted(self.popular, rng.random(users))
        for place in range(1, LONGEST):
            along = rng.random(users) < ALONG
            which = np.searchsorted(self.chance, rng.random(users))
            other = np.searchsorted(self.popular, rng.random(users))
            item[:, place] = np.where(along, self.follower[item[:, place - 1], which], other)
        gaps = rng.integers(1, 200, size=(users, LONGEST)).cumsum(axis=1)
        time = START + (rng.integers(0, 7000, users)[:, None] + gaps) * HOUR
        there = np.arange(LONGEST) < length[:, None]
        user = np.nonzero(there)[0]
        events = pl.DataFrame({"user": user, "item": item[there], "time": time[there]}).select(
            user_id=pl.format("{}{}", pl.lit(prefix), "user"),
            item_id=pl.format("i{}", "item"),
            event=pl.lit("purchase"),
            time=pl.col("time").cast(pl.Datetime("us")),
        )
        return Shop({"items": self.items, "events": events})


def along(shop: Shop, fitted: PrivateWalk) -> tuple[int, float]:
    """Pairs that were bought, and the share of the shop's steps that go along them."""
    log, items = Log.of(shop), len(fitted.catalogue_)
    starts, follower = fitted.walk_pair_start_, fitted.walk_pair_item_
    bought = np.repeat(np.arange(items), np.diff(starts)) * items + follower
    place = {item: code for code, item in enumerate(fitted.catalogue_["item_id"])}
    code = np.array([place[item] for item in log.items.ids])[log.item]
    inner = np.flatnonzero(np.diff(log.user, prepend=-1) == 0)
    steps = code[inner - 1] * items + code[inner]
    steps = steps[code[inner - 1] != code[inner]]
    return len(bought), float(np.isin(steps, bought).mean())


def reached(sample: Shop, held: Held, run: Run) -> tuple[float, float]:
    """NDCG@10 of `transitions` taught by a sample, and its standard error."""
    ranker = RANKERS.make("transitions").fit(sample, run)
    values = ndcg_of_held(ranker, held.into(Log.of(sample).items), 10)
    whole = np.concatenate([values, np.zeros(len(held) - len(values))])
    return float(whole.mean()), float(whole.std() / np.sqrt(len(whole)))


def fitted(shop: Shop, users: int, epsilon: float, run: Run, *, pairs: bool) -> PrivateWalk:
    """The walk with pairs bought whatever is forecast, or never."""
    made = PrivateWalk(
        epsilon=epsilon, delta=DELTA, public=PUBLIC, bound=LONGEST, shoppers=users, noise_seed=0
    )
    tables = _private_buying.tables
    with (
        mock.patch.object(_private_buying, "WORTH", -1.0 if pairs else 2.0),
        # Its own forecast is the greater of two; here the paid one stands alone.
        mock.patch.object(
            tables, "by_size", lambda asked, *_: tables.Forecast(asked[0], 0.0, -1.0)
        ),
    ):
        return made.fit(shop, run)


def row(town: Town, held: Held, users: int, epsilons: list[float], run: Run) -> dict[str, Any]:
    """All that is measured of one size."""
    shop = town.shop(users, run.rng("town", users))
    found: dict[str, Any] = {"users": users, "real": reached(shop, held, run), "by_epsilon": {}}
    for epsilon in epsilons:
        own: dict[str, Any] = {}
        for pairs in (True, False):
            walk = fitted(shop, users, epsilon, run, pairs=pairs)
            name = "with" if pairs else "without"
            own[name] = reached(walk.sample(TAUGHT, run), held, run)
            if pairs:
                own["pairs"], own["share"] = along(shop, walk)
                public = walk.expected_pairs(users, len(town.items))
                own["needed"] = public.users
                own["forecast"] = {"pairs": public.pairs, "share": public.share}
                said = re.search(r"([\d.]+)% survive", walk.forecast_)
                own["paid share"] = float(said[1]) / 100 if said else 0.0
        found["by_epsilon"][f"{epsilon:g}"] = own
        print(users, epsilon, own, flush=True)
    return found


def main() -> None:
    """Measure every size, and write what came of it."""
    parser = arguments(__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[5_000, 20_000, 80_000, 300_000])
    parser.add_argument("--epsilons", type=float, nargs="+", default=[1.0, 3.0, 8.0])
    parser.add_argument("--items", type=int, default=6_000)
    chosen = parser.parse_args()
    run = Run(seed=1)
    town = Town(chosen.items, run.rng("law"))
    others = hold_back(Log.of(town.shop(ASKED, run.rng("others"), "o")), ASKED, run)
    assert others is not None
    rows = [row(town, others[1], users, chosen.epsilons, run) for users in chosen.users]
    about = machine(chosen.note)
    write(chosen.json, "pairs_by_size", about, items=chosen.items, delta=DELTA, rows=rows)


if __name__ == "__main__":
    main()
