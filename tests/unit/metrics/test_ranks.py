"""The rank kernel and the collector against argsort."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.errors import InputError
from wareloom.metrics._ranks import ranks
from wareloom.metrics.collect import Collector


def draw(
    seed: int, requests: int = 7, items: int = 12
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores with many ties and masked places, and up to four relevant items a request."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (requests, items)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    chosen = [rng.permutation(items)[: rng.integers(0, 5)] for _ in range(requests)]
    offsets = np.concatenate([[0], np.cumsum([len(c) for c in chosen])])
    return (
        scores,
        offsets,
        np.concatenate(chosen).astype(np.int32),
        rng.permutation(items).astype(np.int32),
    )


def order(row: np.ndarray, tie: np.ndarray) -> list[int]:
    """The candidates of one row, best first, the slow way."""
    return sorted((i for i in range(len(row)) if row[i] > -np.inf), key=lambda i: (-row[i], tie[i]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_ranks_and_tops_equal_a_sort(seed: int) -> None:
    scores, offsets, items, tie = draw(seed)
    rank, candidates, _ = ranks(scores, offsets, items, tie)
    collector = Collector(np.ones(12), depth=5, tie=tie)
    collector.add(scores, offsets, items)
    top = collector.finish().top
    for r, row in enumerate(scores):
        best = order(row, tie)
        assert candidates[r] == len(best)
        assert top[r].tolist() == (best + [-1] * 5)[:5]
        for e in range(offsets[r], offsets[r + 1]):
            expected = best.index(items[e]) + 1 if items[e] in best else len(best) + 1
            assert rank[e] == expected


@pytest.mark.parametrize("most", [1, 30])
def test_long_rows_with_few_and_many_answers_equal_a_sort(most: int) -> None:
    rng = np.random.default_rng(most)
    scores = rng.integers(0, 300, (5, 2000)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    tie = rng.permutation(2000).astype(np.int32)
    items = np.concatenate([rng.permutation(2000)[:most] for _ in range(5)]).astype(np.int32)
    rank, candidates, top = ranks(scores, np.arange(6) * most, items, tie, 20)
    for r, row in enumerate(scores):
        best = order(row, tie)
        assert candidates[r] == len(best)
        assert top[r].tolist() == best[:20]
        for e in range(r * most, (r + 1) * most):
            assert rank[e] == (best.index(items[e]) + 1 if items[e] in best else len(best) + 1)


def test_an_unknown_item_and_a_score_that_is_no_number_have_the_last_place() -> None:
    scores = np.array([[3.0, np.nan, 1.0]], dtype=np.float32)
    rank, candidates, _ = ranks(scores, np.array([0, 3]), np.array([-1, 1, 2]), np.arange(3))
    assert rank.tolist() == [3, 3, 2]
    assert candidates.tolist() == [2]


def test_blocks_make_the_same_as_one_call() -> None:
    scores, offsets, items, tie = draw(3)
    grades = np.linspace(1, 3, len(items))
    whole, parts = Collector(np.ones(12), tie=tie), Collector(np.ones(12), tie=tie)
    whole.add(scores, offsets, items, grades)
    for a, b in ((0, 2), (2, 7)):
        rows = slice(offsets[a], offsets[b])
        parts.add(scores[a:b], offsets[a : b + 1] - offsets[a], items[rows], grades[rows])
    one, two = whole.finish(), parts.finish()
    for name in ("offsets", "rank", "grade", "item", "candidates", "top"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert all(
        (np.diff(one.rank[a:b]) >= 0).all()
        for a, b in zip(one.offsets, one.offsets[1:], strict=False)
    )


def test_nothing_added_is_an_empty_result() -> None:
    ranked = Collector(np.ones(4)).finish()
    assert len(ranked) == 0
    assert ranked.top.shape == (0, 4)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(
        InputError, match=r"shape \(1, 3\) do not fit 1 requests with 1 relevant of 4 items"
    ):
        Collector(np.ones(4)).add(np.zeros((1, 3)), np.array([0, 1]), np.array([0]))
    with pytest.raises(InputError, match="depth is 0"):
        Collector(np.ones(4), depth=0)
