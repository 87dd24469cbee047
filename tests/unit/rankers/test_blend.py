"""Blend: its formula against the slow way, its start against the sum with fixed weights, what it does with queries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.rankers.candidates import Candidates
from wareloom.rankers.hybrid import _maps
from wareloom.shop import Log, Requests

START = _maps.Start(np.array([0.7, 0.3]), np.array([0.4]), np.array([0.6, 0.4]))


def net(size: int = 5, hidden: int = 3) -> _maps.MixingNetwork:
    torch.manual_seed(3)
    made = _maps.MixingNetwork(size, hidden, START)
    with torch.no_grad():
        made.shares.weight.normal_()
        made.content.weight.normal_()
    return made


def test_the_formula_pair_by_pair_and_in_torch() -> None:
    rng, made = np.random.default_rng(0), net()
    q, p, r = (rng.standard_normal(shape).astype(np.float32) for shape in ((4, 5), (6, 5), (24, 3)))
    request, item = np.repeat(np.arange(4), 6), np.tile(np.arange(6), 4)
    w = made.weights()
    found = _maps.apply(w, q, p, request, item, r)
    for row, (u, i) in enumerate(zip(request, item, strict=True)):
        x = np.tanh(
            w["query.weight"] @ q[u]
            + w["query.bias"]
            + w["product.weight"] @ p[i]
            + w["both.weight"] @ (q[u] * p[i])
        )
        e = np.exp(w["shares.weight"] @ x[:3] + w["shares.bias"])
        expected = (
            e / e.sum() @ r[row, :2]
            + (w["content.weight"] @ x[3:] + w["content.bias"]) @ r[row, 2:]
        )
        assert found[row] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    products = torch.from_numpy(p)[None].expand(4, -1, -1)
    slow = (
        made(torch.from_numpy(q), products, torch.from_numpy(r).reshape(4, 6, 3)).detach().numpy()
    )
    np.testing.assert_allclose(found, slow.ravel(), rtol=1e-4, atol=1e-5)


def test_many_pairs_are_mapped_in_parts_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, w = np.random.default_rng(1), net().weights()
    q, p, r = (rng.standard_normal(shape).astype(np.float32) for shape in ((4, 5), (6, 5), (50, 3)))
    request, item = rng.integers(4, size=50), rng.integers(6, size=50)
    whole = _maps.apply(w, q, p, request, item, r)
    monkeypatch.setattr(_maps, "ROWS", 7)
    np.testing.assert_allclose(_maps.apply(w, q, p, request, item, r), whole, rtol=1e-5, atol=1e-6)


def test_untaught_maps_are_the_sum_with_the_weights_of_the_start() -> None:
    rng = np.random.default_rng(2)
    q, p, r = (rng.standard_normal(shape).astype(np.float32) for shape in ((4, 5), (6, 5), (30, 3)))
    request, item = rng.integers(4, size=30), rng.integers(6, size=30)
    found = _maps.apply(_maps.constant(START, 5), q, p, request, item, r)
    np.testing.assert_allclose(found, r @ np.array([0.7, 0.3, 0.4]), rtol=1e-4, atol=1e-5)


def test_the_likeliest_power_and_floor_by_trying_all() -> None:
    rng = np.random.default_rng(3)
    scores = rng.exponential(size=600).astype(np.float32)
    chance = (scores + 0.1).reshape(60, 10) ** 2
    right = np.array([rng.choice(10, p=row / row.sum()) for row in chance]) + np.arange(60) * 10
    right[::9] = -1
    found = Candidates(scores[:, None], np.arange(61) * 10, right, np.zeros(600, dtype=np.int32))

    def slow(power: float, floor: float) -> float:
        rows = [i for i in range(60) if right[i] >= 0]
        odds = (scores.astype(np.float64) + floor) ** power
        return float(
            np.mean([-np.log(odds[right[i]] / odds[10 * i : 10 * i + 10].sum()) for i in rows])
        )

    power, floor, loss = _maps.likeliest(found, scores)
    assert loss == pytest.approx(min(slow(p, f) for p in _maps.POWERS for f in _maps.FLOORS))
    assert slow(power, floor) == pytest.approx(loss)


def test_maps_learn_that_texts_decide() -> None:
    """Where the query's first number is 1 the first ranker is right, else the second; no constant weights know that."""
    rng = np.random.default_rng(4)
    n, each = 400, 8
    side = rng.integers(2, size=n)
    features = rng.random((n * each, 3)).astype(np.float32)
    right = rng.integers(each, size=n) + np.arange(n) * each
    features[right, side] += 0.5
    queries = np.stack([side, 1 - side], axis=1).astype(np.float32)
    found = Candidates(features, np.arange(n + 1) * each, right, np.zeros(n * each, dtype=np.int32))
    start = _maps.Start(np.array([0.5, 0.5]), np.array([0.0]), np.array([0.5, 0.5]))
    held = _maps.Held(queries, np.ones((1, 2), dtype=np.float32), found)
    how = _maps.Teaching(
        hidden=4, kl=0.0, weight_decay=0.0, learning_rate=0.03, epochs=15, batch_size=32
    )
    weights, report = _maps.teach(held, start, how, Run(seed=1, threads=1))
    assert report["gain at the end"] > report["gain at the start"] + 0.05
    owner = np.repeat(np.arange(n), each)
    scores = _maps.apply(weights, queries, held.products, owner, found.item, features)
    assert found.gain(scores) > found.gain(features[:, :2].sum(axis=1)) + 0.05
    bound = replace(how, kl=100.0)
    _, pulled = _maps.teach(held, start, bound, Run(seed=1, threads=1))
    assert pulled["gain at the end"] < report["gain at the end"], (
        "the collaborative distribution holds it back"
    )


def test_a_query_moves_the_profile_and_a_shop_without_text_is_refused(tmp_path: Path) -> None:
    shop = small_shop()
    blend = RANKERS.make("blend", embedding_size=8, epochs=2).fit(shop, Run(seed=1, threads=1))
    plain = blend._ready(Requests.sessions([["i3", "i4"]]))
    asked = replace(plain, queries=["item 17"])
    before, after = blend._profiles(plain), blend._profiles(asked)
    assert after[0] @ blend.vectors_[17] > before[0] @ blend.vectors_[17]
    assert np.linalg.norm(after) == pytest.approx(1.0, rel=1e-5)
    blend.save(tmp_path / "blend")
    again = RANKERS.restore(tmp_path / "blend")
    np.testing.assert_array_equal(again.score(asked), blend.score(asked))
    bare = shop.with_tables(
        items=shop.table("items").select("item_id", "price", "origin", "weight")
    )
    with pytest.raises(InputError, match="items have no text"):
        RANKERS.make("blend").fit(bare)
    with pytest.raises(InputError, match="given a log alone"):
        RANKERS.make("blend").fit(Log.of(shop))
    titled = shop.with_tables(
        items=shop.table("items").select("item_id", "title", "origin", "weight")
    )
    with pytest.raises(
        InputError, match=r"None of the collaborative members can learn from this shop: .*facets"
    ):
        RANKERS.make("blend", collaborative=("attributes",)).fit(titled)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"content": ()}, "content is \\(\\); give one ranker or more"),
        ({"collaborative": ("blend",)}, "different rankers other than itself"),
        ({"collaborative": ("text_knn",)}, "different rankers"),
        ({"member_settings": {"ease": {}}}, "names among"),
        ({"kl": -1.0}, "kl is -1.0; give 0 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"decay": 0.0}, "decay is 0.0"),
        ({"hidden": 0}, "hidden is 0; give 1 or more"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        RANKERS.make("blend", **settings)
