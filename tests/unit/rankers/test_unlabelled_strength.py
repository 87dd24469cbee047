"""How far an encoder is taught where nobody labelled anything: by agreement with words on the shop's own queries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from search_shop import search_shop
from tiny_encoder import tiny_encoder
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.neural import torch
from wareloom.rankers.learned._agreement import SHARES, agreed, by_words, own_queries, shared
from wareloom.rankers.learned.bi_encoder import BiEncoder
from wareloom.shop import Shop

RUN = Run(seed=1, threads=1)


def noise(word: str, size: int) -> np.ndarray:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "little")
    return np.random.default_rng(seed).normal(size=size)


@pytest.mark.parametrize("best", SHARES)
def test_the_share_is_the_one_at_which_words_agree(best: float) -> None:
    """An encoder that reads words the clearer the nearer its weight is to `best`, and only noise far from it."""
    words = [f"w{i}" for i in range(30)]
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice(words, 4, replace=False)) for _ in range(200)]
    queries = [" ".join(rng.choice(words, 2, replace=False)) for _ in range(80)]
    net = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(1.0)

    def vectors(read: Sequence[str]) -> np.ndarray:
        clear = np.clip(1 - 3 * abs(float(net.weight.detach()[0, 0]) - best), 0.0, 1.0)
        held = np.array([[word in text.split() for word in words] for text in read], dtype=float)
        return clear * held + (1 - clear) * np.stack([noise(text, len(words)) for text in read])

    found = agreed(net, {"weight": np.zeros((1, 1))}, vectors, texts, queries, RUN)
    assert found == best
    assert float(net.weight.detach()[0, 0]) == 1.0, "it is left as it was"


def test_of_equal_shares_the_shortest_is_gone() -> None:
    net = torch.nn.Linear(1, 1, bias=False)
    texts, queries = ["a b", "b c"], ["a", "c"]
    same = agreed(
        net, {"weight": np.zeros((1, 1))}, lambda r: np.ones((len(r), 2)), texts, queries, RUN
    )
    assert same == SHARES[0]


def test_what_is_shared_is_counted_among_texts_that_hold_a_word() -> None:
    texts = [f"thing{i} lamp" if i < 3 else f"thing{i}" for i in range(20)]
    words = by_words(["lamp", "nothing at all"], texts)
    assert (words[0] > 0).sum() == 3
    assert words[1].max() == 0
    scores = np.zeros((2, 20), dtype=np.float32)
    scores[0, [0, 1, *range(10, 18)]] = 1.0
    assert shared(scores, words) == pytest.approx(2 / 3), "the query without a word says nothing"
    assert shared(scores[1:], words[1:]) == 0.0


def test_own_queries_say_how_far_to_go_where_that_is_asked_for() -> None:
    shop = search_shop(80)
    rows = shop.table("judgments")
    made = rows.with_columns(origin=pl.lit("attributes@1"))
    queries = rows["query"].unique(maintain_order=True).to_list()

    def log(asked: list[str]) -> pl.DataFrame:
        return pl.DataFrame({"search_id": [f"s{i}" for i in range(len(asked))], "query": asked})

    def gone(shop: Shop, strength: str) -> float:
        how = {"model": tiny_encoder(), "fields": "title", "validation": 0.0, "epochs": 1}
        fitted = RANKERS.make("bi_encoder", **how, learning_rate=0.01, strength=strength)
        assert isinstance(fitted, BiEncoder)
        return fitted.fit(shop, RUN).strength_

    bare = shop.with_tables(judgments=made)
    assert gone(bare, "agreed") == SHARES[0], "there is no query"
    assert gone(bare.with_tables(searches=log(queries[:10])), "agreed") == SHARES[0], "too few"
    assert gone(shop, "agreed") == 1.0
    asked = bare.with_tables(searches=log([*queries, *queries, " "]))
    assert own_queries(asked) == sorted(queries)
    assert gone(asked, "agreed") in SHARES
    assert gone(asked, "auto") == SHARES[0]
    for odd in ("agree", "0.5x"):
        with pytest.raises(SettingError, match="strength"):
            RANKERS.make("bi_encoder", strength=odd)
