"""EASE and ALS against the formulas written out, and their doors."""

import numpy as np
import pytest
from scipy import sparse

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.rankers.factor.als import fold_in
from wareloom.rankers.factor.ease import weights
from wareloom.shop import Log, Requests

LOG = Log.of(small_shop(users=80))
ASKED = Requests.of(Log.of(small_shop(users=15, seed=9)))


def slow_gram(decay: float) -> np.ndarray:
    """Pairs of each user's distinct items, by the places of their last events."""
    gram = np.zeros((len(LOG.items), len(LOG.items)))
    for a, b in zip(LOG.offsets, LOG.offsets[1:], strict=False):
        items = LOG.item[a:b].tolist()
        once = [i for p, i in enumerate(items) if i not in items[p + 1 :]]
        for p, i in enumerate(once):
            for q, j in enumerate(once):
                gram[i, j] += np.sqrt(items.count(i) * items.count(j)) * decay ** abs(p - q)
    return gram


@pytest.mark.parametrize("pair_decay", [1.0, 0.6])
@pytest.mark.parametrize("decay", [1.0, 0.7])
def test_ease_equals_its_formula(pair_decay: float, decay: float) -> None:
    inverse = np.linalg.inv(slow_gram(pair_decay) + 20 * np.eye(len(LOG.items)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    history = ASKED.histories
    assert history is not None
    expected = np.zeros((len(ASKED), len(LOG.items)))
    for r in range(len(ASKED)):
        for age, item in enumerate(history.item[history.offsets[r] : history.offsets[r + 1]][::-1]):
            expected[r] += decay**age * weights[item]
    ranker = RANKERS.make("ease", regularization=20, pair_decay=pair_decay, decay=decay).fit(LOG)
    np.testing.assert_allclose(ranker.score(ASKED), expected, rtol=1e-3, atol=1e-4)


def test_ease_over_the_popular_puts_the_others_last_by_popularity() -> None:
    counts = LOG.counts()
    kept = np.argsort(-counts, kind="stable")[:12]
    ranker = RANKERS.make("ease", max_items=12).fit(LOG)
    assert ranker.weights_.shape == (12, 12)
    scores = ranker.score(ASKED)
    others = np.setdiff1d(np.arange(30), kept)
    assert (scores[:, kept].min(axis=1) >= scores[:, others].max(axis=1)).all()
    by_score = counts[others][np.argsort(-scores[0, others], kind="stable")]
    assert (np.diff(by_score) <= 0).all()


def test_ease_says_before_it_starts_what_it_needs() -> None:
    with pytest.raises(
        InputError,
        match=r"EASE over 30 items .* more than memory_limit=1e-06\. Set max_items=16 to learn",
    ):
        RANKERS.make("ease", memory_limit=1e-6).fit(LOG)
    RANKERS.make("ease", memory_limit=1e-6, max_items=16).fit(LOG)


@pytest.mark.parametrize("long", [False, True])
def test_als_folds_in_by_its_normal_equations(long: bool) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, 5)).astype(np.float32)
    gram = vectors.T.astype(float) @ vectors + 0.3 * np.eye(5)
    dense = np.where(rng.random((4, 20)) < (0.7 if long else 0.15), rng.integers(1, 4, (4, 20)), 0)
    dense[3] = 0
    matrix = sparse.csr_matrix(dense.astype(np.float32))
    history = (matrix.indptr.astype(np.int64), matrix.indices, matrix.data)
    users = fold_in(history, vectors, (gram, vectors @ np.linalg.inv(gram)), 10.0)
    for r, row in enumerate(dense):
        confidence = np.where(row > 0, 1 + 10.0 * row, 1.0)
        left = vectors.T @ np.diag(confidence) @ vectors + 0.3 * np.eye(5)
        expected = np.linalg.solve(left, vectors.T @ (confidence * (row > 0)))
        np.testing.assert_allclose(users[r], expected, rtol=1e-3, atol=1e-5)


def test_ease_inverts_in_place() -> None:
    x = np.random.default_rng(0).normal(size=(200, 90)).astype(np.float32)
    matrix = x.T @ x + 30 * np.eye(90, dtype=np.float32)
    inverse = np.linalg.inv(matrix.astype(float))
    found = weights(matrix)
    assert np.shares_memory(found, matrix)
    np.testing.assert_allclose(
        found + np.eye(90), np.eye(90) * 2 - inverse / np.diag(inverse), rtol=1e-3, atol=1e-5
    )


def test_als_with_another_seed_differs() -> None:
    one, two = (
        RANKERS.make("als", embedding_size=4, epochs=2).fit(LOG, Run(seed=s)).score(ASKED)
        for s in (1, 2)
    )
    assert np.abs(one - two).max() > 1e-4


@pytest.mark.parametrize(
    ("name", "setting", "value", "wanted"),
    [
        ("ease", "regularization", 0.0, "a number above 0"),
        ("ease", "decay", 1.5, "a number above 0, at most 1"),
        ("als", "epochs", 0, "1 or more"),
        ("transitions", "window", 0, "1 or more"),
        ("item_knn", "shrink", -1.0, "0 or more"),
        ("popularity", "half_life", 0.0, "a number above 0, or None"),
    ],
)
def test_impossible_settings_are_named(name: str, setting: str, value: float, wanted: str) -> None:
    with pytest.raises(SettingError, match=f"{name}: {setting} is {value}; give {wanted}"):
        RANKERS.make(name, **{setting: value})
