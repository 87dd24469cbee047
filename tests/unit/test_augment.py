"""Augmented users: each operation does what it says to a real user, and nothing else."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.shop import Log, Shop


def changed(operation: str, shop: Shop, n: int = 400, **shares: float) -> list[list[str]]:
    made = SYNTHESIZERS.make("augment", operations={operation: 1.0}, **shares).fit(
        shop, Run(seed=1)
    )
    return histories(made.sample(n, Run(seed=2)))


def histories(shop: Shop) -> list[list[str]]:
    log = Log.of(shop)
    names = log.items.ids.to_list()
    return [
        [names[i] for i in log.item[a:b]]
        for a, b in zip(log.offsets[:-1], log.offsets[1:], strict=True)
    ]


def marked() -> Shop:
    """Users whose items say whose they are, on the catalogue of the ring."""
    shop = small_shop(users=20, items=200)
    events = shop.table("events").with_columns(
        item_id=pl.format(
            "i{}",
            pl.col("user_id").str.slice(1).cast(pl.Int64) * 10
            + pl.int_range(pl.len()).over("user_id") % 10,
        )
    )
    return shop.with_tables(events=events.filter(pl.int_range(pl.len()).over("user_id") < 10))


def runs(whole: list[str], size: int) -> list[list[str]]:
    return [whole[k : k + size] for k in range(len(whole) - size + 1)]


def test_a_crop_is_a_run_of_a_real_user() -> None:
    real = {user[0][:-1]: user for user in histories(marked())}
    for user in changed("crop", marked(), crop=0.5):
        whole = real[user[0][:-1]]
        assert len(user) == max(1, round(0.5 * len(whole)))
        assert user in runs(whole, len(user))


def test_a_mask_drops_events_and_keeps_their_order() -> None:
    real = {user[0][:-1]: user for user in histories(marked())}
    kept, whole = 0, 0
    for user in changed("mask", marked(), mask=0.4):
        mine = real[user[0][:-1]]
        places = [mine.index(item) for item in user]
        assert places == sorted(places)
        kept, whole = kept + len(user), whole + len(mine)
    n = whole / 400
    assert kept / whole == pytest.approx(0.6 + 0.4 / n, abs=0.03), (
        "one event of each user is always kept"
    )


def test_another_order_is_that_of_one_run() -> None:
    real = {user[0][:-1]: user for user in histories(marked())}
    moved = 0
    for user in changed("reorder", marked(), reorder=0.5):
        mine = real[user[0][:-1]]
        assert sorted(user) == sorted(mine)
        differ = [k for k, (a, b) in enumerate(zip(user, mine, strict=True)) if a != b]
        moved += bool(differ)
        if differ:
            assert differ[-1] - differ[0] < max(1, round(0.5 * len(mine)))
    assert moved > 250


@pytest.mark.parametrize("operation", ["substitute", "insert"])
def test_related_items_come_in(operation: str) -> None:
    shop = small_shop(users=150)
    made = SYNTHESIZERS.make("augment", operations={operation: 1.0}).fit(shop, Run(seed=1))
    log, number = Log.of(made.sample(500, Run(seed=2))), 0
    table = made.related_.toarray()
    real = {tuple(user) for user in histories(shop)}
    found = histories(made.sample(500, Run(seed=2)))
    assert sum(tuple(user) in real for user in found) < 100
    if operation == "substitute":
        assert set(log.lengths()) <= set(Log.of(shop).lengths())
        return
    time = log.time
    for u in range(len(log.users)):
        for e in range(log.offsets[u] + 1, log.offsets[u + 1]):
            if time[e] == time[e - 1]:
                assert table[log.item[e - 1], log.item[e]] > 0
                number += 1
    assert number / len(log) == pytest.approx(0.3 / 1.3, abs=0.03)


def test_related_items_are_drawn_by_similarity() -> None:
    shop = small_shop(users=300)
    one = shop.with_tables(
        events=shop.table("events").unique("user_id", keep="first", maintain_order=True)
    )
    made = SYNTHESIZERS.make("augment", operations={"substitute": 1.0}, substitute=1.0).fit(
        shop, Run(seed=1)
    )
    made.events_ = (
        SYNTHESIZERS.make("augment").fit(one, Run(seed=1)).events_.filter(pl.col("item_id") == "i7")
    )
    drawn = pl.Series([user[0] for user in histories(made.sample(20_000, Run(seed=3)))])
    row = made.related_[shop.table("items")["item_id"].to_list().index("i7")].toarray().ravel()
    share = row / row.sum()
    found = np.array([(drawn == f"i{i}").mean() for i in range(30)])
    np.testing.assert_allclose(found, share, atol=0.015)


def test_only_what_is_asked_for_is_drawn_and_sequences_learn_from_it() -> None:
    shop = small_shop(users=80)
    weights = {"crop": 1.0, "mask": 0.0, "insert": 3.0}
    made = SYNTHESIZERS.make("augment", operations=weights, insert=1.0, crop=0.5).fit(
        shop, Run(seed=1)
    )
    sizes = Log.of(made.sample(2000, Run(seed=2))).lengths()
    assert (sizes >= 8).mean() == pytest.approx(0.75, abs=0.03), "real users have 4 to 11 events"
    assert RANKERS.make("transitions").fit(made.sample(100, Run(seed=3))).table_.nnz > 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"operations": {"corp": 1.0}}, r"no operation 'corp'\. Did you mean 'crop'"),
        ({"operations": {"crop": 0.0}}, "no weight above 0"),
        ({"operations": {"crop": -1.0}}, "crop=-1.0; give a number that is not negative"),
        ({"mask": 0.0}, "mask is 0.0; give a number above 0, at most 1"),
        ({"neighbours": 0}, "neighbours is 0; give 1 or more"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        SYNTHESIZERS.make("augment", **settings)
