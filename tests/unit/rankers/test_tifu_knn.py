"""TIFU-kNN against a slow obvious version."""

from dataclasses import replace

import numpy as np
import pytest

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.errors import SettingError
from wareloom.shop import Log, Requests


def baskets(log: Log, seed: int) -> Log:
    """The log with its events cut into sessions of one to three events."""
    rng = np.random.default_rng(seed)
    session = np.concatenate([np.cumsum(rng.random(n) < 0.5) for n in log.lengths()])
    return replace(log, session=session.astype(np.int32))


LOG = baskets(Log.of(small_shop(users=40)), 1)
ASKED = baskets(Log.of(small_shop(users=12, seed=9)), 2)
N = len(LOG.items)


def vectors(log: Log) -> np.ndarray:
    """Shares of each user's baskets, basket after basket."""
    out = np.zeros((len(log.users), N))
    for u in range(len(log.users)):
        rows = slice(log.offsets[u], log.offsets[u + 1])
        items, sessions, total = log.item[rows], log.session[rows], 0.0
        for b, session in enumerate(sorted(set(sessions), reverse=True)):
            count = 0.9 ** (b % 2) * 0.6 ** (b // 2)
            total += count
            for item in set(items[sessions == session]):
                out[u, item] += count
        out[u] /= max(total, 1e-12)
    return out


@pytest.mark.parametrize(("neighbours", "own"), [(5, 0.7), (100, 0.0), (3, 1.0)])
def test_scores_equal_the_slow_version(neighbours: int, own: float) -> None:
    ranker = RANKERS.make(
        "tifu_knn", neighbours=neighbours, own=own, decay=0.9, group=2, group_decay=0.6
    )
    scores = ranker.fit(LOG).score(Requests.of(ASKED))
    fitted = vectors(LOG)
    for q, row in zip(vectors(ASKED), scores, strict=True):
        like = fitted @ q / np.maximum(np.linalg.norm(fitted, axis=1) * np.linalg.norm(q), 1e-12)
        near = np.argsort(-like, kind="stable")[:neighbours]
        near = near[like[near] > 0]
        votes = like[near] @ fitted[near] / like[near].sum() if len(near) else np.zeros(N)
        expected = own * q + (1 - own) * votes
        np.testing.assert_allclose(row[expected > 0], expected[expected > 0], rtol=1e-4)
        assert (row[expected == 0] < 0).all()


def test_what_is_bought_in_every_basket_stands_first() -> None:
    events = [["i1", "i2"], ["i1", "i3"], ["i1", "i4"]]
    history = Requests.sessions(
        [[item for basket in events for item in basket]], LOG.items
    ).histories
    assert history is not None
    history = replace(history, session=np.array([0, 0, 1, 1, 2, 2], dtype=np.int32))
    ranker = RANKERS.make("tifu_knn", own=1.0).fit(LOG)
    assert ranker.rank(Requests.of(history), 4, exclude_seen=False)["item_id"].to_list() == [
        "i1",
        "i4",
        "i3",
        "i2",
    ]


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("own", 1.5, "a number from 0 to 1"),
        ("group", 0, "1 or more"),
        ("decay", 0.0, "a number above 0, at most 1"),
    ],
)
def test_settings_out_of_range_are_named(setting: str, value: float, wanted: str) -> None:
    with pytest.raises(SettingError, match=f"tifu_knn: {setting} is {value}; give {wanted}"):
        RANKERS.make("tifu_knn", **{setting: value})
