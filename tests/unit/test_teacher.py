"""Walks of an ensemble: drawn as its scores say, structured as markov says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.shop import Log, Requests
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour import _teach
from wareloom.synthesis.behaviour._teach import same_before


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_the_next_item_is_drawn_as_its_scores_say(temperature: float) -> None:
    """Two events a user, the first given: what follows has the frequencies of the ensemble's best, to a power."""
    shop = small_shop(users=200)
    teacher = SYNTHESIZERS.make("teacher", top=5, temperature=temperature).fit(shop, Run(seed=1))
    sampled = teacher.sample(20_000, Run(seed=2), Given(start_items=("i7",), length=2))
    log = Log.of(sampled)
    first, second = log.item[log.offsets[:-1]], log.item[log.offsets[1:] - 1]
    fresh = second[first != second]
    scores = teacher.as_ranker().score(Requests.sessions([["i7"]]))[0].copy()
    scores[log.items.encode(["i7"])[0]] = -np.inf
    best = np.argsort(-scores)[:5]
    expected = scores[best] ** (1 / temperature) / (scores[best] ** (1 / temperature)).sum()
    found = np.array([(fresh == item).mean() for item in best])
    assert found.sum() == pytest.approx(1.0, abs=0.001)
    np.testing.assert_allclose(found, expected, atol=0.015)


def test_walks_look_at_the_highest_neighbours_alone_where_told_so() -> None:
    """With three of each row of each member, what follows one item is among these; the ranker takes all."""
    shop = small_shop(users=200)
    few = SYNTHESIZERS.make("teacher", neighbours=3).fit(shop, Run(seed=1))
    log = Log.of(few.sample(5_000, Run(seed=2), Given(start_items=("i7",), length=2)))
    first, second = log.item[log.offsets[:-1]], log.item[log.offsets[1:] - 1]
    fresh = log.items.ids.gather(np.unique(second[first != second]))
    row = log.items.encode(["i7"])[0]
    near: set[str] = set()
    for member in few.as_ranker().members_.values():
        table = member.neighbourhood().table[row].toarray()[0]
        near |= {
            member.items_[int(i)] for i in np.argsort(-table, kind="stable")[:4] if table[i] > 0
        }
    assert set(fresh) <= near
    whole = SYNTHESIZERS.make("teacher").fit(shop, Run(seed=1))
    asked = Requests.sessions([["i7"]])
    np.testing.assert_array_equal(few.as_ranker().score(asked), whole.as_ranker().score(asked))


@pytest.mark.parametrize("many", [0, 10**9])
def test_a_walk_that_takes_the_best_goes_where_the_ranker_would_send_it(
    many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Event by event, whether all items are looked at or those with sums; with windows and units that run out."""
    monkeypatch.setattr(_teach, "MANY", many)
    shop = small_shop(users=200)
    how = {
        "transitions": {"last": 3, "decay": 0.9},
        "item_knn": {"decay": 0.05},
        "text_knn": {"decay": 1.0},
    }
    weights = {"transitions": 1.0, "item_knn": 0.7, "text_knn": 0.4, "popularity": 0.0}
    made = SYNTHESIZERS.make("teacher", top=1, member_settings=how, weights=weights).fit(
        shop, Run(seed=1)
    )
    log = Log.of(made.sample(40, Run(seed=2), Given(start_items=("i7", "i3"), length=14)))
    ranker, checked = made.as_ranker(), 0
    for u in range(40):
        own = log.items.ids.gather(log.item[log.offsets[u] : log.offsets[u + 1]]).to_list()
        for place in range(1, len(own)):
            if own[place] in own[:place]:
                continue
            scores = ranker.score(Requests.sessions([own[:place]]))[0].astype(np.float64)
            scores[log.items.encode(own[:place])] = -np.inf
            best = scores.max()
            assert scores[log.items.encode([own[place]])[0]] == pytest.approx(best, rel=1e-3)
            checked += 1
    assert checked > 200


@pytest.mark.parametrize("member", ["ease", "als"])
def test_walks_can_follow_the_highest_neighbours_of_rankers_that_are_no_tables(
    member: str, tmp_path: Path
) -> None:
    """What follows one item alone is among the best of the ranker for it."""
    shop = small_shop(users=200)
    settings = {member: {"decay": 1.0}}
    made = SYNTHESIZERS.make(
        "teacher", members=(member,), member_settings=settings, weights={member: 1.0}, neighbours=4
    )
    made = made.fit(shop, Run(seed=1))
    sample = made.sample(2_000, Run(seed=2), Given(start_items=("i7",), length=2))
    log = Log.of(sample)
    first, second = log.item[log.offsets[:-1]], log.item[log.offsets[1:] - 1]
    fresh = set(log.items.ids.gather(np.unique(second[first != second])))
    best = made.as_ranker().rank(Requests.sessions([["i7"]]), 5)["item_id"].to_list()
    assert 1 <= len(fresh) <= 4
    if member == "ease":
        assert fresh <= set(best)
    made.save(tmp_path / "teacher")
    again = SYNTHESIZERS.restore(tmp_path / "teacher").sample(
        2_000, Run(seed=2), Given(start_items=("i7",), length=2)
    )
    assert again.fingerprint == sample.fingerprint


def test_text_leads_to_items_that_nobody_had() -> None:
    """Half of the items have no event; walks of text reach them, walks of behaviour alone do not."""
    shop = small_shop(users=150)
    twins = shop.table("items").with_columns(item_id=pl.format("new-{}", "item_id"))
    both = shop.with_tables(items=pl.concat([shop.table("items"), twins]))

    def new(members: tuple[str, ...]) -> float:
        weights = dict.fromkeys(members, 1.0)
        teacher = SYNTHESIZERS.make("teacher", members=members, weights=weights, uniform=0.0).fit(
            both, Run(seed=1)
        )
        items = teacher.sample(200, Run(seed=2)).table("events")["item_id"]
        return float(items.str.starts_with("new-").mean())

    assert new(("transitions", "item_knn")) < 0.02
    assert new(("transitions", "text_knn")) > 0.1


def test_events_on_one_item_stay_on_one_item() -> None:
    """Where every real user views an item and then buys it, so does every synthetic one."""
    shop = small_shop(users=100)
    bought = shop.table("events")
    viewed = bought.with_columns(
        event=pl.lit("view_item"), time=pl.col("time") - pl.duration(seconds=5)
    )
    pairs = pl.concat([viewed, bought]).sort("user_id", "time")
    teacher = SYNTHESIZERS.make("teacher").fit(shop.with_tables(events=pairs), Run(seed=1))
    log = Log.of(teacher.sample(100, Run(seed=2)))
    kinds, place = log.event, np.arange(len(log)) - log.offsets[log.user]
    buys = np.flatnonzero((kinds == kinds.max()) & (place > 0))
    assert len(buys) > 50
    assert (log.item[buys] == log.item[buys - 1]).all()


def test_the_first_event_on_an_item_is_found() -> None:
    past, items = np.array([5, 6]), np.array([6, 7, 7, 8, 8], dtype=np.int32)
    found = same_before(np.array([0, 3, 5]), items, np.array([0, 2, 2]), past)
    assert found.tolist() == [1, -1, 3, -1, 0]


def test_walks_begin_anywhere_for_their_share() -> None:
    shop = small_shop(users=100)
    only = shop.table("events").with_columns(
        item_id=pl.when(pl.int_range(pl.len()).over("user_id") == 0)
        .then(pl.lit("i0"))
        .otherwise("item_id")
    )
    teacher = SYNTHESIZERS.make("teacher", uniform=0.5).fit(
        shop.with_tables(events=only), Run(seed=1)
    )
    log = Log.of(teacher.sample(2_000, Run(seed=2)))
    assert (log.item[log.offsets[:-1]] != log.items.encode(["i0"])[0]).mean() == pytest.approx(
        0.5 * 29 / 30, abs=0.04
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"top": 0}, "top is 0"),
        ({"neighbours": -1}, "neighbours is -1"),
        ({"temperature": 0.0}, "temperature is 0"),
        ({"uniform": 1.5}, "uniform is 1.5"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        SYNTHESIZERS.make("teacher", **settings)


def test_a_member_without_a_table_is_refused() -> None:
    with pytest.raises(SettingError, match="the member 'popularity' adds up no table"):
        SYNTHESIZERS.make("teacher", members=("transitions", "popularity")).fit(
            small_shop(), Run(seed=1)
        )


def test_where_no_member_weighs_anything_items_are_drawn_as_first_ones_are() -> None:
    """Weights that are learned on noise may all be 0: the walk then knows how popular items are, and nothing else."""
    shop = small_shop(users=200)
    nothing = {"transitions": 0.0, "item_knn": 0.0, "text_knn": 0.0, "popularity": 1.0}
    silent = SYNTHESIZERS.make("teacher", weights=nothing, uniform=0.0).fit(shop, Run(seed=1))
    log = Log.of(silent.sample(3_000, Run(seed=2)))
    assert len(log.users) == 3_000
    real = Log.of(shop)
    first = np.bincount(real.item[real.offsets[:-1]], minlength=len(real.items))
    assert np.corrcoef(first, log.counts())[0, 1] > 0.8
    assert not log.counts()[first == 0].any()
