"""The k best of each row against argsort."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.core.top import best_columns, sizes, top_k


def draw(seed: int, columns: int, levels: int) -> np.ndarray:
    """Scores with many ties, masked places and places that are no number; one row of each kind alone."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (6, columns)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    scores[rng.random(scores.shape) < 0.02] = np.nan
    scores[0] = -np.inf
    scores[1] = np.nan
    scores[2] = 1.0
    scores[3, rng.integers(columns)] = np.inf
    return scores


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([1, 30, 700, 1500, 5003]),
    st.sampled_from([2, 50, 10**6]),
)
def test_the_best_are_those_of_a_sort(seed: int, columns: int, levels: int) -> None:
    scores = draw(seed, columns, levels)
    tie = np.random.default_rng(seed).permutation(columns).astype(np.int32)
    finite = np.where(np.isnan(scores), -np.inf, scores)
    for k in (1, 10, 50, 200):
        found = best_columns(scores, tie, k)
        assert found.shape == (6, k)
        for row, best in zip(finite, found, strict=True):
            order = [c for c in np.lexsort((tie, -row)) if row[c] > -np.inf][:k]
            assert best.tolist() == order + [-1] * (k - len(order))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([5, 1500]), st.sampled_from([2, 10**6]))
def test_of_all_columns_those_of_a_stable_sort(seed: int, columns: int, levels: int) -> None:
    scores = draw(seed, columns, levels)
    finite = np.where(np.isnan(scores), -np.inf, scores)
    for k in (1, 5, 40):
        expected = np.argsort(-finite, axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(top_k(scores, k), expected)


def test_lanes_are_for_rows_that_are_long_beside_the_list() -> None:
    assert sizes(100, 10) == (0, 0)
    lanes, groups = sizes(12_101, 10)
    assert lanes % groups == 0
    assert groups >= 40
    assert sizes(12_101, 1_000) == (0, 0)
