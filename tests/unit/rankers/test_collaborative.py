"""User-kNN, session-kNN, SLIM, BPR and LightGCN against slow obvious versions, and their doors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import MemoryLimitError, SettingError
from wareloom.rankers import Ranker
from wareloom.rankers.factor.bpr import learn
from wareloom.rankers.factor.lightgcn import normalised, propagate
from wareloom.rankers.sequence.session_knn import by_session
from wareloom.shop import Log, Requests

LOG = Log.of(small_shop(users=40))
LOG = replace(LOG, weight=np.random.default_rng(2).integers(1, 4, len(LOG)).astype(np.float32))
N = len(LOG.items)
ASKED = Requests.of(Log.of(small_shop(users=15, seed=9)))
DAY = 86_400e6


def histories() -> list[list[int]]:
    log = ASKED.histories
    assert log is not None
    return [log.item[a:b].tolist() for a, b in zip(log.offsets, log.offsets[1:], strict=False)]


def agrees(scores: np.ndarray, expected: np.ndarray) -> None:
    known = expected > 1e-9
    np.testing.assert_allclose(scores[known], expected[known], rtol=1e-3)
    assert (scores[~known] < 0).all()
    assert known.any()
    assert not known.all()


def rare(power: float) -> np.ndarray:
    counts = LOG.counts(weighted=True)
    return np.log(1 + counts.sum() / counts) ** power


@pytest.mark.parametrize(("shrink", "idf"), [(0.0, 0.0), (30.0, 1.5)])
def test_user_knn_equals_the_slow_version(shrink: float, idf: float) -> None:
    weights = LOG.matrix().toarray().astype(float)
    users = (weights > 0) * rare(idf)
    expected = np.zeros((len(ASKED), N))
    for r, items in enumerate(histories()):
        asked = np.zeros(N)
        for age, item in enumerate(items[::-1][:6]):
            asked[item] += 0.7**age
        asked *= rare(idf)
        like = users @ asked / (np.linalg.norm(asked) * np.linalg.norm(users, axis=1) + shrink)
        for u in np.argsort(-like, kind="stable")[:5]:
            expected[r] += like[u] * weights[u]
    ranker = RANKERS.make("user_knn", neighbours=5, shrink=shrink, idf=idf, decay=0.7, last=6)
    agrees(ranker.fit(LOG).score(ASKED), expected)


def slow_sessions(log: Log, ranker: Ranker) -> np.ndarray:
    """Session-kNN as its docstring says it, session by session."""
    s = ranker.settings()
    sessions = [range(a, b) for a, b in zip(log.offsets, log.offsets[1:], strict=False) if b > a]
    sessions.sort(key=lambda rows: -log.time[rows[-1]])
    rarity = rare(s["idf"])
    expected = np.zeros((len(ASKED), N))
    for r, history in enumerate(histories()):
        latest = list(dict.fromkeys(history[::-1][: s["last"]]))
        value = {i: s["decay"] ** history[::-1].index(i) * rarity[i] for i in latest}
        sharing = [rows for rows in sessions if set(log.item[rows]) & set(latest)][: s["sample"]]
        like = [
            sum(value.get(i, 0) for i in set(log.item[n])) / math.sqrt(len(set(log.item[n])))
            for n in sharing
        ]
        for n in np.argsort(-np.array(like), kind="stable")[: s["neighbours"]]:
            rows = sharing[n]
            shared = next(i for i in latest if i in log.item[rows])
            anchor = max(e for e in rows if log.item[e] == shared)
            age = (log.time.max() - log.time[rows[-1]]) / DAY
            for e in rows:
                d = e - anchor
                gain = (
                    s["distance_decay"] ** (abs(d) - 1) * (1 if d > 0 else s["reverse"])
                    if d
                    else s["again"]
                )
                expected[r, log.item[e]] += (
                    like[n] * log.weight[e] * gain * 0.5 ** (age / (s["half_life"] or 1e9))
                )
    return expected


@pytest.mark.parametrize(
    "settings",
    [
        {"sample": 1000, "neighbours": 1000},
        {"sample": 6, "neighbours": 3, "idf": 0.5, "again": 0.2, "distance_decay": 0.5, "last": 3},
        {"sample": 9, "neighbours": 1000, "half_life": 5.0, "distance_decay": 1.0},
        {"sample": 1000, "neighbours": 20, "reverse": 0.0, "unit": "session"},
    ],
)
def test_session_knn_equals_the_slow_version(settings: dict[str, object]) -> None:
    ranker = RANKERS.make("session_knn", **settings)
    log = by_session(LOG) if settings.get("unit") == "session" else LOG
    agrees(ranker.fit(LOG).score(ASKED), slow_sessions(log, ranker))


def test_sessions_become_users() -> None:
    log = by_session(LOG)
    assert len(log.users) == len(set(zip(LOG.user.tolist(), LOG.session.tolist(), strict=True)))
    assert (log.lengths() > 0).all()
    np.testing.assert_array_equal(log.item, LOG.item)


def test_session_knn_takes_unknown_times_for_the_oldest() -> None:
    shop = small_shop()
    events = shop.table("events")
    ends = events.filter(pl.col("user_id") != "u1").group_by("user_id").agg(pl.col("time").max())
    moved = pl.when(pl.col("user_id") == "u1").then(ends["time"].min()).otherwise(pl.col("time"))
    some = events.with_columns(time=moved)
    none = some.with_columns(
        time=pl.when(pl.col("user_id") == "u1").then(None).otherwise(pl.col("time"))
    )
    one, two = (
        RANKERS.make("session_knn", half_life=3.0).fit(shop.with_tables(events=e)).score(ASKED)
        for e in (some, none)
    )
    np.testing.assert_allclose(one, two, rtol=1e-5)


@pytest.mark.parametrize(("non_negative", "l1"), [(True, 2.0), (False, 0.5)])
@pytest.mark.parametrize("pair_decay", [1.0, 0.7])
def test_slim_is_the_elastic_net(non_negative: bool, l1: float, pair_decay: float) -> None:
    """Against scikit-learn on a square matrix X with XᵀX = G."""
    from sklearn.linear_model import ElasticNet

    gram = np.zeros((N, N))
    for a, b in zip(LOG.offsets, LOG.offsets[1:], strict=False):
        items = LOG.item[a:b].tolist()
        weight = {i: sum(LOG.weight[a + p] for p, k in enumerate(items) if k == i) for i in items}
        once = [i for p, i in enumerate(items) if i not in items[p + 1 :]]
        for p, i in enumerate(once):
            for q, j in enumerate(once):
                gram[i, j] += math.sqrt(weight[i] * weight[j]) * pair_decay ** abs(p - q)
    x, l2 = np.linalg.cholesky(gram).T, 5.0
    ranker = RANKERS.make(
        "slim", l1=l1, l2=l2, non_negative=non_negative, pair_decay=pair_decay
    ).fit(LOG)
    found = ranker.table_.toarray()
    for j in range(0, N, 5):
        others = np.flatnonzero((gram[j] != 0) & (np.arange(N) != j))
        net = ElasticNet(
            alpha=(l1 + l2) / N,
            l1_ratio=l1 / (l1 + l2),
            fit_intercept=False,
            positive=non_negative,
            tol=1e-10,
            max_iter=100_000,
        ).fit(x[:, others], x[:, j])
        np.testing.assert_allclose(found[others, j], net.coef_, atol=1e-4)
    assert (found < 0).any() != non_negative
    assert not np.diag(found).any()


def test_slim_scores_histories_with_its_weights() -> None:
    ranker = RANKERS.make("slim", l1=0.5, l2=5.0, decay=0.6).fit(LOG)
    table = ranker.table_.toarray()
    expected = np.array(
        [sum(0.6**age * table[i] for age, i in enumerate(items[::-1])) for items in histories()]
    )
    agrees(ranker.score(ASKED), expected)


def test_slim_predicts_from_the_nearest_only() -> None:
    ranker = RANKERS.make("slim", l1=0.0, neighbours=3).fit(LOG)
    assert ranker.table_.getnnz(axis=0).max() == 3
    few = RANKERS.make("slim", l1=0.0, max_items=10).fit(LOG)
    popular = np.argsort(-LOG.counts(weighted=True), kind="stable")[:10]
    assert set(few.table_.nonzero()[0]) | set(few.table_.nonzero()[1]) <= set(popular.tolist())


def test_slim_says_before_it_starts_what_it_needs() -> None:
    with pytest.raises(
        MemoryLimitError, match=r"SLIM over 30 items.*memory_limit=1e-06\. Set max_items"
    ):
        RANKERS.make("slim", memory_limit=1e-6).fit(LOG)


def test_bpr_climbs_its_criterion() -> None:
    """One update equals the gradient of ln σ - penalty, taken by differences."""
    rng = np.random.default_rng(0)
    source, target, bias = (rng.normal(size=shape) for shape in ((5, 3), (5, 3), 5))
    weight = np.array([2.0, 1.0, 3.0], dtype=np.float32)

    def criterion(source: np.ndarray, target: np.ndarray, bias: np.ndarray) -> float:
        share = np.array([0.5 * weight[0], weight[1]])
        user = share @ source[[0, 1]] / share.sum()
        return float(
            -weight[2] * np.log1p(np.exp(-(bias[2] - bias[4] + user @ (target[2] - target[4]))))
        )

    model = tuple(a.astype(np.float32) for a in (source, target, bias))
    log = (np.zeros(3, np.int32), np.zeros(3, np.int64), np.arange(3, dtype=np.int32), weight)
    had = (np.array([0, 3], dtype=np.int32), np.arange(3, dtype=np.int32))
    squares = tuple(np.full(5, 1e12) for _ in range(3))
    events, drawn = np.array([2]), np.array([[1, 4, 0]], dtype=np.int32)
    learn(events, drawn, log, had, model, squares, (1e6, 0.0, 0.5, 20))
    tiny = 1e-5
    for place, before in enumerate((target, bias)):
        for at in np.ndindex(before.shape):
            up = [source.copy(), target.copy(), bias.copy()]
            up[place + 1][at] += tiny
            slope = (criterion(*up) - criterion(source, target, bias)) / tiny
            assert model[place + 1][at] - before[at] == pytest.approx(slope, rel=0.02, abs=2e-3)
    for at in np.ndindex(source.shape):
        up = [source.copy(), target, bias]
        up[0][at] += tiny
        slope = (criterion(*up) - criterion(source, target, bias)) / tiny
        assert model[0][at] - source[at] == pytest.approx(slope, rel=0.02, abs=2e-3)


def test_bpr_scores_by_the_mean_of_the_history() -> None:
    ranker = RANKERS.make("bpr", embedding_size=4, epochs=2, decay=0.6, last=4).fit(
        LOG, Run(seed=3)
    )
    for r, items in enumerate(histories()):
        share = 0.6 ** np.arange(len(items))[:4]
        user = share @ ranker.source_[items[::-1][:4]] / share.sum()
        np.testing.assert_allclose(
            ranker.score(ASKED)[r], ranker.target_ @ user + ranker.bias_, rtol=1e-4, atol=1e-5
        )


def test_lightgcn_propagates_over_the_bipartite_graph() -> None:
    """Against the whole adjacency matrix of users and items, users beginning at zero."""
    graph, degree = normalised(LOG)
    values = np.sqrt(LOG.matrix().toarray())
    rows = values.sum(axis=1)
    np.testing.assert_allclose(degree, values.sum(axis=0), rtol=1e-5)
    dense = values / np.sqrt(rows[:, None] * degree[None, :])
    np.testing.assert_allclose(graph.toarray(), dense, rtol=1e-5)
    users = len(rows)
    whole = np.block([[np.zeros((users, users)), dense], [dense.T, np.zeros((N, N))]])
    start = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
    state = np.vstack([np.zeros((users, 4)), start])
    layers = [np.linalg.matrix_power(whole, 2 * n) @ state for n in range(3)]
    np.testing.assert_allclose(
        propagate(start, graph, 2), np.mean(layers, axis=0)[users:], rtol=1e-4, atol=1e-6
    )


def test_lightgcn_gradient_goes_back_over_the_graph() -> None:
    torch = pytest.importorskip("torch")
    from wareloom.rankers.factor.lightgcn import _Smooth, _tensor

    graph = sparse.random(6, 5, density=0.5, random_state=0, format="csr")
    there, back = _tensor(graph.tocoo()), _tensor(graph.T.tocoo())
    start = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: _Smooth.apply(x, there, back, 2), (start,))


def test_lightgcn_scores_by_the_cosine_with_the_history() -> None:
    ranker = RANKERS.make("lightgcn", embedding_size=4, epochs=1, decay=0.6, last=4).fit(
        LOG, Run(seed=3)
    )
    degree = np.sqrt(LOG.matrix().toarray()).sum(axis=0)
    unit = ranker.vectors_ / np.linalg.norm(ranker.vectors_, axis=1, keepdims=True)
    for r, items in enumerate(histories()):
        recent = items[::-1][:4]
        user = (0.6 ** np.arange(len(recent)) / np.sqrt(degree[recent])) @ ranker.vectors_[recent]
        np.testing.assert_allclose(
            ranker.score(ASKED)[r], unit @ user / np.linalg.norm(user), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("name", ["bpr", "lightgcn"])
def test_another_seed_differs(name: str) -> None:
    one, two = (
        RANKERS.make(name, embedding_size=4, epochs=2).fit(LOG, Run(seed=s)).score(ASKED)
        for s in (1, 2)
    )
    assert np.abs(one - two).max() > 1e-4


@pytest.mark.parametrize(
    ("name", "setting", "value", "wanted"),
    [
        ("user_knn", "neighbours", 0, "1 or more"),
        ("user_knn", "shrink", -1.0, "0 or more"),
        ("user_knn", "decay", 0.0, "a number above 0, at most 1"),
        ("session_knn", "sample", 0, "1 or more"),
        ("session_knn", "again", -0.5, "0 or more"),
        ("session_knn", "distance_decay", 1.5, "a number above 0, at most 1"),
        ("session_knn", "half_life", 0.0, "a number above 0, or None"),
        ("slim", "l1", -1.0, "0 or more"),
        ("slim", "pair_decay", 0.0, "a number above 0, at most 1"),
        ("slim", "memory_limit", 0.0, "a number above 0"),
        ("bpr", "learning_rate", 0.0, "a number above 0"),
        ("bpr", "negatives", 0, "1 or more"),
        ("lightgcn", "layers", 0, "1 or more"),
        ("lightgcn", "temperature", 0.0, "a number above 0"),
    ],
)
def test_impossible_settings_are_named(name: str, setting: str, value: float, wanted: str) -> None:
    with pytest.raises(SettingError, match=f"{name}: {setting} is {value}; give {wanted}"):
        RANKERS.make(name, **{setting: value})
