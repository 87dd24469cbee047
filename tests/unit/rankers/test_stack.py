"""Rankers added up: weights against a slow search, what is left out, what is held back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.rankers.candidates import Candidates, climb, climb_often
from wareloom.rankers.content import text_knn
from wareloom.rankers.content.nearest import nearest
from wareloom.rankers.held import hold_back
from wareloom.rankers.members import prior
from wareloom.shop import Log, Requests


def planted(requests: int = 300, each: int = 20, seed: int = 0) -> Candidates:
    """Two features that know half of the truth each, and one of noise."""
    rng = np.random.default_rng(seed)
    right = rng.integers(each, size=requests) + np.arange(requests) * each
    x = rng.random((requests * each, 3)).astype(np.float32)
    x[right[::2], 0] += 1.0
    x[right[1::2], 1] += 0.5
    x[:, 1] *= 0.5
    found = np.where(np.arange(requests) % 10 == 0, -1, right)
    return Candidates(
        x, np.arange(requests + 1) * each, found, np.tile(np.arange(each, dtype=np.int32), requests)
    )


def test_gain_is_what_sorting_says() -> None:
    found = planted(40)
    scores = np.round(found.features[:, 0], 1)
    expected = []
    for request, right in enumerate(found.right):
        block = scores[found.offsets[request] : found.offsets[request + 1]]
        expected.append(0.0 if right < 0 else 1 / np.log2(1 + (block >= scores[right]).sum()))
    assert found.gain(scores) == pytest.approx(np.mean(expected))


def test_climbing_beats_each_alone_and_comes_near_the_best_of_a_grid() -> None:
    found = planted()
    weights = climb(found)
    total = found.gain(found.features @ weights.astype(np.float32))
    alone = [found.gain(found.features[:, i]) for i in range(3)]
    grid = [
        found.gain(found.features @ np.array([a, b, c], dtype=np.float32))
        for a in (0.25, 0.5, 1.0)
        for b in (0.5, 1.0, 2.0, 4.0)
        for c in (0.0, 0.2)
    ]
    assert weights.max() == pytest.approx(1.0)
    assert total > max(alone) + 0.05
    assert total >= max(grid) - 0.01


def test_requests_that_are_taken_keep_their_candidates_and_their_right_one() -> None:
    found, rows = planted(40), np.array([3, 10, 39])
    taken = found.take(rows)
    for place, row in enumerate(rows):
        mine = slice(found.offsets[row], found.offsets[row + 1])
        own = slice(taken.offsets[place], taken.offsets[place + 1])
        np.testing.assert_array_equal(taken.features[own], found.features[mine])
        right = found.right[row]
        assert taken.right[place] == (-1 if right < 0 else right - mine.start + own.start)


def test_the_mean_of_several_climbs_on_few_requests_lies_nearer_to_what_many_say() -> None:
    many = planted(6_000, seed=9)

    def worth(weights: np.ndarray) -> float:
        return many.gain(many.features @ weights.astype(np.float32))

    once, often = [], []
    for seed in range(20):
        few = planted(24, seed=seed)
        once.append(worth(climb(few)))
        often.append(worth(climb_often(few, 8, np.random.default_rng(seed))))
    assert np.mean(often) > np.mean(once) + 0.002
    assert climb_often(many, 1, np.random.default_rng(0)).tolist() == climb(many).tolist()


def test_the_last_event_is_held_back_and_only_of_real_users() -> None:
    log = Log.of(small_shop(users=80))
    found = hold_back(log, 30, Run(seed=1))
    assert found is not None
    rest, held = found
    assert len(rest) == len(log) - 30
    for row, user in enumerate(held.histories.users.ids.to_list()):
        code = log.users.ids.index_of(user)
        assert code is not None
        own = log.item[log.offsets[code] : log.offsets[code + 1]]
        kept = held.histories.item[held.histories.offsets[row] : held.histories.offsets[row + 1]]
        assert own.tolist() == [*kept.tolist(), int(held.answers[row])]
    from dataclasses import replace

    assert hold_back(replace(log, real=np.zeros(len(log), dtype=bool)), 30, Run(seed=1)) is None


def test_scores_are_the_weighted_sum() -> None:
    shop = small_shop(users=100)
    stack = RANKERS.make(
        "stack", members=("transitions", "item_knn"), weights={"transitions": 1.0, "item_knn": 0.5}
    )
    stack.fit(shop, Run(seed=1))
    asked = Requests.sessions([["i3", "i4"]])
    parts = {
        name: RANKERS.make(name).fit(shop).score(asked)[0] for name in ("transitions", "item_knn")
    }
    expected = sum(
        stack.weights_[name] / stack.scale_[name] * np.maximum(parts[name], 0.0) for name in parts
    ) + stack.weights_["popularity"] * prior(stack.popularity_)
    told = (parts["transitions"] > 0) | (parts["item_knn"] > 0)
    np.testing.assert_allclose(stack.score(asked)[0][told], expected[told], rtol=1e-5)
    assert stack.score(asked)[0][~told].max(initial=-1.0) < 0


def test_members_without_anything_to_learn_from_are_left_out() -> None:
    shop = small_shop(users=60)
    bare = shop.with_tables(items=shop.table("items").select("item_id"))
    stack = RANKERS.make("stack").fit(bare, Run(seed=1))
    assert "text_knn" in stack.left_out_
    assert "have no text" in stack.left_out_["text_knn"]
    assert "transitions" in stack.members_
    with pytest.raises(InputError, match="None of the members can learn"):
        RANKERS.make("stack", members=("text_knn",)).fit(bare)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"members": ()}, "different rankers"),
        ({"members": ("ease", "ease")}, "different rankers"),
        ({"members": ("stack",)}, "rankers other than itself"),
        ({"weights": {"eas": 1.0}}, "names among"),
        ({"candidates": 0}, "1 or more"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        RANKERS.make("stack", **settings)


@pytest.mark.parametrize("name", ["stack", "blend"])
def test_what_reads_alike_is_found_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = small_shop(users=80)
    calls = 0

    def counted(*of: Any) -> Any:
        nonlocal calls
        calls += 1
        return nearest(*of)

    monkeypatch.setattr(text_knn, "nearest", counted)
    made = RANKERS.make(name).fit(shop, Run(seed=1))
    assert calls == 1
    monkeypatch.setattr(text_knn.TextKNN, "with_events", lambda *_: None)
    twice = RANKERS.make(name).fit(shop, Run(seed=1))
    assert calls == 3
    asked = Requests.of(Log.of(shop))
    np.testing.assert_array_equal(made.score(asked), twice.score(asked))
