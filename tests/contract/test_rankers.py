"""What every ranker keeps to, found by walking the folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import conftest
from conftest import Lazy
from pictures import ring_of_pictures
from tiny_encoder import tiny_encoder
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, NotFittedError, SettingError
from wareloom.rankers import Ranker
from wareloom.shop import Log, Requests, Shop

NAMES = RANKERS.names()
RUN = Run(seed=1, threads=2)
NETWORK = {
    "epochs": 30,
    "embedding_size": 16,
    "batch_size": 256,
    "learning_rate": 0.02,
    "dropout": 0.1,
}
QUICK: dict[str, dict[str, Any]] = {
    "als": {"embedding_size": 8, "epochs": 3},
    "bpr": {"embedding_size": 16},
    "bi_encoder": {
        "model": tiny_encoder(),
        "tuning": "full",
        "fields": "title",
        "history": 1,
        "epochs": 4,
    }
    | {"learning_rate": 0.02, "temperature": 0.1},
    "bert4rec": NETWORK | {"epochs": 60, "layers": 1, "learning_rate": 0.01, "dropout": 0.0},
    "caser": NETWORK,
    "cross_encoder": {"model": tiny_encoder(), "tuning": "full"},
    "fusion": {"members": ("bm25", "lambdamart")},
    "gru": NETWORK,
    "sasrec": NETWORK | {"layers": 1},
    "two_stage": {"members": ("bm25", "lambdamart")},
    "two_tower": NETWORK | {"learning_rate": 0.01},
}
"""Settings that make slow rankers quick; none other is needed here."""
WEIGHTED_USERS = (
    "attributes",
    "bm25",
    "cross_encoder",
    "ease",
    "fusion",
    "item_knn",
    "lambdamart",
    "popularity",
    "session_knn",
    "slim",
    "tifu_knn",
    "transitions",
    "two_stage",
    "user_knn",
)
"""Rankers for which a user whose events weigh 2 is the same as two such users."""
WEIGHTED_EVENTS = ("als", "ease", "item_knn", "popularity", "slim", "user_knn")
"""Rankers that see no order in training, so that an event of weight 2 is the same as that event twice in a row."""
UNMOVED = (
    "bm25",
    "cross_encoder",
    "fusion",
    "lambdamart",
    "personal",
    "popularity",
    "rating",
    "two_stage",
)
"""Rankers that no history moves towards what follows it."""


def small_shop(*args: Any, **settings: Any) -> Shop:
    """The ring, with a picture of each item that looks like its neighbours'."""
    shop = conftest.small_shop(*args, **settings)
    return shop.with_tables(images=ring_of_pictures(shop.rows("items")))


def make(name: str) -> Ranker:
    ranker = RANKERS.make(name, **QUICK.get(name, {}))
    assert isinstance(ranker, Ranker)
    return ranker


@pytest.fixture(scope="module")
def fitted() -> dict[str, Ranker]:
    shop = small_shop()
    return Lazy(lambda name: make(name).fit(shop, RUN))


@pytest.fixture(scope="module")
def requests() -> Requests:
    return Requests.of(Log.of(small_shop(users=12, seed=5)))


def same(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented(name: str) -> None:
    entry = RANKERS.describe(name)
    assert entry.summary.endswith(".")
    assert [s.name for s in entry.settings if not s.doc] == []
    assert {s.name for s in entry.settings} == set(make(name).settings())
    assert all(s.default is not None for s in entry.settings)


@pytest.mark.parametrize("name", NAMES)
def test_settings_go_round(name: str) -> None:
    ranker = make(name)
    assert ranker.name == name
    assert configure(type(ranker), ranker.settings()).settings() == ranker.settings()
    with pytest.raises(SettingError, match="has no setting 'no_such'"):
        RANKERS.make(name, no_such=1)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_restored_scores_the_same(
    name: str, fitted: dict[str, Ranker], requests: Requests, tmp_path: Path
) -> None:
    fitted[name].save(tmp_path / name)
    again = RANKERS.restore(tmp_path / name)
    assert again.settings() == fitted[name].settings()
    np.testing.assert_array_equal(again.score(requests), fitted[name].score(requests))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_scores(
    name: str, fitted: dict[str, Ranker], requests: Requests
) -> None:
    again = make(name).fit(small_shop(), RUN)
    np.testing.assert_array_equal(again.score(requests), fitted[name].score(requests))


@pytest.mark.parametrize("name", NAMES)
def test_threads_do_not_change_the_scores(
    name: str, fitted: dict[str, Ranker], requests: Requests
) -> None:
    same(
        make(name).fit(small_shop(), Run(seed=1, threads=1)).score(requests),
        fitted[name].score(requests),
    )


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_new_and_32_bits(
    name: str, fitted: dict[str, Ranker], requests: Requests
) -> None:
    scores = fitted[name].score(requests)
    assert scores.dtype == np.float32
    assert scores.shape == (12, 30)
    assert np.isfinite(scores).all()
    scores[:] = 0
    assert fitted[name].score(requests).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_scores_as_each_alone(
    name: str, fitted: dict[str, Ranker], requests: Requests
) -> None:
    batch = fitted[name].score(requests)
    for i in range(len(requests)):
        same(fitted[name].score(requests.part(i, i + 1))[0], batch[i])
    blocks = list(fitted[name].blocks(requests))
    assert [start for start, _, _ in blocks] == [0]
    np.testing.assert_array_equal(blocks[0][2], batch)


@pytest.mark.parametrize("name", NAMES)
def test_candidates_are_columns_of_all(
    name: str, fitted: dict[str, Ranker], requests: Requests
) -> None:
    some = fitted[name].score(requests, ["i7", "nobody knows", "i3"])
    whole = fitted[name].score(requests)
    codes = [fitted[name].items_.to_list().index(i) for i in ("i7", "i3")]
    np.testing.assert_array_equal(some[:, [0, 2]], whole[:, codes])
    assert (some[:, 1] == -np.inf).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_user_and_an_empty_history_get_the_popular(
    name: str, fitted: dict[str, Ranker]
) -> None:
    ranker = fitted[name]
    popular = fitted["popularity"].score(Requests.sessions([[]]))[0]
    for asked in (Requests.sessions([[]]), Requests(users=["stranger"]), Requests(users=[None])):
        scores = ranker.score(asked)[0]
        assert np.isfinite(scores).all()
        by_score = popular[np.argsort(-scores, kind="stable")]
        assert name == "rating" or (np.diff(by_score) <= 0).all(), "a rating is no popularity"


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_item_in_a_history_is_passed_over(name: str, fitted: dict[str, Ranker]) -> None:
    known = fitted[name].score(Requests.sessions([["i3", "i4"], []]))
    mixed = fitted[name].score(Requests.sessions([["i3", "not here", "i4"], ["not here"]]))
    np.testing.assert_array_equal(known, mixed)


@pytest.mark.parametrize("name", NAMES)
def test_ranks_without_the_seen(name: str, fitted: dict[str, Ranker]) -> None:
    ranking = fitted[name].rank(Requests.sessions([["i3", "i4"], []]), k=28)
    first = ranking.filter(pl.col("request") == 0)
    assert first["rank"].to_list() == list(range(1, 29))
    assert not set(first["item_id"]) & {"i3", "i4"}
    assert first["item_id"].n_unique() == 28
    assert len(fitted[name].rank(Requests.sessions([["i3", "i4"]]), k=99, exclude_seen=False)) == 30


@pytest.mark.parametrize("name", [n for n in NAMES if n not in UNMOVED])
def test_learns_the_ring(name: str, fitted: dict[str, Ranker]) -> None:
    """Items walk round a ring, so the neighbours of what was seen stand far above the middle of the list."""
    asked = Requests.sessions([[f"i{i}"] for i in range(28)])
    scores = fitted[name].score(asked, [f"i{i}" for i in range(30)])
    ranks = [(scores[i] > scores[i, i + 1]).sum() for i in range(28)]
    assert np.mean(ranks) < 6


@pytest.mark.parametrize("name", NAMES)
def test_asks_for_fit_first(name: str, tmp_path: Path) -> None:
    for call in (
        lambda r: r.score(Requests.sessions([[]])),
        lambda r: r.rank(Requests.sessions([[]])),
        lambda r: r.save(tmp_path),
    ):
        with pytest.raises(NotFittedError, match=f"The ranker '{name}' is not fitted: call fit"):
            call(make(name))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_log_is_refused(name: str) -> None:
    shop = small_shop()
    empty = shop.with_tables(events=shop.table("events").clear())
    with pytest.raises(InputError, match=f"The ranker '{name}' has nothing to learn from"):
        make(name).fit(empty)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["one user", "one item", "one event", "no times"])
def test_small_logs(name: str, kind: str) -> None:
    shop = small_shop(timed=kind != "no times")
    events = shop.table("events")
    if kind == "one user":
        events = events.filter(pl.col("user_id") == "u0")
    elif kind == "one item":
        events = events.with_columns(item_id=pl.lit("i5"))
    elif kind == "one event":
        events = events.head(1)
    ranker = make(name).fit(shop.with_tables(events=events))
    scores = ranker.score(Requests.sessions([["i5"], [], ["i1", "i2"]]))
    assert scores.shape == (3, 30)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", [n for n in NAMES if n in WEIGHTED_USERS])
def test_a_weight_of_two_is_two_such_users(name: str, requests: Requests) -> None:
    shop = small_shop()
    events = shop.table("events")
    heavy = pl.col("user_id").is_in(["u1", "u2", "u3"])
    weighted = events.with_columns(weight=pl.when(heavy).then(2.0).otherwise(1.0))
    twins = events.filter(heavy).with_columns(user_id=pl.col("user_id") + "-twin")
    one = make(name).fit(shop.with_tables(events=weighted)).score(requests)
    two = make(name).fit(shop.with_tables(events=pl.concat([events, twins]))).score(requests)
    same(one, two)
    assert np.abs(one - make(name).fit(shop).score(requests)).max() > 1e-4


@pytest.mark.parametrize("name", [n for n in NAMES if n in WEIGHTED_EVENTS])
def test_a_weight_of_two_is_the_event_twice(name: str, requests: Requests) -> None:
    log = Log.of(small_shop())
    heavy = np.arange(len(log)) % 3 == 0
    weighted = replace(log, weight=np.where(heavy, 2.0, 1.0).astype(np.float32))
    one = make(name).fit(weighted, Run(seed=1)).score(requests)
    rows = np.repeat(np.arange(len(log)), np.where(heavy, 2, 1))
    columns = {
        c: getattr(log, c)[rows] for c in ("item", "time", "event", "session", "weight", "real")
    }
    repeated = replace(log, offsets=np.searchsorted(rows, log.offsets).astype(np.int64), **columns)
    same(one, make(name).fit(repeated, Run(seed=1)).score(requests))


@pytest.mark.parametrize("name", NAMES)
def test_events_of_no_weight_teach_nothing(name: str, requests: Requests) -> None:
    shop = small_shop()
    events = shop.table("events")
    muted = events.with_columns(weight=pl.when(pl.col("user_id") == "u1").then(0.0).otherwise(1.0))
    without = events.filter(pl.col("user_id") != "u1")
    one = make(name).fit(shop.with_tables(events=muted), Run(seed=1)).score(requests)
    if name == "als":
        assert np.isfinite(one).all()
    else:
        same(one, make(name).fit(shop.with_tables(events=without), Run(seed=1)).score(requests))
